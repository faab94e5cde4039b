"""Models rounded to b bits a tensor: their grids, what is charged, recall against bits, and a bound
that no point lies below.
"""

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bounds.imperfect import recall_bound
from constructions import CATALOGUE, FactTable, InputError, selector
from constructions.learning.fit import fit
from constructions.learning.one_layer import OneLayerShape
from constructions.learning.recalled import n_right
from verify.cli.reports.recall_by_bits import table
from verify.cli.reports.recall_by_bits_picture import draw
from verify.learned.answered import Answered
from verify.learned.quantised import SCALES, quantise
from verify.learned.recall_by_bits import Drawn, Point, RecallByBits, recall_by_bits
from verify.learned.tensor_grids import grid_for
from verify.queries.capacity import capacity

FACTS = FactTable.random_bijections(16, 2, seed=0)

tensors = st.lists(st.floats(-8, 8, width=32), min_size=1, max_size=40).map(torch.tensor)
bits, scales = st.integers(1, 16), st.sampled_from(SCALES)


@pytest.fixture(scope="module")
def model():
    found = fit(OneLayerShape.of(FACTS, 5, 16), FACTS, 500, 0, until=None, device="cpu")
    assert found.recall[0] == 1
    return found.models[0]


@pytest.fixture(scope="module")
def curve(model):
    return recall_by_bits(model, FACTS, bits=range(1, 9), tuning_steps=100)


# ------------------------------------------------------------------ grids


@given(tensors, bits, scales)
@settings(max_examples=100, deadline=None)
def test_a_rounded_tensor_is_named_by_its_numbers_step_and_low(values, b, scale):
    grid = grid_for(values, b, scale)
    rounded = grid.nearest(values)
    assert len(rounded.unique()) <= 2**grid.width
    assert grid.width <= b
    assert grid.bits == len(values) * grid.width + grid.description
    if not grid.step:
        assert torch.equal(rounded, values)
        return
    numbers = ((rounded.double() / (grid.step / 2) - grid.low) / 2).round()
    assert numbers.min() >= 0
    assert numbers.max() < 2**b
    again = ((grid.low + 2 * numbers) * grid.step / 2).float()
    assert torch.equal(again, rounded)
    step = torch.tensor(grid.step)
    assert step.bfloat16().float() == step, "the step has more digits than it is charged"


@given(tensors, bits)
@settings(max_examples=100, deadline=None)
def test_no_entry_moves_by_more_than_a_step_where_the_whole_range_is_covered(values, b):
    grid = grid_for(values, b, 1.0)
    moved = (grid.nearest(values).double() - values.double()).abs().max()
    assert moved <= grid.step * (1 + 2**-20)


def test_by_hand():
    values = torch.tensor([-1.0, 0.3, 1.0])
    grid = grid_for(values, 1, 1.0)
    assert (grid.step, grid.low, grid.levels) == (2.0, -1, 2)
    assert grid.nearest(values).tolist() == [-1, 1, 1]
    assert grid_for(values, 1, 0.5).nearest(values).tolist() == [-0.5, 0.5, 0.5]
    assert grid_for(torch.zeros(3), 1, 1.0).width == 0
    assert grid_for(torch.tensor([-1.0, 0.0, 1.0]), 2, 1.0).nearest(values) is values


def test_what_is_no_number_is_on_no_grid():
    with pytest.raises(InputError, match="not a finite number"):
        grid_for(torch.tensor([1.0, torch.nan]), 3, 1.0)


# ------------------------------------------------------------------ constructions


@pytest.mark.parametrize("name", ["selector", "scalar_selector", "attention_selector"])
def test_a_construction_in_as_many_bits_as_it_has_stays_as_it_is(name):
    built = CATALOGUE[name].build(FACTS)
    counted = capacity(built)
    widest = max(tensor.width for tensor in counted.tensors.values())
    found = quantise(built, FACTS, widest)
    before = Answered(built, FACTS).score({})
    assert found.score == before
    assert found.score.right == 32
    assert {n: g.entries * g.width for n, g in found.grids.items()} == {
        n: tensor.bits for n, tensor in counted.tensors.items()
    }
    assert found.total_bits >= recall_bound(16, 2, 0).bits
    curve = recall_by_bits(built, FACTS, bits=[1, 2, widest], tuning_steps=0)
    assert curve.below() == []
    assert curve.least(Fraction(1)).bits <= widest


