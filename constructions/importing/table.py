"""From a file of any format to a fact table."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, overload

import numpy as np

from constructions.facts.set_table import SetTable
from constructions.facts.table import FactTable
from constructions.facts.triples import placed
from constructions.facts.tsv import write_tsv
from constructions.guards.wording import counted
from constructions.importing.asked import Asked
from constructions.importing.facts import Facts
from constructions.importing.formats import reader_of
from constructions.importing.inverse import with_inverses
from constructions.importing.many import further_objects, sole_objects
from constructions.importing.names import with_sound_names
from constructions.importing.reader import Reader


@dataclass(frozen=True)
class Imported:
    """What a file holds, as facts of which each subject and relation has one object, unless sets
    of them were asked for.

    Attributes:
        facts: with the names that are used alone, in the order of the file.
        said: what the file was taken for, "" for a fact file.
        missing: how many empty values were read.
        repeats: how many facts stand there again.
        changes: lines that say what was done with names and with several objects.
        conflicts: by relation, how many facts gave a subject another object than an earlier one.
    """

    facts: Facts
    said: str
    missing: int
    repeats: int
    changes: list[str]
    conflicts: Mapping[str, int]

    def table(self) -> FactTable:
        """As a fact table, with the ids in the order of the file."""
        facts = self.facts
        rows = np.stack([facts.subjects, facts.relation_ids, facts.targets], axis=1)
        answers = placed(rows, facts.entities, facts.relations)
        return FactTable(answers, facts.entities, facts.relations)

    def sets(self) -> SetTable:
        """As a table of sets of answers, with the ids in the order of the file."""
        return SetTable.from_triples(self.facts.in_order())

    def to_tsv(self, path: str | os.PathLike[str]) -> None:
        """Write a fact file, as `FactTable.to_tsv` does."""
        write_tsv(self.facts, path)

    def sizes(self) -> str:
        """How many facts, entities and relations there are, in words."""
        entities, relations = len(self.facts.entities), len(self.facts.relations)
        pairs, facts = entities * relations, len(self.facts)
        without = pairs - len(np.unique(self.facts.pairs))
        return (
            f"{facts} fact{'s' * (facts != 1)}, {entities} entities,"
            f" {counted(relations, 'relation')},"
            f" {without} of {pairs} (entity, relation) pairs without a fact"
        )


def imported(path: str | os.PathLike[str], asked: Asked) -> Imported:
    """Read a file, and do with its facts what is asked.

    Raises:
        FactFileError: the file has defects; the message has the first 20.
        InputError: what is asked does not suit the file.
    """
    reader, facts, repeats, changes = every_fact(path, asked)
    conflicts = further_objects(facts)
    facts, more = sole_objects(facts, asked.many, reader.defects)
    reader.defects.require_none()
    if not len(facts):
        raise reader.refuse("no facts are left", "; ".join([*changes, *more]) or "write some")
    return Imported(
        facts.settled(), reader.said, reader.missing, repeats, changes + more, conflicts
    )


def every_fact(path: str | os.PathLike[str], asked: Asked) -> tuple[Reader, Facts, int, list[str]]:
    """All facts of a file, each once, with those of inverse relations; a subject and relation may
    have several objects.

    Returns:
        The reader, whose defects may have more to come; the facts; how many facts stood there
        again; lines that say what was done with names.
    """
    reader = reader_of(path, asked)
    reader.read()
    facts = Facts(
        reader,
        list(reader.entities),
        list(reader.relations),
        *map(
            np.array,
            (
                reader.subjects,
                reader.relation_ids,
                reader.targets,
                reader.records,
                reader.fields,
            ),
        ),
    )
    if not len(facts) and not len(reader.defects):
        empty = "; all values are empty" if reader.missing else ""
        raise reader.refuse(f"no facts{empty}", "write at least one")
    facts, changes = with_sound_names(facts, asked.names, reader.defects)
    distinct = facts.distinct()
    repeats = reader.repeats + len(facts) - len(distinct)
    if asked.inverse:
        reader.defects.require_none()
        distinct = with_inverses(distinct, asked.inverse).distinct()
    return reader, distinct, repeats, changes


@overload
def read_table(
    path: str | os.PathLike[str],
    *,
    format: str | None = None,
    columns: str | None = None,
    subject: str | None = None,
    many: Literal["error", "first", "drop", "number"] = "error",
    names: str = "error",
    inverse: Mapping[str, str] | None = None,
) -> FactTable: ...


@overload
def read_table(
    path: str | os.PathLike[str],
    *,
    format: str | None = None,
    columns: str | None = None,
    subject: str | None = None,
    many: Literal["set"],
    names: str = "error",
    inverse: Mapping[str, str] | None = None,
) -> SetTable: ...


def read_table(
    path: str | os.PathLike[str],
    *,
    format: str | None = None,
    columns: str | None = None,
    subject: str | None = None,
    many: str = "error",
    names: str = "error",
    inverse: Mapping[str, str] | None = None,
) -> FactTable | SetTable:
    """The facts of a file: CSV, fields between TABs, JSON, JSON Lines, N-Triples, Turtle, Parquet,
    or a fact file; docs/your-table.md has the rules.

    Args:
        path: the file.
        format: facts, tsv, csv, json, jsonl, ntriples, turtle or parquet; by default by its
            ending, and a fact file where that says nothing.
        columns: "triples", or "table" where rows have a subject and a value for each relation; by
            default by the titles, and an error where these leave it open.
        subject: the title of the column, or the field, of the subjects; by default the first.
        many: what to do where a subject and relation have several objects: "error"; "first" keeps
            the one that stands first; "drop" keeps none; "number" makes relations `child 1`,
            `child 2`, ..., with the objects in the order of their names; "set" keeps all, as a
            table of sets of answers.
        names: what to do with names that no fact file can hold: "error"; "trim" cuts off white
            space at their ends; "drop" leaves out their facts.
        inverse: the names of relations that are to be added, and for each the relation of which it
            is the inverse.

    Raises:
        FactFileError: the file has defects; the message has the first 20.
        InputError: an argument cannot be what it is, or a library is not installed.
        DoesNotFit: the table needs more memory than the machine has.
    """
    asked = Asked(format, columns, subject, many, names, dict(inverse or {}))
    found = imported(path, asked)
    return found.sets() if many == "set" else found.table()
