"""Conflicts: several objects of one subject and relation, where a relation is a function."""

from __future__ import annotations

from collections.abc import Iterable

from constructions.guards.wording import counted, printable

MANY = ("error", "first", "drop", "number", "set")
"""What can be done with them: see `constructions.importing.many`."""
_RELATIONS_SHOWN = 20


def conflict(subject: str, relation: str, target: str, known: str, before: str) -> str:
    """What was found: another object than the one that was given `before`."""
    shown = f"{printable(subject)}, {printable(relation)}"
    return f"({shown}) has the object {target!r}, but {before} gave {known!r}"


def summary(name: str, by_relation: Iterable[tuple[str, int, int]]) -> list[str]:
    """Lines that sum up the conflicts of a file, those with the most subjects first.

    Args:
        name: of the file.
        by_relation: for each relation with conflicts its name, how many subjects have several
            objects, and the most that one has.
    """
    ordered = sorted(by_relation, key=lambda found: -found[1])
    if not ordered:
        return []
    pairs = sum(subjects for _, subjects, _ in ordered)
    others = f"{', '.join(MANY[1:-1])} or {MANY[-1]}"
    lines = [
        f"{name}: {counted(pairs, '(subject, relation) pair')} with several objects, in"
        f" {counted(len(ordered), 'relation')}; keep one object of each, or choose --many {others}"
        f" (in Python: read_table(..., many=...)); the command `sets {name}` answers with all of"
        " them"
    ]
    for relation, subjects, most in ordered[:_RELATIONS_SHOWN]:
        lines.append(
            f"    {relation!r}: {counted(subjects, 'subject')} with several objects, up to {most}"
        )
    if len(ordered) > _RELATIONS_SHOWN:
        lines.append(f"    and {counted(len(ordered) - _RELATIONS_SHOWN, 'more relation')}")
    return lines
