"""Other forms as cells of the grid: what is wrong with one is found."""

from dataclasses import replace

import pytest
import torch

from constructions import CATALOGUE
from constructions.forms.basis import change_basis
from constructions.forms.widening import widen
from verify.cells.cell import FORM_NAMES, Cell
from verify.cells.grid import default_grid, forms_grid
from verify.cells.verifying import run_cell
from verify.queries import forms
from verify.queries.form_proof import Made
from verify.queries.forms import FORMS, check_form, make_form


def test_every_construction_is_in_every_form_in_the_default_grid():
    cells = [cell for cell in default_grid() if cell.form]
    assert {(cell.construction, cell.form) for cell in cells} == {
        (name, form) for name in CATALOGUE for form in FORMS
    }
    assert tuple(FORMS) == FORM_NAMES


def test_with_forms_every_cell_of_the_default_grid_is_in_every_form_once():
    cells = [*default_grid(), *forms_grid()]
    plain = [cell for cell in cells if not cell.form]
    assert len(set(cells)) == len(cells)
    assert {replace(cell, form=form) for cell in plain for form in FORMS} <= set(cells)


@pytest.mark.parametrize("form", FORMS)
def test_a_form_is_run_on_all_queries_of_all_lengths(form):
    result = run_cell(Cell("chain_of_thought", 3, 2, 3, options=(("max_hops", 3),), form=form))
    assert (result.verdict, result.queries, result.wrong) == ("PASS", 3 * (2 + 4 + 8), 0)
    assert result.margin > 1
    assert result.form.difference == 0 or form in (
        "basis",
        "noise",
        "layernorm pre",
        "layernorm post",
    )


def spoiled(change, allowed=float("inf")):
    @torch.no_grad()
    def form(model):
        wide = widen(model)
        change(wide)
        return Made(wide, allowed)

    return form


def test_every_logit_is_held_against_the_originals_whichever_are_asked_whole(monkeypatch):
    """One query of each length is asked as a whole sequence, and each subject in turn is off."""
    monkeypatch.setattr("verify.queries.forms.MOST_WHOLE", 1)
    unseen = 0
    for subject in range(5):

        def off(model, subject=subject):
            model.embedding.weight[subject] *= 1 + 2.0**-20

        monkeypatch.setitem(FORMS, "wide", spoiled(off, 0.0))
        result = run_cell(Cell("attention_selector", 5, 2, form="wide"))
        form = result.form
        assert form.asked.queries == form.to_ask == len(form.recalls)
        assert 0 < form.off < 1e-4
        assert (result.verdict, form.off == form.difference) == ("FAIL", True)
        unseen += form.asked.difference == 0
    assert unseen >= 4


def test_where_sums_round_a_wider_model_may_add_them_in_another_order():
    """Here it does: the stream is turned around. Where nothing rounds no logit may differ."""
    for name, rounds in (("selector", False), ("attention_selector", True)):
        cell = Cell(name, 32, 4)
        model = CATALOGUE[name].build(cell.table())
        made = make_form(model, "wide")
        assert (0 < made.allowed < 0.01) if rounds else made.allowed == 0
        around = torch.eye(made.form.shape.d_model, dtype=torch.float64).flip(0)
        other = change_basis(made.form, around, by=None)
        found = check_form(model, made._replace(form=other))
        assert (found.verdict, found.wrong) == ("PASS", 0)
        assert found.difference > 0 if rounds else found.difference == 0


def test_what_whole_sequences_are_answered_is_held_against_the_originals(monkeypatch):
    """Here they alone are off: by one, all logits of a query alike, so that it is right."""
    asked = forms.ask
    monkeypatch.setattr(
        forms, "ask", lambda run, *rest, **named: asked(lambda t: run(t) + 1, *rest, **named)
    )
    result = run_cell(Cell("selector", 3, 2, form="wide"))
    assert (result.verdict, result.form.off, result.form.asked.difference) == ("FAIL", 0, 1)
    assert result.reason == "a logit is off by 1.0, claimed is at most 0.0"


def swapped_answers(model):
    model.unembedding.weight[[0, 1]] = model.unembedding.weight[[1, 0]]


