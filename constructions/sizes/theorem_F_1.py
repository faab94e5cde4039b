"""The size of the construction of Theorem F.1: one hop, disjoint answer sets."""

from __future__ import annotations

from constructions.sizes.sizing import Sizing
from constructions.sizes.symbols import Symbols
from constructions.sizes.tensors import copies


def superposition(s: Symbols) -> Sizing:
    """A block for each relation, as wide as its answers need, and a flag for each relation.

    U holds g times signs, g = 1 + u, and on the flags the bonus `2 g w`, for *unknown* up to
    `g w - 2` more, for tokens that are no answers `-(g w + 1)`.
    """
    d = s.M + s.R
    g = 1 + s.u
    highest = 2 * g * s.w + s.u * (g * s.w - 2)
    return Sizing(
        d_vocab=s.V,
        d_model=d,
        d_mlp=0,
        n_layers=1,
        n_heads=1,
        internal=copies(s.M, d),
        embedding_entry_bits=2,
        unembedding_entry_bits=s.bits_between(-(g * s.w + 1), highest),
        internal_fact_bits=0,
        embedding_fact_bits=s.M,
        widest_head=s.M,
    )
