"""Cells as jobs: named by all that decides a result, and done alike by every executor."""

import random
from dataclasses import fields, replace

import pytest

from constructions.saved.folder import save
from verify.attacking.jobs import SERIES_OF_ATTACKS, all_attacks, by_kind
from verify.cells.cell import Cell
from verify.cells.grid import default_grid, forms_grid
from verify.cells.jobs import CELLS
from verify.cells.verifying import build
from verify.runner.job import Job
from verify.runner.places import here
from verify.runner.running import ORDERS, run_jobs

CELL = Cell("hybrid", 5, 3, 2)
OTHERS = {
    "construction": "key_value",
    "entities": 6,
    "relations": 4,
    "hops": 3,
    "facts": "partial",
    "options": (("looked_up", 1),),
    "seed": 1,
    "dtype": "float64",
    "logits": "full",
    "form": "basis",
}


def test_whatever_is_asked_otherwise_is_another_job():
    assert OTHERS.keys() == {one.name for one in fields(Cell) if one.name != "given"}
    cells = [CELL, *(replace(CELL, **{name: value}) for name, value in OTHERS.items())]
    keys = {Job(CELLS, cell, "code").key for cell in cells}
    assert len(keys) == len(cells)
    assert Job(CELLS, replace(CELL), "code").key in keys


def test_no_two_cells_of_the_grids_are_one_job():
    cells = [*default_grid(), *forms_grid()]
    assert len({Job(CELLS, cell, "code").key for cell in cells}) == len(cells) > 10**4


def results_of(kind, arguments, workers, order):
    jobs = [Job(kind, argument, "code") for argument in arguments]
    with here(workers) as place:
        found = dict(run_jobs(jobs, place, order))
    return [found[at].result for at in range(len(jobs))]


@pytest.mark.long
def test_cells_are_found_alike_by_one_process_or_several_in_any_order():
    cells = random.sample([cell for cell in default_grid() if cell.n_queries() < 200], 12)
    cells += random.sample([cell for cell in forms_grid() if cell.n_queries() < 50], 12)
    found = []
    for workers, order in zip((0, 2, 3), ORDERS, strict=True):
        results = results_of(CELLS, cells, workers, order)
        found.append([replace(result, seconds=0.0) for result in results])
    assert found[0] == found[1] == found[2]
    assert {result.verdict for result in found[0]} <= {"PASS", "UNKNOWN"}


def test_attacks_are_found_alike_and_a_longer_run_begins_as_a_shorter_one(tmp_path):
    save(build(CELL.entry, CELL.table(), 2), tmp_path / "model")
    kinds = ["flips", "weights"]
    shorter = all_attacks(tmp_path / "model", 250, 3, kinds)
    longer = all_attacks(tmp_path / "model", 260, 3, kinds)
    keys = [
        {Job(SERIES_OF_ATTACKS, one, "code").key for one in some} for some in (shorter, longer)
    ]
    assert keys[0] < keys[1]
    few = all_attacks(tmp_path / "model", 20, 3, kinds)
    tallies = [results_of(SERIES_OF_ATTACKS, few, workers, "longest") for workers in (0, 2)]
    assert tallies[0] == tallies[1]
    assert [tally.kind for tally in by_kind(tallies[0])] == kinds
    assert {tally.verdict for tally in tallies[0]} == {"PASS"}


def test_a_model_that_has_changed_is_not_attacked(tmp_path):
    save(build(CELL.entry, CELL.table(), 2), tmp_path / "model")
    (job,) = all_attacks(tmp_path / "model", 5, 0, ["weights"])
    save(build(CELL.entry, replace(CELL, seed=1).table(), 2), tmp_path / "model")
    with pytest.raises(Exception, match="is not the model that it was when this began"):
        SERIES_OF_ATTACKS.run(job)
