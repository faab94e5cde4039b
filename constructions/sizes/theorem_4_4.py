"""The size of the construction of Theorem 4.4: chain-of-thought."""

from __future__ import annotations

from constructions.sizes.sizing import Sizing, Tensor
from constructions.sizes.symbols import Symbols
from constructions.sizes.tensors import copies, mlp, positions


def chain_of_thought(s: Symbols) -> Sizing:
    """One layer: a head for the entity and one for each of j letters; a unit for each bit of the
    answers to all words of 1 to j letters, with a threshold down to -j.

    A query holds 0 and the gain. Letters are added to the words, and each has a flag that it is
    there. END has the bonus m + 2, less 2 m + 3 for a letter.
    """
    stored = s.R * s.tree(s.R, s.j) * s.m
    heads = s.j + 1
    length = s.K + s.ceiling(s.K, s.j) + 1
    d = stored + s.m + s.R + s.j + (s.j + 2) * s.p + 1
    return Sizing(
        d_vocab=s.V,
        d_model=d,
        d_mlp=stored,
        n_layers=1,
        n_heads=heads,
        internal=(
            positions(length, d),
            Tensor("queries", heads * s.p * d, 1),
            Tensor("keys", heads * s.p * d, 1),
            *copies(stored + s.j * s.R, d),
            *mlp([stored], (s.bits_between(-s.j, 1), 1), d),
        ),
        embedding_entry_bits=1,
        unembedding_entry_bits=s.bits_between(-(2 * s.m + 3), s.m + 2),
        internal_fact_bits=0,
        embedding_fact_bits=stored,
        written_tokens=s.ceiling(s.k, s.j),
        widest_head=s.max(stored, s.p),
    )
