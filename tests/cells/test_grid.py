"""The default grid, and what a sound cell tells: its numbers, its bits and its bounds."""

import itertools
import json

import numpy as np
import pytest

from bounds.dimension import row_bound
from bounds.theorem_4_2 import every_bound
from constructions import CATALOGUE, FactTable
from verify.cells.cell import Cell
from verify.cells.grid import default_grid, forms_grid
from verify.cells.results import CellResult
from verify.cells.verifying import run_cell, verify_facts
from verify.cli.reports.cells import header, line, notes
from verify.cli.reports.cells_json import as_json
from verify.cli.reports.summaries import bounds_summary
from verify.queries.answers import Recall
from verify.queries.capacity import capacity, format_of


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
        sizes = (2, 5, 16, 64) if CATALOGUE[name].fixed else (2, 5, 16, 64, 256)
        if name == "precomputed_digits":
            sizes = (2, 5, 16, 64)
        if name in ("hybrid_shared", "key_value_grid"):
            sizes = (2, 5, 16)
        for n, r, k in itertools.product(sizes, (1, 2, 3, 4), (1, 2, 3, 4)):
            assert (name, n, r, k) in total
        partial = {
            (cell.relations, cell.hops)
            for cell in cells
            if cell.construction == name and cell.facts == "partial"
        }
        assert len(partial) == (16 if CATALOGUE[name].missing else 0)
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
    cell = Cell(name, 30, 4, hops, facts=facts)
    result = run_cell(cell)
    if facts == "partial" and not CATALOGUE[name].missing:
        assert (result.verdict, result.queries) == ("UNKNOWN", None)
        assert "needs bijections" in result.reason
        return
    assert (result.verdict, result.reason) == ("PASS", "")
    claimed = cell.table().n_facts if CATALOGUE[name].stored_only else 30 * 4**hops
    assert result.queries == claimed
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
    why = "other weights than the embedding hold facts"
    assert reported["row"] == {"applies": False, "why": why, "bits": row_bound(64, 4, 3).bits}


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
        " embeddings of 65 bits and a fixed" in notes(result)
    )
    assert "1 cell separated, by up to 1.452" in bounds_summary([result])
    assert notes(run_cell(Cell("chain_of_thought", 64, 4, 3))) == ""


def test_the_default_grid_has_separated_cells():
    sizes = {
        (c.entities, c.relations, c.hops)
        for c in default_grid()
        if c.construction == "chain_of_thought"
    }
    assert {(1024, 4, 3), (4096, 4, 2)} <= sizes


def test_given_facts_are_verified():
    facts = FactTable(np.array([[0, 0, -1], [2, 1, 0]]))
    result, model = verify_facts(CATALOGUE["selector"], facts)
    assert (result.verdict, result.queries) == ("PASS", 6)
    assert model.answer(2, [0]) == -1


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


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize(
    "name", ["selector", "chain_of_thought", "key_value", "hybrid", "precomputed"]
)
def test_small_cells_are_proven_in_every_dtype(name, dtype):
    result = run_cell(Cell(name, 5, 2, 1 if name == "selector" else 2, dtype=dtype))
    assert (result.verdict, result.proof.verdict) == ("PASS", "PASS"), result.reason
