"""Cells and verdicts: what is not shown is never PASS."""

import itertools
import json
import pickle
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from bounds.capacity import Capacity
from bounds.sizes import Costs
from bounds.theorem_4_2 import every_bound
from constructions import CATALOGUE, FactTable, attention_selector, selector
from verify.cli.reports.cells import header, line, notes
from verify.cli.reports.cells_json import as_json
from verify.cli.reports.summaries import bounds_summary, count
from verify.queries.answers import Recall
from verify.queries.capacity import capacity, format_of
from verify.runner.cells import Cell
from verify.runner.evidence import Ended
from verify.runner.grid import default_grid, forms_grid
from verify.runner.results import CellResult
from verify.runner.verifying import run_cell, verify_facts

GOOD = Cell("selector", 20, 3)


def test_default_grid_covers_every_construction_at_every_asked_size():
    cells = default_grid()
    covered = {(cell.construction, cell.entities, cell.relations, cell.facts) for cell in cells}
    for name in (name for name, entry in CATALOGUE.items() if not entry.multi_hop):
        for n in (1, 2, 3, 5, 16, 100, 1000, 4096):
            for r in (1, 2, 7, 16):
                assert {(name, n, r, "total"), (name, n, r, "partial")} <= covered


def test_default_grid_covers_every_many_hop_construction_at_every_asked_size():
    cells = default_grid()
    total = {
        (cell.construction, cell.entities, cell.relations, cell.hops)
        for cell in cells
        if cell.facts == "total"
    }
    for name in (name for name, entry in CATALOGUE.items() if entry.multi_hop):
        sizes = (2, 5, 16, 64, 256)
        if CATALOGUE[name].fixed:
            sizes = (2, 5, 16) if name == "hybrid_shared" else (2, 5, 16, 64)
        for n, r, k in itertools.product(sizes, (1, 2, 3, 4), (1, 2, 3, 4)):
            assert (name, n, r, k) in total
        partial = {
            (cell.relations, cell.hops)
            for cell in cells
            if cell.construction == name and cell.facts == "partial"
        }
        assert len(partial) == (0 if CATALOGUE[name].random_partial_facts is None else 16)
    asked = {
        (cell.relations, dict(cell.options).get("looked_up", cell.relations - 1))
        for cell in cells
        if cell.construction == "hybrid"
    }
    assert {(r, q) for r in (1, 2, 3, 4) for q in range(r + 1)} <= asked


@pytest.mark.parametrize("name", list(CATALOGUE))
@pytest.mark.parametrize("facts", ["total", "partial"])
def test_a_sound_cell_passes_with_all_its_numbers(name, facts):
    hops = 2 if CATALOGUE[name].multi_hop else 1
    result = run_cell(Cell(name, 30, 4, hops, facts=facts))
    if facts == "partial" and CATALOGUE[name].random_partial_facts is None:
        assert (result.verdict, result.queries) == ("UNKNOWN", None)
        assert "needs bijections" in result.reason
        return
    assert (result.verdict, result.reason) == ("PASS", "")
    assert result.queries == 30 * 4**hops
    assert result.wrong == 0
    assert result.sizes.found.d_model == result.sizes.expected.d_model


def test_scalar_selector_moves_to_float64_where_float32_ends():
    assert run_cell(Cell("scalar_selector", 2365, 1)).dtype == "float32"
    assert run_cell(Cell("scalar_selector", 2366, 1)).dtype == "float64"


def test_cells_of_partial_facts_have_missing_facts_and_repeated_answers():
    table = Cell("selector", 100, 3, facts="partial").table()
    assert 0 < table.n_facts < 300
    assert not table.is_bijective
    assert Cell("selector", 100, 3).table().is_bijective


# ------------------------------------------------------------------ every fault turns the verdict

SOUND = Recall(planned=60, queries=60, wrong=0, margin=2.0, logits="both")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"wrong": 1}, "1 wrong answers"),
        ({"queries": 59}, "59 queries were run, N R\\^k = 60"),
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
        "verify.runner.verifying.check_recall", lambda *args, **kwargs: replace(SOUND, **change)
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
        "verify.runner.verifying.check_recall", lambda *args, **kwargs: replace(SOUND, **change)
    )
    result = run_cell(GOOD, proven_size=0)
    assert (result.verdict, result.unknown) == ("UNKNOWN", change.get("unknown", 0))
    assert re.search(reason, result.reason), result.reason
    assert "UNKNOWN: " in notes(result)
    assert count([result], 1)["verdict"] == "UNKNOWN"
    monkeypatch.setattr(
        "verify.runner.verifying.check_recall",
        lambda *args, **kwargs: replace(SOUND, **change, wrong=1),
    )
    assert run_cell(GOOD, proven_size=0).verdict == "FAIL"


def test_rounding_that_may_decide_where_the_checker_says_exact_fails_the_cell(monkeypatch):
    change = {"unknown": 1, "reason": "within rounding"}
    monkeypatch.setattr(
        "verify.runner.verifying.check_recall", lambda *args, **kwargs: replace(SOUND, **change)
    )
    result = run_cell(GOOD)
    assert result.verdict == "FAIL"
    assert "the checker says exact in float32, but rounding may decide 1 queries" in result.reason


