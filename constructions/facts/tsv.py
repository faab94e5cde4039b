"""Fact files: UTF-8 text, one fact a line, `subject<TAB>relation<TAB>object`.

docs/fact-files.md states the grammar, what a file means, and what is refused. Every defect is
reported as `FILE:LINE:COLUMN: what was found; what to do`, line and column counted from 1 (the
column in characters).
"""

from __future__ import annotations

import io
import os
import re
import tempfile
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, zip_longest
from pathlib import Path
from typing import NoReturn

import numpy as np

from constructions.facts.foreign_rows import Row, foreign_names, foreign_rows
from constructions.facts.table import MISSING, FactTable, name_defect
from constructions.guards.errors import FactFileError, InputError
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


@dataclass(frozen=True)
class FactFile:
    """What a fact file held: the table, and how many lines repeated an earlier fact exactly."""

    facts: FactTable
    repeats: int


def read_tsv(path: str | os.PathLike[str]) -> FactFile:
    """Read a fact file whole, or raise `FactFileError` with every defect (the first 20 spelled
    out).
    """
    reader = _Reader(path)
    facts = reader.read()
    table = FactTable.from_triples((s, r, o) for (s, r), o in facts.items())
    return FactFile(table, reader.repeats)


def read_saved_facts(path: str | os.PathLike[str], blank: FactTable) -> np.ndarray:
    """The answers in the `facts.tsv` of a model folder, if it has the bytes that `save` writes.

    Args:
        path: the file.
        blank: a table with all names, in the order of their ids, and no facts.

    Returns:
        int64 array (relations, entities), -1 for a missing fact.

    Raises:
        FactFileError: it has not; the message has the first line that is another.
    """
    reader = _Reader(path, literal=True)
    facts = reader.read()
    try:
        ids = [
            (blank.relation_id(relation), blank.entity_id(subject), blank.entity_id(target))
            for (subject, relation), target in facts.items()
        ]
    except InputError as error:
        message = f"{reader.name}: {error}; the vocabulary has all names"
        raise FactFileError([message]) from None
    relations, subjects, targets = np.array(ids, dtype=np.int64).T
    answers = blank.answers.copy()
    answers[relations, subjects] = targets
    written = fact_lines(FactTable(answers, blank.entity_names, blank.relation_names))
    held = io.StringIO(reader.raw.decode(), newline="\n")
    for number, (found, expected) in enumerate(zip_longest(held, written, fillvalue=""), start=1):
        if found != expected:
            message = f"{found!r} where a saved model has {expected!r}; save the model again"
            raise FactFileError([f"{reader.name}:{number}:1: {message}"])
        if found.startswith("#"):
            message = "a line that starts with #; a saved model has such facts as a tensor"
            raise FactFileError([f"{reader.name}:{number}:1: {message}: save the model again"])
    return answers


class _Reader:
    """One pass over the lines, collecting the facts and all defects."""

    def __init__(self, path: str | os.PathLike[str], literal: bool = False):
        self.name = printable(os.fspath(path))
        self.literal = literal
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
        raise FactFileError([f"{self.name}: {why}"]) from None

    def defect(self, line: int, column: int, found: str, action: str) -> None:
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

    def names(self) -> tuple[Collection[str], Collection[str]]:
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
        for kind, names in enumerate(self.names()):
            first: dict[str, str] = {}
            for name in names:
                if not name.isascii():
                    composed = unicodedata.normalize("NFC", name)
                    other = composed if composed in names else first.setdefault(composed, name)
                    if other != name:
                        self.alike(kind, name, other, "differ only by Unicode normalization")

    def check_foreign(self) -> None:
        """Refuse what another format wrote: see `constructions.facts.foreign_rows`."""
        entities, relations = self.names()

        def rows(wanted: set[str]) -> Iterator[Row]:
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
    if not field:
        return f"the {what} is empty", "write its name, or delete the line"
    if "space" in found and "U+" not in found:
        return f"{found} in the {what} {field!r}", "delete the space: it would be part of the name"
    return f"{found} in the {what} {field!r}", "delete the character"


