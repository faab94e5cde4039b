"""Cells as jobs of the runner."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from constructions.guards.errors import InputError
from constructions.guards.wording import brief
from verify.cells.cell import Cell
from verify.cells.cost import cost
from verify.cells.evidence import Ended
from verify.cells.results import CellResult
from verify.runner.job import Kind
from verify.runner.outcome import Lost


def run(cell: Cell) -> CellResult:
    """Run all queries of a cell, on one thread; a small model is also proven. A form of which that
    takes much work is proven instead.

    Raises:
        MemoryError: memory has run out.
    """
    from verify.cells.threads import threads
    from verify.cells.verifying import run_cell

    with threads(1):
        result = run_cell(cell, by="auto" if cell.form else "queries")
    if result.ended is not None and result.ended.out_of_memory:
        raise MemoryError(result.ended.why)
    return result


def describe(cell: Cell) -> dict[str, Any]:
    """All that decides what is found of a cell."""
    said = {one.name: getattr(cell, one.name) for one in fields(cell) if one.name != "given"}
    return said | {"options": dict(cell.options)}


def described(what: dict[str, Any]) -> Cell:
    """The cell of which `describe` says this.

    Raises:
        InputError: it says no such thing of any cell.
    """
    try:
        return Cell(**what | {"options": tuple(what["options"].items())})
    except (AttributeError, KeyError, TypeError):
        raise InputError(f"no cell is described by {brief(what)}") from None


def lost(cell: Cell, why: Lost) -> CellResult:
    """The result of a cell that was lost: a crash is a FAIL, anything else leaves it unknown."""
    return CellResult(cell, cell.dtype, ended=Ended(str(why), why.crashed))


def group(cell: Cell) -> str:
    """Cells of one construction in one form."""
    return f"{cell.construction} {cell.form}"


CELLS = Kind("cell", CellResult, run, describe, cost, lost, group)
"""All queries of a cell, and the proof of a small model; or the proof of a large form."""
