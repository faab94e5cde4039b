"""Reading a fact file: one pass over its lines, which finds the facts and every defect."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterator
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import NoReturn

from constructions.facts.foreign_rows import foreign_names, foreign_rows
from constructions.facts.names import name_defect
from constructions.facts.triples import Row
from constructions.guards.errors import FactFileError
from constructions.guards.wording import printable

MAX_DEFECTS_SHOWN = 20
LITERAL = "#literal"
"""As a file's first line: every line below is a fact as it stands, none a comment or foreign."""
_MEANT = f"; or, if it is meant as it stands, make {LITERAL!r} the first line of the file"
_FIELDS = ("subject", "relation", "object")
# A line that needs no closer look: three fields of printable ASCII that neither start nor end with
# a space.
_PLAIN_FIELD = r"[!-~](?:[ -~]*[!-~])?"
_PLAIN_LINE = re.compile(rf"(?!#){_PLAIN_FIELD}\t{_PLAIN_FIELD}\t{_PLAIN_FIELD}")


class FactReader:
    """One pass over the lines, collecting the facts and all defects. A fact that contradicts an
    earlier one is a defect; with `counting`, `conflicts` counts it by its relation, and the
    earlier one stays.
    """

    def __init__(
        self, path: str | os.PathLike[str], literal: bool = False, counting: bool = False
    ):
        self.name = printable(os.fspath(path))
        self.literal = literal
        self.counting = counting
        self.conflicts: Counter[str] = Counter()
        self._contradicting: set[tuple[str, str, str]] = set()
        self.defects: list[tuple[int, int, str]] = []
        self.repeats = 0
        self.first_line: dict[tuple[str, str], int] = {}
        self.facts: dict[tuple[str, str], str] = {}
        try:
            self.raw = Path(path).read_bytes()
        except IsADirectoryError:
            self._unreadable("is a directory; give the path of a tab-separated file")
        except FileNotFoundError:
            self._unreadable("no such file; give the path of a tab-separated file")
        except (OSError, ValueError) as error:
            self._unreadable(f"cannot be read: {getattr(error, 'strerror', None) or error}")

    def _unreadable(self, why: str) -> NoReturn:
        """Refuse a file of which no byte can be read."""
        raise FactFileError([f"{self.name}: {why}"]) from None

    def defect(self, line: int, column: int, found: str, action: str) -> None:
        """Note a defect: where it is, what was found, what to do."""
        self.defects.append((line, column, f"{self.name}:{line}:{column}: {found}; {action}"))

    def read(self) -> dict[tuple[str, str], str]:
        """The facts by subject and relation, at least one, in the order of the file."""
        for number, line in self.lines():
            if line == LITERAL and not self.literal:
                self.literal = number == 1
                if number > 1:
                    found = f"{LITERAL!r} below the first line"
                    self.defect(number, 1, found, "make it the first line")
                continue
            if _PLAIN_LINE.fullmatch(line):
                subject, relation, target = line.split("\t")
            else:
                fields = self.checked_fields(number, line)
                if fields is None:
                    continue
                subject, relation, target = fields
            key = (subject, relation)
            known = self.facts.setdefault(key, target)
            if key not in self.first_line:
                self.first_line[key] = number
            elif known == target:
                self.repeats += 1
            elif self.counting:
                again = (*key, target) in self._contradicting
                self.repeats += again
                self.conflicts[relation] += not again
                self._contradicting.add((*key, target))
            else:
                first, shown = self.first_line[key], ", ".join(map(printable, key))
                self.defect(
                    number,
                    len(subject) + len(relation) + 3,
                    f"({shown}) has the object {target!r}, but line {first} gave {known!r}",
                    f"a relation is a function: keep one of lines {first} and {number}",
                )
        self.check_spellings()
        if not self.literal:
            self.check_foreign()
        if self.defects:
            ordered = [message for _, _, message in sorted(self.defects)]
            raise FactFileError(ordered[:MAX_DEFECTS_SHOWN], len(ordered))
        if not self.facts:
            what = "only blank and comment lines" if self.raw.strip() else "the file is empty"
            action = "write at least one line subject<TAB>relation<TAB>object"
            raise FactFileError([f"{self.name}: no facts: {what}; {action}"])
        return self.facts

    def lines(self) -> Iterator[tuple[int, str]]:
        """The lines that may hold facts, with their numbers."""
        found = None
        if self.raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
            found = "a UTF-16 byte order mark"
        elif 3 * self.raw.count(0) > len(self.raw) > 8:
            found = "every other byte is 0, as in UTF-16"
        if found:
            self.defect(1, 1, found, "save the file as UTF-8")
            return
        try:
            text = self.raw.decode("utf-8-sig")
        except UnicodeDecodeError:
            yield from self.decodable_lines()
            return
        for number, line in enumerate(text.split("\n"), start=1):
            yield number, line.removesuffix("\r")

    def decodable_lines(self) -> Iterator[tuple[int, str]]:
        """The slow way, taken when some byte is not UTF-8: decode line by line and name each bad
        byte.
        """
        raw = self.raw.removeprefix(b"\xef\xbb\xbf")
        for number, line in enumerate(raw.split(b"\n"), start=1):
            try:
                yield number, line.removesuffix(b"\r").decode("utf-8")
            except UnicodeDecodeError as error:
                column = len(line[: error.start].decode("utf-8")) + 1
                found = f"byte 0x{line[error.start]:02X} is not UTF-8"
                self.defect(number, column, found, "save the file as UTF-8")

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
                self.defect(number, column + position, *_field_message(what, field, found))
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
        for (subject, relation), target in self.facts.items():
            line, column = self.first_line[subject, relation], len(subject) + 2
            entities.setdefault(subject, (line, 1))
            relations.setdefault(relation, (line, column))
            entities.setdefault(target, (line, column + len(relation) + 1))
        return entities, relations

    def used_names(self) -> tuple[Collection[str], Collection[str]]:
        """The names of the entities, and of the relations, in the order of the file."""
        relations = dict.fromkeys(relation for _, relation in self.facts)
        pairs = ((subject, target) for (subject, _), target in self.facts.items())
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

    def check_spellings(self) -> None:
        """Refuse entities, or relations, that are equivalent in Unicode (NFC) but not equal."""
        for kind, names in enumerate(self.used_names()):
            first: dict[str, str] = {}
            for name in names:
                if not name.isascii():
                    composed = unicodedata.normalize("NFC", name)
                    other = composed if composed in names else first.setdefault(composed, name)
                    if other != name:
                        self.alike(kind, name, other, "differ only by Unicode normalization")

    def check_foreign(self) -> None:
        """Refuse what another format wrote: see `constructions.facts.foreign_rows`."""
        entities, relations = self.used_names()

        def rows(wanted: set[str]) -> Iterator[Row]:
            """The facts of some relations."""
            return ((s, r, o) for (s, r), o in self.facts.items() if r in wanted)

        for row, field, found, action in foreign_rows(relations, rows):
            column = sum(map(len, row[:field])) + field + 1
            self.defect(self.first_line[row[:2]], column, found, action + _MEANT)
        for kind, names in enumerate((entities, relations)):
            for name, other, found, action in foreign_names(names):
                if other is None:
                    self.defect(*self.places[kind][name], found, action + _MEANT)
                else:
                    self.alike(kind, name, other, found, _MEANT)


def _field_message(what: str, field: str, found: str) -> tuple[str, str]:
    """What is wrong with a name, and what to do: for the message about its line."""
    if not field:
        return f"the {what} is empty", "write its name, or delete the line"
    if "space" in found and "U+" not in found:
        return f"{found} in the {what} {field!r}", "delete the space: it would be part of the name"
    return f"{found} in the {what} {field!r}", "delete the character"
