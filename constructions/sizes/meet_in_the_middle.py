"""The size of meet in the middle: half of the path in the embedding, half in the unembedding."""

from __future__ import annotations

from constructions.sizes.sizing import Sizing
from constructions.sizes.symbols import Symbols
from constructions.sizes.tensors import copies, mlp, positions, select_all_at_once, sign_readout


def meet_in_the_middle(s: Symbols) -> Sizing:
    """Layer 1 picks the middle, by the first ceil(k/2) letters; layer 2 has m + 1 units for each
    word of the other floor(k/2).
    """
    first, second = s.ceiling(s.k, 2), s.k // 2
    middles = s.R**first * s.m
    words = s.R**second
    d = middles + words * s.m + (s.k + 1) * s.R + s.p
    pick, seek = middles + s.m, words * (s.m + 1)
    return Sizing(
        d_vocab=s.V,
        d_model=d,
        d_mlp=s.max(pick, seek),
        n_layers=2,
        n_heads=s.k + 1,
        internal=(
            positions(s.k + 1, d),
            *select_all_at_once(s, d),
            *copies(middles + s.k * s.R, d),
            *mlp([pick], (s.bits_between(-first, 1), 2), d),
            *mlp([seek], (s.bits_between(-second, 1), 2), d),
        ),
        embedding_entry_bits=1,
        unembedding_entry_bits=sign_readout(s, s.N, s.m),
        internal_fact_bits=0,
        embedding_fact_bits=middles,
        unembedding_fact_bits=s.if_any(s.k - 1) * words * s.m,
        widest_head=s.max(middles, s.p),
    )
