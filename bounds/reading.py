"""What it takes to read an embedding: a bound on dense bits beyond that on information.

Setting, as of `bounds.theorem_4_2`, for the models of this library in a format of the size; in
real arithmetic, or where what position 0 computes is exact. The subject's row has d entries of w
bits each, and is read by matrices alone that have d entries for each number that they compute: by
keys, values and the first matrix of each MLP. So of a row no more is read than `B_T / d` numbers
and their bits, whatever it holds:

    B_T >= (R log2 (N - M I(k-1))_[M R^(k-1)] - R d w - M (g - 1)) / (1 + M g / d),
    g = w + log2 d + 1,    for every M >= 1 with M I(k) <= N

It is positive where the information bounds are 0, at `d w > R^k log2 N`. Proof:
docs/theorems/theorem_4_2.md, "What it takes to read an embedding".

    >>> int(reading_bound(65536, 16, 3, d_model=65554, entry_bits=1).bits)
    12355225
"""

from __future__ import annotations

import math
from fractions import Fraction

from bounds.logarithms import log2, log2_falling
from bounds.lower_bound import Bound, require_tree, whole_sizes
from constructions.guards.integers import whole

_PARTS = 128
"""How many M are tried, evenly spread over all that are allowed; and beside them powers of two."""


def reading_bound(
    n_entities: int, n_relations: int, hops: int, d_model: int, entry_bits: int
) -> Bound:
    """The dense bits inside that a model without chain-of-thought needs whose unembedding does not
    depend on the facts, if the row of a token has so many entries of so many bits. For bijections;
    the best of some M, rounded down.

    Args:
        n_entities, n_relations, hops: N, R, k, each 1 to 2^40.
        d_model: d, at least 1.
        entry_bits: w, at least 0; B_e is d w.

    Raises:
        InputError: an argument out of range; or not even one tree exists, `I(k) > N`.

    Example:
        >>> int(reading_bound(65536, 16, 3, d_model=4096, entry_bits=16).bits)
        4881554
    """
    n, r, k = whole_sizes(n_entities, n_relations, hops, "bijections")
    d, w = whole("d_model", d_model, 1), whole("entry_bits", entry_bits, 0)
    distinct = require_tree("reading_bound", "M I(k) <= N", n, r, k)
    frontier, most = r ** (k - 1), n // distinct
    inner = distinct - frontier
    g = Fraction(log2(d).upper) + w + 1

    def bits(roots: int) -> Fraction:
        """The bound for M roots."""
        tables = log2_falling(n - roots * inner, roots * frontier).times(r).lower
        return (Fraction(tables) - r * d * w - roots * (g - 1)) / (1 + roots * g / d)

    some = {max(1, most * part // _PARTS) for part in range(_PARTS + 1)}
    some |= {2**power for power in range(most.bit_length())}
    best = max(some, key=lambda roots: (bits(roots), -roots))
    found = bits(best)
    return Bound("reading", _float_below(found), M=best)


def _float_below(number: Fraction) -> float:
    """The largest float that does not exceed a fraction."""
    nearest = float(number)
    return nearest if Fraction(nearest) <= number else math.nextafter(nearest, -math.inf)
