"""Every fault turns the verdict of a cell: what is not shown is never PASS."""

import re
from dataclasses import replace

import pytest
import torch
from sound_cells import GOOD, SOUND

from bounds.capacity import Capacity
from bounds.sizes import Costs
from bounds.theorem_4_2 import every_bound
from constructions import attention_selector, selector
from verify.cells.cell import Cell
from verify.cells.verifying import run_cell
from verify.cli.reports.cells import line, notes
from verify.cli.reports.summaries import count
from verify.queries.capacity import capacity


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"wrong": 1}, "1 wrong answers"),
        ({"queries": 59}, "59 queries were run, of 60 that are claimed"),
        ({"queries": 0}, "0 queries were run"),
        ({"margin": float("nan")}, "margin is nan, not positive"),
        ({"margin": 0.0}, "not positive"),
        ({"margin": 1.0}, "claimed is at least 2"),
        ({"margin": 3.0}, "claimed is exactly 2"),
        ({"margin": float("inf")}, "claimed is exactly 2"),
        ({"defect": "unsound"}, "unsound"),
    ],
)
def test_a_fault_in_the_recall_fails_the_cell(change, reason, monkeypatch):
    monkeypatch.setattr(
        "verify.cells.verifying.check_recall", lambda *args, **kwargs: replace(SOUND, **change)
    )
    result = run_cell(GOOD)
    assert result.verdict == "FAIL"
    assert re.search(reason, result.reason), result.reason


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            {"unknown": 2, "reason": "e0 r0: a margin of 1e-08"},
            "2 of 60 queries are undecided: e0 r0: a margin of 1e-08",
        ),
        (
            {"queries": 0, "margin": float("inf"), "reason": "the module is not plain"},
            "^the module is not plain$",
        ),
    ],
)
def test_an_open_question_in_the_recall_leaves_the_cell_unknown(change, reason, monkeypatch):
    monkeypatch.setattr(
        "verify.cells.verifying.check_recall", lambda *args, **kwargs: replace(SOUND, **change)
    )
    result = run_cell(GOOD, proven_size=0)
    assert (result.verdict, result.unknown) == ("UNKNOWN", change.get("unknown", 0))
    assert re.search(reason, result.reason), result.reason
    assert "UNKNOWN: " in notes(result)
    assert count([result], 1)["verdict"] == "UNKNOWN"
    monkeypatch.setattr(
        "verify.cells.verifying.check_recall",
        lambda *args, **kwargs: replace(SOUND, **change, wrong=1),
    )
    assert run_cell(GOOD, proven_size=0).verdict == "FAIL"


def test_rounding_that_may_decide_where_the_checker_says_exact_fails_the_cell(monkeypatch):
    change = {"unknown": 1, "reason": "within rounding"}
    monkeypatch.setattr(
        "verify.cells.verifying.check_recall", lambda *args, **kwargs: replace(SOUND, **change)
    )
    result = run_cell(GOOD)
    assert result.verdict == "FAIL"
    assert "the checker says exact in float32, but rounding may decide 1 queries" in result.reason


@pytest.mark.parametrize("form", ["", "wide"])
def test_a_model_whose_answer_rounding_decides_is_unknown(form, monkeypatch):
    def near(facts, **options):
        model = attention_selector(facts, **options)
        with torch.no_grad():
            weight = model.unembedding.weight
            weight[0] = weight[1] * (1 - 2 * torch.finfo(weight.dtype).eps)
        return model

    monkeypatch.setattr("constructions.theorems.theorem_4_1.attention_selector", near)
    result = run_cell(Cell("attention_selector", 5, 2, logits="full", form=form), proven_size=0)
    assert result.unknown > 0
    # the claimed margin is not reached, too
    assert result.verdict == ("UNKNOWN" if form else "FAIL")
    assert "in another order of summation" in result.reason or not form


def test_without_a_fault_that_recall_passes(monkeypatch):
    monkeypatch.setattr("verify.cells.verifying.check_recall", lambda *args, **kwargs: SOUND)
    assert run_cell(GOOD).verdict == "PASS"


def test_a_wrong_formula_fails_the_cell(monkeypatch):
    monkeypatch.setattr(
        "verify.cells.verifying.predicted", lambda *arguments: Costs(*range(1, 13))
    )
    result = run_cell(GOOD)
    assert result.verdict == "FAIL"
    assert "d_model = 16, the formula says 1," in result.reason
    assert "!=" in line(result, wide=True)


