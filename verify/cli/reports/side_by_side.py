"""A trained model beside a construction, as a table."""

from __future__ import annotations

from verify.cli.output import joined
from verify.cli.reports.columns import columns
from verify.learned.measure import Measure
from verify.learned.side_by_side import Cell, Row, SideBySide

_MOST = 30
"""Characters of a cell; longer reasons stand below the table."""


def table(found: SideBySide) -> str:
    """A line for each row; null of the measures in parentheses; long reasons below."""
    notes: list[str] = []
    rows = [[f"{found.n_facts:,} facts", found.trained, found.construction]]
    rows += [
        [row.name, *(_cell(row, cell, notes) for cell in (row.trained, row.construction))]
        for row in found.rows
    ]
    return joined([*columns(rows), "in parentheses: shuffled facts or random shifts", *notes])


def _cell(row: Row, cell: Cell, notes: list[str]) -> str:
    """A cell; what does not fit is added to the notes."""
    if isinstance(cell, tuple):
        low, high = min(cell), max(cell)
        return _number(low) if low == high else f"{_number(low)} to {_number(high)}"
    if isinstance(cell, Measure):
        if cell.refused is None:
            return _measured(cell)
        cell = cell.refused
    if len(cell) <= _MOST:
        return cell
    note = f"{row.name}: {cell}"
    if note not in notes:
        notes.append(note)
    return "refused, see below"


def _measured(measure: Measure) -> str:
    """Value, interval and null."""
    said = f"{float(measure.value or 0):.3f}"
    if measure.low is not None and measure.high is not None:
        said += f" [{measure.low:.2f}, {measure.high:.2f}]"
    return said if measure.null is None else f"{said} ({float(measure.null):.3f})"


def _number(value: float) -> str:
    """Integers in full, others in four digits."""
    return f"{int(value):,}" if float(value).is_integer() else f"{value:.4g}"
