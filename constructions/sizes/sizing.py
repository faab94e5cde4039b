"""The sizes of a construction: tensor by tensor, and what follows from them.

*Dense bits* of a tensor are its entries times the bits that its values take on one dyadic grid
(docs/theorems/theorem_4_2.md): none for a constant, one for two values, two for 0 and both signs.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Tensor:
    """A stored tensor, or several that lie on one grid.

    Attributes:
        name: what it does.
        entries: how many numbers it has.
        entry_bits: the bits of each.
    """

    name: str
    entries: int
    entry_bits: int


@dataclass(frozen=True)
class Sizing:
    """All sizes of a construction, in entries and in bits.

    Attributes:
        d_vocab: tokens, the rows of embedding and unembedding.
        d_model: the width of the residual stream.
        d_mlp: the widest hidden layer; 0 for none.
        n_layers: the depth, a shared layer counted each time that it is applied.
        n_heads: the most heads in a layer.
        internal: the tensors of attention, MLPs and positions; one of a shared layer once.
        embedding_entry_bits, unembedding_entry_bits: the bits of an entry of these two matrices.
        internal_fact_bits: the bits of those entries of internal weights that change with the
            facts.
        embedding_fact_bits, unembedding_fact_bits: the same for one entity's row of the embedding,
            of the unembedding.
        written_tokens: the tokens that are written until the answer stands.
        hidden: the widths of the hidden layers of the widest MLP, in order; by default one of
            `d_mlp`.
        widest_head: the most coordinates that a head compares or copies; by default `d_model`.
    """

    d_vocab: int
    d_model: int
    d_mlp: int
    n_layers: int
    n_heads: int
    internal: tuple[Tensor, ...]
    embedding_entry_bits: int
    unembedding_entry_bits: int
    internal_fact_bits: int
    embedding_fact_bits: int
    unembedding_fact_bits: int = 0
    written_tokens: int = 1
    hidden: tuple[int, ...] = ()
    widest_head: int = 0

    @property
    def parameters(self) -> int:
        """The stored weights, embedding and unembedding included."""
        tables = 2 * self.d_vocab * self.d_model
        return tables + sum(tensor.entries for tensor in self.internal)

    @property
    def internal_bits(self) -> int:
        """B_T of Theorem 4.2: the dense bits of all internal weights."""
        return sum(tensor.entries * tensor.entry_bits for tensor in self.internal)

    @property
    def embedding_bits(self) -> int:
        """B_e of Theorem 4.2: the dense bits of one token's row of the embedding."""
        return self.d_model * self.embedding_entry_bits

    @property
    def unembedding_bits(self) -> int:
        """B_u of Theorem 4.2: the dense bits of one token's row of the unembedding."""
        return self.d_model * self.unembedding_entry_bits