def test_a_model_below_a_bound_fails_the_cell(monkeypatch):
    """A bound that is too large, an accounting that is too small, or a model that cannot be: all
    look like this.
    """
    cell = Cell("key_value_rows_shared", 100, 4, 3)
    assert run_cell(cell).verdict == "PASS"

    def inflated(*sizes):
        return {name: replace(b, bits=b.bits + 10**6) for name, b in every_bound(*sizes).items()}

    monkeypatch.setattr("verify.cells.against_bounds._every_bound", inflated)
    result = run_cell(cell)
    assert (result.verdict, result.wrong) == ("FAIL", 0)
    assert re.search(
        r"[\d,]+ internal dense bits, and the global bound says at least \d+", result.reason
    )
    assert "internal fact bits, and the shared_leaves bound" in result.reason


def test_an_accounting_that_forgets_a_tensor_fails_the_cell(monkeypatch):
    def forgetful(model, within, own):
        found = capacity(model, within)
        return Capacity(
            {name: cost for name, cost in found.tensors.items() if name != "positions.weight"}
        )

    monkeypatch.setattr("verify.cells.verifying.capacity", forgetful)
    result = run_cell(Cell("key_value", 16, 2, 2))
    assert result.verdict == "FAIL"
    assert "internal_bits = " in result.reason
    assert "the formula says" in result.reason


def test_a_claim_that_is_not_positive_fails_the_cell(monkeypatch):
    def modest(facts, **options):
        model = selector(facts, **options)
        model.margin = replace(model.margin, real=0)
        return model

    monkeypatch.setattr("constructions.theorems.theorem_4_1.selector", modest)
    assert "margin claimed in real arithmetic is 0" in run_cell(GOOD).reason


def test_a_margin_below_its_claim_fails_the_cell_also_where_the_module_rounds(monkeypatch):
    def faint(facts, **options):
        model = attention_selector(facts, **options)
        claim = model.margin
        with torch.no_grad():
            model.layers[0].attention.output.weight.mul_(0.01)
        model.margin = claim  # of the weights as they are now, which is not so
        return model

    cell = Cell("attention_selector", 20, 3)
    assert run_cell(cell).verdict == "PASS"
    monkeypatch.setattr("constructions.theorems.theorem_4_1.attention_selector", faint)
    result = run_cell(cell)
    assert (result.verdict, result.wrong) == ("FAIL", 0)
    assert "claimed is at least" in result.reason


def test_a_damaged_model_fails_the_cell_and_names_the_queries(monkeypatch):
    def damaged(facts, **options):
        model = selector(facts, **options)
        with torch.no_grad():
            model.embedding.weight[0, 0] = 1 - model.embedding.weight[0, 0]
        return model

    monkeypatch.setattr("constructions.theorems.theorem_4_1.selector", damaged)
    result = run_cell(GOOD)
    assert result.verdict == "FAIL"
    assert result.wrong == 1
    assert result.recall.counterexamples[0].startswith("e0 r0: expected e")
    assert "e0 r0: expected e" in notes(result)


def test_a_crash_is_a_fail_and_its_traceback_is_kept(monkeypatch):
    def crash(*args, **kwargs):
        raise RuntimeError("boom")

    monkeypatch.setattr("verify.cells.verifying.check_recall", crash)
    result = run_cell(GOOD)
    assert (result.verdict, result.reason) == ("FAIL", "crashed: RuntimeError: boom")
    assert result.ended.traceback.startswith("Traceback")


def test_what_does_not_fit_is_unknown(monkeypatch):
    monkeypatch.setattr("constructions.guards.memory.memory_limit", lambda: 1000)
    result = run_cell(GOOD)
    assert result.verdict == "UNKNOWN"
    assert "bytes" in result.reason
    assert (
        run_cell(
            replace(GOOD, construction="scalar_selector", entities=5000, dtype="float32")
        ).verdict
        == "UNKNOWN"
    )


def test_running_out_of_memory_is_unknown(monkeypatch):
    def exhaust(*args, **kwargs):
        raise MemoryError("no more")

    monkeypatch.setattr("verify.cells.verifying.check_recall", exhaust)
    assert run_cell(GOOD).verdict == "UNKNOWN"
