"""Fact files: UTF-8 text, one fact a line, `subject<TAB>relation<TAB>object`.

docs/fact-files.md states the grammar, what a file means, and what is refused. Every defect is
reported as `FILE:LINE:COLUMN: what was found; what to do`, line and column counted from 1 (the
column in characters).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain

from constructions.facts.fact_reader import LITERAL, FactReader
from constructions.facts.foreign_rows import foreign_names, foreign_rows
from constructions.facts.triples import Row, Triples
from constructions.files.whole_file import write_atomically
from constructions.guards.errors import InputError


@dataclass(frozen=True)
class FactFile:
    """What a fact file holds.

    Attributes:
        name: of the file, as messages have it.
        rows: its facts, each once, in the order of the file; at least one.
        repeats: how many lines repeat an earlier fact exactly.
        raw: all its bytes.
        conflicts: where these were to be counted: how many facts of each relation, by its name,
            give a subject another object than an earlier line did; they are not among the rows.
    """

    name: str
    rows: list[Row]
    repeats: int
    raw: bytes
    conflicts: Mapping[str, int] = field(default_factory=dict)


def read_tsv(
    path: str | os.PathLike[str], literal: bool = False, counting: bool = False
) -> FactFile:
    """Read a fact file whole.

    Args:
        path: the file.
        literal: whether to read it as if its first line were `#literal`.
        counting: whether to count conflicts, and keep the first object, in place of refusing.

    Raises:
        FactFileError: it has defects; the message has the first 20.
    """
    reader = FactReader(path, literal, counting)
    facts = reader.read()
    rows = [(subject, relation, target) for (subject, relation), target in facts.items()]
    return FactFile(reader.name, rows, reader.repeats, reader.raw, dict(reader.conflicts))


def write_tsv(facts: Triples, path: str | os.PathLike[str]) -> None:
    """Write all facts, in their order, atomically (temporary file, fsync, rename).

    The first line is `#literal` if the file could not be read back without it, as where a subject
    starts with `#`.

    Raises:
        InputError: there is no fact, or the file cannot be written.
    """
    if next(facts.rows(), None) is None:
        raise InputError("the table has no facts: nothing would be written")
    first = [] if is_plain(facts) else [f"{LITERAL}\n"]
    write_atomically(path, chain(first, fact_lines(facts)))


def fact_lines(facts: Triples) -> Iterator[str]:
    """The lines of a fact file, each with its end, in the order of the facts."""
    return (f"{subject}\t{relation}\t{target}\n" for subject, relation, target in facts.rows())


def is_plain(facts: Triples) -> bool:
    """Whether a file of the facts is read back without the line `#literal` above them."""
    entities, relations = facts.used_names()
    return not (
        (
            any(name.startswith("#") for name in entities)
            and any(subject.startswith("#") for subject, _, _ in facts.rows())
        )
        or any(foreign_rows(relations, facts.rows))
        or any(foreign_names(entities))
        or any(foreign_names(relations))
    )
