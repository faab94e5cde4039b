"""Every integer weight of the default grid is, bit for bit, the one whose digest is
in golden.txt.
"""

import difflib

import pytest
import torch
from golden import FILE, built, digest, line, named

from constructions import CATALOGUE
from verify.cells.cell import Cell
from verify.cells.grid import default_grid
from verify.cells.verifying import build
from verify.queries.forms import FORMS

GOLDEN = FILE.read_text(encoding="utf-8").splitlines()


def reform(model, form):
    return FORMS[form](model)[0]


def test_every_cell_has_a_line_and_every_line_a_cell():
    cells = [named(cell) for cell in default_grid()]
    assert [one.partition(": ")[0] for one in GOLDEN] == cells
    assert len(set(cells)) == len(cells)


def require_golden(cells):
    """What is built for these cells has the weights of their golden lines."""
    chosen = {named(cell) for cell in cells}
    golden = [one for one in GOLDEN if one.partition(": ")[0] in chosen]
    found = [line(cell, built(cell, build, reform)) for cell in cells]
    reported = "\n".join(difflib.unified_diff(golden, found, "golden", "built", n=0, lineterm=""))
    assert not reported, reported


@pytest.mark.parametrize("name", CATALOGUE)
def test_weights_of_each_construction_are_the_golden_ones(name):
    """Cells of at most 64 entities and two hops, the largest total and the largest partial one."""
    small = [
        cell
        for cell in default_grid()
        if (cell.construction, cell.form) == (name, "")
        and cell.entities <= 64
        and cell.hops <= 2
        and cell.relations > 1
    ]
    last = {cell.facts: cell for cell in small}
    assert "total" in last
    require_golden([cell for cell in small if cell in last.values()])


@pytest.mark.long
@pytest.mark.parametrize("part", range(8))
def test_weights_are_the_golden_ones(part):
    require_golden(default_grid()[part::8])


@pytest.mark.parametrize("by", [1, -1, 0.5])
def test_one_other_entry_in_one_weight_is_seen(by):
    cell = Cell("selector", 5, 2)
    model = built(cell, build, reform)
    before = line(cell, model)
    assert before in GOLDEN
    for name, weight in model.named_parameters():
        if not weight.numel():  # of heads that compare nothing
            continue
        with torch.no_grad():
            weight[-1, -1] += by
            assert line(cell, model) != before, name
            weight[-1, -1] -= by
    assert line(cell, model) == before


def test_shape_and_entries_count_and_the_dtype_of_a_weight_alone_does_not():
    entries = torch.arange(6.0)
    assert digest(entries.reshape(2, 3)) == digest(entries.reshape(2, 3).double())
    assert digest(entries.reshape(2, 3)) != digest(entries.reshape(3, 2))
    assert digest(entries / 2) == "~"
    assert digest(entries / 2, floats=True) != digest(entries / 4, floats=True)
