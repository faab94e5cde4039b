"""What commands that take many sizes have in common: their rows, and the files of these."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from verify.cli.output import say
from verify.cli.written_files import check_writable, write_text

if TYPE_CHECKING:
    from verify.cli.reports.pictures import Look


def is_written(options: argparse.Namespace) -> bool:
    """Whether what is found goes to a file, so that tables of many sizes are not printed."""
    files = (options.json, options.csv, getattr(options, "plot", None))
    return any(path is not None for path in files)


def check_files(options: argparse.Namespace) -> None:
    """Refuse files that cannot be written, before the work.

    Raises:
        InputError: see `check_rows_file` and `check_picture` in `verify.cli.reports`.
    """
    from verify.cli.reports.pictures import check_picture
    from verify.cli.reports.rows import check_rows_file

    check_writable(options.json)
    check_rows_file(options.csv)
    if "plot" in options:
        check_writable(options.plot)
        check_picture(options.plot, look(options))


def look(options: argparse.Namespace) -> Look:
    """How the picture of a command is to look."""
    from verify.cli.reports.pictures import Look

    return Look(options.style, options.size)


def write(
    options: argparse.Namespace,
    kind: type,
    rows: Sequence[Any],
    n_sizes: int,
    more: Mapping[str, Any] | None = None,
) -> None:
    """Write rows where that is asked for; of several sizes, say how many there are.

    Args:
        options: of the command, with `json` and `csv`.
        kind: the dataclass that the rows are of.
        rows: in long format.
        n_sizes: of the sweep.
        more: what stands beside `rows` in the JSON.
    """
    from verify.cli.reports.rows import as_data, columns_of, write_rows

    if n_sizes > 1 and is_written(options):
        say(f"{n_sizes:,} sizes, {len(rows):,} rows")

    def data() -> str:
        """The JSON."""
        return json.dumps({**(more or {}), "rows": as_data(rows)}, indent=1, allow_nan=False)

    write_text(options.json, lambda: data() + "\n")
    write_rows(options.csv, columns_of(kind), rows)
