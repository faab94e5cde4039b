"""The sizes of the constructions of Theorem 4.3(1): many hops, the facts in the MLP."""

from __future__ import annotations

from collections.abc import Sequence

from constructions.sizes.sizing import Sizing, Tensor
from constructions.sizes.symbols import Symbols
from constructions.sizes.tensors import (
    copies,
    mlp,
    positions,
    select_by_pointer,
    select_from_known_places,
    sign_readout,
)


def key_value(s: Symbols) -> Sizing:
    """k layers; units read signs and a threshold down to `-(b + c - 1)`, and write signs."""
    units = _pairs(s)
    threshold = s.bits_between(-(s.b + s.c - 1), 1)
    d = s.b + 2 * s.c + s.p + 1
    layer = mlp([units], (threshold, 2), d)
    return memory(s, d, [units], layer, s.k, select_from_known_places(s, d))


def key_value_shared(s: Symbols) -> Sizing:
    """One layer, with k units more that move the pointer, by up to 2 in a coordinate if k > 1."""
    units = _pairs(s) + s.k
    threshold = s.bits_between(-(s.max(s.b + s.c, s.p) - 1), 1)
    moves = 2 + s.if_any(s.k - 1)
    d = 2 * s.b + 2 * s.c + 2 * s.p + 2
    layer = mlp([units], (threshold, moves), d)
    return memory(s, d, [units], layer, 1, select_by_pointer(s, d))


def key_value_rows(s: Symbols) -> Sizing:
    """k layers of three hidden layers, between which all weights are signs."""
    widths = _row_widths(s, passes=1, moved=0)
    d = s.b + 2 * s.c + s.p + 1
    layer = mlp(widths, row_bits(s, lowest=1), d)
    return memory(s, d, widths, layer, s.k, select_from_known_places(s, d))


def key_value_rows_shared(s: Symbols) -> Sizing:
    """One layer of three hidden layers, which say the pass as well and move the pointer."""
    widths = _row_widths(s, passes=s.k, moved=s.k)
    d = 2 * s.b + 2 * s.c + 2 * s.p + 2
    layer = mlp(widths, row_bits(s, lowest=s.max(s.p - 1, 1)), d)
    return memory(s, d, widths, layer, 1, select_by_pointer(s, d))


def _pairs(s: Symbols) -> int:
    """One unit for each (entity, relation), two for each bit of the old state and of the relation
    that are cleared, and *unknown stays* if facts are missing.
    """
    return s.N * s.R + 2 * s.b + 2 * s.c + s.u


def _row_widths(s: Symbols, passes: int, moved: int) -> tuple[int, int, int]:
    """The hidden layers of `key_value_rows`: the rails, with the units that say which pass it is
    and the bias; which state, relation and pass it is; the rows, old state, old relation and a
    constant, and the units that move a pointer.
    """
    one_hot = s.N + s.u + s.R + passes
    rows = s.R * s.b + s.b + s.c + 1 + moved
    return rails(s, passes), one_hot, rows


def rails(s: Symbols, passes: int) -> int:
    """Both rails of each bit of the state and of the relation, which pass it is, and the bias."""
    return 2 * s.b + 2 * s.c + passes + 1


def row_bits(s: Symbols, lowest: int) -> tuple[int, int, int, int]:
    """Rails read signs, a bias of `b + c` and a threshold down to -lowest; all between is signs;
    the state moves by twice its bits.
    """
    return s.bits_between(-lowest, s.b + s.c), 1, 1, 3


def memory(
    s: Symbols,
    d: int,
    hidden: Sequence[int],
    layer: tuple[Tensor, ...],
    stored: int,
    selecting: tuple[Tensor, ...],
) -> Sizing:
    """So many stored layers with this MLP each, applied k times in all: the subject is read once,
    the relation in each stored layer, which holds every fact.
    """
    mlps = (Tensor(one.name, stored * one.entries, one.entry_bits) for one in layer)
    return Sizing(
        d_vocab=s.V,
        d_model=d,
        d_mlp=s.max(*hidden),
        n_layers=s.k,
        n_heads=2,
        internal=(positions(s.k + 1, d), *selecting, *copies(s.b + stored * s.c, d), *mlps),
        embedding_entry_bits=2,
        unembedding_entry_bits=sign_readout(s, s.N + s.u, s.b),
        internal_fact_bits=stored * s.N * s.R * s.b,
        embedding_fact_bits=0,
        hidden=tuple(hidden),
        widest_head=s.max(s.b, s.c, s.p),
    )
