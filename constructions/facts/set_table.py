"""Relations with sets of answers: from a subject, a relation leads to any number of entities."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cached_property
from typing import NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray

from constructions.facts.answers import MISSING, checked_ids
from constructions.facts.named import Names
from constructions.facts.table import FactTable
from constructions.facts.triples import Row, numbered
from constructions.facts.tsv import read_tsv, write_tsv
from constructions.guards.errors import InputError
from constructions.guards.integers import whole
from constructions.guards.memory import require_memory

FUNCTIONS_ALONE = (
    "this takes functions, a FactTable, and got a SetTable, whose relations lead to sets of"
    " answers: build the construction of sets, or make a function of each place (child 1,"
    " child 2, ...)"
)
"""What is said where functions are needed and sets were given."""


class SetTable(Names):
    """Facts (subject, relation, object) of N entities and R relations, with any number of objects
    for a subject and a relation: relation r leads from s to a set of `n_sr` entities, from no
    subject to more than `w_r`.

    The canonical order of a set is that of the entities' ids.

    Args:
        facts: integers (facts, 3): subject, relation and object of each, by number; at least one.
            Repeated facts are one.
        entities, relations: N and R.
        entity_names: N distinct names; by default "e0", "e1", ...
        relation_names: R distinct names; by default "r0", "r1", ...

    Raises:
        InputError: there is no fact, an id is out of range, or names are not as `FactTable` takes
            them.
        DoesNotFit: the table needs more memory than the machine has.
    """

    def __init__(
        self,
        facts: ArrayLike,
        entities: int,
        relations: int,
        entity_names: Sequence[str] | None = None,
        relation_names: Sequence[str] | None = None,
    ):
        self.n_entities = whole("entities", entities, 1)
        self.n_relations = whole("relations", relations, 1)
        try:
            given = np.asarray(facts)
        except ValueError as error:
            raise InputError(f"facts must have shape (facts, 3): {error}") from None
        if given.ndim != 2 or given.shape[-1] != 3 or not len(given):
            raise InputError(
                "facts must have shape (facts, 3), subject, relation and object of at least one;"
                f" got {given.shape}"
            )
        subjects, objects = (checked_ids("entity", given[:, i], self.n_entities) for i in (0, 2))
        letters = checked_ids("relation", given[:, 1], self.n_relations)
        size = self.n_entities * self.n_relations
        require_memory(32 * size, f"sets of {size:,} (entity, relation) pairs")
        self.triples = np.unique(np.stack([subjects, letters, objects], axis=1), axis=0)
        """int64 (facts, 3), read-only, each once: by subject, then relation, then object."""
        self.triples.setflags(write=False)
        super().__init__(entity_names, relation_names)

    def __repr__(self) -> str:
        return (
            f"SetTable(entities={self.n_entities}, relations={self.n_relations},"
            f" facts={self.n_facts})"
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SetTable):
            return NotImplemented
        return (
            np.array_equal(self.triples, other.triples)
            and self.entity_names == other.entity_names
            and self.relation_names == other.relation_names
        )

    __hash__ = None  # type: ignore[assignment]  # equal by value and compared whole: not meant as a dictionary key

    # ---------------------------------------------------------------- sizes

    @property
    def n_facts(self) -> int:
        """The number of facts: the sum of all `n_sr`."""
        return len(self.triples)

    @cached_property
    def sizes(self) -> NDArray[np.int64]:
        """`n_sr`, how many answers each set has: int64 (R, N)."""
        subjects, letters, _ = self.triples.T
        counted = np.bincount(
            letters * self.n_entities + subjects, minlength=self.n_relations * self.n_entities
        )
        return counted.reshape(self.n_relations, self.n_entities)

    @property
    def most(self) -> NDArray[np.int64]:
        """`w_r`, the largest number of answers of each relation: int64 (R,)."""
        found: NDArray[np.int64] = self.sizes.max(axis=1)
        return found

    @property
    def places(self) -> int:
        """W, the sum of all `w_r`: in how many places a subject's sets are stored."""
        return int(self.most.sum())

    @property
    def place_names(self) -> list[str]:
        """The W places by name, in the order of `functions`: "child 1", "child 2"; "spouse" where
        no set of the relation has a second answer.
        """
        found = []
        for name, most in zip(self.relation_names, self.most.tolist(), strict=True):
            found += [name] if most == 1 else [f"{name} {place + 1}" for place in range(most)]
        return found

    @property
    def is_total(self) -> bool:
        """Whether every set has as many answers as its relation has at most."""
        return self.n_facts == self.places * self.n_entities

    @cached_property
    def functions(self) -> FactTable:
        """The same facts as W functions, one for each place of each relation: place j of relation
        r, in row `w_0 + ... + w_(r-1) + j - 1`, leads to the j-th answer in canonical order.

        What they are called is of no table: "r0", "r1", ...

        Raises:
            DoesNotFit: W N answers need more memory than the machine has.
        """
        shape = (self.places, self.n_entities)
        require_memory(24 * shape[0] * shape[1], f"{shape[0]:,} places of {shape[1]:,} entities")
        subjects, letters, objects = self.triples.T
        begins = np.diff(subjects * self.n_relations + letters, prepend=-1) != 0
        number = np.arange(self.n_facts)
        place = number - np.maximum.accumulate(np.where(begins, number, 0))
        first = np.cumsum(self.most) - self.most
        answers = np.full(shape, MISSING, dtype=np.int64)
        answers[first[letters] + place, subjects] = objects
        return FactTable(answers)

    # ---------------------------------------------------------------- the oracle

    def answer_set(self, entity: int, relation: int) -> tuple[int, ...]:
        """The set that a relation leads to from an entity, in canonical order; () if it is empty.

        Raises:
            InputError: an id is out of range.
        """
        (found,) = self.answer_sets([entity], [relation])
        return tuple(found[found != MISSING].tolist())

    def answer_sets(self, entities: ArrayLike, relations: ArrayLike) -> NDArray[np.int64]:
        """The same of many at once.

        Args:
            entities, relations: integers of one shape (...).

        Returns:
            int64 (..., max w_r): the answers in canonical order, then -1.

        Raises:
            InputError: an id is out of range, or the shapes do not broadcast.
        """
        subjects = checked_ids("entity", entities, self.n_entities)
        letters = checked_ids("relation", relations, self.n_relations)
        try:
            subjects, letters = np.broadcast_arrays(subjects, letters)
        except ValueError:
            raise InputError(
                f"entities {subjects.shape} and relations {letters.shape} do not broadcast"
            ) from None
        place = np.arange(int(self.most.max()))
        first = np.cumsum(self.most) - self.most
        there = place < self.sizes[letters, subjects][..., None]
        row = np.minimum(first[letters][..., None] + place, self.places - 1)
        return np.where(there, self.functions.answers[row, subjects[..., None]], MISSING)

    def n_queries(self, hops: int = 1) -> int:
        """N R, the number of sets that can be asked for. A set is one hop away: InputError of
        others.
        """
        whole("hops", hops, 1, 1)
        return self.n_entities * self.n_relations

    # ---------------------------------------------------------------- facts by name

    def used_names(self) -> tuple[Collection[str], Collection[str]]:
        """The names of the entities, and of the relations, that occur in a fact."""
        entities = np.unique(self.triples[:, [0, 2]])
        relations = np.unique(self.triples[:, 1])
        return (
            dict.fromkeys(self.entity_names[i] for i in entities).keys(),
            dict.fromkeys(self.relation_names[r] for r in relations).keys(),
        )

    def rows(self, relations: Collection[str] | None = None) -> Iterator[Row]:
        """The facts as names (subject, relation, object): by the ids of subject, of relation, then
        of object.

        Args:
            relations: the names of those whose facts are asked for; by default all.
        """
        entities, names = self.entity_names, self.relation_names
        for subject, relation, target in self.triples.tolist():
            if relations is None or names[relation] in relations:
                yield entities[subject], names[relation], entities[target]

    def packed(self) -> NDArray[np.int32]:
        """The facts as a tensor of a file: int32 (facts, 3)."""
        return self.triples.astype(np.int32, order="C")

    # ---------------------------------------------------------------- from and to elsewhere

    @classmethod
    def from_triples(cls, triples: Iterable[tuple[str, str, str]]) -> SetTable:
        """The table of (subject, relation, object) names; ids in the order of first appearance.

        Raises:
            InputError: there is no triple, or one is none.
        """
        facts, entities, relations = numbered(triples)
        return cls(facts, len(entities), len(relations), entities, relations)

    @classmethod
    def from_tsv(cls, path: str | os.PathLike[str]) -> SetTable:
        """Read a fact file in which a subject may have several objects for one relation."""
        return cls.from_triples(read_tsv(path, many=True).rows)

    def to_tsv(self, path: str | os.PathLike[str]) -> None:
        """Write all facts, one a line, atomically; see `FactTable.to_tsv`."""
        write_tsv(self, path)

    @classmethod
    def from_functions(cls, facts: FactTable) -> SetTable:
        """A table of functions as one of sets, each of one answer, or of none where it is missing.

        Raises:
            InputError: it has no fact.
        """
        letters, subjects = np.nonzero(facts.answers != MISSING)
        triples = np.stack([subjects, letters, facts.answers[letters, subjects]], axis=1)
        names = facts.entity_names, facts.relation_names
        return cls(triples, facts.n_entities, facts.n_relations, *names)

    @classmethod
    def random(cls, entities: int, relations: int, most: int = 3, seed: int = 0) -> SetTable:
        """Each relation gets a largest number of answers, 1 to `most`, each of its sets a size up
        to that, and so many different entities: all drawn uniformly. There is at least one fact.

        Args:
            entities, relations: N and R.
            most: at least 1; at most N are drawn.
            seed: of numpy's generator.
        """
        n, r = whole("entities", entities, 1), whole("relations", relations, 1)
        most = min(whole("most", most, 1), n)
        require_memory(64 * r * n * most, f"up to {r * n * most:,} facts")
        rng = np.random.default_rng(whole("seed", seed, 0))
        found = [np.zeros((0, 3), dtype=np.int64)]
        for letter in range(r):
            own = int(rng.integers(1, most + 1))
            sizes = rng.integers(own + 1, size=n)
            chosen = _different(n, own, n, rng)
            subjects, places = np.nonzero(np.arange(own) < sizes[:, None])
            letters = np.full(len(subjects), letter)
            found.append(np.stack([subjects, letters, chosen[subjects, places]], axis=1))
        facts = np.concatenate(found)
        return cls(facts if len(facts) else [[0, 0, 0]], n, r)

    # ---------------------------------------------------------------- what only functions have

    @property
    def answers(self) -> NoReturn:
        """Only functions have these. Raises InputError, which says what takes sets."""
        raise InputError(FUNCTIONS_ALONE)

    def answer(self, entities: ArrayLike, paths: ArrayLike) -> NoReturn:
        """Only functions have paths. Raises InputError, which says what takes sets."""
        raise InputError(FUNCTIONS_ALONE)


def _different(rows: int, count: int, below: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """In each row so many different numbers from 0 to below - 1, drawn uniformly, in random order:
    (rows, count).

    Floyd's way: of j = below - count, ..., below - 1 each row takes a number up to j, or j itself
    where it has that number already.
    """
    found = np.full((rows, count), -1, dtype=np.int64)
    for place, last in enumerate(range(below - count, below)):
        drawn = rng.integers(last + 1, size=rows)
        taken = (found[:, :place] == drawn[:, None]).any(axis=1)
        found[:, place] = np.where(taken, last, drawn)
    return rng.permuted(found, axis=1)
