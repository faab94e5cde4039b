"""Certified logarithms: enclosures contain the number, and rounding is down."""

import math
from decimal import Decimal

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