@pytest.mark.parametrize("form", ["", "wide"])
def test_a_model_whose_answer_rounding_decides_is_unknown(form, monkeypatch):
    def near(facts, **options):
        model = attention_selector(facts, **options)
        with torch.no_grad():
            model.unembedding.weight[0] = model.unembedding.weight[1] * (1 - 2.0**-22)
        return model

    monkeypatch.setattr("constructions.theorems.theorem_4_1.attention_selector", near)
    result = run_cell(Cell("attention_selector", 5, 2, logits="full", form=form), proven_size=0)
    assert result.unknown > 0
    # the claimed margin is not reached, too
    assert result.verdict == ("UNKNOWN" if form else "FAIL")
    assert "in another order of summation" in result.reason or not form


def test_without_a_fault_that_recall_passes(monkeypatch):
    monkeypatch.setattr("verify.runner.verifying.check_recall", lambda *args, **kwargs: SOUND)
    assert run_cell(GOOD).verdict == "PASS"


def test_a_wrong_formula_fails_the_cell(monkeypatch):
    monkeypatch.setattr(
        "verify.runner.verifying.predicted", lambda *arguments: Costs(*range(1, 13))
    )
    result = run_cell(GOOD)
    assert result.verdict == "FAIL"
    assert "d_model = 19, the formula says 1," in result.reason
    assert "!=" in line(result, wide=True)


def test_a_model_below_a_bound_fails_the_cell(monkeypatch):
    """A bound that is too large, an accounting that is too small, or a model that cannot be: all
    look like this.
    """
    cell = Cell("key_value_rows_shared", 100, 4, 3)
    assert run_cell(cell).verdict == "PASS"

    def inflated(*sizes):
        return {name: replace(b, bits=b.bits + 10**6) for name, b in every_bound(*sizes).items()}

    monkeypatch.setattr("verify.runner.against_bounds._every_bound", inflated)
    result = run_cell(cell)
    assert (result.verdict, result.wrong) == ("FAIL", 0)
    assert re.search(
        r"[\d,]+ internal dense bits, and the global bound says at least \d+", result.reason
    )
    assert "internal fact bits, and the shared_leaves bound" in result.reason


def test_an_accounting_that_forgets_a_tensor_fails_the_cell(monkeypatch):
    def forgetful(model, within):
        found = capacity(model, within)
        return Capacity(
            {name: cost for name, cost in found.tensors.items() if name != "positions.weight"}
        )

    monkeypatch.setattr("verify.runner.verifying.capacity", forgetful)
    result = run_cell(Cell("key_value", 16, 2, 2))
    assert result.verdict == "FAIL"
    assert "internal_bits = " in result.reason
    assert "the formula says" in result.reason


def test_a_cell_tells_its_bits_and_its_bounds():
    result = run_cell(Cell("key_value_rows_shared", 64, 4, 3))
    reported = json.loads(as_json([result], 1))["cells"][0]
    facts = Cell("key_value_rows_shared", 64, 4, 3).table()
    model = CATALOGUE["key_value_rows_shared"].build(facts, 3)
    built = capacity(model, format_of(model))
    assert reported["internal_bits"] == built.internal_bits
    assert reported["internal_fact_bits"] == 64 * 4 * 6
    assert (reported["embedding_bits"], reported["unembedding_bits"]) == (
        built.embedding_bits,
        built.unembedding_bits,
    )
    bounds = {bound["name"]: bound for bound in reported["bounds"]}
    expected = every_bound(64, 4, 3, built.embedding_bits, built.unembedding_bits)
    assert {name: bound["bits"] for name, bound in bounds.items() if bound["applies"]} == {
        name: bound.bits for name, bound in expected.items() if not isinstance(bound, str)
    }
    for bound in bounds.values():
        if bound["bits"] is not None and bound["bits"] > 0:
            assert bound["ratio"] == built.internal_bits / bound["bits"] >= 1
    assert reported["separated"] is None


def test_bounds_do_not_apply_where_facts_are_missing():
    result = run_cell(Cell("key_value", 16, 2, 2, facts="partial"))
    assert result.verdict == "PASS"
    assert {bound.why for bound in result.bounds.checks} == {"the facts are no bijections"}


def test_a_separated_cell_says_so_and_by_how_much():
    result = run_cell(Cell("chain_of_thought", 1024, 4, 3, options=(("max_hops", 3),)))
    assert result.verdict == "PASS"
    checks, bits = result.bounds.checks, result.sizes.found.internal_bits
    assert result.bounds.separation > 1.2
    best = max(bound.bits for bound in checks if bound.name != "fact_aware_unembedding")
    assert result.bounds.separation == best / bits
    assert not any(bound.applies for bound in checks)
    assert (
        f"separated: {bits:,} internal bits; without chain-of-thought, with"
        " embeddings of 68 bits and a fixed" in notes(result)
    )
    assert "1 cell separated, by up to 1.378" in bounds_summary([result])
    assert notes(run_cell(Cell("chain_of_thought", 64, 4, 3))) == ""


