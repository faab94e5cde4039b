"""Only where all planned cells pass is the whole a pass."""

import json
import pickle
import subprocess
import sys
from dataclasses import replace

import pytest
from sound_cells import GOOD, SOUND

from verify.cells.evidence import Ended
from verify.cells.results import CellResult
from verify.cells.verifying import run_cell
from verify.cli.reports.cells_json import as_json
from verify.cli.reports.summaries import count


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
    counts = {"verdict", "planned", "passed", "failed", "unknown"}
    assert counts | {"cells", "rows"} == set(parsed)
    assert parsed["cells"][0]["margin"] is None
