"""Bounds for imperfect recall: against every answer map, against the bounds for perfect recall,
and at known sizes.
"""

import math
from fractions import Fraction

import mpmath
import pytest
from exact_bounds import (
    exact,
    exact_imperfect_global,
    exact_imperfect_saved,
    exact_imperfect_shared_leaves,
    exact_served,
    tree,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from bounds.imperfect import (
    imperfect_global_bound,
    imperfect_shared_leaves_bound,
    imperfect_sharpened_global_bound,
    recall_bound,
)
from bounds.theorem_4_2 import (
    global_bound,
    information_limit,
    shared_leaves_bound,
    sharpened_global_bound,
)
from constructions import InputError

BOUNDS = [
    (imperfect_global_bound, global_bound),
    (imperfect_sharpened_global_bound, sharpened_global_bound),
    (imperfect_shared_leaves_bound, shared_leaves_bound),
]
entities, relations, hops = st.integers(1, 2**40), st.integers(1, 6), st.integers(1, 5)
bits = st.one_of(st.integers(0, 40), st.integers(0, 10**6))
shares = st.fractions(0, 1)


def value(bound, *arguments):
    """The bits of a bound, or None where it does not exist."""
    try:
        return bound(*arguments).bits
    except InputError as error:
        assert "<= N" in str(error)  # noqa: PT017
        return None


# ------------------------------------------------------------------ against perfect recall


@given(entities, relations, hops, bits)
@settings(max_examples=150, deadline=None)
def test_where_nothing_is_wrong_they_are_the_bounds_for_perfect_recall(n, r, k, b_e):
    for bound, perfect in BOUNDS:
        assert value(bound, n, r, k, b_e, 0) == value(perfect, n, r, k, b_e)
    assert recall_bound(n, r, 0).bits == global_bound(n, r, 1, 0).bits


def test_the_number_of_roots_is_that_of_perfect_recall_too():
    assert imperfect_shared_leaves_bound(4096, 4, 3, 48, 0).M == 194


@given(st.integers(1, 3000), relations, st.integers(1, 4), bits, shares, shares)
@settings(max_examples=80, deadline=None)
def test_bounds_fall_as_more_is_wrong_and_never_exceed_those_for_perfect_recall(
    n, r, k, b_e, one, other
):
    low, high = sorted((one, other))
    for bound, perfect in BOUNDS:
        few_wrong, many_wrong = (value(bound, n, r, k, b_e, share) for share in (low, high))
        if few_wrong is None:
            assert many_wrong is None
            continue
        # below 0 nothing is said, and there other numbers of words may be better
        rise = max(many_wrong, 0) - max(few_wrong, 0)
        assert rise <= 1e-9 * abs(few_wrong) + slack(bound, r)
        assert few_wrong <= value(perfect, n, r, k, b_e)
        assert few_wrong <= information_limit(n, r).lower


def slack(bound, r):
    """The number of roots is a good one, not the best of all."""
    return r if bound is imperfect_shared_leaves_bound else 0


@given(st.integers(2, 2**20), st.integers(2, 6), st.integers(2, 5))
@settings(max_examples=60, deadline=None)
def test_fewer_wrong_answers_than_half_of_the_words_cost_nothing(n, r, k):
    e = (r ** (k - 1) - 1) // 2
    share = Fraction(e, n * r**k)
    assert imperfect_sharpened_global_bound(n, r, k, 0, share).bits == max(
        sharpened_global_bound(n, r, k, 0).bits, imperfect_global_bound(n, r, k, 0, share).bits
    )


@given(st.integers(1, 2**40), st.integers(1, 2**40), st.integers(1, 64), shares)
@settings(max_examples=40, deadline=None)
def test_large_sizes_are_evaluated(n, r, k, share):
    for bound, _ in BOUNDS:
        found = value(bound, n, r, k, 5, share)
        assert found is None or math.isfinite(found)


# ------------------------------------------------------------------ exact formulas


SIZES = [(1, 1, 1), (3, 2, 2), (4, 3, 1), (5, 2, 3), (9, 3, 2), (16, 2, 2), (20, 1, 3)]


@pytest.mark.parametrize(("n", "r", "k"), SIZES)
@pytest.mark.parametrize("share", [0, Fraction(1, 100), Fraction(1, 17), 0.2, 1])
def test_the_values_are_those_of_exact_integers(n, r, k, share):
    share = Fraction(share)
    plain = exact_imperfect_global(n, r, k, share)
    close(imperfect_global_bound(n, r, k, 0, share).bits, plain)
    close(imperfect_global_bound(n, r, k, 3, share).bits, plain - 3 * (n + r))
    saved = exact_imperfect_saved(n, r, k, share)
    if saved is not None:
        close(imperfect_sharpened_global_bound(n, r, k, 0, share).bits, max(saved, plain))
    if tree(r, k) <= n:
        found = imperfect_shared_leaves_bound(n, r, k, 2, share)
        values = [
            exact_imperfect_shared_leaves(n, r, k, share, 2, m)
            for m in range(1, n // tree(r, k) + 1)
        ]
        close(found.bits, values[found.M - 1])
        assert found.bits >= max(values) - r or max(values) <= 0
    wrong = math.floor(share * n * r)
    close(
        recall_bound(n, r, wrong).bits,
        exact(math.factorial(n) ** r, exact(exact_served(n, 0, r, wrong), 0)),
    )


def close(found, number):
    assert mpmath.mpf(found) <= number + mpmath.mpf(2) ** -200, "not certified from below"
    assert number - found <= 1e-12 * max(1, abs(number)), "not attained"


KNOWN = [
    (imperfect_shared_leaves_bound, 48, "0", 117378.064223),
    (imperfect_shared_leaves_bound, 48, "0.1", 103825.563327),
    (imperfect_global_bound, 0, "0.01", 127772.418925),
    (imperfect_sharpened_global_bound, 0, "0.01", 158690.941396),
]


@pytest.mark.parametrize(("bound", "b_e", "share", "expected"), KNOWN)
def test_known_values_at_4096_entities_4_relations_3_hops(bound, b_e, share, expected):
    assert bound(4096, 4, 3, b_e, Fraction(share)).bits == pytest.approx(expected, abs=1e-5)


# ------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: imperfect_global_bound(5, 2, 2, 0, 1.5), "wrong_share .* from 0 to 1; got 1.5"),
        (lambda: imperfect_global_bound(5, 2, 2, 0, -0.1), "wrong_share .* got -0.1"),
        (lambda: imperfect_global_bound(5, 2, 2, 0, float("nan")), "wrong_share .* got nan"),
        (lambda: imperfect_global_bound(5, 2, 2, 0, "some"), "wrong_share .* got 'some'"),
        (lambda: imperfect_global_bound(5, 2, 2, -1, 0), "embedding_bits must"),
        (lambda: imperfect_sharpened_global_bound(0, 2, 2, 0, 0), "n_entities must"),
        (lambda: imperfect_shared_leaves_bound(20, 4, 3, 0, 0.1), r"M I\(k\) <= N"),
        (lambda: imperfect_global_bound(5, 2, 2**40, 0, 0.1), "too many queries"),
        (lambda: recall_bound(5, 2, -1), "wrong must be an integer of at least 0; got -1"),
    ],
)
def test_errors_name_the_violated_condition(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_where_one_answer_map_serves_everything_no_bit_is_needed():
    assert recall_bound(64, 16, 1024).bits == recall_bound(64, 16, 1000).bits == 0
    assert math.copysign(1, recall_bound(3, 1, 3).bits) == 1


def test_hops_without_number_are_taken_where_nothing_is_wrong():
    assert imperfect_global_bound(5, 2, 2**40, 0, 0).bits == global_bound(5, 2, 2**40, 0).bits
