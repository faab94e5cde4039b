"""The checker's integers: every result against plain Python, and every limit from both sides."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from verify.kernel.verdict import Undecided
from verify.symbolic import values as symbolic
from verify.symbolic.values import (
    LARGEST,
    Matrix,
    Sizes,
    Values,
    added_up,
    bounded,
    product,
    size_of,
)


def array(*numbers):
    return np.array(numbers, np.int64)


def too_large(compute):
    with pytest.raises(Undecided, match="too large"):
        compute()


def test_the_size_is_the_largest_absolute_value():
    for numbers, size in (((), 0), ((0,), 0), ((3, -5), 5), ((5, -3), 5), ((-2,), 2), ((2,), 2)):
        assert size_of(array(*numbers)) == size


def test_numbers_are_handled_below_the_limit_and_not_at_it():
    bounded(LARGEST - 1)
    too_large(lambda: bounded(LARGEST))
    too_large(lambda: bounded(LARGEST + 1))


def test_products_and_sums_are_refused_where_a_partial_sum_may_be_too_large():
    half = array(2**28, 2**28)
    assert product(half - 1, half) == 2 * (2**28 - 1) * 2**28
    too_large(lambda: product(2 * half, half))
    assert product(array(2**28 - 1), array(2**30)) == (2**28 - 1) * 2**30
    too_large(lambda: product(array(2**28), array(2**30)))
    assert product(np.zeros((2, 0), np.int64), np.zeros((0, 3), np.int64)).shape == (2, 3)
    assert added_up(array(2**57), array(-(2**57) + 1)) == 1
    too_large(lambda: added_up(array(2**57), array(-(2**57))))
    assert product(np.array([2**20], np.int32), np.array([2**20], np.int32)) == 2**40


def test_a_matrix_knows_its_entries():
    dense = np.array([[0, 4, -6], [0, 0, 0], [0, 12, 2]])
    matrix = Matrix(dense)
    assert (matrix.largest, matrix.norm, matrix.grain) == (12, 14, 2)
    assert matrix.reads.tolist() == [False, True, True]
    assert matrix.writes.tolist() == [True, False, True]
    assert [part.tolist() for part in matrix.entries(array(2, 0, 1))] == [
        [0, 0, 2, 2],
        [0, 2, 0, 2],
        [-6, 2, 4, 12],
    ]
    assert matrix.sums(array(1, 2, 3)).tolist() == [26, 0, 30]
    none = Matrix(np.zeros((2, 2), int))
    assert (none.largest, none.norm, none.grain) == (0, 0, 1)
    assert Matrix(np.array([[3]])).grain == 1
    assert Matrix(np.array([[2**30 - 1]])).largest == 2**30 - 1
    too_large(lambda: Matrix(np.array([[2**30]])))
    assert Matrix(np.zeros((3, 0), int)).norm == 0


def everywhere(values, tops, n_nodes):
    """Every value of every coordinate of every case, by choosing the unknowns in all ways."""
    found, d = [], len(tops)
    for chosen in itertools.product(*(range(top + 1) for top in tops), range(n_nodes)):
        held = values.const.copy()
        for at, key, coef in zip(values.at, values.key, values.coef, strict=True):
            held.flat[at] += coef * (chosen[key] if key < d else chosen[-1] == key - d)
        found.append(held)
    return np.stack(found)


def some_values():
    tops = array(1, 3)
    values = Values(
        np.array([[5, -1, -3], [0, 2, -7]]),
        array(0, 1, 2, 5),
        array(0, 1, 2, 3),
        array(-9, 2, -4, 6),
    )
    return values.plus(0, array(1, 1, 2, 4), array(0, 1, 3, 2), array(1, -1, 3, 2)), tops


def test_values_are_what_they_say_in_every_state():
    values, tops = some_values()
    matrix = Matrix(np.array([[1, -2, 0], [3, 0, 5], [0, 0, 0], [1, 1, 1]]))
    assert (
        everywhere(values.through(matrix), tops, 2) == everywhere(values, tops, 2) @ matrix.dense.T
    ).all()
    one = values.only(values.at < 3)
    assert (everywhere(one, tops, 2)[:, 0] == everywhere(values, tops, 2)[:, 0]).all()
    twice = Values(
        values.const[:1], *(part[values.at < 3] for part in (values.at, values.key, values.coef))
    ).repeated(3)
    assert (everywhere(twice, tops, 2) == everywhere(values, tops, 2)[:, :1]).all()
    assert (np.lexsort((values.key, values.at)) == np.arange(len(values.at))).all()
    gone = values.plus(1, values.at, values.key, -values.coef)
    assert len(gone.at) == 0
    assert (gone.const == values.const + 1).all()


def test_sizes_are_those_of_the_largest_state():
    values, tops = some_values()
    assert values.sizes(tops).tolist() == [5, 4, 13]
    low, high = (bound(everywhere(values, tops, 2), axis=(0, 1)) for bound in (np.min, np.max))
    assert (np.maximum(-low, high) <= values.sizes(tops)).all()
    assert (values.sizes(array(2, 3))[0], values.sizes(array(0, 3))[0]) == (13, 5)


def test_values_are_refused_where_they_may_be_too_large():
    def value(const, *coefs):
        n = len(coefs)
        return Values(array(const)[None], array(*[0] * n), np.arange(n), array(*coefs))

    half = 2**57
    assert value(half).plus(half - 1).const == 2**58 - 1
    too_large(lambda: value(half).plus(half))
    too_large(lambda: value(half).plus(-half))
    other = array(0), array(1)
    assert value(0, half).plus(0, *other, array(1 - half)).coef.tolist() == [half, 1 - half]
    too_large(lambda: value(0, half).plus(0, *other, array(-half)))
    too_large(lambda: value(0).plus(0, array(0, 0, 0), array(0, 0, 0), array(half, 0, 0)))
    assert value(0).plus(0, array(0, 0), array(0, 0), array(half - 1, 0)).coef == half - 1
    wide = Values(np.zeros((1, 2), np.int64), array(0), array(0), array(2**29))
    assert wide.through(Matrix(np.array([[2**28 - 1, 0]]))).coef == 2**29 * (2**28 - 1)
    too_large(lambda: wide.through(Matrix(np.array([[2**28, 0]]))))
    narrow = Values(np.zeros((1, 1), np.int64), array(0), array(0), array(2**29))
    assert narrow.through(Matrix(np.array([[2**29 - 1]]))).coef == 2**29 * (2**29 - 1)
    # const + coef (top n + 1): with top 3 of two unknowns 7 times the coefficient
    tops, coef = array(3, 1), 2**55
    assert value(2**58 - 1 - 7 * coef, coef, 0).sizes(tops) == 2**58 - 1 - 4 * coef
    too_large(lambda: value(2**58 - 7 * coef, coef, 0).sizes(tops))


def exactly(sizes):
    return [
        int(n) * Fraction(2) ** int(scale)
        for n, scale in zip(sizes.sizes, sizes.scale, strict=True)
    ]


def assert_bounds(found, wanted):
    """Each is at least what is wanted, and at most a five-hundredth more; 0 stays 0."""
    for bound, value in zip(exactly(found), wanted, strict=True):
        assert value <= bound <= value * (1 + Fraction(1, 500))
    assert all(value < Fraction(2) ** found.bits() for value in exactly(found))
    largest = max(exactly(found))
    assert not largest or found.bits() <= 0 or largest >= Fraction(2) ** (found.bits() - 1)


@st.composite
def some_sizes(draw, n=None):
    n = draw(st.integers(1, 6)) if n is None else n
    numbers = draw(st.lists(st.one_of(st.just(0), st.integers(0, 2**50)), min_size=n, max_size=n))
    return Sizes(
        array(*numbers), array(*draw(st.lists(st.integers(-80, 900), min_size=n, max_size=n)))
    )


@given(some_sizes())
def test_twelve_bits_bound_each_number_by_itself(sizes):
    few = sizes.small()
    assert size_of(few.sizes) <= 4096
    assert_bounds(few, exactly(sizes))


@given(st.data())
def test_bounds_of_sums_and_products_are_never_too_small_nor_by_much_too_large(data):
    one = data.draw(some_sizes())
    n = len(one.sizes)
    two = data.draw(some_sizes(n))
    assert_bounds(one.plus(two), [a + b for a, b in zip(exactly(one), exactly(two), strict=True)])
    assert_bounds(
        one.times(two), [sum(a * b for a, b in zip(exactly(one), exactly(two), strict=True))]
    )
    weights = np.array(
        data.draw(
            st.lists(st.lists(st.integers(-9, 9), min_size=n, max_size=n), min_size=1, max_size=5)
        )
    )
    wanted = [
        sum(abs(int(w)) * a for w, a in zip(row, exactly(one), strict=True)) for row in weights
    ]
    assert_bounds(one.through(Matrix(weights)), wanted)


def test_a_small_number_stays_small_beside_large_ones():
    """The control is what was done before: one power of two for all."""
    sizes = Sizes(array(3, 2**40), array(0, 300))
    passed = Matrix(np.array([[5, 0], [0, 1]]))
    for _ in range(100):
        sizes = sizes.through(passed)
    first, second = exactly(sizes)
    assert 3 * 5**100 <= first <= 3 * 5**100 * Fraction(11, 10)
    assert second == 2**340


@given(some_sizes(1), st.integers(0, 5000), st.sampled_from([8, 11, 24, 53]))
def test_roundings_are_part_of_the_bound(sizes, operations, precision):
    grown = (1 + Fraction(1, 2**precision)) ** operations
    (value,), (bound,) = exactly(sizes), exactly(sizes.rounded(operations, precision))
    assert value * grown <= bound
    x = Fraction(operations, 2**precision)
    most = 1 + 2 * x + Fraction(1, 2**15) if x <= 1 else Fraction(4) ** math.ceil(x)
    assert bound <= value * most * (1 + Fraction(1, 2000))


@given(st.lists(st.integers(1, 2**11), min_size=1, max_size=300), st.randoms())
def test_a_sum_in_half_precision_stays_below_its_bound(numbers, random):
    """Rounded after each step, in any order; the control is the exact sum, which rounding does
    pass.
    """
    total = np.float16(0)
    for number in random.sample(numbers, len(numbers)):
        total = np.float16(total + np.float16(number / 2**12))
    (bound,) = exactly(Sizes(array(sum(numbers)), -12).rounded(len(numbers), 11))
    assert Fraction(float(total)) <= bound


def test_a_sum_in_half_precision_may_be_larger_than_it_is():
    total = np.float16(2048)
    for _ in range(100):
        total = np.float16(total + np.float16(1.5))
    assert total > 2048 + 150


def test_only_so_many_numbers_are_held(monkeypatch):
    monkeypatch.setattr(symbolic, "MOST_NUMBERS", 6)
    values = Values(np.zeros((1, 2), np.int64), array(0), array(0), array(1))
    wide = Matrix(np.ones((3, 2), np.int64))
    assert values.repeated(2).through(wide).const.shape == (2, 3)
    for refused in (lambda: values.repeated(4), lambda: values.repeated(3).through(wide)):
        with pytest.raises(Undecided, match="too many"):
            refused()
