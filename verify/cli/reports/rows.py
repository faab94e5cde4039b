"""Results in long format, a row for each: as CSV, as Parquet, and as JSON.

A row is a dataclass, or a mapping; its fields are the columns. What is unknown, or does not apply,
is None: nothing between two commas of a CSV. docs/sweeps.md says what the columns hold.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any

from constructions.files.whole_file import write_atomically
from constructions.guards.errors import InputError
from constructions.guards.extras import installing
from verify.cli.written_files import check_writable

PARQUET = ".parquet"
_LARGEST = 2**63 - 1
"""Of the integers that a column of Parquet holds."""


def columns_of(kind: type) -> tuple[str, ...]:
    """The columns of rows of a dataclass, in order."""
    return tuple(field.name for field in fields(kind))


def as_data(rows: Sequence[Any]) -> list[dict[str, Any]]:
    """Rows as plain data for JSON: what is no finite number becomes null."""
    plain = [
        asdict(row) if is_dataclass(row) and not isinstance(row, type) else dict(row)
        for row in rows
    ]
    return [{name: _finite(value) for name, value in row.items()} for row in plain]


def _finite(value: Any) -> Any:
    """The value; None if it is a number that is not finite."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def as_csv(columns: Sequence[str], rows: Sequence[Any]) -> str:
    """Rows as CSV with a first line of titles."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(as_data(rows))
    return text.getvalue()


def as_parquet(columns: Sequence[str], rows: Sequence[Any]) -> bytes:
    """Rows as Parquet; a column that has an integer beyond 64 bits is one of texts.

    Raises:
        InputError: pyarrow is not installed.
    """
    require_pyarrow()
    import pyarrow
    from pyarrow import parquet

    data = as_data(rows)
    table = {}
    for name in columns:
        values = [row.get(name) for row in data]
        if any(isinstance(value, float) for value in values):
            values = [None if value is None else _as_float(value) for value in values]
        elif any(isinstance(value, int) and abs(value) > _LARGEST for value in values):
            values = [None if value is None else str(value) for value in values]
        table[name] = values
    written = io.BytesIO()
    parquet.write_table(pyarrow.table(table), written)
    return written.getvalue()


def _as_float(value: float) -> float:
    """A number as Parquet holds it; infinite where it is too large."""
    try:
        return float(value)
    except OverflowError:
        return math.inf


def require_pyarrow() -> None:
    """Raise InputError if pyarrow is not installed."""
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        raise InputError(
            f"a file that ends in {PARQUET} needs pyarrow: {installing('parquet')}; any other name"
            " gets CSV"
        ) from None


def check_rows_file(path: Path | None) -> None:
    """Refuse, before the work, a file of rows that cannot be written.

    Raises:
        InputError: see `check_writable`, and `require_pyarrow`.
    """
    check_writable(path)
    if path is not None and path.suffix.lower() == PARQUET:
        require_pyarrow()


def write_rows(
    path: Path | None, columns: Sequence[str], rows: Sequence[Mapping[str, Any] | Any]
) -> None:
    """Write rows in one step, if a file is asked for: Parquet where its name ends so, else CSV."""
    if path is None:
        return
    whole: str | bytes
    if path.suffix.lower() == PARQUET:
        whole = as_parquet(columns, rows)
    else:
        whole = as_csv(columns, rows)
    write_atomically(path, iter([whole]))