def test_the_default_grid_has_separated_cells():
    sizes = {
        (c.entities, c.relations, c.hops)
        for c in default_grid()
        if c.construction == "chain_of_thought"
    }
    assert {(1024, 4, 3), (4096, 4, 2)} <= sizes


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

    monkeypatch.setattr("verify.runner.verifying.check_recall", crash)
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

    monkeypatch.setattr("verify.runner.verifying.check_recall", exhaust)
    assert run_cell(GOOD).verdict == "UNKNOWN"


def test_given_facts_are_verified():
    facts = FactTable(np.array([[0, 0, -1], [2, 1, 0]]))
    result, model = verify_facts(CATALOGUE["selector"], facts)
    assert (result.verdict, result.queries) == ("PASS", 6)
    assert model.answer(2, [0]) == -1


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        ({}, "UNKNOWN"),
        ({"recall": SOUND}, "PASS"),
        ({"recall": replace(SOUND, wrong=1)}, "FAIL"),
        ({"recall": SOUND, "ended": Ended("killed")}, "UNKNOWN"),
        ({"recall": replace(SOUND, wrong=1), "ended": Ended("killed")}, "FAIL"),
        ({"ended": Ended("boom", crashed=True)}, "FAIL"),
    ],
)
def test_the_verdict_follows_from_what_was_found(found, verdict):
    result = CellResult(GOOD, "float32", **found)
    assert result.verdict == verdict
    assert (result.reason == "") == (verdict == "PASS")


def test_results_go_from_a_worker_to_its_parent_without_torch(tmp_path):
    """Else the parent would import it, which takes seconds, when the first result arrives."""
    path, results = tmp_path / "results", []
    for form in ("", "wide"):
        results.append(run_cell(replace(GOOD, form=form)))
    path.write_bytes(pickle.dumps(results))
    assert path.stat().st_size < 10_000
    code = (
        "import pickle, sys\n"
        "found = pickle.load(open(sys.argv[1], 'rb'))\n"
        "assert 'torch' not in sys.modules\n"
        "print(*(result.verdict for result in found))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("PASS PASS\n", "")


def test_rows_have_under_100_columns_and_hold_what_they_should():
    """Of all cells of both grids, with as many queries as they have."""
    for cell in [*default_grid(), *forms_grid()]:
        n = cell.n_queries()
        result = CellResult(cell, "float64", recall=Recall(n, n, margin=2.0), seconds=123.456)
        shown = line(result, wide=False)
        assert len(shown) < 100, shown
        sizes = [cell.entities, cell.relations, cell.hops, n, 0, 2]
        assert shown.split()[-8:] == [*map(str, sizes), "PASS", "123.46"], shown
        assert cell.form in shown
        assert ("partial" in shown) == (cell.facts == "partial")
    assert len(header(wide=False)) < 100 < len(header(wide=True))


# ------------------------------------------------------------------ the count


def results(*verdicts):
    ended = {"FAIL": Ended("it is wrong", crashed=True), "UNKNOWN": Ended("it does not fit")}
    passed = CellResult(GOOD, "float32", recall=SOUND)
    return [replace(passed, ended=ended.get(verdict)) for verdict in verdicts]


@pytest.mark.parametrize(
    ("verdicts", "planned", "verdict", "unknown"),
    [
        (["PASS", "PASS"], 2, "PASS", 0),
        (["PASS"], 2, "UNKNOWN", 1),
        (["PASS", "UNKNOWN"], 2, "UNKNOWN", 1),
        (["PASS", "FAIL"], 2, "FAIL", 0),
        (["FAIL", "UNKNOWN"], 3, "FAIL", 2),
        ([], 0, "UNKNOWN", 0),
        ([], 5, "UNKNOWN", 5),
    ],
)
def test_only_all_planned_cells_passing_is_a_pass(verdicts, planned, verdict, unknown):
    counted = count(results(*verdicts), planned)
    assert (counted["verdict"], counted["unknown"]) == (verdict, unknown)
    assert counted["planned"] == counted["passed"] + counted["failed"] + counted["unknown"]


def test_json_holds_every_number_and_no_nan():
    result = replace(run_cell(GOOD), recall=replace(SOUND, margin=float("nan")))
    parsed = json.loads(
        as_json([result], 1), parse_constant=lambda constant: pytest.fail(constant)
    )
    asked = {
        "construction",
        "theorem",
        "entities",
        "relations",
        "hops",
        "queries",
        "wrong",
        "margin",
    }
    asked |= {"d_model", "d_mlp", "n_layers", "n_heads", "parameters", "verdict", "seconds"}
    assert asked <= set(parsed["cells"][0])
    assert {"verdict", "planned", "passed", "failed", "unknown", "cells"} == set(parsed)
    assert parsed["cells"][0]["margin"] is None


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize(
    "name", ["selector", "chain_of_thought", "key_value", "hybrid", "precomputed"]
)
def test_small_cells_are_proven_in_every_dtype(name, dtype):
    result = run_cell(Cell(name, 5, 2, 1 if name == "selector" else 2, dtype=dtype))
    assert (result.verdict, result.proof.verdict) == ("PASS", "PASS"), result.reason
