"""Fact files: UTF-8 text, one fact a line, `subject<TAB>relation<TAB>object`.

A byte order mark is allowed; lines end with LF or CRLF; blank lines and lines that start with `#` are skipped; there is
no quoting and no escape. An exact repeat of a fact is counted, not refused. Everything else is a defect, reported as
`FILE:LINE:COLUMN: what was found; what to do`, line and column counted from 1 (the column in characters).
"""

from __future__ import annotations

import os
import re
import tempfile
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from constructions.errors import FactFileError, InputError
from constructions.facts import MISSING, FactTable, name_defect

MAX_DEFECTS_SHOWN = 20
_FIELDS = ("subject", "relation", "object")
# A line that needs no closer look: three fields of printable ASCII that neither start nor end with a space.
_PLAIN_FIELD = r"[!-~](?:[ -~]*[!-~])?"
_PLAIN_LINE = re.compile(rf"(?!#){_PLAIN_FIELD}\t{_PLAIN_FIELD}\t{_PLAIN_FIELD}")


@dataclass(frozen=True)
class FactFile:
    """What a fact file held: the table, and how many lines repeated an earlier fact exactly."""

    facts: FactTable
    repeats: int


def read_tsv(path: str | os.PathLike[str]) -> FactFile:
    """Read a fact file whole, or raise `FactFileError` with every defect (the first 20 spelled out)."""
    name = os.fspath(path)
    try:
        raw = Path(path).read_bytes()
    except IsADirectoryError:
        raise FactFileError([f"{name}: is a directory; give the path of a tab-separated file"]) from None
    except FileNotFoundError:
        raise FactFileError([f"{name}: no such file; give the path of a tab-separated file"]) from None
    except (OSError, ValueError) as error:
        raise FactFileError([f"{name}: cannot be read: {getattr(error, 'strerror', None) or error}"]) from None
    reader = _Reader(name)
    facts = reader.read(raw)
    if reader.defects:
        ordered = [message for _, _, message in sorted(reader.defects)]
        raise FactFileError(ordered[:MAX_DEFECTS_SHOWN], len(ordered))
    if not facts:
        what = "the file is empty" if not raw.strip() else "only blank and comment lines"
        raise FactFileError([f"{name}: no facts: {what}; write at least one line subject<TAB>relation<TAB>object"])
    return FactFile(FactTable.from_triples((s, r, o) for (s, r), o in facts.items()), reader.repeats)


