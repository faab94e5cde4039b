"""Digits of any base in size formulas: as numbers, as expressions, and as they grow."""

import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st
from own_files import TERNARY

from bounds.limits import growth
from bounds.sizes import predicted_for_bijections
from bounds.symbols import SYMBOLS, Expressions, digits
from constructions import construction
from constructions.sizes import whole_numbers

N, R = SYMBOLS["N"], SYMBOLS["R"]


def least(values, base):
    """By definition."""
    return next(n for n in range(10**6) if base**n >= values)


@given(st.integers(1, 10**30), st.integers(2, 12))
def test_digits_are_the_fewest_that_tell_values_apart(values, base):
    assert whole_numbers.digits(values, base) == least(values, base)
    assert digits(sympy.Integer(values), sympy.Integer(base)) == least(values, base)
    assert whole_numbers.digits(values, 2) == whole_numbers.bits(values)


@pytest.mark.parametrize("power", [1, 2, 5, 18])
def test_digits_change_just_above_a_power(power):
    at = [whole_numbers.digits(3**power + more, 3) for more in (-1, 0, 1)]
    assert at == [power, power, power + 1]


def test_formulas_with_digits_are_expressions_too():
    mine = construction(TERNARY)
    sizing = mine.sized(Expressions(**SYMBOLS))
    width = sizing.d_mlp.subs({SYMBOLS["a"]: 100, R: 4})
    assert width == predicted_for_bijections(mine, 100, 4).d_mlp == 20
    assert "digits(a, 3)" in str(sizing.d_model)


def test_they_grow_as_the_logarithm_to_their_base():
    mine = construction(TERNARY)
    found = growth(mine, "d_mlp")
    assert found.powers == (0, 1, 0)
    assert sympy.simplify(found.factor - R * sympy.log(2) / sympy.log(3)) == 0
    binary = growth(construction("selector"), "d_mlp")
    assert (binary.powers, binary.factor) == ((0, 1, 0), R), "the control"
    constant = growth(mine, lambda s: s.digits(s.R, 3))
    assert (constant.powers, constant.factor) == ((0, 0, 0), digits(R, 3))
