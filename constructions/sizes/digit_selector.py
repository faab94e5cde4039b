"""The sizes of `digit_selector`: one hop, digits of C bits."""

from __future__ import annotations

from constructions.sizes.sizing import Sizing
from constructions.sizes.symbols import Symbols
from constructions.sizes.tensors import copies, mlp


def digit_selector(s: Symbols) -> Sizing:
    """n digits for each relation, and a constant; the negative of the largest digit where there is
    another relation.
    """
    n, largest, lowest = answers_in_digits(s)
    d, width, closed = s.R * n + 1, s.R * n, s.max(largest, 1)
    return Sizing(
        d_vocab=s.V,
        d_model=d,
        d_mlp=width,
        n_layers=1,
        n_heads=1,
        internal=(*copies(width, d), *mlp([width], (1, 1), d)),
        embedding_entry_bits=s.bits_between(-closed * s.if_any(s.R - 1), closed),
        unembedding_entry_bits=s.bits_between(lowest, 2 * largest),
        internal_fact_bits=0,
        embedding_fact_bits=width * s.bits(largest + 1),
        widest_head=width,
    )


def answers_in_digits(s: Symbols) -> tuple[int, int, int]:
    """n, the largest digit, and the lowest entry of U.

    U holds twice a digit, and down to n times the square of the largest one; for tokens that are
    no answers -2 where n = 1, or -1 where there is a single answer.
    """
    base = 2**s.C
    n, largest = s.max(1, s.digits(s.a, base)), s.min(base, s.a) - 1
    return n, largest, -s.max(n * largest**2, 1 + s.if_any(s.a - 1))
