"""The project's own fact files, by their own reader: docs/fact-files.md."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterable
from functools import cached_property

from constructions.facts.conflicts import MANY
from constructions.facts.fact_reader import FactReader
from constructions.guards.errors import InputError
from constructions.importing.asked import NAMES, Asked
from constructions.importing.reader import Reader


class FactLines(Reader):
    """Reads a fact file."""

    def __init__(self, path: str | os.PathLike[str], asked: Asked) -> None:
        super().__init__(os.fspath(path))
        if asked.names != NAMES[0]:
            raise InputError(
                f"{self.name}: names of a fact file are taken as they stand; with --names"
                f" {asked.names} say --format tsv --columns triples"
            )
        self.own = FactReader(path)
        self.strict = asked.many == MANY[0]

    def read(self) -> None:
        """Take all facts."""
        self.own.read_all()
        if self.strict:
            self.own.note_conflicts()
        self.own.defects.require_none()
        self.repeats = self.own.repeats
        entities, relations = map(numbered, self.own.used_names())
        placed, self.entities, self.relations = self.own.in_order, entities, relations
        self.subjects = array("q", (entities[subject] for _, (subject, _, _) in placed()))
        self.relation_ids = array("q", (relations[name] for _, (_, name, _) in placed()))
        self.targets = array("q", (entities[target] for _, (_, _, target) in placed()))
        self.records = array("q", (line for line, _ in placed()))
        self.fields = array("q", [2]) * len(self.records)

    @cached_property
    def lines(self) -> list[str]:
        """The lines of the file."""
        return self.own.raw.decode("utf-8-sig").split("\n")

    def place(self, record: int, field: int, part: int) -> str:
        """`FILE:LINE:COLUMN`."""
        before = self.lines[record - 1].split("\t")[:part]
        return f"{self.name}:{record}:{sum(map(len, before)) + part + 1}"


def numbered(names: Iterable[str]) -> dict[str, int]:
    """The number of each of some distinct names, in their order."""
    return {name: number for number, name in enumerate(names)}
