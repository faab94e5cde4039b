"""What one set of answers can serve: the certified count against exact integers, and against
every answer map.
"""

import itertools
import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from answer_maps import most_served, served_by
from exact_bounds import exact, exact_refillings, exact_served
from hypothesis import given, settings
from hypothesis import strategies as st

from bounds import refillings
from bounds.refillings import largest_term, log2_served, log2_served_on_average

places, free, rows = st.integers(1, 12), st.integers(0, 30), st.integers(1, 6)


def above_and_close(upper, number, slack=1e-30):
    with mpmath.workdps(80):
        above = mpmath.mpf(str(upper)) - number
        assert above >= 0, "not certified from above"
        assert above <= slack, "not attained"


@given(places, free, rows, st.integers(0, 60))
@settings(max_examples=60, deadline=None)
def test_the_count_is_that_of_exact_integers(length, values, r, e):
    e = min(e, r * length)
    found = log2_served(length, values, r, e)
    above_and_close(found.upper, exact(exact_served(length, values, r, e), 0))
    assert found.lower == 0


@pytest.mark.parametrize("sizes", [(4096, 0, 4, 163), (300, 7, 3, 100), (70, 0, 16, 90)])
def test_larger_counts_are_those_of_exact_integers(sizes):
    above_and_close(log2_served(*sizes).upper, exact(exact_served(*sizes), 0))


@given(places, free, rows, st.integers(0, 80))
@settings(max_examples=80, deadline=None)
def test_the_largest_summand_is_the_largest(length, values, r, e):
    e = min(e, r * length - 1)
    spread = min(e, length)
    best = max(
        math.prod(math.comb(length, x) * math.perm(values + x, x) for x in split)
        for split in itertools.combinations_with_replacement(range(spread + 1), r)
        if sum(split) == e
    )
    found = largest_term(length, values, r, e)
    with mpmath.workdps(80):
        assert mpmath.mpf(str(found.lower)) <= exact(best, 0) <= mpmath.mpf(str(found.upper))
    assert found.upper - found.lower < 1e-40


@given(places, free, rows)
@settings(max_examples=60, deadline=None)
def test_more_errors_serve_no_less_and_each_adds_no_more_than_the_one_before(length, values, r):
    """So averages lie below the straight lines between whole numbers."""
    counts = [exact_served(length, values, r, e) for e in range(r * length + 1)]
    assert counts == sorted(counts)
    assert all(b * b >= a * c for a, b, c in zip(counts, counts[1:], counts[2:], strict=False))
    certified = [log2_served(length, values, r, e).upper for e in range(r * length + 2)]
    assert certified == sorted(certified)


@given(places, rows, st.integers(0, 40))
@settings(max_examples=60, deadline=None)
def test_a_wrong_answer_saves_at_most_its_bits_and_a_composition_term(length, r, e):
    e = min(e, r * length)
    assert exact_refillings(length, 0, r, e) <= math.comb(e + r - 1, r - 1) * length**e


def test_between_whole_numbers_counts_run_along_straight_lines():
    at = [float(log2_served(5, 1, 3, e).upper) for e in (2, 3)]
    found = log2_served_on_average(5, 1, 3, Fraction(9, 4))
    assert float(found.upper) == pytest.approx(0.75 * at[0] + 0.25 * at[1])
    assert log2_served_on_average(5, 1, 3, Fraction(2)) == log2_served(5, 1, 3, 2)


def test_beyond_4096_errors_the_count_is_larger_by_less_than_the_number_of_summands():
    falling = [1]
    for x in range(2500):
        falling.append(falling[-1] * (2500 - x))
    exact_count = sum(falling[x] * falling[4500 - x] for x in range(2000, 2501))
    found = log2_served(2500, 0, 2, 4500).upper
    above_and_close(found, exact(exact_count, 0), slack=math.log2(4501))
    assert log2_served(2500, 0, 2, 4096).upper <= log2_served(2500, 0, 2, 4097).upper
    assert log2_served(2**40, 0, 2**40, 2**40).upper > 0


ROWS = [(2, 0, 2), (2, 1, 2), (3, 0, 1), (3, 0, 2), (2, 2, 1), (4, 0, 1), (2, 0, 3), (3, 1, 1)]


def every_row_is_enough(claim):
    for sizes in ROWS:
        claimed_is_enough(*sizes, claim)


def claimed_is_enough(length, values, r, claim):
    """No answer map, and none with answers that are no value, serves more than is claimed."""
    n = length + values
    orders = np.array(list(itertools.permutations(range(n), length)))
    chosen = np.indices([len(orders)] * r).reshape(r, -1)
    members = np.concatenate([orders[one] for one in chosen], axis=1)
    for e, most in enumerate(most_served(members, n + 1)):
        assert most <= claim(length, values, r, e)


@pytest.mark.parametrize(("length", "values", "r"), ROWS)
def test_no_answer_map_serves_more(length, values, r):
    claimed_is_enough(length, values, r, exact_served)


def test_larger_answer_maps_serve_no_more():
    """Tables with errors, and answers that agree with two tables as far as these differ."""
    random = np.random.default_rng(0)
    orders = np.array(list(itertools.permutations(range(5))))
    members = np.concatenate([np.repeat(orders, 120, 0), np.tile(orders, (120, 1))], axis=1)
    for _ in range(60):
        one, other = members[random.integers(len(members), size=2)]
        answers = np.where(random.random(10) < random.random(), one, other)
        places = random.random(10) < 0.2
        answers = np.where(places, random.integers(-1, 5, size=10), answers)
        for e, most in enumerate(served_by(answers, members)):
            assert most <= exact_served(5, 0, 2, e)


# ------------------------------------------------------------------ controls


@pytest.mark.parametrize(
    "claim",
    [
        lambda length, values, r, e: exact_served(length, values, r, max(0, e - 1)),
        lambda length, values, r, e: exact_served(length, 0, r, e),
        lambda length, values, r, e: exact_served(length, values, 1, min(e, length)) ** min(r, 1),
        lambda length, values, r, e: math.comb(r * length, e),
        lambda length, values, r, e: math.perm(length + values, e),
    ],
    ids=["one error fewer", "no free values", "one row", "places alone", "values alone"],
)
def test_a_claim_that_is_too_small_is_caught(claim):
    with pytest.raises(AssertionError):
        every_row_is_enough(claim)


def test_coefficients_that_are_too_small_are_noticed(monkeypatch):
    packed = refillings._product

    def too_small(one, other, degree):
        found, shift = packed(one, other, degree)
        return [value - (value >> 100) for value in found], shift

    monkeypatch.setattr(refillings, "_product", too_small)
    with pytest.raises(AssertionError, match="not certified"):
        above_and_close(
            refillings._sum_over_rows(300, 7, 3, 100).upper, exact(exact_served(300, 7, 3, 100), 0)
        )
