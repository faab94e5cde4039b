"""The `facts.tsv` of a model folder: it has the bytes that `save` writes, and no others."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from itertools import zip_longest
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

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
