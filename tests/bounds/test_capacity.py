"""Bits of built models: measured from the weights, equal to the formulas."""

import re
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from accounts import measured_equals_formula
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import bijections, functions, tables_for
from tiers import diagonal

from bounds.grids import fixed_point_width
from bounds.sizes import predicted, predicted_for_bijections, table_values
from constructions import CATALOGUE, FactTable, InputError, key_value_rows, selector
from constructions.sizes.symbols import Symbols
from verify.cells.cell import Cell
from verify.cells.verifying import run_cell
from verify.queries.capacity import capacity, fact_capacity, format_of

FEW = {"entities": st.integers(1, 9), "relations": st.integers(1, 4)}


def width(*values):
    return fixed_point_width([np.array(values, dtype=np.float64)])


@pytest.mark.parametrize(
    ("values", "bits"),
    [
        ((), 0),
        ((5,), 0),
        ((0, 1), 1),
        ((-1, 1), 1),
        ((5, 7), 1),
        ((0, 1024), 1),
        ((-1, 0, 1), 2),
        ((-1024, 0, 1024), 2),
        ((0, 3), 2),
        ((0, 4, 8, 12), 2),
        ((0.25, 1), 2),
        ((0, 0.5), 1),
        ((-3, 5), 1),
        ((-3, 4), 3),
        ((0, 2**60), 1),
        ((1, 2**60), 60),
        ((0, 1, 2.0**-1022), 1023),
        ((0.0, -0.0), 0),
    ],
)
def test_widths_by_hand(values, bits):
    assert width(*values) == bits


@given(st.lists(st.floats(-1e6, 1e6, allow_subnormal=False), min_size=1, max_size=20))
def test_a_width_holds_all_values_on_one_grid_and_no_smaller_one_does(values):
    exact = [Fraction(value) for value in values]
    steps = {value - min(exact) for value in exact} - {0}
    spacing = Fraction(2) ** 2000
    while any((step / spacing).denominator != 1 for step in steps):
        spacing /= 2
    largest = int(max(steps, default=0) / spacing)
    assert width(*values) == largest.bit_length()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_has_no_bits(bad):
    with pytest.raises(ValueError, match="not a finite number"):
        width(0, bad)


def build_cases(name):
    entry = CATALOGUE[name]
    if entry.multi_hop:
        tables = (
            bijections(**FEW) if entry.needs else st.one_of(bijections(**FEW), functions(**FEW))
        )
        return tables, st.integers(1, 4)
    return tables_for(name), st.just(1)


KINDS = (
    (r"positions", "positions"),
    (r"attention\.query", "queries"),
    (r"attention\.key", "keys"),
    (r"attention\.value", "values"),
    (r"attention\.output", "outputs"),
    (r"mlp\.weights\.0", "units that read"),
    (r"mlp\.weights\.last", "units that write"),
    (r"mlp\.weights\.\d", "units between"),
)


def measured_by_kind(model):
    """Entries and bits of what a model stores inside, by what it does."""
    found, names = {}, dict(model.named_parameters())
    for name, cost in capacity(model, format_of(model)).tensors.items():
        above = re.sub(r"\d+(?=\.weight$)", lambda place: str(int(place[0]) + 1), name)
        seen = name if above in names else re.sub(r"\d+(?=\.weight$)", "last", name)
        for pattern, kind in KINDS:
            if re.search(pattern, seen):
                entries, bits = found.get(kind, (0, 0))
                found[kind] = (entries + cost.entries, bits + cost.bits)
                break
    # heads that look everywhere alike have empty queries and keys
    return {kind: cost for kind, cost in found.items() if cost[0]}


def stated_by_kind(sizing):
    """The same, by the formulas."""
    found = {}
    for tensor in sizing.internal:
        kind = tensor.name.split(" of ")[0]
        entries, bits = found.get(kind, (0, 0))
        found[kind] = (entries + tensor.entries, bits + tensor.entries * tensor.entry_bits)
    return found


@pytest.mark.parametrize("name", list(CATALOGUE))
@pytest.mark.parametrize(("n", "r", "k"), [(9, 3, 3), (6, 2, 4), (5, 2, 5)])
def test_every_tensor_that_a_formula_names_has_its_entries_and_its_bits(name, n, r, k):
    entry, k = CATALOGUE[name], k if CATALOGUE[name].multi_hop else 1
    facts = FactTable.rotations(n, r) if entry.takes_bijections else entry.random_facts(n, r, 0)
    sizing = entry.sizing(Symbols(**table_values(entry, facts, k)))
    measured = measured_by_kind(entry.build(facts, k))
    assert stated_by_kind(sizing) == measured
    first, *rest = sizing.internal  # the control: a bit moves from one tensor to another
    first, last = replace(first, entries=first.entries + 1), rest.pop()
    moved = (first, *rest, replace(last, entries=last.entries - 1))
    assert stated_by_kind(replace(sizing, internal=moved)) != measured


