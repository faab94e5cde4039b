"""What constructions cost, from the formulas alone: limits, budgets, bounds beside them,
separation, the capacity plane.
"""

import json
import math
import re
from dataclasses import fields, replace
from fractions import Fraction

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from bounds.limits import efficiency_limit, growth
from bounds.plans import Budget, plans
from bounds.separation import smallest_separation
from bounds.sizes import Costs, predicted_for_bijections
from bounds.symbols import SYMBOLS
from bounds.theorem_4_2 import (
    every_bound,
    information_limit,
    shared_leaves_bound,
    sharpened_global_bound,
)
from constructions import CATALOGUE, InputError
from verify.cli.reports import plane, plane_picture
from verify.cli.reports.catalogue import limits_lines
from verify.cli.reports.plans import plan_table
from verify.cli.reports.rounding import down, factor
from verify.runner.against_bounds import hold_against_bounds

# ------------------------------------------------------------------ limits


def ratio_to_growth(entry, name, log_n, claimed=None):
    """A formula at N = 2^log_n over its leading term (or that of another formula), exactly."""
    given = {option.name: option.default(3, 2) for option in entry.options}
    hops = 2 if entry.multi_hop else 1
    value = getattr(predicted_for_bijections(entry, 2**log_n, 3, hops, given), name)
    found = growth(entry, claimed or name)
    known = {SYMBOLS[o.symbol]: given[o.name] for o in entry.options}
    known |= {SYMBOLS["R"]: 3, SYMBOLS["k"]: hops, SYMBOLS["c"]: 2, SYMBOLS["p"]: 2}
    factor = found.factor.subs(known).doit()
    assert factor.is_Integer, (name, found)
    a, b, c = found.powers
    leading = int(factor) * Fraction(2) ** (log_n * a) * log_n**b * round(math.log2(log_n)) ** c
    return Fraction(value) / leading if leading else Fraction(1 + value)


@pytest.mark.parametrize("entry", CATALOGUE.values(), ids=lambda entry: entry.name)
def test_every_formula_tends_to_its_leading_term(entry):
    for field in fields(Costs):
        tends_to_its_leading_term(entry, field.name)


def tends_to_its_leading_term(entry, name, claimed=None):
    near, far = (abs(ratio_to_growth(entry, name, 2**e, claimed) - 1) for e in (12, 16))
    assert far < Fraction(2, 5), name
    assert far < near or far == near == 0, name


def test_limits_by_hand():
    selector, rows = CATALOGUE["selector"], CATALOGUE["key_value_rows_shared"]
    assert str(growth(selector, "d_model")) == "R log2(N)"
    assert str(growth(rows, "internal_bits")) == "(R + 3) N log2(N)"
    assert str(growth(rows, "internal_fact_bits")) == "R N log2(N)"
    assert efficiency_limit(selector) == 1
    assert efficiency_limit(CATALOGUE["key_value"]) == SYMBOLS["k"]
    precomputed = CATALOGUE["precomputed"]
    assert sympy.simplify(efficiency_limit(precomputed) - SYMBOLS["R"] ** (SYMBOLS["k"] - 1)) == 0


@pytest.mark.parametrize(
    "claimed",
    [
        lambda s: 2 * s.R * s.m,
        lambda s: s.R * s.m * s.m,
        lambda s: s.R,
        lambda s: s.R * s.m * s.bits(s.m),
        lambda s: s.N,
    ],
    ids=["2 R m", "R m m", "R", "R m bits(m)", "N"],
)
def test_a_wrong_leading_term_is_noticed(claimed):
    with pytest.raises(AssertionError):
        tends_to_its_leading_term(CATALOGUE["selector"], "d_model", claimed)


def test_printed_factors_are_rounded_down():
    assert [factor(x) for x in (3.3436, 1.37876, 55.6288, 1.0009999, 123456.7)] == [
        "3.343",
        "1.378",
        "55.62",
        "1.000",
        "123456",
    ]


