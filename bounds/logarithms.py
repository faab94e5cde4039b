"""Certified logarithms of factorials: enclosures that contain the exact number, at every size up
to n = 2^40.

Arithmetic is decimal with directed rounding. `+ - * /` of the decimal module are exact operations
followed by one rounding, here towards -oo for lower ends and towards +oo for upper ends. Its `ln`
is correctly rounded to the nearest number of 60 digits (General Decimal Arithmetic Specification),
so the two neighbours of what it returns enclose the logarithm.
"""

from __future__ import annotations

import math
from decimal import MAX_EMAX, MIN_EMIN, ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from constructions.guards.errors import InternalError
from constructions.guards.integers import whole

_DIGITS = 60
_DOWN = Context(prec=_DIGITS, rounding=ROUND_FLOOR, Emax=MAX_EMAX, Emin=MIN_EMIN)
_UP = Context(prec=_DIGITS, rounding=ROUND_CEILING, Emax=MAX_EMAX, Emin=MIN_EMIN)

# pi to 70 decimals, cut off: pi lies between this and one unit more in the last place.
_PI = Decimal("3.1415926535897932384626433832795028841971693993751058209749445923078164")
_PI_END = Decimal("1e-70")

_BERNOULLI = "1/6 -1/30 1/42 -1/30 5/66 -691/2730 7/6 -3617/510 43867/798 -174611/330"
"""The Bernoulli numbers B_2, B_4, ..., B_20."""

_STIRLING = tuple(
    bernoulli / (2 * j * (2 * j - 1))
    for j, bernoulli in enumerate(map(Fraction, _BERNOULLI.split()), start=1)
)
"""B_2j / (2j (2j - 1)), the coefficients of n^(1 - 2j) in Stirling's series."""

_SMALL = 1024
"""Below, factorials are integers that are multiplied out."""


class Enclosure(NamedTuple):
    """Two numbers that the exact one lies between."""

    lower: Decimal
    upper: Decimal

    def __sub__(self, other: Enclosure) -> Enclosure:
        return Enclosure(
            _DOWN.subtract(self.lower, other.upper), _UP.subtract(self.upper, other.lower)
        )

    def __add__(self, other: object) -> Enclosure:
        if not isinstance(other, Enclosure):  # a plain tuple is no enclosure
            return NotImplemented
        return Enclosure(_DOWN.add(self.lower, other.lower), _UP.add(self.upper, other.upper))

    def times(self, factor: int) -> Enclosure:
        """The product with a non-negative integer."""
        return Enclosure(
            _DOWN.multiply(self.lower, Decimal(factor)), _UP.multiply(self.upper, Decimal(factor))
        )

    def share(self, factor: Fraction) -> Enclosure:
        """The product with a non-negative fraction."""
        most, divisor = self.times(factor.numerator), Decimal(factor.denominator)
        return Enclosure(_DOWN.divide(most.lower, divisor), _UP.divide(most.upper, divisor))

    def less(self, number: int) -> Enclosure:
        """The difference to an integer."""
        return Enclosure(
            _DOWN.subtract(self.lower, Decimal(number)), _UP.subtract(self.upper, Decimal(number))
        )


def round_down(number: Decimal) -> float:
    """The largest float that does not exceed the number."""
    nearest = float(number) + 0.0  # not -0.0
    return nearest if Decimal(nearest) <= number else math.nextafter(nearest, -math.inf)


def _ln(number: Decimal) -> Enclosure:
    """The natural logarithm of a positive decimal; exactly 0 for one."""
    nearest = _DOWN.ln(number)
    return (
        Enclosure(_DOWN.next_minus(nearest), _UP.next_plus(nearest))
        if nearest
        else Enclosure(nearest, nearest)
    )


_LN_2 = _ln(Decimal(2))
_HALF_LN_2_PI = Enclosure(
    _DOWN.divide(_ln(_DOWN.multiply(2, _PI)).lower, Decimal(2)),
    _UP.divide(_ln(_UP.multiply(2, _UP.add(_PI, _PI_END))).upper, Decimal(2)),
)


