"""Facts that hide from an accounting that multiplies entries by widths are charged."""

from fractions import Fraction

import pytest
import torch
from model_words import PLACES, hidden_in

from bounds.theorem_4_2 import sharpened_global_bound
from constructions import selector
from verify.cells.cell import Cell
from verify.cells.verifying import run_cell
from verify.queries.capacity import capacity, fact_capacity, format_of

COUNT = 50


def kraft_sum(place, count):
    """The sum of 2^-bits over many models, each with bits of its own; above 1 no such words
    exist.
    """
    return sum(Fraction(1, 2 ** count(hidden_in(place, number))) for number in range(COUNT))


@pytest.mark.parametrize("place", PLACES)
def test_nothing_hides_in(place):
    """Of the models that differ in this place alone no more than 2^b have b bits or fewer: the
    cheat is charged.
    """
    charged = sorted(capacity(hidden_in(place, number)).total_bits for number in range(COUNT))
    assert kraft_sum(place, lambda model: capacity(model).total_bits) <= 1
    assert all(index < 2**bits for index, bits in enumerate(charged))
    # The control: entries by widths of the model's own.
    # there larger numbers take more entries, or wider ones
    if place not in ("a width", "positions"):
        assert kraft_sum(place, lambda model: capacity(model, format_of(model)).total_bits) > 1


def test_facts_in_a_one_entry_tensor_fell_below_a_bound_and_are_charged():
    """One number of 2^b values tells apart more tables than its model has bits for, if a constant
    is free.
    """
    needed = sharpened_global_bound(9, 2, 2, 0).bits
    # 2^30 numbers are exact in float64; the table's number is the constant
    tables = range(2**30, 2**30 + 50)
    assert needed > 29
    for number in tables:
        model = hidden_in("a constant", number)
        free, charged = capacity(model, format_of(model)), capacity(model)
        assert free.internal_bits == 0
        assert charged.internal_bits > 30
        assert capacity(model, format_of(hidden_in("a constant", 1))).outside.startswith(
            "layers.0.mlp.weights.0.weight"
        )


def test_fact_bits_charge_what_differs_between_models_wherever_it_hides():
    for place in ("a constant", "a constant's exponent", "an offset", "a spacing", "a width"):
        found = fact_capacity([hidden_in(place, number) for number in range(COUNT)])
        assert found.total_bits >= 6, place
    for place in ("repeats", "a head's width"):
        with pytest.raises(ValueError, match="with the same shapes"):
            fact_capacity([hidden_in(place, number) for number in (1, 2)])


CELLS = (Cell("selector", 20, 3, seed=seed) for seed in range(99))
CELL = next(cell for cell in CELLS if cell.table().answers[0, 0] % 2)
"""A cell whose first answer is odd; that of rotations is 0."""


def disguised(change):
    """A builder that hides the first answer in the model, without a change of any logit."""

    def build(facts, **options):
        model = selector(facts, **options)
        attention = model.layers[0].attention
        with torch.no_grad():
            change(attention.value.weight, attention.output.weight, int(facts.answers[0, 0]))
        return model

    return build


def in_a_spacing(value, output, number):
    value *= 2.0**number
    output /= 2.0**number


def in_an_offset(value, output, number):
    value *= (-1) ** number
    output *= (-1) ** number


@pytest.mark.parametrize("change", [in_a_spacing, in_an_offset])
def test_a_cell_whose_builder_hides_facts_in_its_format_fails(change, monkeypatch):
    cell, number = CELL, int(CELL.table().answers[0, 0])
    monkeypatch.setattr("constructions.theorems.theorem_4_1.selector", disguised(change))
    result = run_cell(cell)
    assert (result.verdict, result.wrong) == ("FAIL", 0)
    assert (
        "widths or constants depend on the facts, and are counted: layers.0.attention.value.weight"
        in result.reason
    )
    assert (
        result.sizes.found.internal_bits
        > run_cell_of(selector, cell, monkeypatch).sizes.found.internal_bits + number.bit_length()
    )


def run_cell_of(build, cell, monkeypatch):
    monkeypatch.setattr("constructions.theorems.theorem_4_1.selector", build)
    return run_cell(cell)


def test_the_same_disguise_for_all_facts_is_a_part_of_the_format(monkeypatch):
    plain = run_cell(CELL)
    always = run_cell_of(
        disguised(lambda value, output, _: in_a_spacing(value, output, 3)), CELL, monkeypatch
    )
    assert "depend on the facts" not in always.reason
    assert always.sizes.found.internal_bits == plain.sizes.found.internal_bits


def test_a_cell_whose_fixed_unembedding_holds_facts_fails(monkeypatch):
    def build(facts, **options):
        model = selector(facts, **options)
        with torch.no_grad():  # relations are never answers: their logits may sink
            model.unembedding.weight[facts.n_entities] *= 1 + int(facts.answers[0, 0]) % 2
        return model

    result = run_cell_of(build, CELL, monkeypatch)
    assert result.verdict == "FAIL"
    assert "the unembedding depends on the facts, and is claimed not to" in result.reason