# ------------------------------------------------------------------ trained models


def test_the_rounded_model_is_the_one_that_is_counted(model):
    found = quantise(model, FACTS, 4)
    assert n_right([found.model], FACTS)[0] == found.score.right
    for name, weight in found.model.named_parameters():
        assert torch.equal(weight, found.grids[name].nearest(weight)), name
        assert len(weight.unique()) <= 16


def test_searching_tensor_by_tensor_does_no_harm(model):
    for b in (2, 3, 4):
        searched = quantise(model, FACTS, b).score
        assert searched >= quantise(model, FACTS, b, tensor_by_tensor=False).score


def test_fine_tuning_stays_on_the_grid_and_does_no_harm(model):
    for b in (2, 3):
        rounded = quantise(model, FACTS, b)
        found = rounded.tuned(FACTS, 60)
        assert found.score >= rounded.score
        assert found.total_bits == rounded.total_bits
        for name, weight in found.model.named_parameters():
            grid = found.grids[name]
            assert torch.equal(weight, grid.nearest(weight) if grid.step else weight)


def test_no_point_lies_below_the_bound_and_enough_bits_recall_everything(curve):
    assert curve.below() == []
    assert [one.bits for one in curve.points] == [b for b in range(1, 9) for _ in range(2)]
    assert curve.points[-1].right == 32
    least, tuned = curve.least(Fraction(1)), curve.least(Fraction(1), tuned=True)
    assert tuned.bits <= least.bits < 8
    assert curve.least(Fraction(99, 100)).bits <= least.bits


def test_the_table_says_what_others_need(curve):
    printed = table(curve)
    assert "information limit: 2.77 bits a fact" in printed  # log2(16!) / 16
    assert f"cheapest construction: {curve.cheapest.label}" in printed
    assert max(map(len, printed.splitlines())) < 100
    assert "ABOVE" not in printed


def test_the_picture_is_an_svg(curve, tmp_path):
    pytest.importorskip("matplotlib")
    draw([("16 x 2", curve)], tmp_path / "x.svg")
    assert "<svg" in (tmp_path / "x.svg").read_text()


def test_facts_that_are_no_bijections_say_how_they_were_drawn(model):
    worlds = FactTable.random_worlds(2, 8, 2, seed=0)
    built = selector(worlds)
    with pytest.raises(InputError, match="are 64; the table has 32"):
        recall_by_bits(built, worlds, bits=[2], drawn=Drawn(16, 4))
    found = recall_by_bits(built, worlds, bits=[4], drawn=Drawn(8, 4), tuning_steps=0)
    assert found.points[0].right == 32
    assert found.drawn.needed(0) == recall_bound(8, 4, 0).bits
    assert found.cheapest is None
    with pytest.raises(InputError, match="bits must be an integer from 1 to 16; got 17"):
        recall_by_bits(model, FACTS, bits=[17])


OWN = FactTable(np.array([[(s * s + r) % 8 for s in range(8)] for r in range(3)]))
"""Three functions of eight entities that are no bijections."""
TWICE = FactTable(np.array([[0, 1, 2, 3, 0, 1, 2, 0]]))
"""A bijection of a world of four, and no bijection of another."""


@pytest.mark.parametrize(
    ("facts", "drawn", "words"),
    [
        (OWN, Drawn(8, 3), "onto 8 answers are said to be drawn; r0 has 3 different ones for the"),
        (OWN, Drawn(4, 6), "onto 4 answers are said to be drawn; r0 has 3 different ones for the"),
        (OWN, Drawn(6, 4), "worlds of 6 subjects are said to be drawn; r0 has 8 facts"),
        (TWICE, Drawn(4, 2), "r0 has 3 different ones for the 4 subjects of world 1"),
        (TWICE, Drawn(8, 2), "2 rows of 8 facts are 16; the table has 8"),
    ],
)
def test_what_cannot_have_been_drawn_so_is_refused(facts, drawn, words):
    with pytest.raises(InputError, match=words):
        recall_by_bits(selector(facts), facts, bits=[2], drawn=drawn)


