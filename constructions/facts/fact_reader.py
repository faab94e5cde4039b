"""Reading a fact file: one pass over its lines, which finds the facts and every defect."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Collection, Iterator
from functools import cached_property
from heapq import merge
from itertools import chain

from constructions.facts import conflicts
from constructions.facts.defects import Defects
from constructions.facts.file_text import decodable_lines, no_utf8, packed, read_whole
from constructions.facts.foreign_rows import foreign_names, foreign_rows
from constructions.facts.names import name_defect, name_message
from constructions.facts.triples import Row
from constructions.guards.errors import FactFileError
from constructions.guards.wording import printable

LITERAL = "#literal"
"""As a file's first line: every line below is a fact as it stands, none a comment or foreign."""
_MEANT = f"; or, if it is meant as it stands, make {LITERAL!r} the first line of the file"
_FIELDS = ("subject", "relation", "object")
# A line that needs no closer look: three fields of printable ASCII that neither start nor end with
# a space.
_PLAIN_FIELD = r"[!-~](?:[ -~]*[!-~])?"
_PLAIN_LINE = re.compile(rf"(?!#){_PLAIN_FIELD}\t{_PLAIN_FIELD}\t{_PLAIN_FIELD}")


class FactReader:
    """One pass over the lines, collecting the facts and all defects.

    Attributes:
        facts: each fact, with the line that has it first.
    """

    def __init__(self, path: str | os.PathLike[str], literal: bool = False, many: bool = False):
        self.name = printable(os.fspath(path))
        self.literal = literal
        self.many = many
        self.defects = Defects()
        self.repeats = 0
        self.facts: dict[Row, int] = {}
        self.others: list[tuple[int, Row]] = []
        self.raw = read_whole(path)

    def defect(self, line: int, column: int, found: str, action: str) -> None:
        """Note a defect: where it is, what was found, what to do."""
        self.defects.note((line, column), f"{self.name}:{line}:{column}: {found}; {action}")

    def read(self) -> list[Row]:
        """The facts, at least one, each once, in the order of the file.

        Raises:
            FactFileError: the file has defects, or two objects for a subject and relation.
        """
        self.read_all()
        self.note_conflicts()
        self.defects.require_none()
        return list(self.facts)

    def read_all(self) -> None:
        """Go through the file: then `facts` has the facts, at least one, and `defects` all that is
        wrong. Unless there may be many, `facts` has the first object of each subject and relation
        alone, and `others` the lines that give another.

        Raises:
            FactFileError: the file holds no fact, and no defect.
        """
        kept: dict[tuple[str, str], Row] = {}
        facts, many, is_plain = self.facts, self.many, _PLAIN_LINE.fullmatch
        for number, line in self.lines():
            if is_plain(line):
                subject, relation, target = line.split("\t")
            elif line == LITERAL and not self.literal:
                self.literal = number == 1
                if number > 1:
                    found = f"{LITERAL!r} below the first line"
                    self.defect(number, 1, found, "make it the first line")
                continue
            else:
                fields = self.checked_fields(number, line)
                if fields is None:
                    continue
                subject, relation, target = fields
            row = (subject, relation, target)
            known = row if many else kept.setdefault((subject, relation), row)
            if known is row and not (many and row in facts):
                facts[row] = number
            elif known == row:
                self.repeats += 1
            else:
                self.others.append((number, row))
        names = self.used_names()
        self.check_spellings(names)
        if not self.literal:
            self.check_foreign(names)
        if not self.facts and not self.defects:
            what = "only blank and comment lines" if self.raw.strip() else "the file is empty"
            action = "write at least one line subject<TAB>relation<TAB>object"
            raise FactFileError([f"{self.name}: no facts: {what}; {action}"])

    def note_conflicts(self) -> None:
        """Note every line that gives a subject and relation another object, and sum them up."""
        kept = {row[:2]: row for row in self.facts}
        objects: dict[str, dict[str, set[str]]] = {}
        for number, (subject, relation, target) in self.others:
            row = kept[subject, relation]
            known, first = row[2], self.facts[row]
            found = conflicts.conflict(subject, relation, target, known, f"line {first}")
            action = f"a relation is a function: keep one of lines {first} and {number}"
            self.defect(number, len(subject) + len(relation) + 3, found, action)
            objects.setdefault(relation, {}).setdefault(subject, {known}).add(target)
        by_relation = [(name, len(of), max(map(len, of.values()))) for name, of in objects.items()]
        self.defects.summary = conflicts.summary(self.name, by_relation)

    def lines(self) -> Iterator[tuple[int, str]]:
        """The lines that may hold facts, with their numbers."""
        if found := packed(self.raw):
            raise FactFileError([f"{self.name}: the file is {found}"])
        if found := no_utf8(self.raw):
            self.defect(1, 1, found, "save the file as UTF-8")
            return
        try:
            text = self.raw.decode("utf-8-sig")
        except UnicodeDecodeError:
            for number, line, column, found in decodable_lines(self.raw):
                if line is None:
                    self.defect(number, column, found, "save the file as UTF-8")
                else:
                    yield number, line
            return
        lines = text.split("\n")
        if "\r" in text:
            lines = [line.removesuffix("\r") for line in lines]
        yield from enumerate(lines, start=1)

    def checked_fields(self, number: int, line: str) -> list[str] | None:
        """The three names of a line that needs a closer look; None if it holds no fact, or
        defects, which are noted.
        """
        comment, blank = line.startswith("#") and not self.literal, not line.strip(" \t")
        if "\r" in line and (comment or blank):
            self.wrong_field_count(number, line, [])
        elif "\t" in line and comment:
            found = "a line that starts with # and holds a TAB: a comment, or a fact"
            action = "delete it, or the TABs in it" + _MEANT
            self.defect(number, 1, found, action)
        elif "\t" in line and blank:
            action = "write the names, or leave the line blank"
            self.defect(number, 1, "fields with nothing in them", action)
        elif "\0" in line and comment:
            column = line.index("\0") + 1
            self.defect(number, column, "U+0000 in a comment", "delete the character")
        if comment or blank:
            return None
        fields = line.split("\t")
        if len(fields) != 3:
            self.wrong_field_count(number, line, fields)
            return None
        column, sound = 1, True
        for what, field in zip(_FIELDS, fields, strict=True):
            if fault := name_defect(field):
                position, found = fault
                self.defect(number, column + position, *name_message(what, field, found))
                sound = False
            column += len(field) + 1
        return fields if sound else None

    def wrong_field_count(self, number: int, line: str, fields: list[str]) -> None:
        """Note that a line has not three fields, and what it seems to be."""
        if "\r" in line:
            action = "end lines with LF or CRLF, not with CR alone"
            self.defect(number, line.index("\r") + 1, "a carriage return inside a line", action)
            return
        action = "write subject<TAB>relation<TAB>object"
        if line.startswith(("<", "_:")) and line.endswith("."):
            action += "; this is a line of RDF (N-Triples), whose last dot is no part of a name"
        elif number == 1 and len(fields) > 1 and not self.literal:
            action += f"; for a table, with a title above each of the {len(fields)} columns, say"
            action += " --columns table"
        elif len(fields) == 1:
            action += "; the separator is a TAB character" + (
                ", not spaces" if " " in line else ""
            )
        column = len("\t".join(fields[:3])) + 1
        count = f"{len(fields)} field{'s' if len(fields) > 1 else ''} where 3 are expected"
        self.defect(number, column, count, action)

    # ---------------------------------------------------------------- the table as a whole

    @cached_property
    def places(self) -> tuple[dict[str, tuple[int, int]], dict[str, tuple[int, int]]]:
        """Line and column of the first place of each entity and of each relation."""
        entities: dict[str, tuple[int, int]] = {}
        relations: dict[str, tuple[int, int]] = {}
        for line, (subject, relation, target) in self.in_order():
            column = len(subject) + 2
            entities.setdefault(subject, (line, 1))
            relations.setdefault(relation, (line, column))
            entities.setdefault(target, (line, column + len(relation) + 1))
        return entities, relations

    def in_order(self) -> Iterator[tuple[int, Row]]:
        """The facts with their lines, those of `others` among them, in the order of the file."""
        first = ((line, row) for row, line in self.facts.items())
        return merge(first, self.others) if self.others else first

    def used_names(self) -> tuple[Collection[str], Collection[str]]:
        """The names of the entities, and of the relations, in the order of the file."""
        relations = dict.fromkeys(relation for _, relation, _ in self.facts)
        pairs = ((subject, target) for _, (subject, _, target) in self.in_order())
        entities = dict.fromkeys(chain.from_iterable(pairs))
        return entities.keys(), relations.keys()

    def alike(self, kind: int, name: str, other: str, how: str, meant: str = "") -> None:
        """Report two names of a kind (0 entities, 1 relations) at the place of the later one."""
        places = self.places[kind]
        name, other = sorted((name, other), key=places.__getitem__, reverse=True)
        (line, column), (before, _) = places[name], places[other]
        found = f"{name!r} ({name!a}) and {other!r} ({other!a}) of line {before} {how}"
        action = f"spell the name alike on lines {before} and {line}{meant}"
        self.defect(line, column, found, action)

    def check_spellings(self, used: tuple[Collection[str], Collection[str]]) -> None:
        """Refuse entities, or relations, that are equivalent in Unicode (NFC) but not equal."""
        for kind, names in enumerate(used):
            first: dict[str, str] = {}
            for name in names:
                if not name.isascii():
                    composed = unicodedata.normalize("NFC", name)
                    other = composed if composed in names else first.setdefault(composed, name)
                    if other != name:
                        self.alike(kind, name, other, "differ only by Unicode normalization")

    def check_foreign(self, used: tuple[Collection[str], Collection[str]]) -> None:
        """Refuse what another format wrote: see `constructions.facts.foreign_rows`."""
        entities, relations = used

        def rows(wanted: set[str]) -> Iterator[Row]:
            """The facts of some relations."""
            return (row for _, row in self.in_order() if row[1] in wanted)

        for row, field, found, action in foreign_rows(relations, rows):
            column = sum(map(len, row[:field])) + field + 1
            self.defect(self.facts[row], column, found, action + _MEANT)
        for kind, names in enumerate((entities, relations)):
            for name, other, found, action in foreign_names(names):
                if other is None:
                    self.defect(*self.places[kind][name], found, action + _MEANT)
                else:
                    self.alike(kind, name, other, found, _MEANT)
