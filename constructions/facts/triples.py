"""Facts by name: triples (subject, relation, object), which is all that a text format knows of
them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from constructions.facts.answers import MISSING
from constructions.guards.errors import InputError
from constructions.guards.memory import require_memory
from constructions.guards.wording import printable

Row = tuple[str, str, str]
"""The names of subject, relation and object of a fact."""


class Triples(Protocol):
    """Facts that can be gone through by name, as often as one likes."""

    def used_names(self) -> tuple[Collection[str], Collection[str]]:
        """The names of the entities, and of the relations, that occur in a fact."""

    def rows(self, relations: Collection[str] | None = None) -> Iterator[Row]:
        """The facts in their order: those of some relations, or all."""


def numbered(
    triples: Iterable[tuple[str, str, str]],
) -> tuple[NDArray[np.int64], list[str], list[str]]:
    """The facts by number, with the ids in the order of first appearance.

    Returns:
        int64 (facts, 3), subject, relation and object of each; the names of the entities, and of
        the relations.

    Raises:
        InputError: there is no triple, or one is none.
    """
    entity_ids: dict[str, int] = {}
    relation_ids: dict[str, int] = {}
    rows = []
    for triple in triples:
        if isinstance(triple, (str, bytes)) or len(triple) != 3:
            raise InputError(f"a fact is a triple (subject, relation, object); got {triple!r}")
        subject, relation, target = triple
        rows.append(
            (
                entity_ids.setdefault(subject, len(entity_ids)),
                relation_ids.setdefault(relation, len(relation_ids)),
                entity_ids.setdefault(target, len(entity_ids)),
            )
        )
    if not rows:
        raise InputError("no facts: a table needs at least one (subject, relation, object)")
    return np.array(rows, dtype=np.int64), list(entity_ids), list(relation_ids)


def answers_of(
    triples: Iterable[tuple[str, str, str]],
) -> tuple[NDArray[np.int64], list[str], list[str]]:
    """The facts as numbers, with the ids in the order of first appearance.

    Returns:
        The answers, int64 (relations, entities), -1 where there is no fact; the names of the
        entities, and of the relations.

    Raises:
        InputError: there is no triple, or two of them give one (subject, relation) different
            objects.
        DoesNotFit: the table needs more memory than the machine has.
    """
    rows, names, relation_names = numbered(triples)
    return placed(rows, names, relation_names), names, relation_names


def placed(
    rows: NDArray[np.int64], names: list[str], relation_names: list[str]
) -> NDArray[np.int64]:
    """The answers, int64 (relations, entities), of facts by number: see `numbered`.

    Raises: as `answers_of`.
    """
    subjects, relations, targets = rows.T
    what = f"the answers of {len(relation_names):,} relations for {len(names):,} entities"
    require_memory(4 * 8 * len(relation_names) * len(names), what)
    answers = np.full((len(relation_names), len(names)), MISSING, dtype=np.int64)
    answers[relations, subjects] = targets
    for row in np.flatnonzero(answers[relations, subjects] != targets)[:1]:
        ids = (subjects[row], targets[row], answers[relations[row], subjects[row]])
        subject, target, kept = (printable(names[i]) for i in ids)
        relation = printable(relation_names[relations[row]])
        raise InputError(
            f"({subject}, {relation}) has two objects: {target} and {kept}; a relation is a"
            " function, keep one, or make a SetTable"
        )
    return answers
