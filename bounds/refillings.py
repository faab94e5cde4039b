"""How many tables one set of answers can serve that is wrong here and there: the count behind
every bound for imperfect recall.

R rows of L places are to be filled, each row without repetition, from L + F values. Of an answer
map, right at all but at most e of the R L places, nothing else is known. It leaves at most

    Q(L, F, R, e) = sum over e_0 + ... + e_{R-1} = e of the product over r of q(e_r),
    q(x) = C(L, x) (F + x) (F + x - 1) ... (F + 1)

ways: choose e places that hold all wrong ones, x of them in a row; the L - x answers that are kept
use up as many values of that row, and the places that were chosen are filled anew, without
repetition, with x of the F + x that are left. There are never more than all
`((L + F)!/F!)^R` ways. Proofs: docs/imperfect-recall.md.

    >>> float(log2_served(3, 0, 2, 1).upper)  # Q = 3 + 3, of 36 ways
    2.584962500721156
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from math import comb

from bounds.logarithms import (
    Enclosure,
    log2,
    log2_factorial,
    log2_falling,
    log2_fraction,
)
from constructions.guards.integers import whole

_NOTHING = Enclosure(Decimal(0), Decimal(0))
_MOST = 4096
"""Up to so many wrong places the sum is evaluated; beyond, its largest term stands for each."""
_DIGITS = 128
"""Binary digits of the largest coefficient of a polynomial."""


@lru_cache(maxsize=4096)
def log2_served(places: int, free: int, rows: int, wrong: int) -> Enclosure:
    """log2 of the smaller of Q(L, F, R, e) and of all ways.

    Only the upper end enters a bound. It exceeds the exact number by a rounding up to e = 4096,
    and beyond by less than `log2 C(e + R - 1, R - 1)`. The lower end is 0.

    Args:
        places, free, rows, wrong: L, F, R, e; L and R at least 1, the others at least 0.
    """
    places, rows = whole("places", places, 1), whole("rows", rows, 1)
    free, wrong = whole("free", free, 0), whole("wrong", wrong, 0)
    if wrong == 0:
        return _NOTHING
    everything = log2_falling(places + free, places).times(rows)
    if wrong >= rows * places:
        return Enclosure(Decimal(0), everything.upper)
    if wrong <= _MOST:
        chosen = _sum_over_rows(places, free, rows, wrong)
    else:
        chosen = largest_term(places, free, rows, wrong) + _log2_compositions(wrong, rows)
    return Enclosure(Decimal(0), min(chosen.upper, everything.upper))


def log2_served_on_average(places: int, free: int, rows: int, wrong: Fraction) -> Enclosure:
    """The same where the number of wrong places varies and is `wrong` on average: between whole
    numbers along straight lines.

    Both counts are logarithmically concave in e, products of polynomials whose coefficients are,
    so that the average of their logarithms is at most what lies on these lines.
    """
    below, beyond = divmod(wrong, 1)
    served = log2_served(places, free, rows, below)
    if not beyond:
        return served
    return served.share(1 - beyond) + log2_served(places, free, rows, below + 1).share(beyond)


def largest_term(places: int, free: int, rows: int, wrong: int) -> Enclosure:
    """log2 of the largest summand of Q, for e < R L: all rows have the same number of wrong
    places, or one more.

    `q(x + 1)/q(x)` falls as x grows, so that moving a place from the fuller of two rows to the
    other makes the product larger.
    """
    each, more = divmod(wrong, rows)
    one_row = _log2_one_row(places, free, each).times(rows)
    return one_row + log2_fraction(_growth(places, free, each)).times(more) if more else one_row


def _log2_one_row(places: int, free: int, wrong: int) -> Enclosure:
    """log2 q(x)."""
    chosen = log2_falling(places, wrong) - log2_factorial(wrong)
    return chosen + log2_falling(free + wrong, wrong)


def _growth(places: int, free: int, wrong: int) -> Fraction:
    """q(x + 1)/q(x) = (L - x) (1 + F/(x + 1))."""
    return Fraction((places - wrong) * (free + wrong + 1), wrong + 1)


def _log2_compositions(wrong: int, rows: int) -> Enclosure:
    """log2 C(e + R - 1, R - 1), which is the number of summands of Q where no row is full."""
    few = min(wrong, rows - 1)
    if few < 64:
        return log2(comb(wrong + rows - 1, few))
    return log2_falling(wrong + rows - 1, few) - log2_factorial(few)


def _sum_over_rows(places: int, free: int, rows: int, wrong: int) -> Enclosure:
    """log2 of Q, at least, for 0 < e < R L: the coefficient of `z^e` in the power of a polynomial.

    With y = e/R, b = floor(y) and `1/z = (L - y) (F + y + 1) / y`, about the place where the terms
    of `p = sum of z^(x - b) q(x)/q(b)` are largest, Q is `q(b)^R z^(Rb - e)` times the coefficient
    of degree e in `p^R`. Any z will do; by this one the terms that matter are not those that are
    rounded up most. Coefficients are integers times a power of two and always rounded up.
    """
    each, more = divmod(wrong, rows)
    share = Fraction(wrong, rows)
    tilt = share / ((places - share) * (free + share + 1))
    ratios = [_growth(places, free, x) * tilt for x in range(min(wrong, places))]
    coefficients = [0] * (len(ratios) + 1)
    coefficients[each] = 1 << _DIGITS
    for x in range(each, len(ratios)):
        top, bottom = ratios[x].numerator, ratios[x].denominator
        coefficients[x + 1] = -(-coefficients[x] * top // bottom)
    for x in range(each, 0, -1):
        top, bottom = ratios[x - 1].numerator, ratios[x - 1].denominator
        coefficients[x - 1] = -(-coefficients[x] * bottom // top)
    found, exponent = _power(coefficients, rows, wrong)
    largest = _log2_one_row(places, free, each).times(rows) + log2_fraction(1 / tilt).times(more)
    return largest + log2(found).less(-exponent)


def _power(coefficients: list[int], rows: int, degree: int) -> tuple[int, int]:
    """(c, e): `c 2^e` is at least the coefficient of that degree in the power of a polynomial
    whose coefficients are given in units of `2^-_DIGITS`.
    """
    power, exponent = [1], 0
    square, square_exponent = coefficients, -_DIGITS
    while rows:
        if rows & 1:
            power, shift = _product(power, square, degree)
            exponent += square_exponent + shift
        if rows := rows >> 1:
            square, shift = _product(square, square, degree)
            square_exponent = 2 * square_exponent + shift
    return power[degree], exponent


def _product(one: list[int], other: list[int], degree: int) -> tuple[list[int], int]:
    """The product of two polynomials up to a degree, rounded up, and the power of two that is its
    unit. Both are written as one long integer each, with room between the coefficients.
    """
    room = (max(one).bit_length() + max(other).bit_length() + len(one).bit_length()) // 8 + 1
    product = _packed(one, room) * _packed(other, room)
    terms = min(degree + 1, len(one) + len(other) - 1)
    digits = product.to_bytes(room * (len(one) + len(other)), "little")
    found = [int.from_bytes(digits[room * i : room * (i + 1)], "little") for i in range(terms)]
    shift = max(0, max(found).bit_length() - _DIGITS)
    return [-(-value >> shift) for value in found], shift


def _packed(coefficients: list[int], room: int) -> int:
    """One integer with so many bytes for each coefficient."""
    return int.from_bytes(b"".join(c.to_bytes(room, "little") for c in coefficients), "little")
