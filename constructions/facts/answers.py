"""The facts as numbers, and the one oracle of the project: everything that is called right or
wrong is compared with it.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from constructions.facts.limits import MOST_BITS
from constructions.facts.stored_paths import StoredPaths
from constructions.guards.errors import InputError
from constructions.guards.wording import shortened

MISSING = -1
"""In a table of numbers, and where a model answers *unknown*: there is no such fact."""


class Answers:
    """Facts `f_r(s)` of N entities and R relations by number; with their names they are a
    `FactTable`.

    Args:
        answers: see `constructions.facts.table.FactTable`.

    Raises:
        InputError: an answer is not in -1..N-1, or a size is 0.
    """

    def __init__(self, answers: ArrayLike):
        try:
            table = (
                answers.filled(MISSING)
                if isinstance(answers, np.ma.MaskedArray)
                else np.asarray(answers)
            )
        except ValueError as error:
            raise InputError(f"answers must have shape (relations, entities): {error}") from None
        if table.ndim != 2 or 0 in table.shape:
            raise InputError(
                "answers must have shape (relations, entities), both at least 1; got"
                f" {table.shape}"
            )
        if table.dtype.kind not in "iu":
            raise InputError(f"answers must be integers; got dtype {table.dtype}")
        n_entities = table.shape[1]
        for relation, row in enumerate(table):
            for entity in np.flatnonzero((row < MISSING) | (row >= n_entities))[:1]:
                raise InputError(
                    f"answers[{relation}, {entity}] = {table[relation, entity]} is no entity: with"
                    f" {n_entities} entities an answer is 0..{n_entities - 1}, or -1 for a missing"
                    " fact"
                )
        if not _is_mapped(answers):
            table = table.astype(np.int64)
            table.setflags(write=False)
        self.answers: NDArray[np.int64] = table

    # ---------------------------------------------------------------- sizes

    @property
    def n_entities(self) -> int:
        """N: every entity is a subject, and every answer is an entity."""
        return int(self.answers.shape[1])

    @property
    def n_relations(self) -> int:
        """R."""
        return int(self.answers.shape[0])

    @cached_property
    def n_facts(self) -> int:
        """The number of facts that are present: at most N R."""
        return int(np.count_nonzero(self.answers != MISSING))

    @property
    def is_total(self) -> bool:
        """Whether no fact is missing."""
        return self.n_facts == self.answers.size

    @cached_property
    def is_bijective(self) -> bool:
        """Whether every relation is a bijection of the entities."""
        return self.is_total and bool(
            (np.sort(self.answers, axis=1) == np.arange(self.n_entities)).all()
        )

    @cached_property
    def occurring(self) -> NDArray[np.bool_]:
        """Whether each entity occurs in a fact, as its subject or as its answer: bool (N,)."""
        present = self.answers != MISSING
        found: NDArray[np.bool_] = present.any(axis=0)
        found[self.answers[present]] = True
        return found

    @cached_property
    def has_disjoint_answers(self) -> bool:
        """Whether no entity is an answer of two relations."""
        relations = np.zeros(self.n_entities, dtype=np.int64)
        for answers in self.answers:
            relations[np.unique(answers[answers != MISSING])] += 1
        return bool((relations <= 1).all())

    # ---------------------------------------------------------------- the oracle

    def answer(self, entities: ArrayLike, paths: ArrayLike) -> np.ndarray:
        """The k-hop answers `f_{r_k}(... f_{r_1}(s))`: the first relation of a path is applied
        first.

        Args:
            entities: integers, shape (...).
            paths: relations, shape (..., k); its leading axes broadcast against `entities`. k = 0
                answers the entity.

        Returns:
            int64 array of the broadcast shape; -1 wherever the path meets a missing fact
            (*unknown* is absorbing).

        Raises:
            InputError: an entity or a relation is out of range, or the shapes do not broadcast.
        """
        start = checked_ids("entity", entities, self.n_entities)
        words = checked_ids("relation", paths, self.n_relations)
        if words.ndim == 0:
            raise InputError(
                "paths must have a last axis for the hops, shape (..., k); got a single number"
            )
        try:
            state = np.broadcast_to(start, np.broadcast_shapes(start.shape, words.shape[:-1]))
        except ValueError:
            raise InputError(
                f"entities {start.shape} and paths {words.shape} do not broadcast"
            ) from None
        for hop in range(words.shape[-1]):
            reached = self.answers[words[..., hop], np.maximum(state, 0)]
            state = np.where(state == MISSING, MISSING, reached)
        return np.array(state)

    def n_queries(self, hops: int) -> int:
        """N R^k, the number of queries of k hops: a Python integer. Raises InputError where it has
        over 10^6 bits.
        """
        bits = hops * (self.n_relations - 1).bit_length()
        if bits > MOST_BITS:
            raise InputError(
                f"{self.n_relations:,} relations make {self.n_relations:,}^{shortened(hops)} paths"
                f" of {shortened(hops)} hops: a number of up to {shortened(bits)} bits, and at"
                f" most {MOST_BITS:,} are counted"
            )
        return int(self.n_entities * self.n_relations**hops)

    @cached_property
    def stored_paths(self) -> StoredPaths:
        """The paths that meet no missing fact, by number."""
        return StoredPaths(self.answers)

    def n_stored_queries(self, hops: int) -> int:
        """How many queries of k hops meet no missing fact: at most N R^k, of one hop the number of
        facts. A Python integer, counted without listing them. Raises InputError as `n_queries`.
        """
        most = self.n_queries(hops)
        return most if self.is_total else self.stored_paths.total(hops)

    def n_claimed_queries(self, hops: int, stored_only: bool) -> int:
        """How many queries of k hops a model claims to answer: the stored ones, or all."""
        return self.n_stored_queries(hops) if stored_only else self.n_queries(hops)

    def claimed_queries(
        self,
        numbers: NDArray[np.int64],
        hops: int,
        stored_only: bool,
        subjects: NDArray[np.int64] | None = None,
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Queries by number, of those that a model claims to answer, the subject first: subjects
        (...) and paths (..., k).

        Args:
            numbers: from 0 to their number less 1, which is below 2^63.
            hops: k.
            stored_only: whether the stored ones alone are claimed.
            subjects: those alone about these entities, in this order; by default all N.
        """
        if stored_only and not self.is_total:
            return self.stored_paths.queries(numbers, hops, subjects)
        places, paths = self.queries(numbers, hops)
        return places if subjects is None else subjects[places], paths

    def queries(
        self, numbers: NDArray[np.int64], hops: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Queries of k hops by number, 0 to N R^k - 1, the subject first: subjects (...) and paths
        (..., k).

        Of any k: the numbers are below 2^63, so the first letters of longer paths than these can
        tell apart are relation 0.
        """
        paths = np.zeros((*numbers.shape, hops), dtype=np.int64)
        for place in range(hops - 1, -1, -1):
            if not numbers.any():
                break
            numbers, paths[..., place] = np.divmod(numbers, self.n_relations)
        return numbers, paths

    def drawn_queries(
        self, count: int, hops: int, rng: np.random.Generator, stored_only: bool = False
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """So many different queries of k hops, drawn at random among more, or among the stored
        ones: subjects (count,) and paths (count, k).
        """
        total = self.n_claimed_queries(hops, stored_only)
        if total < 2**63:
            numbers = rng.choice(total, count, replace=False)
            return self.claimed_queries(numbers, hops, stored_only)
        queries = np.zeros((0, 1 + hops), dtype=np.int64)
        while len(queries) < count:  # two alike are as good as impossible
            if stored_only and not self.is_total:
                more = np.column_stack(self.stored_paths.drawn(count, hops, rng))
            else:
                subjects = rng.integers(self.n_entities, size=count)
                letters = rng.integers(self.n_relations, size=(count, hops))
                more = np.column_stack([subjects, letters])
            queries = np.unique(np.concatenate([queries, more]), axis=0)
        queries = rng.permutation(queries)[:count]
        return queries[:, 0], queries[:, 1:]


def _is_mapped(given: object) -> bool:
    """Whether a table is a file of int64 that is mapped for reading, which needs no copy."""
    return (
        isinstance(given, np.memmap)
        and not given.flags.writeable
        and given.dtype == np.int64
        and given.dtype.isnative
    )


def checked_ids(kind: str, ids: ArrayLike, count: int) -> np.ndarray:
    """Ids of entities, or of relations, as int64 of the same shape.

    Args:
        kind: "entity" or "relation".
        ids: integers, any shape.
        count: how many there are.

    Raises:
        InputError: they form no array of integers, or one is not in 0..count-1.
    """
    try:
        array: np.ndarray[Any, Any] = np.asarray(ids)
    except ValueError as error:
        raise InputError(f"{kind} ids must form an array: {error}") from None
    if array.size == 0:
        return array.astype(np.int64)
    if array.dtype.kind not in "iu":
        raise InputError(f"{kind} ids must be integers; got dtype {array.dtype}")
    if array.min() < 0 or array.max() >= count:
        wrong = array.min() if array.min() < 0 else array.max()
        raise InputError(
            f"{kind} {wrong} does not exist: there are {count}, numbered 0..{count - 1}"
        )
    return array.astype(np.int64)
