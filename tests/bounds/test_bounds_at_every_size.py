"""What holds of the bounds at every size: their order, the best number of roots, and that the
largest sizes are evaluated.
"""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bounds import logarithms
from bounds.lower_bound import Bound
from bounds.theorem_4_2 import (
    LOWER_BOUNDS,
    disjoint_trees_bound,
    every_bound,
    fact_aware_unembedding_bound,
    global_bound,
    information_limit,
    shared_leaves_bound,
    sharpened_global_bound,
)
from constructions import InputError

entities = st.one_of(st.integers(1, 40), st.integers(1, 2**40))
relations, hops = st.integers(1, 6), st.integers(1, 5)
bits = st.one_of(st.integers(0, 40), st.integers(0, 10**6))


def tree(r, n):
    return sum(r**i for i in range(n))


@given(entities, relations, hops, bits, bits)
@settings(max_examples=150)
def test_bounds_fall_as_embeddings_grow_and_stay_below_the_information_limit(n, r, k, b_e, more):
    limit = information_limit(n, r).lower
    small, large = every_bound(n, r, k, b_e, b_e), every_bound(n, r, k, b_e + more, b_e + more)
    for name, bound in small.items():
        if isinstance(bound, str):
            assert large[name] == bound
            assert name in ("disjoint_trees", "shared_leaves", "fact_aware_unembedding")
            continue
        assert bound.bits >= large[name].bits
        assert bound.bits <= limit


@given(entities, relations, hops, bits)
@settings(max_examples=150)
def test_the_sharpened_bounds_are_never_below_the_papers(n, r, k, b_e):
    found = every_bound(n, r, k, b_e, 0)
    assert found["sharpened_global"].bits >= found["global"].bits
    if not isinstance(found["disjoint_trees"], str):
        assert found["shared_leaves"].bits >= found["disjoint_trees"].bits


@given(entities, relations, hops, bits)
@settings(max_examples=100)
def test_no_neighbour_of_the_best_m_is_better(n, r, k, b_e):
    for bound, per_root in (
        (disjoint_trees_bound, tree(r, k + 1)),
        (shared_leaves_bound, tree(r, k)),
    ):
        if per_root > n:
            continue
        found = bound(n, r, k, b_e)
        inner, last = (
            (tree(r, k), r**k) if bound is disjoint_trees_bound else (tree(r, k - 1), r ** (k - 1))
        )
        times = 1 if bound is disjoint_trees_bound else r
        for m in {1, max(found.M - 1, 1), min(found.M + 1, n // per_root), n // per_root}:
            value = (
                logarithms.log2_falling(n - m * inner, m * last).times(times).less((m + r) * b_e)
            )
            assert logarithms.round_down(value.lower) <= found.bits


@given(entities, relations, hops, bits, bits)
@settings(max_examples=100)
def test_functions_need_at_least_as_much_as_bijections(n, r, k, b_e, b_u):
    sizes = (n, r, k, b_e)
    for bound in (global_bound, disjoint_trees_bound, shared_leaves_bound):
        try:
            bijections = bound(*sizes)
        except InputError:
            continue
        assert bound(*sizes, facts="functions").bits >= bijections.bits
    try:
        bijections = fact_aware_unembedding_bound(*sizes, b_u)
    except InputError:
        return
    assert fact_aware_unembedding_bound(*sizes, b_u, facts="functions").bits >= bijections.bits


def test_the_information_limit_by_hand():
    limit = information_limit(8, 3, facts="functions")
    assert limit.lower == limit.upper == 72
    assert float(information_limit(4, 2).lower) == pytest.approx(2 * math.log2(24))


@given(st.integers(1, 2**40), st.integers(1, 2**40), st.integers(1, 2**40), st.integers(0, 2**80))
@settings(max_examples=60)
def test_every_size_up_to_2_to_the_40_is_evaluated(n, r, k, b_e):
    for name, bound in every_bound(n, r, k, b_e, b_e).items():
        assert (name in ("global", "sharpened_global") and isinstance(bound, Bound)) or bound
        if not isinstance(bound, str):
            assert math.isfinite(bound.bits)


def test_one_entity_needs_nothing_and_nothing_is_not_written_as_minus_zero():
    bound = shared_leaves_bound(1, 1, 1, 0)
    assert (bound.bits, math.copysign(1, bound.bits), bound.M) == (0, 1, 1)


def test_the_table_of_bounds_is_complete():
    assert list(every_bound(64, 2, 2, 6, 6)) == list(LOWER_BOUNDS)
    fixed = [name for name, bound in LOWER_BOUNDS.items() if bound.unembedding == "fixed"]
    assert [*fixed, "fact_aware_unembedding"] == list(LOWER_BOUNDS)
    assert sharpened_global_bound(64, 2, 1, 6).bits == global_bound(64, 2, 1, 6).bits


@pytest.mark.parametrize(
    ("n", "r", "k"), [(4096, 4, 3), (4096, 4, 1), (4096, 1, 3), (64, 2, 2), (3, 2, 2)]
)
def test_every_bound_has_the_name_by_which_it_is_found(n, r, k):
    for name, bound in every_bound(n, r, k, 3, 3).items():
        assert isinstance(bound, str) or bound.name == name


@pytest.mark.parametrize("bound", [disjoint_trees_bound, shared_leaves_bound])
def test_of_equally_good_m_the_smallest_is_reported(bound):
    """Each root is worth 2 log2 64 = 12 bits, and its embedding has as many."""
    best = bound(64, 2, 1, 12, facts="functions")
    assert (best.M, best.bits) == (1, 12 - (1 + 2) * 12)


def test_a_split_that_does_not_fit_does_not_hide_a_later_one():
    """For i = 0 the backward tree has 15 nodes; i = 1 and i = 2 fit."""
    best = fact_aware_unembedding_bound(14, 2, 4, 0, 0)
    assert (best.i, best.j, best.M, best.Q, best.bits) == (2, 1, 1, 2, 4)
