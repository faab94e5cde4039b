"""The sizes of the grid: the facts of Theorem 4.3(1) in rows and lanes of signs."""

from __future__ import annotations

from constructions.sizes.sizing import Sizing
from constructions.sizes.symbols import Symbols
from constructions.sizes.tensors import mlp, select_by_pointer
from constructions.sizes.theorem_4_3_key_value import memory, rails, row_bits


def key_value_grid(s: Symbols) -> Sizing:
    """One layer of four hidden layers: L lanes of A rows each, in which the facts are signs; the
    last hidden layer adds up the answers of all lanes and relations.
    """
    lanes = 2 ** s.min(s.v, s.b)
    rows = s.ceiling(s.N + s.u, lanes)
    carried = s.b + s.c + 1 + s.k
    widths = (
        rails(s, s.k),
        rows + lanes + s.R + s.k + 1,
        lanes * s.R * s.b + carried,
        s.b + carried,
    )
    d = 2 * s.b + 2 * s.c + 2 * s.p + 2
    lowest, *between, last = row_bits(s, lowest=s.max(s.p - 1, 1))
    layer = mlp(widths, (lowest, *between, 1, last), d)
    return memory(s, d, widths, layer, 1, select_by_pointer(s, d))