def log2(number: int) -> Enclosure:
    """The binary logarithm of a positive integer; exact for powers of two."""
    number = whole("number", number, 1)
    power = number.bit_length() - 1
    if number == 1 << power:
        return Enclosure(Decimal(power), Decimal(power))
    # An integer of more than 60 digits is rounded before its logarithm is taken, outwards.
    below, above = _ln(_DOWN.plus(Decimal(number))), _ln(_UP.plus(Decimal(number)))
    return Enclosure(_DOWN.divide(below.lower, _LN_2.upper), _UP.divide(above.upper, _LN_2.lower))


def log2_fraction(number: Fraction) -> Enclosure:
    """The binary logarithm of a positive fraction; exactly 0 for one."""
    return log2(number.numerator) - log2(number.denominator)


def power(base: Fraction, exponent: int) -> Enclosure:
    """A fraction from 0 to 1 to the power of a non-negative integer, by repeated squaring."""
    top, bottom = Decimal(base.numerator), Decimal(base.denominator)
    square = Enclosure(_DOWN.divide(top, bottom), _UP.divide(top, bottom))
    found = Enclosure(Decimal(1), Decimal(1))
    while exponent:
        if exponent & 1:
            found = _product(found, square)
        square, exponent = _product(square, square), exponent >> 1
    return found


def _product(one: Enclosure, other: Enclosure) -> Enclosure:
    """The product of two numbers that are not negative."""
    return Enclosure(_DOWN.multiply(one.lower, other.lower), _UP.multiply(one.upper, other.upper))


@lru_cache(maxsize=4096)
def log2_factorial(n: int) -> Enclosure:
    """log2(n!) for n >= 0.

    From n = 1024 on by Stirling's series, ln n! = (n + 1/2) ln n - n + ln(2 pi) / 2 + sum_j B_2j /
    (2j (2j-1)) n^(1-2j), which envelops: its partial sums lie alternately above and below n!'s
    logarithm. Here between nine terms and ten.

    Example:
        >>> round(float(log2_factorial(10).lower), 3)
        21.791
    """
    n = whole("n", n, 0)
    if n < _SMALL:
        return log2(math.factorial(n))
    ln_n, half = _ln(Decimal(n)), Decimal("0.5")
    lower = _DOWN.multiply(_DOWN.add(Decimal(n), half), ln_n.lower)
    upper = _UP.multiply(_UP.add(Decimal(n), half), ln_n.upper)
    lower = _DOWN.add(_DOWN.subtract(lower, Decimal(n)), _HALF_LN_2_PI.lower)
    upper = _UP.add(_UP.subtract(upper, Decimal(n)), _HALF_LN_2_PI.upper)
    nine = sum(
        coefficient * Fraction(1, n ** (2 * j - 1))
        for j, coefficient in enumerate(_STIRLING[:-1], start=1)
    )
    ten = nine + _STIRLING[-1] * Fraction(1, n ** (2 * len(_STIRLING) - 1))
    if not ten < nine:  # the tenth coefficient is negative
        raise InternalError(
            f"Stirling's series for {n}: ten terms give {ten}, not less than nine, {nine}"
        )
    lower = _DOWN.add(lower, _DOWN.divide(Decimal(ten.numerator), Decimal(ten.denominator)))
    upper = _UP.add(upper, _UP.divide(Decimal(nine.numerator), Decimal(nine.denominator)))
    return Enclosure(_DOWN.divide(lower, _LN_2.upper), _UP.divide(upper, _LN_2.lower))


def log2_falling(n: int, length: int) -> Enclosure:
    """log2 of the falling factorial n (n-1) ... (n-length+1), for 0 <= length <= n."""
    if not 0 <= length <= n:
        raise ValueError(f"a falling factorial of {n} has 0 to {n} factors; got {length}")
    return log2_factorial(n) - log2_factorial(n - length)