@pytest.mark.parametrize("name", list(CATALOGUE))
@given(data=st.data())
@settings(max_examples=12, deadline=None)
def test_dense_bits_equal_the_formulas(name, data):
    tables, lengths = build_cases(name)
    facts, hops = data.draw(tables), data.draw(lengths)
    given_options = {}
    if name.startswith("hybrid"):
        given_options = {"looked_up": data.draw(st.integers(0, facts.n_relations))}
    if name == "chain_of_thought":
        given_options = {"max_hops": hops, "hops_per_token": data.draw(st.integers(1, hops))}
    measured_equals_formula(name, facts, hops, given_options)


@pytest.mark.parametrize(
    ("name", "sizes"),
    diagonal([name for name in CATALOGUE if name != "superposition"], [(8, 2), (5, 3)]),
)
def test_fact_bits_measured_equal_the_formulas(name, sizes):
    """Built with many fact tuples and compared: every entry that changes is found, and its width
    is the formula's.
    """
    entry = CATALOGUE[name]
    tables = [FactTable.random_bijections(*sizes, seed) for seed in range(30)]
    for hops in (1, 2, 3) if entry.multi_hop else (1,):
        found = fact_capacity([entry.build(facts, hops) for facts in tables])
        costs = predicted_for_bijections(entry, *sizes, hops)
        assert (found.internal_bits, found.embedding_bits, found.unembedding_bits) == (
            costs.internal_fact_bits,
            costs.embedding_fact_bits,
            costs.unembedding_fact_bits,
        )


def test_fact_bits_of_superposition():
    tables = [FactTable.random_disjoint(8, 2, seed) for seed in range(50)]
    of_one_shape = [
        f for f in tables if predicted(CATALOGUE["superposition"], f).embedding_fact_bits == 4
    ]
    assert len(of_one_shape) > 20
    found = fact_capacity([CATALOGUE["superposition"].build(facts) for facts in of_one_shape])
    assert (found.internal_bits, found.embedding_bits) == (0, 4)


def test_fact_bits_of_one_table_or_of_different_shapes_are_refused():
    small, large = selector(FactTable([[0, 1]])), selector(FactTable([[0, 1, 2]]))
    for models in ([small], [small, large]):
        with pytest.raises(ValueError, match="two models or more with the same shapes"):
            fact_capacity(models)


def test_shared_layers_count_once():
    facts = FactTable.random_bijections(6, 2)
    once, twice = (capacity(key_value_rows(facts, k, share_layers=True)) for k in (2, 3))
    assert set(once.tensors) == set(twice.tensors)
    assert (
        fact_capacity(
            [key_value_rows(f, 3, share_layers=True) for f in tables_of(6, 2)]
        ).internal_bits
        == 6 * 2 * 3
    )
    assert (
        fact_capacity([key_value_rows(f, 3) for f in tables_of(6, 2)]).internal_bits
        == 3 * 6 * 2 * 3
    )


def tables_of(n, r):
    return [FactTable.random_bijections(n, r, seed) for seed in range(40)]


def test_half_precision_is_counted_as_well():
    facts = FactTable.random_bijections(6, 2)
    half, single = (selector(facts, dtype=dtype) for dtype in (torch.bfloat16, torch.float32))
    assert capacity(half).total_bits == capacity(single).total_bits
    assert capacity(half, format_of(single)).outside.startswith("the dtype is bfloat16")


def test_a_damaged_weight_fails_the_cell(monkeypatch):
    """A weight that is off its grid: the accounting no longer equals the formula, even if all
    answers stay right.
    """

    def damaged(facts, **options):
        model = selector(facts, **options)
        with torch.no_grad():
            model.layers[0].mlp.matrix(0)[0] *= 2
            model.layers[0].mlp.matrix(1)[:, 0] /= 2
        return model

    monkeypatch.setattr("constructions.theorems.theorem_4_1.selector", damaged)
    result = run_cell(Cell("selector", 20, 3))
    assert (result.verdict, result.wrong) == ("FAIL", 0)
    assert "internal_bits" in result.reason


def test_a_construction_needs_its_facts_to_be_priced():
    with pytest.raises(InputError, match="has no option"):
        predicted_for_bijections(CATALOGUE["selector"], 4, 2, 1, {"q": 1})
