"""The sizes of the constructions of Theorem 4.3(2): many hops, every answer in the embedding."""

from __future__ import annotations

from constructions.sizes.sizing import Sizing, Tensor
from constructions.sizes.symbols import Symbols
from constructions.sizes.tensors import (
    bit_readout,
    copies,
    mlp,
    positions,
    select_all_at_once,
    select_from_known_places,
)


def precomputed(s: Symbols) -> Sizing:
    """Layer l folds `R^(k-l+1)` answers of m bits by the letter, and clears its R coordinates.

    Units read 0 and both signs; they write -1 to the branch that stands first, and 1 from the
    other branches, if there are any.
    """
    answers = s.R**s.k * s.m
    d = answers + 2 * s.R + s.p
    units = s.R * s.m * s.tree(s.R, s.k) + s.k * s.R  # of all layers
    return Sizing(
        d_vocab=s.V,
        d_model=d,
        d_mlp=answers + s.R,
        n_layers=s.k,
        n_heads=2,
        internal=(
            positions(s.k + 1, d),
            *select_from_known_places(s, d),
            *copies(answers + s.k * s.R, d),
            Tensor("units that read", units * d, 2),
            Tensor("units that write", units * d, 1 + s.if_any(s.R - 1)),
        ),
        embedding_entry_bits=1,
        unembedding_entry_bits=bit_readout(s),
        internal_fact_bits=0,
        embedding_fact_bits=answers,
        widest_head=s.max(answers, s.p),
    )


def precomputed_depth_1(s: Symbols) -> Sizing:
    """One layer: k + 1 heads, and a unit for each bit of each answer, with a threshold of -k."""
    answers = s.R**s.k * s.m
    d = answers + (s.k + 1) * s.R + s.p
    width = answers + s.m
    return Sizing(
        d_vocab=s.V,
        d_model=d,
        d_mlp=width,
        n_layers=1,
        n_heads=s.k + 1,
        internal=(
            positions(s.k + 1, d),
            *select_all_at_once(s, d),
            *copies(answers + s.k * s.R, d),
            *mlp([width], (s.bits_between(-s.k, 1), 2), d),
        ),
        embedding_entry_bits=1,
        unembedding_entry_bits=bit_readout(s),
        internal_fact_bits=0,
        embedding_fact_bits=answers,
        widest_head=s.max(answers, s.p),
    )