def test_what_grows_in_no_known_way_is_refused():
    with pytest.raises(ValueError, match="growth of"):
        growth(CATALOGUE["selector"], lambda s: 2**s.N)


def test_limits_are_printed_for_every_construction():
    text = limits_lines()
    assert all(f"{name} (" in text for name in CATALOGUE)
    assert "d_model / (R log2(N)) -> 1" in text


# ------------------------------------------------------------------ no construction lies below a
# bound that applies

large = st.one_of(st.integers(1, 300), st.integers(1, 2**40))


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


# ------------------------------------------------------------------ separation


def separated(n, r, k, given):
    costs = predicted_for_bijections(CATALOGUE["chain_of_thought"], n, r, k, given)
    return hold_against_bounds(costs, n, r, k, bijective=True).separation, costs


@pytest.mark.parametrize(("r", "k"), [(2, 3), (3, 2), (4, 3), (8, 2)])
def test_the_smallest_separation_is_the_smallest(r, k):
    given = {"max_hops": k, "hops_per_token": 1}
    found = smallest_separation(r, k, given)
    times, costs = separated(found.n_entities, r, k, given)
    assert times == pytest.approx(found.factor)
    assert found.factor > 1
    assert found.costs == costs
    earlier = [*range(max(1, found.n_entities - 40), found.n_entities), *(2**e for e in range(40))]
    assert all(separated(n, r, k, given)[0] is None for n in earlier if n < found.n_entities)


@pytest.mark.parametrize(("r", "k"), [(16, 3), (8, 4)])
def test_separation_from_every_unembedding_is_the_smallest(r, k):
    given = {"max_hops": k, "hops_per_token": 1}
    found = smallest_separation(r, k, given, "every")
    assert found.n_entities > smallest_separation(r, k, given).n_entities

    def lies_below(n):
        costs = predicted_for_bijections(CATALOGUE["chain_of_thought"], n, r, k, given)
        bound = every_bound(n, r, k, costs.embedding_bits, costs.unembedding_bits)[
            "fact_aware_unembedding"
        ]
        return not isinstance(bound, str) and bound.bits > costs.internal_bits

    assert lies_below(found.n_entities)
    earlier = [*range(max(1, found.n_entities - 40), found.n_entities), *(2**e for e in range(40))]
    assert not any(lies_below(n) for n in earlier if n < found.n_entities)


def test_what_is_never_separated_is_said():
    with pytest.raises(InputError, match="nowhere separated for R = 1 and k = 2"):
        smallest_separation(1, 2)


@given(st.integers(2, 2**20), st.integers(1, 6), st.integers(2, 4))
@settings(max_examples=60, deadline=None)
def test_only_chains_of_thought_are_separated(n, r, k):
    for plan in plans(n, r, k):
        found = hold_against_bounds(plan.costs, n, r, k, bijective=True)
        assert found.separation is None or (
            plan.entry.name == "chain_of_thought" and plan.costs.written_tokens > 1
        )
        assert replace(found, bijective=False).separation is None


# ------------------------------------------------------------------ plans and budgets


def test_every_construction_and_every_option_is_offered():
    found = [plan.label for plan in plans(256, 4, 3)]
    assert len(set(found)) == len(found)
    assert {plan.entry.name for plan in plans(256, 4, 3)} == {
        n for n, e in CATALOGUE.items() if e.multi_hop
    }
    assert {plan.entry.name for plan in plans(256, 4, 1)} == set(CATALOGUE)
    assert [label for label in found if label.startswith("hybrid ")] == [
        f"hybrid q={q}" for q in range(5)
    ]
    assert [label for label in found if "chain" in label] == [
        f"chain_of_thought K=3 j={j}" for j in (1, 2, 3)
    ]


def test_all_bits_are_those_of_a_built_model():
    from constructions import FactTable
    from verify.queries.capacity import capacity, format_of

    facts = FactTable.random_bijections(6, 2)
    for plan in plans(6, 2, 2):
        model = plan.entry.build(facts, 2, plan.options)
        assert plan.total_bits == capacity(model, format_of(model)).total_bits, plan.label


