"""A trained model beside a construction, as a table."""

from __future__ import annotations

from textwrap import wrap

from constructions.guards.wording import joined, printable
from verify.cli.reports.columns import columns
from verify.learned.measure import Measure
from verify.learned.side_by_side import Cell, Row, SideBySide, from_to

_MOST = 30
"""Characters of a cell; longer reasons stand below the table."""
_WIDTH = 99


def table(found: SideBySide) -> str:
    """A line for each row; null of the measures in parentheses; below, each long reason once, with
    the rows that it stands for.
    """
    reasons: dict[str, list[str]] = {}
    rows = [[f"{found.n_facts:,} facts", found.trained, found.construction]]
    rows += [
        [row.name, *(_cell(row, cell, reasons) for cell in (row.trained, row.construction))]
        for row in found.rows
    ]
    notes = ["in parentheses: shuffled facts or random shifts"]
    cells = [cell for row in found.rows for cell in (row.trained, row.construction)]
    if any(isinstance(cell, Measure) and cell.low is not None for cell in cells):
        notes.append("in brackets: Student's t-interval over seeds at 95 %, not cut at 0 and 1")
    for reason, names in reasons.items():
        notes += wrap(printable(f"{'; '.join(names)}: {reason}"), _WIDTH, subsequent_indent="    ")
    return joined([*columns(rows), *notes])


def _cell(row: Row, cell: Cell, reasons: dict[str, list[str]]) -> str:
    """A cell; for what does not fit, the row is added to those of its reason."""
    if isinstance(cell, tuple):
        return from_to(cell)
    if isinstance(cell, Measure):
        if cell.refused is None:
            return _measured(cell)
        cell = cell.refused
    if len(cell) <= _MOST:
        return cell
    names = reasons.setdefault(cell, [])
    if row.name not in names:
        names.append(row.name)
    return "refused, see below"


def _measured(measure: Measure) -> str:
    """Value, interval and null."""
    said = f"{float(measure.value or 0):.3f}"
    if measure.low is not None and measure.high is not None:
        said += f" [{measure.low:.2f}, {measure.high:.2f}]"
    return said if measure.null is None else f"{said} ({float(measure.null):.3f})"