def not_a_number(model):
    model.unembedding.weight[2, 0] = float("nan")


def a_little_off(model):
    model.unembedding.weight[0] += 1e-6


@pytest.mark.parametrize("construction", ["selector", "chain_of_thought"])
@pytest.mark.parametrize(
    ("change", "allowed", "reported"),
    [
        (swapped_answers, float("inf"), "wrong answers of step by step"),
        (not_a_number, float("inf"), "not positive"),
        (a_little_off, 0.0, "a logit is off by"),
        (a_little_off, float("nan"), "a logit is off by"),
    ],
)
def test_a_form_that_is_wrong_is_found(construction, change, allowed, reported, monkeypatch):
    monkeypatch.setitem(FORMS, "wide", spoiled(change, allowed))
    result = run_cell(Cell(construction, 3, 2, 1, form="wide"))
    assert result.verdict == "FAIL"
    assert reported in result.reason


def test_a_form_that_cannot_be_certified_is_tried_in_float64_and_else_unknown():
    assert run_cell(Cell("key_value_rows", 5, 2, 4, form="noise")).dtype == "float64"
    result = run_cell(Cell("key_value_rows", 5, 2, 4, dtype="float32", form="noise"))
    assert result.verdict == "UNKNOWN"
    assert "no noise radius" in result.reason


def test_a_basis_is_proven_by_norms_or_by_queries_or_decided_in_float64():
    """And its largest difference is held against what is proven."""
    cells = (
        Cell("scalar_selector", 5, 2),
        Cell("key_value_rows", 5, 2, 2),
        Cell("scalar_selector", 1000, 1),
    )
    for cell, dtype in zip(cells, ("float32", "float32", "float64"), strict=True):
        result = run_cell(replace(cell, form="basis"))
        assert (result.verdict, result.dtype, result.wrong) == ("PASS", dtype, 0)
        assert "each logit within" in result.form.in_words()
        assert result.form.difference > 0
    refused = run_cell(Cell("scalar_selector", 1000, 1, form="basis", dtype="float32"))
    assert (refused.verdict, refused.reason) == (
        "UNKNOWN",
        "in torch.float32 another basis may lose an answer",
    )


@pytest.mark.parametrize("form", ["layernorm pre", "layernorm post"])
def test_norms_that_cannot_be_certified_are_decided_by_all_queries(form):
    result = run_cell(Cell("key_value_rows", 16, 2, 4, form=form))
    assert (result.verdict, result.wrong, result.dtype) == ("PASS", 0, "float64")
    assert "only the answers" in result.form.in_words()


def test_what_rounding_in_float32_leaves_undecided_is_decided_in_float64(monkeypatch):
    """A margin of two last places of float32 to a token that is no answer, in what rounds."""

    @torch.no_grad()
    def near(model):
        weight, never = model.unembedding.weight, int(model.vocabulary.relations[0])
        weight[never] = weight[1] * (1 - 2.0**-22)

    monkeypatch.setitem(FORMS, "wide", spoiled(near))
    cell = Cell("attention_selector", 5, 2, form="wide")
    narrow, wide = (run_cell(replace(cell, dtype=dtype)) for dtype in ("float32", "float64"))
    assert narrow.verdict == "UNKNOWN"
    assert "in another order of summation" in narrow.reason
    assert wide.verdict == "PASS"
    found = run_cell(cell)
    assert (found.cell, found.verdict, found.dtype) == (cell, "PASS", "float64")
    assert found.margin == wide.margin


@pytest.mark.parametrize("change", [swapped_answers, not_a_number])
def test_what_float32_decides_is_not_tried_again(change, monkeypatch):
    """The control: what is wrong in float32 stays wrong, though float64 would be right."""
    monkeypatch.setitem(
        FORMS,
        "wide",
        spoiled(lambda wide: wide.embedding.weight.dtype == torch.float32 and change(wide)),
    )
    result = run_cell(Cell("selector", 3, 2, form="wide"))
    assert (result.verdict, result.dtype) == ("FAIL", "float32")
    assert run_cell(Cell("selector", 3, 2, form="wide", dtype="float64")).verdict == "PASS"
