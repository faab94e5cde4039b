"""Bits of a model, as numbers: dense, and those that hold facts.

*Dense bits* of a tensor are its entries times the width of its grid `low + n 2^spacing`, n = 0,
1, ..., 2^width - 1 (`bounds.grids`). Grids, sizes and dtype make up a *format*. What does not
depend on the facts is free; what is read off one model may depend on them. So there are two ways
to count:

* within a given format, which the sizes alone determine: entries times the format's widths;
* of a model alone: entries times its own widths, and beside them the bits that describe its
  sizes, its dtype and its grids, so that nothing hides in a constant tensor, a spacing, a width
  or a size.

docs/theorems/theorem_4_2.md proves that the bounds hold for both. *Fact bits* count only the
entries that change with the facts. What is stored once counts once, however often it is applied.
`verify.queries.capacity` measures a model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

EMBEDDING, UNEMBEDDING = "embedding.weight", "unembedding.weight"


@dataclass(frozen=True)
class TensorBits:
    """What one tensor costs.

    Attributes:
        entries: that count; for fact bits, those that change with the facts.
        per_row: the most of them in one row, along the first axis.
        width: bits for each.
    """

    entries: int
    per_row: int
    width: int

    @property
    def bits(self) -> int:
        """Entries times width."""
        return self.entries * self.width


@dataclass(frozen=True)
class Capacity:
    """The bits of a model, by tensor. B_T, B_e and B_u are those of Theorem 4.2.

    Attributes:
        tensors: name of the parameter to its cost; each stored tensor once.
        description: bits that describe sizes, dtype and grids, which belong to no single token; 0
            within a format.
        outside: why the model is not in the format that it was measured in, and so was counted
            alone; empty if it is.
        other_unembedding: whether its unembedding is not that of the format, though it may lie on
            the same grid.
    """

    tensors: Mapping[str, TensorBits]
    description: int = 0
    outside: str = ""
    other_unembedding: bool = False

    @property
    def internal_bits(self) -> int:
        """B_T: attention, MLPs and positions, and the description."""
        inside = sum(
            cost.bits
            for name, cost in self.tensors.items()
            if name not in (EMBEDDING, UNEMBEDDING)
        )
        return inside + self.description

    @property
    def embedding_bits(self) -> int:
        """B_e: one token's row of the embedding."""
        return self.tensors[EMBEDDING].per_row * self.tensors[EMBEDDING].width

    @property
    def unembedding_bits(self) -> int:
        """B_u: one token's row of the unembedding."""
        return self.tensors[UNEMBEDDING].per_row * self.tensors[UNEMBEDDING].width

    @property
    def total_bits(self) -> int:
        """All tensors together, and the description."""
        return sum(cost.bits for cost in self.tensors.values()) + self.description
