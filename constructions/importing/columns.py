"""What the columns of a table are: a subject and relations, or the three parts of triples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from constructions.facts.foreign_rows import title_order
from constructions.guards.errors import InputError
from constructions.guards.wording import brief, close_names, counted

COLUMNS = ("triples", "table")
_WEAK = {"type", "label", "link", "verb", "attribute", "interaction"}
"""Titles of relations that are as often the title of one column among others."""
_SAY = "say --columns triples or --columns table (in Python: columns=...)"


@dataclass(frozen=True)
class Columns:
    """What the columns are.

    Attributes:
        triples: the columns of subject, relation and object, where rows are triples; else None.
        titles: whether the first row has the titles of the columns.
        subject: the column of the subjects of a table.
        said: what the rows were taken for, in words.
    """

    triples: tuple[int, int, int] | None
    titles: bool
    subject: int
    said: str


def columns_of(
    first: Sequence[str],
    following: Sequence[Sequence[str]],
    asked: str | None,
    subject: str | None,
) -> Columns:
    """What the columns of a table are, from its first rows.

    Args:
        first: the first row.
        following: some rows below it.
        asked: "triples" or "table", where that was said.
        subject: the title of the column of subjects, where that was said.

    Raises:
        InputError: that is not clear, or there is no such column.
    """
    if asked == "table" or subject is not None:
        return _table(first, subject)
    order = title_order(first)
    if asked == "triples":
        if order is not None:
            return _titled(first, order)
        return Columns((0, 1, 2), False, 0, "triples without titles")
    if len(first) != 3:
        return _table(first, None)
    shown = ", ".join(repr(brief(name, 40)) for name in first)
    if order is not None and first[order[1]].lower() not in _WEAK:
        return _titled(first, order)
    again = sum(len(row) == 3 and row[1] == first[1] for row in following)
    if order is None and again:
        said = (
            f"triples without titles, since {brief(first[1], 40)!r}, the second field of the first"
            " row, stands there again below"
        )
        return Columns((0, 1, 2), False, 0, said)
    raise InputError(
        f"three columns, and the first row, {shown}, may be titles of a table, titles of triples"
        f" or a fact; {_SAY}"
    )


def _titled(titles: Sequence[str], order: tuple[int, int, int]) -> Columns:
    """Triples below titles."""
    shown = ", ".join(repr(titles[column]) for column in order)
    return Columns(order, True, 0, f"triples, with the titles {shown}")


def _table(titles: Sequence[str], subject: str | None) -> Columns:
    """A table with the title of each relation."""
    if len(titles) < 2:
        found = brief(titles[0] if titles else "", 40)
        other = next((mark for mark in (";", "\t", "|") if mark in found), None)
        hint = f"; are the fields separated by {other!r}? save them as CSV" if other else ""
        raise InputError(
            f"one column, {found!r}, and a table needs a subject and a relation{hint}"
        )
    column = column_of(titles, subject)
    others = counted(len(titles) - 1, "other column")
    said = f"a table: the subject is {brief(titles[column], 40)!r}, {others} are relations"
    return Columns(
        None, True, column, said.replace("column are relations", "column is a relation")
    )


def column_of(titles: Sequence[str], subject: str | None) -> int:
    """The column of that title; the first if none was said.

    Raises:
        InputError: there is none.
    """
    if subject is None:
        return 0
    if subject in titles:
        return list(titles).index(subject)
    few = ", ".join(repr(brief(title, 40)) for title in titles[:20])
    more = f" and {len(titles) - 20} more" if len(titles) > 20 else ""
    raise InputError(
        f"no column has the title {subject!r}, only {few}{more}{close_names(subject, titles)}"
    )


def title_defects(titles: Sequence[str]) -> list[tuple[int, str, str]]:
    """The defects of titles: column, what was found, what to do."""
    found: list[tuple[int, str, str]] = []
    seen: dict[str, int] = {}
    for column, title in enumerate(titles):
        if not title:
            found.append((column, f"column {column + 1} has no title", "write one"))
        elif (first := seen.setdefault(title, column)) < column:
            what = f"column {column + 1} has the title {brief(title, 100)!r} of column {first + 1}"
            found.append((column, what, "give each its own"))
    return found
