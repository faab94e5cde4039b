"""JSON and JSON Lines: records, one object each, or triples, one array each."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from constructions.guards.wording import brief, counted
from constructions.importing.asked import Asked
from constructions.importing.columns import column_of
from constructions.importing.reader import PARTS, Reader

KEY = "key"
"""The field that records have where they are the values of an object: its key."""
_SHAPES = (
    "write an array of records, an array of triples, an object with one list of them, or an object"
    " of records by key"
)


class _Repeated(dict[str, Any]):
    """An object of which a key stands twice: the key, by itself."""


class _NoNumber(str):
    """NaN or an infinity, which JSON has not."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object, or that one of its keys stands twice."""
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    seen: set[str] = set()
    # what add returns, None, counts as not repeated
    key = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
    return _Repeated({key: None})


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=str, parse_int=str, parse_constant=_NoNumber
)


class Records(Reader):
    """Reads a JSON file, or with `lines` one value a line."""

    def __init__(self, name: str, raw: bytes, asked: Asked, lines: bool) -> None:
        super().__init__(name)
        self.asked, self.by_line = asked, lines
        self.text = self.text_of(raw)
        self.titles: list[str] = []
        self.title = "JSON Lines" if lines else "JSON"
        self.keys: list[str] | None = None
        self.of_list = ""
        self.triples = False

    def read(self) -> None:
        """Take all facts."""
        records = iter(self.lines() if self.by_line else self.values())
        first = next(records, None)
        if first is None:
            self.defects.require_none()
            raise self.refuse("no facts: no record", "write at least one")
        self.triples = self.takes_triples(first[1])
        whole = _chain(first, records)
        if self.triples:
            self.take_triples(whole)
            self.said = f"{self.title}, triples{self.of_list}"
        else:
            self.take_records(whole)

    def takes_triples(self, first: Any) -> bool:
        """Whether the values are triples, by the first of them.

        Raises:
            FactFileError: it is neither a record nor a triple, or not what was said.
        """
        if not isinstance(first, (dict, list)):
            raise self.refuse(f"the first value is {_shown(first)}, no record", _SHAPES)
        found = isinstance(first, list)
        if self.asked.columns is not None and found != (self.asked.columns == "triples"):
            kinds = ("triples (arrays of three)", "records (objects)")
            what, said = kinds if found else kinds[::-1]
            raise self.refuse(f"the values are {what}, not {said}", "say so (--columns)")
        if found and self.asked.subject is not None:
            raise self.refuse(
                "the values are triples, which have no fields", "leave out --subject"
            )
        return found

    # ---------------------------------------------------------------- values

    def parsed(self, text: str, line: int) -> Any:
        """The value of a text that starts on a line; None, and a defect, if there is none."""
        try:
            return _DECODER.decode(text)
        except json.JSONDecodeError as error:
            row, column = line + error.lineno - 1, error.colno
            action = "write it as JSON"
            if error.msg == "Extra data" and not self.by_line:
                action = "write one value; for a value on each line say --format jsonl"
            found = f"{error.msg[0].lower()}{error.msg[1:]}"
            if not text.strip():
                found, action = "no facts: the file is empty", _SHAPES
            message = f"{self.name}:{row}:{column}: {found}; {action}"
        except RecursionError:
            message = f"{self.name}:{line}: values too deep in one another; {_SHAPES}"
        self.defects.note((line, 0), message)
        return None

    def lines(self) -> Iterator[tuple[int, Any]]:
        """The values of the lines that are not blank, by their lines."""
        for number, line in enumerate(self.text.split("\n"), start=1):
            if line.strip():
                before = len(self.defects)
                value = self.parsed(line, number)
                if len(self.defects) == before:
                    yield number, value

    def values(self) -> Iterable[tuple[int, Any]]:
        """The records or triples of the whole file, by their number."""
        value = self.parsed(self.text, 1)
        self.defects.require_none()
        if isinstance(value, _Repeated):
            raise self.refuse(f"the key {_shown(next(iter(value)))} stands twice", "keep one")
        if isinstance(value, dict) and value:
            lists = [key for key, held in value.items() if isinstance(held, list)]
            if len(lists) == 1 and not any(isinstance(held, dict) for held in value.values()):
                self.of_list = f" of the list {_shown(lists[0])}" + (
                    ", and nothing beside it" if len(value) > 1 else ""
                )
                value = value[lists[0]]
            elif all(isinstance(held, dict) for held in value.values()):
                self.keys = list(value)
                value = list(value.values())
            else:
                kinds = sorted({_kind(held) for held in value.values()})
                found = f"an object of {' and '.join(kinds)}"
                raise self.refuse(found, _SHAPES)
        if not isinstance(value, (list, dict)):
            raise self.refuse(f"the file holds {_kind(value)} alone", _SHAPES)
        return enumerate(value, start=1)

    # ---------------------------------------------------------------- facts

    def take_records(self, records: Iterator[tuple[int, Any]]) -> None:
        """The facts of objects: the other fields are relations."""
        fields: dict[str, int] = {}
        subject, count = self.asked.subject, 0
        for number, record in records:
            count += 1
            if not isinstance(record, dict) or isinstance(record, _Repeated):
                self.no_record(number, record)
                continue
            if self.keys is not None:
                if KEY in record:
                    found = (
                        f"a field {KEY!r}, which is what the keys of the whole object are called"
                    )
                    self.note(number, 0, found, "name it otherwise")
                    continue
                record = {KEY: self.keys[number - 1], **record}
            if not fields:
                fields.update((name, i) for i, name in enumerate(record))
                if subject is None and record:
                    subject = next(iter(record))
            self.take_record(number, record, fields, subject)
        if subject not in fields:
            column_of(list(fields), subject)
        self.titles = list(fields)
        others = counted(len(fields) - 1, "other field")
        others += " is a relation" if len(fields) == 2 else " are relations"
        keyed = " by key" if self.keys is not None else ""
        self.said = (
            f"{self.title}, {counted(count, 'record')}{keyed}{self.of_list}: the subject is"
            f" {_shown(subject)}, {others}"
        )

    def take_record(
        self, number: int, record: dict[str, Any], fields: dict[str, int], subject: str | None
    ) -> None:
        """The facts of one record."""
        name = record.get(subject) if subject is not None else None
        if not isinstance(name, str) or name == "" or isinstance(name, _NoNumber):
            if subject is None:
                self.note(number, 0, "a record without a field", "leave it out", -1)
                return
            found = "no subject" if name in (None, "") else f"{_kind(name)} as the subject"
            fields.update((key, len(fields)) for key in record if key not in fields)
            field = fields.get(subject, 0)
            self.note(number, field, found, "write its name, or leave out the record", 0)
            return
        for key, value in record.items():
            if key != subject:
                field = fields.setdefault(key, len(fields))
                for target in self.names_of(value, number, field):
                    self.add(name, key, target, number, field)

    def take_triples(self, records: Iterator[tuple[int, Any]]) -> None:
        """The facts of arrays of three."""
        for number, triple in records:
            if not isinstance(triple, list) or len(triple) != 3:
                self.no_record(number, triple)
                continue
            names = [list(self.names_of(value, number, i)) for i, value in enumerate(triple)]
            if all(len(held) == 1 for held in names[:2]):
                for target in names[2]:
                    self.add(names[0][0], names[1][0], target, number, 2)
                continue
            for part in (0, 1):
                if len(names[part]) != 1 and not isinstance(triple[part], (dict, _NoNumber)):
                    self.note(number, part, f"no {PARTS[part]}", "write one name", part)

    def no_record(self, number: int, value: Any) -> None:
        """Note a value that is not what the others are."""
        if isinstance(value, _Repeated):
            found = f"the key {_shown(next(iter(value)))} stands twice"
            self.note(number, 0, found, "keep one; a list holds several answers", -1)
            return
        what = "a triple" if self.triples else "a record"
        size = f" of {len(value)}" if isinstance(value, list) else ""
        self.note(number, 0, f"{_kind(value)}{size} where {what} is expected", _SHAPES, -1)

    def names_of(self, value: Any, number: int, field: int) -> Iterator[str]:
        """The names that a value states: none, one, or those of a list."""
        if isinstance(value, list):
            if not value:
                self.missing += 1
            for held in value:
                if isinstance(held, list):
                    self.note(number, field, "a list in a list", "write one list of names")
                    return
                yield from self.names_of(held, number, field)
                if isinstance(held, dict):
                    return  # one such defect a list is enough
        elif value is None or (isinstance(value, str) and not value):
            self.missing += 1
        elif isinstance(value, bool):
            yield "true" if value else "false"
        elif isinstance(value, _NoNumber):
            self.note(number, field, f"{value}, which JSON has not", "write null for no value")
        elif isinstance(value, str):
            yield value
        else:
            action = "write its fields beside the others, or leave it out"
            self.note(number, field, "an object inside a record", action)

    def place(self, record: int, field: int, part: int) -> str:
        """File and line or number of the record, and the field."""
        if self.by_line:
            where = f"{self.name}:{record}"
        elif self.keys is not None:
            where = f"{self.name}: record {brief(self.keys[record - 1], 40)!r}"
        else:
            where = f"{self.name}: {'triple' if self.triples else 'record'} {record}"
        if part < 0:
            return where
        if self.triples:
            return f"{where}, {PARTS[min(field, part)]}"
        if part == 0:
            title = self.asked.subject or next(iter(self.titles), "")
        else:
            title = self.titles[field] if field < len(self.titles) else ""
        return f"{where}, field {brief(title, 40)!r}"


def _chain(first: tuple[int, Any], rest: Iterator[tuple[int, Any]]) -> Iterator[tuple[int, Any]]:
    """The first and those that follow."""
    yield first
    yield from rest


def _kind(value: Any) -> str:
    """What a value is, in the words of JSON."""
    if isinstance(value, _NoNumber):
        return f"{value}"
    kinds = {dict: "an object", list: "a list", str: "a text or number", bool: "true or false"}
    return next((word for kind, word in kinds.items() if isinstance(value, kind)), "null")


def _shown(value: object) -> str:
    """A value, cut where it is long."""
    return repr(brief(value, 60))
