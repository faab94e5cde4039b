"""The size of meet in the middle: half of the path in the embedding, half in the unembedding."""

from __future__ import annotations

from constructions.sizes.sizing import Sizing, Tensor
from constructions.sizes.symbols import Symbols
from constructions.sizes.tensors import mlp, positions, select_all_at_once, sign_readout


def meet_in_the_middle(s: Symbols) -> Sizing:
    """Layer 1 keeps the middle, which the first ceil(k/2) letters leave open: values of -1 for
    other relations, if there are any. Layer 2 has m + 1 units for each word of the other
    floor(k/2).
    """
    first, second = s.ceiling(s.k, 2), s.k // 2
    middles = s.R**first * s.m
    words = s.R**second
    d = middles + words * s.m + (second + 1) * s.R + s.p
    seek, others = words * (s.m + 1), s.if_any(s.R - 1)
    return Sizing(
        d_vocab=s.V,
        d_model=d,
        d_mlp=s.max(middles, seek),
        n_layers=2,
        n_heads=s.k + 1,
        internal=(
            positions(s.k + 1, d),
            *select_all_at_once(s, d),
            Tensor("values", (middles + s.k * s.R) * d, 1 + others),
            Tensor("outputs", (middles + s.k * s.R) * d, 1),
            *mlp([middles], (1 + others, 1), d),
            *mlp([seek], (s.bits_between(-second, 1), 2), d),
        ),
        embedding_entry_bits=1,
        unembedding_entry_bits=sign_readout(s, s.N, s.m),
        internal_fact_bits=0,
        embedding_fact_bits=middles,
        unembedding_fact_bits=s.if_any(s.k - 1) * words * s.m,
        widest_head=s.max(middles, s.p),
    )
