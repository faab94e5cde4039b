"""The `facts.tsv` of a model folder: it has the bytes that `save` writes, and no others."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from itertools import zip_longest
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from constructions.facts.file_text import read_whole
from constructions.facts.named import Names
from constructions.facts.names import NameIndex
from constructions.facts.triples import Triples
from constructions.facts.tsv import fact_lines, read_tsv
from constructions.guards.errors import FactFileError, InputError

Table = TypeVar("Table", bound=Triples)


def read_saved_facts(
    path: str | os.PathLike[str],
    names: Names,
    table_of: Callable[[NDArray[np.int64], Names], Table],
    many: bool = False,
) -> Table:
    """The table in the `facts.tsv` of a model folder, if it has the bytes that `save` writes.

    Args:
        path: the file.
        names: all of them, in the order of their ids.
        table_of: makes the table of facts by number, (facts, 3), and their names.
        many: whether a subject may have several objects for one relation.

    Raises:
        FactFileError: it has not; the message has the first line that is another.
    """
    if (table := _as_written(read_whole(path), names, table_of)) is not None:
        return table
    found = read_tsv(path, literal=True, many=many)
    entities = NameIndex(
        "entity", names.entity_names
    )  # also those that are spare if without facts
    try:
        ids = [
            (entities.find(subject), names.relation_id(relation), entities.find(target))
            for subject, relation, target in found.rows
        ]
    except InputError as error:
        message = f"{found.name}: {error}; the vocabulary has all names"
        raise FactFileError([message]) from None
    table = table_of(np.array(ids, dtype=np.int64), names)
    written = fact_lines(table)
    held = io.StringIO(found.raw.decode(), newline="\n")
    for number, (line, expected) in enumerate(zip_longest(held, written, fillvalue=""), start=1):
        if line != expected:
            message = f"{line!r} where a saved model has {expected!r}; save the model again"
            raise FactFileError([f"{found.name}:{number}:1: {message}"])
        if line.startswith("#"):
            message = "a line that starts with #; a saved model has such facts as a tensor"
            raise FactFileError([f"{found.name}:{number}:1: {message}: save the model again"])
    return table


def _as_written(
    raw: bytes, names: Names, table_of: Callable[[NDArray[np.int64], Names], Table]
) -> Table | None:
    """The table whose lines, as `save` writes them, are these bytes; None where there is none, or
    where only the reader of fact files can tell.

    The names are sound and distinct (`Names`), and so no line of theirs has a defect but the `#`
    that it may begin with.
    """
    *lines, beyond = raw.split(b"\n")
    if beyond or not lines or any(line.startswith(b"#") for line in lines):
        return None
    try:
        fields = raw[:-1].decode().replace("\n", "\t").split("\t")
    except UnicodeDecodeError:
        return None
    entities = {name: number for number, name in enumerate(names.entity_names)}
    relations = {name: number for number, name in enumerate(names.relation_names)}
    parts = (entities, relations, entities)
    ids = [[of.get(name, -1) for name in fields[i::3]] for i, of in enumerate(parts)]
    if len(fields) != 3 * len(lines) or -1 in ids[0] or -1 in ids[1] or -1 in ids[2]:
        return None
    try:
        table = table_of(np.array(ids, dtype=np.int64).T, names)
    except InputError:
        return None
    return table if "".join(fact_lines(table)).encode() == raw else None
