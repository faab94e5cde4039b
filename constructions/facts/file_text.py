"""A file that holds a table, as bytes and as text."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from constructions.guards.errors import FactFileError
from constructions.guards.wording import printable

_PACKED = {
    b"PK\x03\x04": "a ZIP archive, as .xlsx and .ods files are: unpack it, or save it as CSV",
    b"\x1f\x8b": "compressed by gzip: unpack it",
    b"PAR1": "a Parquet file: name it .parquet, or say so (--format)",
    b"SQLite format 3": "an SQLite database: export the table as CSV",
}
"""How files begin that hold no text, and what to do."""


def read_whole(path: str | os.PathLike[str]) -> bytes:
    """All bytes of a file.

    Raises:
        FactFileError: it cannot be read.
    """
    name = printable(os.fspath(path))

    def unreadable(why: str) -> NoReturn:
        """Refuse a file of which no byte can be read."""
        raise FactFileError([f"{name}: {why}"]) from None

    try:
        return Path(path).read_bytes()
    except IsADirectoryError:
        unreadable("is a directory; give the path of a file that holds a table")
    except FileNotFoundError:
        unreadable("no such file; give the path of a file that holds a table")
    except (OSError, ValueError) as error:
        unreadable(f"cannot be read: {getattr(error, 'strerror', None) or error}")


def no_utf8(raw: bytes) -> str | None:
    """What shows in the first bytes that they are no text in UTF-8; None if nothing does."""
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "a UTF-16 byte order mark"
    if 3 * raw.count(0) > len(raw) > 8:
        return "every other byte is 0, as in UTF-16"
    return None


def packed(raw: bytes) -> str | None:
    """What the file is instead of a text, and what to do; None if nothing shows it."""
    if b"\0" not in raw:
        return None
    return next((what for sign, what in _PACKED.items() if raw.startswith(sign)), None)


def decodable_lines(raw: bytes) -> Iterator[tuple[int, str | None, int, str]]:
    """The lines of a text of which some bytes are not UTF-8, without the CR at an end: number,
    text, and where there is none, the column and what was found there.
    """
    for number, line in enumerate(raw.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        try:
            yield number, line.removesuffix(b"\r").decode("utf-8"), 0, ""
        except UnicodeDecodeError as error:
            column = len(line[: error.start].decode("utf-8")) + 1
            yield number, None, column, f"byte 0x{line[error.start]:02X} is not UTF-8"