@given(large, st.integers(1, 6), st.integers(1, 4), st.data())
@settings(max_examples=40, deadline=None)
def test_a_budget_is_broken_just_beyond_its_limits(n, r, k, data):
    plan = data.draw(st.sampled_from(list(plans(n, r, k))))
    costs = plan.costs
    exact = Budget(costs.d_model, plan.total_bits, costs.n_layers, costs.written_tokens)
    assert exact.exceeded_by(plan) == []
    assert Budget().exceeded_by(plan) == []
    for name in ("d_model", "total_bits", "depth", "written_tokens"):
        less = replace(exact, **{name: getattr(exact, name) - 1})
        assert len(less.exceeded_by(plan)) == 1


def test_a_plan_lists_what_fits_cheapest_first_and_why_the_rest_does_not():
    table, fits = plan_table(4096, 4, 3, Budget(d_model=100), every=False, wide=True)
    assert fits
    rows, rest = table.split("does not fit")
    bits = [int(row.split()[-1].replace(",", "")) for row in rows.splitlines()[1:]]
    assert bits == sorted(bits)
    assert re.search(r"precomputed: d_model \d+ > 100", rest.replace(",", ""))
    table, fits = plan_table(4096, 4, 3, Budget(d_model=1), every=False)
    assert not fits
    assert table.startswith("nothing fits")


def test_a_plan_of_all_choices_has_a_line_for_each():
    table, _ = plan_table(4096, 4, 3, Budget(), every=True)
    assert all(plan.label in table for plan in plans(4096, 4, 3))


def test_what_is_too_long_to_list_is_refused():
    with pytest.raises(InputError, match=r"up to 1,000 relations and 64 hops; got 1,001 and 1"):
        list(plans(10, 1001, 1))


# ------------------------------------------------------------------ the capacity plane


def test_the_plane_as_data_holds_every_bound_and_every_point():
    shown = plane.plane(256, 3, 2)
    data = json.loads(json.dumps(plane.as_json(shown), allow_nan=False))
    assert {point["construction"] for point in data["constructions"]} == {
        n for n, e in CATALOGUE.items() if e.multi_hop
    }
    at = data["curves"][1]
    assert at["embedding_bits"] == 8
    expected = every_bound(256, 3, 2, 8, 8)
    assert [bound["name"] for bound in at["bounds"]] == list(expected)
    assert at["bounds"][3]["bits"] == expected["shared_leaves"].bits


def test_printed_bounds_are_rounded_down():
    assert down(-0.0000001) == "-0.000001"
    assert down(1234.9999999) == "1,234.999999"
    assert down(2.0**60, 1) == f"{2**60:,}.0"
    assert down(-1e308).startswith("-1")
    assert down(-math.inf) == "-inf"


@given(large, st.integers(1, 5), st.integers(1, 4))
@settings(max_examples=15, deadline=None)
def test_tables_have_a_line_for_every_point(n, r, k):
    text = plane.tables(plane.plane(n, r, k))
    assert all(f"\n{plan.label} " in text for plan in plans(n, r, k))


@pytest.mark.long
def test_the_picture_is_the_same_every_time(tmp_path):
    pytest.importorskip("matplotlib")
    shown = plane.plane(4096, 4, 2)
    for name in ("one.svg", "other.svg"):
        plane_picture.draw(shown, tmp_path / name)
    one = (tmp_path / "one.svg").read_bytes()
    assert one == (tmp_path / "other.svg").read_bytes()
    assert one.startswith(b"<?xml")
    assert len(list(tmp_path.iterdir())) == 2
    plane_picture.draw(plane.plane(4096, 4, 3), tmp_path / "other.svg")
    assert one != (tmp_path / "other.svg").read_bytes()


@pytest.mark.long
def test_a_picture_can_be_drawn_at_every_size(tmp_path):
    pytest.importorskip("matplotlib")
    for n, r, k in ((1, 1, 1), (2, 3, 4), (2**40, 2, 3)):
        plane_picture.draw(plane.plane(n, r, k), tmp_path / "plane.svg")
