"""Certified logarithms: enclosures contain the number, and rounding is down."""

import math
import operator
from decimal import Decimal
from fractions import Fraction

import mpmath
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bounds import logarithms


@given(st.one_of(st.integers(0, 3000), st.integers(0, 2**40)))
@settings(max_examples=200)
def test_the_enclosure_of_a_factorial_contains_it(n):
    found = logarithms.log2_factorial(n)
    with mpmath.workdps(90):
        number = mpmath.loggamma(n + 1) / mpmath.log(2)
        assert mpmath.mpf(str(found.lower)) <= number + mpmath.mpf(10) ** -75
        assert number <= mpmath.mpf(str(found.upper)) + mpmath.mpf(10) ** -75
    assert found.upper - found.lower < Decimal("1e-40")


@given(st.integers(1, 2**300))
def test_log2_is_enclosed_and_exact_for_powers_of_two(n):
    found = logarithms.log2(n)
    with mpmath.workdps(90):
        number = mpmath.log(n, 2)
        assert mpmath.mpf(str(found.lower)) - mpmath.mpf(10) ** -80 <= number
        assert number <= mpmath.mpf(str(found.upper)) + mpmath.mpf(10) ** -80
    assert (found.lower == found.upper) == (n & (n - 1) == 0)


@given(st.decimals(-(10**30), 10**30, allow_nan=False))
def test_rounding_down_never_exceeds(number):
    rounded = logarithms.round_down(number)
    assert Decimal(rounded) <= number
    assert Decimal(math.nextafter(rounded, math.inf)) > number


def test_a_falling_factorial_has_no_more_factors_than_its_number():
    with pytest.raises(ValueError, match="has 0 to 3 factors; got 4"):
        logarithms.log2_falling(3, 4)


fractions = st.fractions(0, 1)


@given(fractions.filter(bool), st.integers(0, 10**6))
def test_logarithms_and_powers_of_fractions_are_enclosed(base, exponent):
    logarithm, power = logarithms.log2_fraction(base), logarithms.power(base, exponent)
    with mpmath.workdps(120):
        number = mpmath.mpf(base.numerator) / base.denominator
        for found, exact in ((logarithm, mpmath.log(number, 2)), (power, number**exponent)):
            assert mpmath.mpf(str(found.lower)) <= exact * (1 + mpmath.mpf(10) ** -110)
            assert exact <= mpmath.mpf(str(found.upper)) * (1 + mpmath.mpf(10) ** -110) + (
                mpmath.mpf(10) ** -110
            )
    assert power.upper - power.lower <= power.upper * Decimal("1e-50")


@given(st.fractions(-(10**9), 10**9), st.fractions(-(10**9), 10**9), st.fractions(0, 10**6))
def test_sums_and_shares_are_enclosed(one, other, factor):
    def near(number):
        """An enclosure of a fraction, a little wide."""
        value = Decimal(number.numerator) / Decimal(number.denominator)
        return logarithms.Enclosure(value - Decimal("1e-12"), value + Decimal("1e-12"))

    for found, exact in (
        (near(one) + near(other), one + other),
        (near(one).share(factor), one * factor),
    ):
        assert Fraction(found.lower) <= exact <= Fraction(found.upper)


def test_zero_and_one_to_a_power():
    assert logarithms.power(Fraction(0), 0).lower == 1
    assert logarithms.power(Fraction(0), 3).upper == 0
    assert logarithms.power(Fraction(1), 10**9).lower == 1
    with pytest.raises(TypeError):
        operator.add(logarithms.log2(3), (1, 2))