def test_numbers_of_what_was_drawn_are_positive_integers():
    with pytest.raises(InputError, match="size must be an integer"):
        Drawn(0, 3)
    with pytest.raises(InputError, match="rows"):
        Drawn(3, 2.5)


def test_no_bound_is_known_of_a_table_of_ones_own(tmp_path):
    curve = recall_by_bits(selector(OWN), OWN, bits=[1, 4], tuning_steps=0)
    assert (curve.drawn, curve.cheapest, curve.below()) == (None, None, [])
    assert curve.needed(curve.points[0]) is None
    for said in (table(curve), str(curve)):
        assert "no bound is known: the facts are no bijections" in said
        assert "limit" not in said
    assert table(curve).count("none known") == 2
    pytest.importorskip("matplotlib")
    draw([("own", curve)], tmp_path / "x.svg")
    assert "<svg" in (tmp_path / "x.svg").read_text()


def test_a_curve_in_short(curve):
    lines = str(curve).splitlines()
    assert lines[0] == "recall of 32 facts at b = 1, 2, 3, 4, 5, 6, 7, 8"
    least = curve.least(Fraction(1))
    assert (
        lines[1] == f"rounded: all from b = {least.bits} on, {least.total_bits / 32:.2f} bits"
        " a fact"
    )
    assert lines[2].startswith("fine-tuned: all from b = ")
    assert lines[3] == "information limit: 2.77 bits a fact; 0 of 16 points lie below the bound"


@pytest.mark.parametrize("facts", [FactTable.random_bijections(20, 2), FactTable.rotations(9, 2)])
def test_a_model_of_other_sizes_is_refused_with_both(model, facts):
    wanted = f"{facts.n_entities} entities and 2 relations; the model was made for 16 and 2"
    with pytest.raises(InputError, match=wanted):
        recall_by_bits(model, facts, bits=[2])


def test_any_module_with_too_few_tokens_is_refused():
    with pytest.raises(InputError, match="has no row of token 17"):
        Answered(torch.nn.Embedding(10, 20), FACTS)


def test_rounding_and_fine_tuning_need_no_gradients_of_the_caller(model):
    wanted = quantise(model, FACTS, 2).tuned(FACTS, 30)
    with torch.no_grad():
        assert quantise(model, FACTS, 2).tuned(FACTS, 30).score == wanted.score


def test_grids_that_are_alike_are_scored_once(monkeypatch):
    """A construction stays as it is on every scale: eight passes over each tensor are one."""
    asked = []
    score = Answered.score
    monkeypatch.setattr(Answered, "score", lambda *a: asked.append(a) or score(*a))
    found = quantise(selector(FACTS), FACTS, 8)
    assert all(not grid.step for grid in found.grids.values())
    assert len(asked) == 1


# ------------------------------------------------------------------ controls


def test_a_point_below_the_bound_is_found():
    """All facts in a bit less than the limit, just above it, and fewer facts in as many bits."""
    drawn = Drawn(16, 2)
    limit = drawn.needed(0)
    below, above = Point(1, 32, int(limit)), Point(2, 32, int(limit) + 1)
    few = Point(3, 20, int(limit))
    curve = RecallByBits(32, (below, above, few), drawn)
    assert curve.below() == [below]
    assert table(curve).count("ABOVE THE POINT") == 1


def test_answers_that_tie_are_not_right(model):
    answered = Answered(model, FACTS)
    zeros = {name: torch.zeros_like(value) for name, value in model.named_parameters()}
    assert answered.score(zeros).right == 0
    broken = {"entities": torch.full((16, 5), torch.nan)}
    assert answered.score(broken).right == 0
    assert answered.score({}).right == 32
    assert np.isfinite(answered.score({}).margin)
