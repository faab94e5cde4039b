"""Tables of text with a record a line: CSV as RFC 4180 has it, and fields between TABs."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from functools import cached_property
from itertools import chain, islice

from constructions.guards.errors import InputError
from constructions.guards.wording import counted
from constructions.importing.asked import Asked
from constructions.importing.columns import Columns, columns_of, title_defects
from constructions.importing.reader import PARTS, Reader

_PEEKED = 1000
"""How many rows are looked at to tell triples from a table."""
_CSV_ERRORS = {
    "unexpected end of data": (
        "a quote is never closed: it opens a field of the record that starts here",
        "close it, or write quotes that belong to a name twice, in quotes",
    ),
    "expected after": (
        "text behind the quote that closes a field",
        "write quotes that belong to a name twice, in quotes",
    ),
    "field larger": (
        "a field of more than 131,072 characters in the record that starts here",
        "close its quote, if that was forgotten; a longer name is not read",
    ),
    "new-line character": (
        "a carriage return inside a line",
        "end lines with LF or CRLF, not with CR alone",
    ),
}
"""Of what the csv module says: what was found, what to do."""


_BEHIND = re.compile(r'(?:^|,)(?P<field>"(?:[^"]|"")*"[^,"\r])')


class Delimited(Reader):
    """Reads a CSV file, or one with TABs."""

    def __init__(self, name: str, raw: bytes, asked: Asked, delimiter: str, title: str) -> None:
        super().__init__(name)
        self.asked, self.delimiter, self.title = asked, delimiter, title
        self.text = self.text_of(raw)
        self.at_title = 1
        self.columns = Columns(None, True, 0, "")

    def read(self) -> None:
        """Take all facts."""
        if "\r" in self.text and "\n" not in self.text:
            column = self.text.index("\r") + 1
            found, action = _CSV_ERRORS["new-line character"]
            raise self.refuse(found, action, f":1:{column}")
        records = self.records_of_csv() if self.delimiter == "," else self.records_of_tabs()
        peeked = list(islice(records, _PEEKED))
        if not peeked:
            self.defects.require_none()
            raise self.refuse("no facts: the file is empty", "write titles and at least one row")
        (self.at_title, first), rows = peeked[0], [row for _, row in peeked[1:]]
        try:
            self.columns = columns_of(first, rows, self.asked.columns, self.asked.subject)
        except InputError as error:
            self.defects.note((0, 0), f"{self.name}:{self.at_title}: {error}")
            self.defects.require_none()
        self.said = f"{self.title}, {self.columns.said}"
        whole = chain(peeked[1:] if self.columns.titles else peeked, records)
        if self.columns.triples is None:
            for column, found, action in title_defects(first):
                self.note(self.at_title, column, found, action, part=1)
            self.take_table(first, whole)
        else:
            self.take_triples(self.columns.triples, whole)

    def take_table(self, titles: list[str], records: Iterator[tuple[int, list[str]]]) -> None:
        """The facts of a table: the other columns are relations."""
        width, subject = len(titles), self.columns.subject
        others = [(column, title) for column, title in enumerate(titles) if column != subject]
        add, missing = self.add, 0
        for line, cells in records:
            if len(cells) != width:
                self.ragged(line, cells, width, "the titles have")
            elif not (name := cells[subject]):
                action = "write its name, or delete the row"
                self.note(line, subject, "no subject", action)
            else:
                for column, title in others:
                    if target := cells[column]:
                        add(name, title, target, line, column)
                    else:
                        missing += 1
        self.missing += missing

    def take_triples(
        self, order: tuple[int, int, int], records: Iterator[tuple[int, list[str]]]
    ) -> None:
        """The facts of rows that are triples; one without an object is missing."""
        s, r, o = order
        for line, cells in records:
            if len(cells) != 3:
                self.ragged(line, cells, 3, "a triple has")
            elif not (cells[s] and cells[r]):
                column, part = (s, 0) if not cells[s] else (r, 1)
                action = "write its name, or delete the row"
                self.note(line, column, f"no {PARTS[part]}", action)
            elif cells[o]:
                self.add(cells[s], cells[r], cells[o], line, o)
            else:
                self.missing += 1

    def ragged(self, line: int, cells: list[str], width: int, what: str) -> None:
        """Note that a row has not as many fields as it should."""
        column = min(len(cells) - 1, width)
        found = f"{counted(len(cells), 'field')} where {what} {width}"
        quotes = "; a comma that belongs to a name needs quotes around it"
        action = "write an empty field where there is no value" + (
            quotes if len(cells) > width and self.delimiter == "," else ""
        )
        self.note(line, column, found, action)

    # ---------------------------------------------------------------- records

    def records_of_tabs(self) -> Iterator[tuple[int, list[str]]]:
        """The lines that are not empty with their fields, as they stand."""
        for number, line in enumerate(self.text.split("\n"), start=1):
            if line := line.removesuffix("\r"):
                yield number, line.split("\t")

    def records_of_csv(self) -> Iterator[tuple[int, list[str]]]:
        """The records that are not empty, each with the line that it starts on."""
        rows = csv.reader(io.StringIO(self.text, newline="\n"), strict=True)
        while True:
            start = rows.line_num + 1
            try:
                cells = next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                known = (said for part, said in _CSV_ERRORS.items() if part in str(error))
                found, action = next(known, (str(error), "write the record as RFC 4180 has it"))
                where = f"{self.name}:{start}:{self.opened(start)}"
                self.defects.note((start, 0), f"{where}: {found}; {action}")
                if "more than" in found or "never" in found:
                    return  # what follows may lie in quotes or not
                continue
            if cells:
                yield start, cells

    # ---------------------------------------------------------------- places

    @cached_property
    def lines(self) -> list[str]:
        """The lines of the text."""
        return self.text.split("\n")

    def place(self, record: int, field: int, part: int) -> str:
        """`FILE:LINE:COLUMN` of a name: in triples by its part, in a table of the subject, the
        title, or the field.
        """
        if self.columns.triples is not None and part < 2:
            field = self.columns.triples[part]
        elif part == 0:
            field = self.columns.subject
        elif part == 1:
            record = self.at_title
        line, column = next(islice(self.starts(record), field, None), (record, 1))
        return f"{self.name}:{line}:{column}"

    def starts(self, line: int) -> Iterator[tuple[int, int]]:
        """Line and column where each field of the record starts that starts on a line."""
        yield line, 1
        quoted = in_quotes = False
        fresh = True
        for number in range(line, len(self.lines) + 1):
            for column, character in enumerate(self.lines[number - 1], start=1):
                if character == self.delimiter and not in_quotes:
                    yield number, column + 1
                    fresh, quoted = True, False
                    continue
                if character == '"' and self.delimiter == "," and (fresh or quoted):
                    quoted, in_quotes = True, not in_quotes
                fresh = False
            if not in_quotes:
                return

    def opened(self, line: int) -> int:
        """The column on a line where the field starts that the csv module cannot read: one with
        text behind its closing quote, else the last that starts on this line.
        """
        if found := _BEHIND.search(self.lines[line - 1]):
            return found.start("field") + 1
        return max(column for number, column in self.starts(line) if number == line)