class _Reader:
    """One pass over the lines, collecting the facts and all defects."""

    def __init__(self, name: str):
        self.name = name
        self.defects: list[tuple[int, int, str]] = []
        self.repeats = 0
        self.first_line: dict[tuple[str, str], int] = {}
        self.spellings: dict[str, tuple[int, int]] = {}  # names beyond ASCII: where each stands first

    def defect(self, line: int, column: int, found: str, action: str) -> None:
        self.defects.append((line, column, f"{self.name}:{line}:{column}: {found}; {action}"))

    def read(self, raw: bytes) -> dict[tuple[str, str], str]:
        facts: dict[tuple[str, str], str] = {}
        for number, line in self.lines(raw):
            if _PLAIN_LINE.fullmatch(line):
                subject, relation, target = line.split("\t")
            else:
                fields = self.checked_fields(number, line)
                if fields is None:
                    continue
                subject, relation, target = fields
            key = (subject, relation)
            known = facts.setdefault(key, target)
            if key not in self.first_line:
                self.first_line[key] = number
            elif known == target:
                self.repeats += 1
            else:
                self.defect(
                    number,
                    len(subject) + len(relation) + 3,
                    f"({subject}, {relation}) has the object {target!r}, but line {self.first_line[key]} gave {known!r}",
                    f"a relation is a function: keep one of lines {self.first_line[key]} and {number}",
                )
        self.check_spellings(facts)
        return facts

    def lines(self, raw: bytes) -> Iterator[tuple[int, str]]:
        try:
            text = raw.decode("utf-8-sig")
        except UnicodeDecodeError:
            yield from self.decodable_lines(raw)
            return
        for number, line in enumerate(text.split("\n"), start=1):
            yield number, line.removesuffix("\r")

    def decodable_lines(self, raw: bytes) -> Iterator[tuple[int, str]]:
        """The slow way, taken when some byte is not UTF-8: decode line by line and name each bad byte."""
        if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
            self.defect(1, 1, "a UTF-16 byte order mark", "save the file as UTF-8")
            return
        for number, line in enumerate(raw.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
            try:
                yield number, line.removesuffix(b"\r").decode("utf-8")
            except UnicodeDecodeError as error:
                column = len(line[: error.start].decode("utf-8")) + 1
                self.defect(number, column, f"byte 0x{line[error.start]:02X} is not UTF-8", "save the file as UTF-8")

    def checked_fields(self, number: int, line: str) -> list[str] | None:
        if not line.strip(" \t") or line.startswith("#"):
            if "\r" in line:
                self.wrong_field_count(number, line, [])
            elif "\t" in line and not line.startswith("#"):
                self.defect(number, 1, "fields with nothing in them", "write the names, or leave the line blank")
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
            elif not field.isascii():
                self.spellings.setdefault(field, (number, column))
            column += len(field) + 1
        return fields if sound else None

    def wrong_field_count(self, number: int, line: str, fields: list[str]) -> None:
        if "\r" in line:
            action = "end lines with LF or CRLF, not with CR alone"
            self.defect(number, line.index("\r") + 1, "a carriage return inside a line", action)
            return
        action = "write subject<TAB>relation<TAB>object"
        if len(fields) == 1:
            action += "; the separator is a TAB character" + (", not spaces" if " " in line else "")
        column = len("\t".join(fields[:3])) + 1
        count = f"{len(fields)} field{'s' if len(fields) > 1 else ''} where 3 are expected"
        self.defect(number, column, count, action)

    def check_spellings(self, facts: dict[tuple[str, str], str]) -> None:
        """Refuse names that are canonically equivalent (Unicode NFC) to another name of the file but not equal to it."""
        first: dict[str, tuple[str, int]] = {}
        normalized = {name: unicodedata.normalize("NFC", name) for name in self.spellings}
        composed = {spelling for spelling in normalized.values() if spelling.isascii()}
        if composed:
            for (subject, relation), target in facts.items():
                for name in composed & {subject, relation, target}:
                    first.setdefault(name, (name, self.first_line[subject, relation]))
        for name, (number, column) in self.spellings.items():
            spelling, line = first.setdefault(normalized[name], (name, number))
            if spelling != name:
                self.defect(
                    number,
                    column,
                    f"{name!r} ({name!a}) and {spelling!r} ({spelling!a}) of line {line} "
                    "differ only by Unicode normalization",
                    f"spell the name alike on lines {line} and {number}",
                )


def _field_message(what: str, field: str, found: str) -> tuple[str, str]:
    if not field:
        return f"the {what} is empty", "write its name, or delete the line"
    if "space" in found and "U+" not in found:
        return f"{found} in the {what} {field!r}", "delete the space: it would be part of the name"
    return f"{found} in the {what} {field!r}", "delete the character"


def write_tsv(facts: FactTable, path: str | os.PathLike[str]) -> None:
    """Write every present fact, entity by entity, atomically (temporary file, fsync, rename).

    Raises:
        InputError: a subject's name starts with `#`, which a reader would take for a comment, or there is no fact.
    """
    if facts.n_facts == 0:
        raise InputError("the table has no facts: nothing would be written")
    entities, relations = facts.entity_names, facts.relation_names
    for name, answers in zip(entities, facts.answers.T, strict=True):
        if name.startswith("#") and (answers != MISSING).any():
            raise InputError(f"entity name {name!r} cannot start a line: a line that starts with # is a comment")
    rows = facts.answers.T.tolist()
    write_atomically(
        path,
        (
            f"{entities[s]}\t{relations[r]}\t{entities[target]}\n"
            for s, row in enumerate(rows)
            for r, target in enumerate(row)
            if target != MISSING
        ),
    )


def write_atomically(path: str | os.PathLike[str], chunks: Iterator[str]) -> None:
    """Write text so that `path` holds either what it held before or all of the new text, also after a crash.

    A link is followed. What is no regular file, such as a terminal or a pipe, is written to as it is.
    """
    try:
        target = Path(os.path.realpath(path))
    except ValueError as error:
        raise InputError(f"{path!r} is no file name: {error}") from None
    if target.exists() and not target.is_file():
        try:
            with target.open("w", encoding="utf-8", newline="") as file:
                file.writelines(chunks)
        except OSError as error:
            raise InputError(f"{target}: cannot be written: {error.strerror}") from None
        return
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
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
