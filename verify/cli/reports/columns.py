"""Columns of a table, in lines of text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Column(NamedTuple):
    """A column: its title, how many characters it takes, and whether its values stand at its left
    end.
    """

    title: str
    width: int
    left: bool = False


def row(values: Sequence[str], columns: Sequence[Column]) -> str:
    """One line of a table whose columns are known beforehand. A value that is too long takes from
    the space before the next ones.
    """
    line, end = "", -1
    for value, column in zip(values, columns, strict=True):
        start, end = end + 1, end + 1 + column.width
        line = line.ljust(start) if not line or len(line) < start else f"{line} "
        line += value if column.left else value.rjust(end - len(line))
    return line.rstrip()


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """A line for each of the rows, which are of equal length: the first column left, the others
    right.
    """
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(
            [
                f"{row[0]:<{widths[0]}}",
                *(f"{cell:>{w}}" for cell, w in zip(row[1:], widths[1:], strict=True)),
            ]
        ).rstrip()
        for row in rows
    ]
