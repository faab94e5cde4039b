"""A trained model beside a construction of the same facts."""

import copy

import pytest
import torch

from constructions import (
    FactTable,
    InputError,
    StandardDecoder,
    StandardShape,
    key_value,
    noise_radius,
    selector,
)
from constructions.learning.fit import fit
from constructions.learning.one_layer import OneLayerShape
from verify.cli.reports.side_by_side import table
from verify.learned.measure import Measure
from verify.learned.side_by_side import dense_bits, side_by_side
from verify.queries.capacity import capacity

FACTS = FactTable.random_bijections(32, 2, seed=0)
MEASURES = ["superposition, held-out R^2", "intervention: both", "transfer, no step"]


@pytest.fixture(scope="module")
def models():
    found = fit(OneLayerShape.of(FACTS, 6, 16), FACTS, 600, [0, 1], device="cpu")
    assert found.reached.all()
    return found.models


@pytest.fixture(scope="module")
def found(models):
    return side_by_side(models, selector(FACTS), FACTS, tuning_steps=50)


def test_sizes_and_bits_are_those_of_both(found, models):
    built = selector(FACTS)
    assert found.n_facts == 64
    assert found.row("dimension").trained == (6, 6)
    assert found.row("dimension").construction == (built.shape.d_model,)
    assert found.row("width").construction == (built.shape.d_mlp,)
    assert found.row("parameters").trained[0] == sum(p.numel() for p in models[0].parameters())
    counted = capacity(built)
    assert found.row("dense bits").construction == (counted.total_bits - counted.description,)
    assert found.row("dense bits").trained[1] == dense_bits(models[1])


def test_fewer_bits_are_enough_than_there_are(found):
    for way in ("rounded", "fine-tuned"):
        least = found.row(f"all bits, {way}")
        assert max(least.trained) < min(found.row("dense bits").trained)
        assert all(1 < bits < 12 for bits in found.row(f"bits a tensor, {way}").trained)
    rounded, tuned = (found.row(f"all bits, {way}").trained for way in ("rounded", "fine-tuned"))
    assert all(less <= more for less, more in zip(tuned, rounded, strict=True))


def test_margins_and_the_radius_that_only_a_construction_has(found):
    assert found.row("margin").construction == (2,)
    assert found.row("recall").trained == (1, 1)
    assert all(margin > 0 for margin in found.row("margin").trained)
    radius = found.row("noise radius")
    assert radius.construction == (noise_radius(selector(FACTS), "queries"),)
    assert "constructions and their forms alone" in radius.trained


def test_the_mechanism_of_the_construction_is_exact_and_the_trained_has_an_interval(found):
    for name in MEASURES:
        row = found.row(name)
        assert float(row.construction.value) == pytest.approx(1)
        assert row.trained.n_seeds == 2
        assert row.trained.low is not None
    with pytest.raises(KeyError, match="taste"):
        found.row("taste")


def test_the_table_fits_a_line_and_says_why_something_is_missing(found):
    printed = table(found)
    assert max(map(len, printed.splitlines())) < 100
    assert "noise radius: certified for constructions and their forms alone" in printed
    assert "64 facts" in printed.splitlines()[0]


def test_a_model_that_knows_nothing_is_seen_to_know_nothing(models):
    broken = copy.deepcopy(models[0])
    with torch.no_grad():
        broken.entities.copy_(broken.entities[torch.randperm(32)])
    found = side_by_side(broken, selector(FACTS), FACTS, tuning_steps=0)
    assert found.row("recall").trained[0] < 0.3
    assert found.row("margin").trained[0] < 0
    assert found.row("all bits, rounded").trained == "not all is recalled"
    assert float(found.row("intervention: both").trained.value) < 0.3
    assert [row.name for row in found.rows if "fine-tuned" in row.name] == []


def test_a_standard_decoder_is_compared_too():
    shape = StandardShape(34, 8, 1, 1, 8, 8, n_positions=2, norm="rmsnorm")
    found = side_by_side(StandardDecoder(shape), selector(FACTS), FACTS, tuning_steps=0)
    assert found.trained == "StandardDecoder, 1 seed"
    assert found.row("width").trained == (8,)
    assert found.row("recall").trained[0] < 0.5
    assert float(found.row("recall").construction[0]) == 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: side_by_side([], selector(FACTS), FACTS), "no trained model"),
        (lambda: side_by_side(selector(FACTS), key_value(FACTS, 2), FACTS), "of one hop"),
        (
            lambda: side_by_side(
                selector(FACTS), selector(FactTable.random_bijections(32, 2, seed=1)), FACTS
            ),
            "answers other facts",
        ),
    ],
)
def test_what_cannot_be_compared_is_refused(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_printed_it_has_a_line_for_each_row(found):
    lines = str(found).splitlines()
    assert lines[0] == "64 facts: OneLayer, 2 seeds beside selector"
    assert len(lines) == 1 + len(found.rows)
    assert "dimension: 6 beside " in lines[1]
    assert "recall: 1 beside 1" in lines
    assert any(line.startswith("noise radius: none beside 0.0") for line in lines)
    assert max(map(len, lines)) < 100


def test_one_reason_for_several_rows_is_printed_once_and_wrapped():
    """One subject is too few for any superposition to be fitted."""
    facts = FactTable.random_bijections(8, 4, seed=0)
    shape = OneLayerShape.of(facts, 8, 16)
    few = fit(shape, facts, 200, [0, 1], device="cpu").models
    found = side_by_side(few, selector(facts), facts, tuning_steps=0)
    refused = {row.trained.refused for row in found.rows if isinstance(row.trained, Measure)}
    reason = found.row("intervention: both").trained.refused
    assert len(reason) > 99
    assert reason in refused
    lines = table(found).splitlines()
    assert max(map(len, lines)) < 100
    joined = " ".join(line.strip() for line in lines)
    assert joined.count(reason) == 1
    assert "intervention: moves; intervention: keeps; intervention: both" in joined


def test_intervals_are_said_to_pass_0_and_1(found):
    assert "not cut at 0 and 1" in table(found)


@pytest.mark.parametrize("facts", [FactTable.random_bijections(40, 2), FactTable.rotations(9, 2)])
def test_trained_models_of_other_sizes_are_refused_with_both(models, facts):
    wanted = f"{facts.n_entities} entities and 2 relations; the model was made for 32 and 2"
    with pytest.raises(InputError, match=wanted):
        side_by_side(models, selector(facts), facts, tuning_steps=0)
