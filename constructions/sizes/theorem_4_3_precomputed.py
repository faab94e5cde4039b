"""The sizes of the constructions of Theorem 4.3(2): many hops, every answer in the embedding."""

from __future__ import annotations

from constructions.sizes.sizing import Sizing, Tensor
from constructions.sizes.symbols import Symbols
from constructions.sizes.tensors import (
    bit_readout,
    mlp,
    positions,
    select_all_at_once,
    select_from_known_places,
)


def precomputed(s: Symbols) -> Sizing:
    """Layer l folds `R^(k-l+1)` answers of m bits; its letter adds -1 where there is another."""
    answers = s.R**s.k * s.m
    d = answers + s.R + s.p
    return Sizing(
        d_vocab=s.V,
        d_model=d,
        d_mlp=answers,
        n_layers=s.k,
        n_heads=2,
        internal=fold_letter_by_letter(s, s.m, d),
        embedding_entry_bits=1,
        unembedding_entry_bits=bit_readout(s),
        internal_fact_bits=0,
        embedding_fact_bits=answers,
        widest_head=s.max(answers, s.p),
    )


def fold_letter_by_letter(s: Symbols, width: int, d: int) -> tuple[Tensor, ...]:
    """k layers, of which layer l folds `R^(k-l+1)` answers of `width` coordinates each.

    Values hold 1 for what is copied of the subject, -1 for other relations, if there are any.
    Units read the branch that stands first by -1, and the others, if there are any, by 1.
    """
    answers = s.R**s.k * width
    units = s.R * width * s.tree(s.R, s.k)  # of all layers
    others, later = s.if_any(s.R - 1), (s.k - 1) * s.R
    return (
        positions(s.k + 1, d),
        *select_from_known_places(s, d),
        Tensor("values of layer 1", (answers + s.R) * d, 1 + others),
        Tensor("values of later layers", later * d, others),
        Tensor("outputs", (answers + s.R + later) * d, 1),
        Tensor("units that read", units * d, 1 + others),
        Tensor("units that write", units * d, 1),
    )


def precomputed_depth_1(s: Symbols) -> Sizing:
    """One layer: k + 1 heads, and a unit for each bit of each answer."""
    answers = s.R**s.k * s.m
    d = answers + s.R + s.p
    others = s.if_any(s.R - 1)
    return Sizing(
        d_vocab=s.V,
        d_model=d,
        d_mlp=answers,
        n_layers=1,
        n_heads=s.k + 1,
        internal=(
            positions(s.k + 1, d),
            *select_all_at_once(s, d),
            Tensor("values", (answers + s.k * s.R) * d, 1 + others),
            Tensor("outputs", (answers + s.k * s.R) * d, 1),
            *mlp([answers], (1 + others, 1), d),
        ),
        embedding_entry_bits=1,
        unembedding_entry_bits=bit_readout(s),
        internal_fact_bits=0,
        embedding_fact_bits=answers,
        widest_head=s.max(answers, s.p),
    )
