"""No construction lies below a bound; which bounds apply."""

import math
from dataclasses import replace

import pytest
from accounts import separated
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import large

from bounds.plans import plans
from bounds.separation import smallest_separation
from bounds.sizes import predicted_for_bijections
from bounds.theorem_4_2 import (
    every_bound,
    information_limit,
    shared_leaves_bound,
    sharpened_global_bound,
)
from constructions import CATALOGUE
from verify.cells.against_bounds import hold_against_bounds


@given(large, st.integers(1, 8), st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_no_construction_lies_below_a_bound(n, r, k):
    for plan in plans(n, r, k):
        found = hold_against_bounds(plan.costs, n, r, k, plan.entry.takes_bijections)
        assert list(found.faults()) == [], plan.label
        assert {check.name for check in found.checks} == set(every_bound(n, r, k, 1, 1))


@given(large, st.integers(1, 8), st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_all_fact_bits_are_at_least_the_tables_that_must_be_reported_apart(n, r, k):
    """Chains of thought as well: what they write tells the facts apart, one by one."""
    for plan in plans(n, r, k):
        costs = plan.costs
        if not plan.entry.takes_bijections:
            continue
        everything = costs.internal_fact_bits + n * (
            costs.embedding_fact_bits + costs.unembedding_fact_bits
        )
        needed = (
            sharpened_global_bound(n, r, k, 0).bits
            if costs.written_tokens == 1
            else information_limit(n, r).lower
        )
        assert everything >= needed, plan.label


COSTS = predicted_for_bijections(CATALOGUE["key_value_rows_shared"], 4096, 4, 3)


@pytest.mark.parametrize("field", ["internal_bits", "internal_fact_bits"])
def test_one_bit_below_a_bound_is_reported(field):
    found = hold_against_bounds(COSTS, 4096, 4, 3, bijective=True)
    need = max(
        check.bits if field == "internal_bits" else check.fact_bits for check in found.checks
    )

    def faults(bits):
        return list(replace(found, costs=replace(COSTS, **{field: bits})).faults())

    assert faults(math.ceil(need)) == []
    reported = faults(math.ceil(need) - 1)
    assert len(reported) == 1
    assert f"{math.ceil(need) - 1:,} internal" in reported[0]
    assert str(need) in reported[0]


def test_a_bound_that_is_no_number_is_never_held():
    found = hold_against_bounds(COSTS, 4096, 4, 3, bijective=True)
    first, *others = found.checks
    for checks in ([replace(first, bits=float("nan")), *others], [replace(first, bits=None)]):
        assert len(list(replace(found, checks=checks).faults())) == 1


def test_bounds_apply_as_the_formulas_say():
    def applying(name, hops=3, bijective=True, **given):
        costs = predicted_for_bijections(CATALOGUE[name], 256, 4, hops, given)
        return {
            check.name
            for check in hold_against_bounds(costs, 256, 4, hops, bijective).checks
            if check.applies
        }

    fixed = {
        "global",
        "sharpened_global",
        "disjoint_trees",
        "shared_leaves",
        "fact_aware_unembedding",
    }
    assert (
        applying("key_value")
        == applying("precomputed")
        == applying("hybrid", looked_up=2)
        == fixed
    )
    assert applying("meet_in_the_middle") == {"fact_aware_unembedding"}
    assert applying("meet_in_the_middle", hops=1) == applying("selector", hops=1) == fixed
    assert applying("chain_of_thought") == set()
    # the first token is the answer
    assert applying("chain_of_thought", max_hops=3, hops_per_token=3) == fixed
    assert applying("chain_of_thought", hops=1) == fixed
    assert applying("key_value", bijective=False) == set()


def test_a_bound_that_does_not_exist_says_why():
    costs = predicted_for_bijections(CATALOGUE["key_value"], 10, 4, 3)
    found = hold_against_bounds(costs, 10, 4, 3, bijective=True)
    checks = {check.name: check for check in found.checks}
    assert checks["shared_leaves"].bits is None
    assert "M I(k) <= N" in checks["shared_leaves"].why
    assert not checks["shared_leaves"].applies
    assert checks["global"].applies
    assert found.tightest is None  # none is positive at these embedding bits


def test_bounds_stand_beside_dense_bits_and_beside_bits_of_facts():
    costs = predicted_for_bijections(CATALOGUE["hybrid_shared"], 4096, 4, 3, {"looked_up": 3})
    checks = hold_against_bounds(costs, 4096, 4, 3, bijective=True).checks
    dense = every_bound(4096, 4, 3, costs.embedding_bits, costs.unembedding_bits)
    facts = every_bound(4096, 4, 3, costs.embedding_fact_bits, costs.unembedding_fact_bits)
    for check in checks:
        assert (check.bits, check.fact_bits) == (dense[check.name].bits, facts[check.name].bits)
        ratios = (costs.internal_bits / check.bits, costs.internal_fact_bits / check.fact_bits)
        assert check.ratio == (ratios[0] if check.bits > 0 else None)
        assert check.fact_ratio == (ratios[1] if check.fact_bits > 0 else None)
    assert {check.fact_bits > 0 for check in checks} == {True, False}


def test_the_tightest_bound_is_the_largest_positive_one_that_applies():
    found = hold_against_bounds(COSTS, 4096, 4, 3, bijective=True)
    checks = found.checks

    def tightest(checks):
        return replace(found, checks=checks).tightest

    assert tightest(checks).name == "shared_leaves"
    assert (
        tightest([check for check in checks if check.name != "shared_leaves"]).name
        == "disjoint_trees"
    )
    # both are negative here
    assert tightest([check for check in checks if "global" in check.name]) is None
    assert (
        tightest([replace(check, applies=check.name == "disjoint_trees") for check in checks]).name
        == "disjoint_trees"
    )
    assert tightest([replace(check, bits=None) for check in checks]) is None
    assert tightest([]) is None


def test_an_unembedding_that_knows_the_facts_is_never_separated():
    costs = predicted_for_bijections(CATALOGUE["meet_in_the_middle"], 2**30, 8, 3)
    found = hold_against_bounds(costs, 2**30, 8, 3, bijective=True)
    # it lies below bounds for fixed unembeddings
    assert any(check.bits > costs.internal_bits for check in found.checks)
    assert replace(found, costs=replace(costs, written_tokens=2)).separation is None
    fixed = replace(costs, written_tokens=2, unembedding_fact_bits=0)
    assert replace(found, costs=fixed).separation > 1


def test_separation_may_be_lost_where_a_code_gets_a_bit_more():
    """Hence "first at N", not "from N on"."""
    found = smallest_separation(2, 3, {"max_hops": 3, "hops_per_token": 1})
    assert found.n_entities < 2049
    assert separated(2049, 2, 3, {"max_hops": 3, "hops_per_token": 1})[0] is None


def test_the_papers_figures_for_large_tables():
    """key_value_rows with shared layers at (65536, 16, 3), the hybrid at (65536, 8, 3): from
    formulas.
    """
    sizes = (65536, 16, 3)
    costs = predicted_for_bijections(CATALOGUE["key_value_rows_shared"], *sizes)
    bound = shared_leaves_bound(*sizes, costs.embedding_bits).bits
    assert bound <= costs.internal_fact_bits <= 1.25 * bound
    assert bound <= costs.internal_bits <= 1.5 * bound
    sizes = (65536, 8, 3)
    for q in range(4, 9):
        costs = predicted_for_bijections(CATALOGUE["hybrid_shared"], *sizes, {"looked_up": q})
        bound = shared_leaves_bound(*sizes, costs.embedding_fact_bits).bits
        assert bound <= costs.internal_fact_bits <= 2 * bound
