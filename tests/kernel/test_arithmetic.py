"""The kernel's integers in float64 are exact, or refused; its bounds are bounds (Lemmas K1, K5)."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from verify.kernel.arithmetic import LARGEST, grown, leaked, small, times, upward
from verify.kernel.folder import integers
from verify.kernel.verdict import Refuted, Undecided

numbers = st.integers(-(2**30), 2**30) | st.integers(-(2**52), 2**52) | st.integers(-3, 3)
matrices = st.tuples(st.integers(1, 4), st.integers(1, 5)).flatmap(
    lambda size: st.lists(
        st.lists(numbers, min_size=size[1], max_size=size[1]), min_size=size[0], max_size=size[0]
    )
)


def in_integers(matrix, row):
    """The product in Python's integers."""
    return [sum(w * x for w, x in zip(line, row, strict=True)) for line in matrix]


@given(matrix=matrices, data=st.data())
def test_a_product_is_exact_or_refused(matrix, data):
    width = len(matrix[0])
    row = data.draw(st.lists(numbers, min_size=width, max_size=width))
    try:
        found = times(np.array([row], float), np.array(matrix, float))
    except Undecided:
        assert max(abs(w) for line in matrix for w in line) * max(map(abs, row)) * width >= 2**50
    else:
        assert [int(x) for x in found[0]] == in_integers(matrix, row)


def test_a_product_at_the_edge():
    """2^52 - 1 is held; one more is not, even where it would be exact."""
    edge = np.array([[LARGEST - 1]])
    assert times(edge, np.array([[1.0]])) == LARGEST - 1
    for rows, matrix in ((edge + 1, [[1.0]]), (edge, [[2.0]]), ([[2.0**26]], [[2.0**26]])):
        with pytest.raises(Undecided):
            times(np.array(rows), np.array(matrix))


@given(one=numbers, other=numbers)
def test_a_sum_is_exact_or_refused(one, other):
    try:
        found = small(np.array([float(one)]) + float(other))
    except Undecided:
        assert abs(one + other) >= 2**52
    else:
        assert int(found[0]) == one + other


@given(matrix=matrices, data=st.data())
def test_what_is_rounded_up_is_a_bound(matrix, data):
    width = len(matrix[0])
    sizes = data.draw(st.lists(st.integers(0, 2**52), min_size=width, max_size=width))
    bound = grown(np.array(sizes, float), np.array(matrix, float))
    for line, found in zip(matrix, bound, strict=True):
        assert Fraction(float(found)) >= sum(abs(w) * s for w, s in zip(line, sizes, strict=True))


def test_a_sum_of_bounds_is_a_bound():
    """2^53 + 1 is rounded to 2^53."""
    exact = np.array([2.0**51, 1.0]) + 1
    assert (upward(exact) == exact).all()
    assert int(upward(np.array([2.0**53]) + 1)[0]) >= 2**53 + 1


def test_what_overflows_is_no_bound():
    with np.errstate(over="ignore", invalid="ignore"), pytest.raises(Undecided):
        grown(np.array([1e308, 1e308]), np.array([[1.0, 1.0]]))
    with np.errstate(invalid="ignore"), pytest.raises(Undecided):
        grown(np.array([np.inf]), np.array([[0.0]]))


@pytest.mark.parametrize("others", [1, 2, 81])
@pytest.mark.parametrize("gap", [0, 1, 2, 5, 30, 99, 100, 700])
def test_a_leak_is_bounded(gap, others):
    """By more than the true weight, and not by much."""
    true = others / (others + math.exp(gap))
    assert true <= leaked(gap, others) * (1 + Fraction(1, 2**40))
    assert leaked(gap, others) <= Fraction(true * (1 + (gap + 1) / 1000) ** 2) + Fraction(
        1, 2**900
    )


@pytest.mark.parametrize("value", [0.5, math.nan, math.inf, -math.inf, 2.0**53 + 2, 1e300])
def test_what_is_no_integer_is_refused(value):
    with pytest.raises(Refuted):
        integers(np.array([1.0, value]), "a tensor")


@pytest.mark.parametrize("dtype", ["<f8", "<f4", "<f2"])
def test_integers_are_what_is_stored(dtype):
    stored = np.array([0, -0.0, 1, -3, 2048], dtype)
    assert integers(stored, "a tensor").tolist() == [0, 0, 1, -3, 2048]
    if dtype == "<f4":
        upper = (stored[:4].view(np.uint32) >> 16).astype("<u2")
        assert integers(upper, "a bfloat16").tolist() == [0, 0, 1, -3]
