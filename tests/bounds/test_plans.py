"""Plans within a budget: what fits, cheapest first, and why the rest does not."""

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import large

from bounds.plans import Budget, fitting, plans
from constructions import CATALOGUE, InputError
from verify.cli.reports.plans import plan_table


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
    found = list(fitting(plans(4096, 4, 3), Budget(d_model=100)))
    table = plan_table(found, wide=True)
    rows, rest = table.split("does not fit")
    bits = [int(row.split()[-1].replace(",", "")) for row in rows.splitlines()[1:]]
    assert bits == sorted(bits)
    assert re.search(r"precomputed: d_model \d+ > 100", rest.replace(",", ""))
    found = list(fitting(plans(4096, 4, 3), Budget(d_model=1)))
    assert all(exceeded for _, exceeded in found)
    assert plan_table(found).startswith("nothing fits")


def test_a_plan_of_all_choices_has_a_line_for_each():
    table = plan_table(fitting(plans(4096, 4, 3), Budget(), every=True))
    assert all(plan.label in table for plan in plans(4096, 4, 3))


def test_what_is_too_long_to_list_is_refused():
    with pytest.raises(InputError, match=r"up to 1,000 relations and 64 hops; got 1,001 and 1"):
        list(plans(10, 1001, 1))
