"""Facts by number with the place of each: what a reader has read, and what is made of it."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from constructions.facts.triples import Row

Numbers = NDArray[np.int64]


class Places(Protocol):
    """What knows where facts stand in a file."""

    name: str

    def place(self, record: int, field: int, part: int) -> str:
        """Where subject (0), relation (1) or object (2) of a fact stands, for a message."""


@dataclass(frozen=True)
class Facts:
    """Facts in the order of a file; a subject and relation may have several objects.

    Attributes:
        places: see there.
        entities: names, of which some may be in no fact.
        relations: names, of which some may be in no fact.
        subjects: the entity of each fact, int64 (F,), and so `targets`.
        relation_ids: the relation of each fact, int64 (F,).
        targets: see above.
        records: the line or number of the record that each stands in, int64 (F,).
        fields: the field there, int64 (F,).
    """

    places: Places
    entities: list[str]
    relations: list[str]
    subjects: Numbers
    relation_ids: Numbers
    targets: Numbers
    records: Numbers
    fields: Numbers

    def __len__(self) -> int:
        return len(self.subjects)

    def take(self, which: NDArray[np.bool_] | Numbers) -> Facts:
        """Some of the facts, by a mask or by their numbers in an order."""
        return replace(
            self,
            subjects=self.subjects[which],
            relation_ids=self.relation_ids[which],
            targets=self.targets[which],
            records=self.records[which],
            fields=self.fields[which],
        )

    @property
    def pairs(self) -> Numbers:
        """A number for the subject and relation of each fact, int64 (F,)."""
        return self.subjects * len(self.relations) + self.relation_ids

    def distinct(self) -> Facts:
        """Each fact once, where it stands first."""
        pairs = self.pairs
        order = np.lexsort((self.targets, pairs))
        new = np.ones(len(self), dtype=bool)
        new[1:] = np.diff(pairs[order]).astype(bool) | np.diff(self.targets[order]).astype(bool)
        return self if new.all() else self.take(np.sort(order[new]))

    def place(self, fact: int, part: int) -> str:
        """Where the subject, relation or object of a fact stands."""
        return self.places.place(int(self.records[fact]), int(self.fields[fact]), part)

    def briefly(self, fact: int, part: int) -> str:
        """The same without the name of the file, for a message that begins with it."""
        where = self.place(fact, part).removeprefix(self.places.name).lstrip(": ")
        return f"line {where}" if where[:1].isdigit() else where

    def first_uses(self) -> tuple[Numbers, Numbers]:
        """For each entity and for each relation the first fact that it is in, and its part there:
        3 times the fact, and the part; -1 where there is none.
        """
        both = np.stack([3 * np.arange(len(self)), 3 * np.arange(len(self)) + 2], axis=1).ravel()
        used = np.stack([self.subjects, self.targets], axis=1).ravel()
        entities = np.full(len(self.entities), -1, dtype=np.int64)
        entities[used[::-1]] = both[::-1]
        relations = np.full(len(self.relations), -1, dtype=np.int64)
        relations[self.relation_ids[::-1]] = (3 * np.arange(len(self)) + 1)[::-1]
        return entities, relations

    def settled(self) -> Facts:
        """The same facts with the names that are used alone, in the order of their appearance."""
        (entities, kept), (relations, kept_relations) = map(_by_first_use, self.first_uses())
        return replace(
            self,
            entities=[self.entities[i] for i in kept],
            relations=[self.relations[i] for i in kept_relations],
            subjects=entities[self.subjects],
            relation_ids=relations[self.relation_ids],
            targets=entities[self.targets],
        )

    # ---------------------------------------------------------------- by name, as a file has them

    def used_names(self) -> tuple[Collection[str], Collection[str]]:
        """The names of the entities, and of the relations, that occur in a fact."""
        entities, relations = self.first_uses()
        return (
            {name: None for name, use in zip(self.entities, entities, strict=True) if use >= 0},
            {name: None for name, use in zip(self.relations, relations, strict=True) if use >= 0},
        )

    def rows(self, relations: Collection[str] | None = None) -> Iterator[Row]:
        """The facts as names, by the numbers of subject, then of relation, as a table has them.

        Args:
            relations: the names of those whose facts are asked for; by default all.
        """
        some = self
        if relations is not None:
            wanted = np.array([name in relations for name in self.relations], dtype=bool)
            some = self.take(wanted[self.relation_ids])
        return some.take(np.argsort(some.pairs, kind="stable")).in_order()

    def in_order(self) -> Iterator[Row]:
        """The facts as names, in the order of the file."""
        subjects, relations, targets = (
            array.tolist() for array in (self.subjects, self.relation_ids, self.targets)
        )
        entities, names = self.entities, self.relations
        for subject, relation, target in zip(subjects, relations, targets, strict=True):
            yield entities[subject], names[relation], entities[target]


def _by_first_use(uses: Numbers) -> tuple[Numbers, list[int]]:
    """New numbers, in the order of the first use, and the old number of each."""
    order = np.argsort(uses, kind="stable")
    order = order[uses[order] >= 0]
    numbers = np.full(len(uses), -1, dtype=np.int64)
    numbers[order] = np.arange(len(order))
    return numbers, order.tolist()


def equivalent(names: list[str]) -> Iterator[tuple[int, int]]:
    """Pairs of names, the later one first, that are canonically equivalent but not equal."""
    beyond = [(i, name) for i, name in enumerate(names) if not name.isascii()]
    odd = [(i, name) for i, name in beyond if not unicodedata.is_normalized("NFC", name)]
    if not odd:
        return
    numbers = {name: i for i, name in enumerate(names)}
    first: dict[str, int] = {}
    for i, name in odd:
        composed = unicodedata.normalize("NFC", name)
        other = numbers.get(composed, first.setdefault(composed, i))
        if other != i:
            yield max(i, other), min(i, other)
