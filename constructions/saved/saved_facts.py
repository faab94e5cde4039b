"""The `facts.tsv` of a model folder: it has the bytes that `save` writes, and no others."""

from __future__ import annotations

import io
import os
from itertools import zip_longest

import numpy as np

from constructions.facts.names import NameIndex
from constructions.facts.table import FactTable
from constructions.facts.tsv import fact_lines, read_tsv
from constructions.guards.errors import FactFileError, InputError


def read_saved_facts(path: str | os.PathLike[str], blank: FactTable) -> np.ndarray:
    """The answers in the `facts.tsv` of a model folder, if it has the bytes that `save` writes.

    Args:
        path: the file.
        blank: a table with all names, in the order of their ids, and no facts.

    Returns:
        int64 array (relations, entities), -1 for a missing fact.

    Raises:
        FactFileError: it has not; the message has the first line that is another.
    """
    found = read_tsv(path, literal=True)
    entities = NameIndex(
        "entity", blank.entity_names
    )  # also those that are spare if without facts
    try:
        ids = [
            (blank.relation_id(relation), entities.find(subject), entities.find(target))
            for subject, relation, target in found.rows
        ]
    except InputError as error:
        message = f"{found.name}: {error}; the vocabulary has all names"
        raise FactFileError([message]) from None
    relations, subjects, targets = np.array(ids, dtype=np.int64).T
    answers = blank.answers.copy()
    answers[relations, subjects] = targets
    written = fact_lines(FactTable(answers, blank.entity_names, blank.relation_names))
    held = io.StringIO(found.raw.decode(), newline="\n")
    for number, (line, expected) in enumerate(zip_longest(held, written, fillvalue=""), start=1):
        if line != expected:
            message = f"{line!r} where a saved model has {expected!r}; save the model again"
            raise FactFileError([f"{found.name}:{number}:1: {message}"])
        if line.startswith("#"):
            message = "a line that starts with #; a saved model has such facts as a tensor"
            raise FactFileError([f"{found.name}:{number}:1: {message}: save the model again"])
    return answers