def write_tsv(facts: FactTable, path: str | os.PathLike[str]) -> None:
    """Write every present fact, entity by entity, atomically (temporary file, fsync, rename).

    The first line is `#literal` if the file could not be read back without it, as where a subject
    starts with `#`.

    Raises:
        InputError: there is no fact, or the file cannot be written.
    """
    if facts.n_facts == 0:
        raise InputError("the table has no facts: nothing would be written")
    first = [] if is_plain(facts) else [f"{LITERAL}\n"]
    write_atomically(path, chain(first, fact_lines(facts)))


def fact_lines(facts: FactTable) -> Iterator[str]:
    """The lines of a fact file, each with its end: by the ids of subject, then of relation."""
    entities, relations = facts.entity_names, facts.relation_names
    for s, row in enumerate(facts.answers.T.tolist()):
        for r, target in enumerate(row):
            if target != MISSING:
                yield f"{entities[s]}\t{relations[r]}\t{entities[target]}\n"


def is_plain(facts: FactTable) -> bool:
    """Whether a file of the facts is read back without the line `#literal` above them."""

    def rows(wanted: set[str]) -> Iterator[Row]:
        for r, relation in enumerate(facts.relation_names):
            if relation in wanted:
                for s in np.flatnonzero(facts.answers[r] != MISSING).tolist():
                    yield facts.entity_names[s], relation, facts.entity_names[facts.answers[r, s]]

    present = facts.answers != MISSING
    subjects = set(np.flatnonzero(present.any(axis=0)).tolist())
    occurring = subjects.union(np.unique(facts.answers[present]).tolist())
    entities = dict.fromkeys(facts.entity_names[i] for i in occurring)
    relations = dict.fromkeys(facts.relation_names[r] for r in np.flatnonzero(present.any(axis=1)))
    return not (
        any(facts.entity_names[i].startswith("#") for i in subjects)
        or any(foreign_rows(relations, rows))
        or any(foreign_names(entities))
        or any(foreign_names(relations))
    )


def write_atomically(path: str | os.PathLike[str], chunks: Iterable[str]) -> None:
    """Write text so that `path` holds either what it held before or all of the new text, also
    after a crash.

    A link is followed. What is no regular file, such as a terminal or a pipe, is written to as it
    is; so is the file that standard output or standard error goes to, which holds what was
    printed.
    """
    try:
        target = Path(os.path.realpath(path))
    except ValueError as error:
        raise InputError(f"{path!r} is no file name: {error}") from None
    place: Path | int | None = _own_stream(path)
    if place is None and os.path.exists(path) and not os.path.isfile(path):
        place = Path(path)  # as it was given: what /dev/stdout leads to may have no name
    if place is not None:
        try:
            with open(place, "w", encoding="utf-8", newline="") as file:
                file.writelines(chunks)
        except OSError as error:
            raise InputError(f"{path}: cannot be written: {error.strerror}") from None
        return
    try:
        handle, temporary = tempfile.mkstemp(
            prefix=f".{target.name}.", suffix=".part", dir=target.parent
        )
    except OSError as error:
        raise InputError(f"{target}: cannot be written: {error.strerror}") from None
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.writelines(chunks)
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, target)
    except BaseException as error:
        os.unlink(temporary)
        if isinstance(error, OSError):
            raise InputError(f"{target}: cannot be written: {error.strerror}") from None
        raise


def _own_stream(path: str | os.PathLike[str]) -> int | None:
    """A new descriptor of standard output or standard error, if `path` is the file that it goes
    to.
    """
    for number in (1, 2):
        try:
            if os.path.samestat(os.stat(path), os.fstat(number)):
                return os.dup(number)
        except OSError:
            continue
    return None
