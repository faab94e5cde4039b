"""The formats that are read, by name and by the ending of a file."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePath

from constructions.facts.file_text import read_whole
from constructions.guards.errors import InputError
from constructions.importing.asked import Asked
from constructions.importing.delimited import Delimited
from constructions.importing.fact_lines import FactLines
from constructions.importing.parquet import Parquet
from constructions.importing.rdf import Rdf
from constructions.importing.reader import Reader
from constructions.importing.records import Records

Path = str | os.PathLike[str]


@dataclass(frozen=True)
class Format:
    """A format.

    Attributes:
        title: what it is.
        endings: of the names of its files.
        reader: makes a reader of a file, which has a method `read`.
    """

    title: str
    endings: tuple[str, ...]
    reader: Callable[[Path, Asked], Reader]


FORMATS = {
    "facts": Format("a fact file: subject<TAB>relation<TAB>object", (".tsv",), FactLines),
    "tsv": Format(
        "fields between TABs",
        (),
        lambda path, asked: Delimited(
            os.fspath(path), read_whole(path), asked, "\t", "fields between TABs"
        ),
    ),
    "csv": Format(
        "comma-separated values",
        (".csv",),
        lambda path, asked: Delimited(os.fspath(path), read_whole(path), asked, ",", "CSV"),
    ),
    "json": Format(
        "JSON",
        (".json",),
        lambda path, asked: Records(os.fspath(path), read_whole(path), asked, False),
    ),
    "jsonl": Format(
        "JSON Lines",
        (".jsonl", ".ndjson"),
        lambda path, asked: Records(os.fspath(path), read_whole(path), asked, True),
    ),
    "ntriples": Format(
        "N-Triples",
        (".nt",),
        lambda path, asked: Rdf(os.fspath(path), read_whole(path), asked, False),
    ),
    "turtle": Format(
        "Turtle",
        (".ttl",),
        lambda path, asked: Rdf(os.fspath(path), read_whole(path), asked, True),
    ),
    "parquet": Format(
        "Parquet",
        (".parquet",),
        lambda path, asked: Parquet(os.fspath(path), read_whole(path), asked),
    ),
}
"""By the name that --format takes. Files of other endings are fact files."""

_ENDINGS = {ending: name for name, format in FORMATS.items() for ending in format.endings}


def reader_of(path: Path, asked: Asked) -> Reader:
    """The reader of a file: of the format that was said, or that its ending says.

    Raises:
        InputError: there is no such format, or the file cannot be read.
    """
    name = asked.format
    if name is None:
        name = _ENDINGS.get(PurePath(path).suffix.lower(), "facts")
        if name == "facts" and (asked.columns is not None or asked.subject is not None):
            name = "tsv"
    if name not in FORMATS:
        raise InputError(f"the formats are {', '.join(FORMATS)}; got {name!r}")
    if name == "facts" and (asked.columns is not None or asked.subject is not None):
        raise InputError("a fact file has no columns to choose: leave out --columns and --subject")
    return FORMATS[name].reader(path, asked)
