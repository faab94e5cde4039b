"""The `facts.tsv` of a model folder: it has the bytes that `save` writes, and no others."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from itertools import islice, zip_longest
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from constructions.facts.named import Names
from constructions.facts.names import NameIndex
from constructions.facts.triples import Triples
from constructions.facts.tsv import fact_lines, read_tsv
from constructions.guards.errors import FactFileError, InputError

Table = TypeVar("Table", bound=Triples)
READ_AT_ONCE = 2**20  # bytes of a file, and the rest of their line


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
    if (table := _as_written(Path(path), names, table_of)) is not None:
        return table
    found = read_tsv(path, literal=True, many=many)  # which finds what is wrong, and where
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
    path: Path, names: Names, table_of: Callable[[NDArray[np.int64], Names], Table]
) -> Table | None:
    """The table, if every byte of the file is what `save` writes of it, else None; some lines are
    read at a time.
    """
    entities = {name: i for i, name in enumerate(names.entity_names)}
    relations = {name: i for i, name in enumerate(names.relation_names)}
    parts = [np.zeros((3, 0), np.int64)]
    try:
        with path.open("rb") as file:
            while held := file.read(READ_AT_ONCE):
                text = (held + file.readline()).decode()
                cells = text.removesuffix("\n").replace("\n", "\t").split("\t")
                ids = (entities, relations, entities)
                parts.append(np.array([[ids[i][name] for name in cells[i::3]] for i in range(3)]))
        if len(parts) == 1:  # a table without facts is saved as a tensor
            return None
        table = table_of(np.concatenate(parts, axis=1).T, names)
        with path.open("rb") as file:
            lines = fact_lines(table)
            while some := list(islice(lines, 2**14)):
                written = "".join(some).encode()
                comment = written.startswith(b"#") or b"\n#" in written
                if comment or file.read(len(written)) != written:
                    return None
            return None if file.read(1) else table
    except (OSError, ValueError, KeyError):
        return None
