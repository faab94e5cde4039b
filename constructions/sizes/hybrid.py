"""The sizes of the hybrid: q relations in a row memory, trees of the others in the embedding."""

from __future__ import annotations

from functools import cache

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


def hybrid(s: Symbols) -> Sizing:
    """k layers of two hidden layers. Those of layer h have k - h + 1 letters left to read."""
    nodes = _nodes(s)
    d = nodes + 2 * s.R + s.p
    from_stream, between, to_stream = _entry_bits(s, pointer_threshold=0)

    @cache
    def first(h: int) -> int:
        """Width of the first hidden layer of layer h."""
        return _first(s, s.R + s.b, _tree_bits(s, s.k - h + 1))

    @cache
    def second(h: int) -> int:
        """Width of its second hidden layer."""
        return _second(s, s.R + s.b, 2 * _tree_bits(s, s.k - h))

    return Sizing(
        d_vocab=s.V,
        d_model=d,
        d_mlp=s.max(first(1), second(1)),
        n_layers=s.k,
        n_heads=2,
        internal=(
            positions(s.k + 1, d),
            *select_from_known_places(s, d),
            *copies(nodes + s.k * s.R, d),
            Tensor("units that read", s.over_layers(lambda h: d * first(h)), from_stream),
            Tensor("units between", s.over_layers(lambda h: first(h) * second(h)), between),
            Tensor("units that write", s.over_layers(lambda h: second(h) * d), to_stream),
        ),
        embedding_entry_bits=2,
        unembedding_entry_bits=sign_readout(s, s.N + s.u, s.b),
        internal_fact_bits=s.k * s.q * s.N * s.b,
        embedding_fact_bits=_tree_bits(s, s.k),
        hidden=(first(1), second(1)),
        widest_head=s.max(nodes, s.R, s.p),
    )


def hybrid_shared(s: Symbols) -> Sizing:
    """One layer, which moves all trees up in every pass, and with them the pointer.

    Of a tree the first hidden layer has the old bits and the branches, the second the old bits
    and, but for the words of one letter, the asked branch.
    """
    nodes = _nodes(s)
    d = 2 * nodes + 2 * s.R + 2 * s.p + 1
    common = s.R + s.b + s.k
    first = _first(s, common, 2 * _tree_bits(s, s.k))
    second = _second(s, common, _tree_bits(s, s.k) + _tree_bits(s, s.k - 1))
    return Sizing(
        d_vocab=s.V,
        d_model=d,
        d_mlp=s.max(first, second),
        n_layers=s.k,
        n_heads=2,
        internal=(
            positions(s.k + 1, d),
            *select_by_pointer(s, d),
            *copies(nodes + s.R, d),
            *mlp([first, second], _entry_bits(s, pointer_threshold=s.p - 1), d),
        ),
        embedding_entry_bits=2,
        unembedding_entry_bits=sign_readout(s, s.N + s.u, s.b),
        internal_fact_bits=s.q * s.N * s.b,
        embedding_fact_bits=_tree_bits(s, s.k),
        hidden=(first, second),
        widest_head=s.max(nodes, s.R, s.p),
    )


def _tree_bits(s: Symbols, letters: int) -> int:
    """The bits of all nodes reached by words of at most that many letters, the last embedded."""
    return (s.R - s.q) * s.b * s.tree(s.R, letters)


def _nodes(s: Symbols) -> int:
    """The bits of those nodes for k letters, and of the entity itself."""
    return _tree_bits(s, s.k) + s.b


def _first(s: Symbols, common: int, trees: int) -> int:
    """The first hidden layer: the letter and the old state (`common`), the trees, and which state
    it is if relations are looked up.
    """
    return common + trees + (s.N + s.u) * s.if_any(s.q)


def _second(s: Symbols, common: int, trees: int) -> int:
    """The second hidden layer: the old letter and state (`common`), the trees, the rows of the
    looked-up relations, and the bits that are found if relations are embedded.
    """
    return common + trees + s.q * s.b + s.b * s.if_any(s.R - s.q)


def _entry_bits(s: Symbols, pointer_threshold: int) -> tuple[int, int, int]:
    """Bits from the stream, between the hidden layers, back: thresholds of the row memory, which
    are there if relations are looked up, and of the pointer; 0 and 1, or signs where rows are
    stored; up to 2 of each sign.
    """
    lowest = -s.max((s.b - 1) * s.if_any(s.q), pointer_threshold, 1)
    return s.bits_between(lowest, 1), 1 + s.if_any(s.q), 3
