"""Parquet files, by pyarrow: a table with a column of subjects, or triples."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np

from constructions.facts.foreign_rows import title_order
from constructions.guards.errors import InputError
from constructions.guards.extras import installing
from constructions.guards.wording import brief, counted
from constructions.importing.asked import Asked
from constructions.importing.columns import Columns, columns_of, title_defects
from constructions.importing.reader import PARTS, Reader

Value = str | list[str | None] | None


class Parquet(Reader):
    """Reads a Parquet file."""

    def __init__(self, name: str, raw: bytes, asked: Asked) -> None:
        super().__init__(name)
        self.asked = asked
        try:
            import pyarrow
            import pyarrow.compute
            import pyarrow.parquet
        except ImportError:
            raise InputError(
                f"{self.name}: Parquet is read by pyarrow, which is not installed:"
                f" {installing('parquet')}"
            ) from None
        self.arrow = pyarrow
        try:
            self.file = pyarrow.parquet.ParquetFile(pyarrow.BufferReader(raw))
            self.schema = self.file.schema_arrow
        except (pyarrow.ArrowException, OSError) as error:
            raise self.refuse(f"no Parquet file: {brief(error, 120)}", "save it anew") from None
        self.titles: list[str] = list(self.schema.names)
        self.columns = Columns(None, True, 0, "")

    def read(self) -> None:
        """Take all facts."""
        if not self.titles:
            raise self.refuse(
                "no facts: the file has no columns", "write a subject and a relation"
            )
        if self.asked.columns == "triples" and len(self.titles) != 3:
            found = f"{counted(len(self.titles), 'column')} where a triple has 3"
            raise self.refuse(found, "write subject, relation and object, or say --columns table")
        try:
            self.columns = self.chosen()
        except InputError as error:
            self.defects.note((0, 0), f"{self.name}: {error}")
            self.defects.require_none()
        for column, found, action in title_defects(self.titles):
            self.defects.note((0, column), f"{self.name}: {found}; {action}")
        unread = [
            column for column, field in enumerate(self.schema) if not self.is_read(field.type)
        ]
        for column in unread:
            found = f"{self.name}: the column {self.titles[column]!r} has the type"
            action = "texts, numbers, dates and lists of these are read: leave it out"
            self.defects.note((0, column), f"{found} {self.schema[column].type}; {action}")
        self.defects.require_none()
        rows, record = self.file.metadata.num_rows, 0
        if not rows:
            raise self.refuse("no facts: the table has no rows", "write at least one")
        self.said = f"Parquet, {counted(rows, 'row')}, {self.columns.said}"
        try:
            for batch in self.file.iter_batches(batch_size=65_536):
                self.take(batch, record)
                record += batch.num_rows
        except (self.arrow.ArrowException, OSError) as error:
            raise self.refuse(f"damaged: {brief(error, 120)}", "save it anew") from None

    def chosen(self) -> Columns:
        """What the columns are: triples where the titles say so, or where that was said."""
        asked = self.asked.columns
        if asked is None and title_order(self.titles) is None:
            asked = "table"  # titles are certain here, and these are not those of triples
        found = columns_of(self.titles, (), asked, self.asked.subject)
        if found.triples is None:
            return found
        shown = ", ".join(repr(brief(self.titles[column], 40)) for column in found.triples)
        return replace(found, said=f"triples in the columns {shown}")

    def take(self, batch: Any, before: int) -> None:
        """The facts of some rows, which stand below so many others."""
        columns = [list(self.values(batch.column(i), i, before)) for i in range(len(self.titles))]
        if self.columns.triples is not None:
            s, r, o = self.columns.triples
            facts = zip(columns[s], columns[r], columns[o], strict=True)
            for record, (subject, relation, target) in enumerate(facts, start=before + 1):
                if not (isinstance(subject, str) and isinstance(relation, str)):
                    column, part = (r, 1) if isinstance(subject, str) else (s, 0)
                    action = "write its name, or delete the row"
                    self.note(record, column, f"no {PARTS[part]}", action)
                else:
                    self.state(subject, relation, target, record, o)
            return
        subjects = columns[self.columns.subject]
        others = [i for i in range(len(columns)) if i != self.columns.subject]
        for record, subject in enumerate(subjects, start=before + 1):
            if not isinstance(subject, str):
                action = "write its name, or delete the row"
                self.note(record, self.columns.subject, "no subject", action)
                continue
            for i in others:
                self.state(subject, self.titles[i], columns[i][record - before - 1], record, i)

    def state(self, subject: str, relation: str, target: Value, record: int, field: int) -> None:
        """Take the facts of one value: none, one, or those of a list."""
        targets = target if isinstance(target, list) else [target]
        self.missing += not targets
        for name in targets:
            if name is None:
                self.missing += 1
            else:
                self.add(subject, relation, name, record, field)

    # ---------------------------------------------------------------- values

    def is_list(self, kind: Any) -> bool:
        """Whether the values of a type are lists."""
        types = self.arrow.types
        return bool(
            types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)
        )

    def is_read(self, kind: Any) -> bool:
        """Whether values of a type are texts, numbers, dates or truth values, or lists of them."""
        types = self.arrow.types
        if self.is_list(kind):
            return not self.is_list(kind.value_type) and self.is_read(kind.value_type)
        if types.is_dictionary(kind):
            return self.is_read(kind.value_type)
        asked = (
            *("is_string", "is_large_string", "is_integer", "is_floating", "is_boolean"),
            *("is_decimal", "is_temporal", "is_null"),
        )
        return any(getattr(types, ask)(kind) for ask in asked) or str(kind) == "string_view"

    def values(self, column: Any, field: int, before: int) -> Iterator[Value]:
        """The values of a column as names; None for null and for a text without a letter."""
        if self.is_list(column.type):
            lengths = [
                held or 0 for held in self.arrow.compute.list_value_length(column).to_pylist()
            ]
            rows = np.repeat(np.arange(len(lengths)) + before + 1, lengths)
            texts = self.texts(column.flatten(), field, lambda row: int(rows[row]))
            yield from (list(islice(texts, length)) for length in lengths)
            return
        yield from self.texts(column, field, lambda row: before + 1 + row)

    def texts(self, column: Any, field: int, record: Callable[[int], int]) -> Iterator[str | None]:
        """Values that are no lists, as names."""
        types = self.arrow.types
        if types.is_dictionary(column.type):
            column = column.dictionary_decode()
        floating = types.is_floating(column.type)
        texts = column.cast(self.arrow.string()).to_pylist()
        for row, text in enumerate(texts):
            if floating and text == "nan":
                self.note(record(row), field, "NaN, which is no name", "write null for no value")
                yield None
            else:
                yield text or None

    def place(self, record: int, field: int, part: int) -> str:
        """The row, and the column of the name."""
        if self.columns.triples is not None and part < 2:
            field = self.columns.triples[part]
        elif part == 0:
            field = self.columns.subject
        return f"{self.name}: row {record}, column {brief(self.titles[field], 40)!r}"
