"""Fact tables: the facts by number and by name."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from constructions.facts import random_answers
from constructions.facts.answers import MISSING, Answers, checked_ids
from constructions.facts.names import NameIndex, checked_names
from constructions.facts.sequences import dataset
from constructions.facts.triples import Row, answers_of
from constructions.facts.tsv import read_tsv, write_tsv
from constructions.guards.wording import printable


class FactTable(Answers):
    """Facts `f_r(s)` of N entities and R relations: functions, bijections, or partial functions.

    Args:
        answers: integer array of shape (relations, entities); `answers[r, s]` is the entity that
            relation `r` leads to from entity `s`, or -1 (or masked) where that fact is missing.
            Copied to a read-only int64 array.
        entity_names: N distinct names; by default "e0", "e1", ...
        relation_names: R distinct names; by default "r0", "r1", ...

    Raises:
        InputError: an answer is not in -1..N-1, a size is 0, or names are not distinct, not
            writable or not as many as there are entities or relations.

    Example:
        >>> FactTable([[1, 2, 0], [0, 2, -1]], ['a', 'b', 'c'])
        FactTable(entities=3, relations=2, facts=5)
    """

    def __init__(
        self,
        answers: ArrayLike,
        entity_names: Sequence[str] | None = None,
        relation_names: Sequence[str] | None = None,
    ):
        super().__init__(answers)
        self._given_entity_names = (
            None
            if entity_names is None
            else checked_names("entity", entity_names, self.n_entities)
        )
        self._given_relation_names = (
            None
            if relation_names is None
            else checked_names("relation", relation_names, self.n_relations)
        )

    def __repr__(self) -> str:
        return (
            f"FactTable(entities={self.n_entities}, relations={self.n_relations},"
            f" facts={self.n_facts})"
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FactTable):
            return NotImplemented
        return (
            np.array_equal(self.answers, other.answers)
            and self.entity_names == other.entity_names
            and self.relation_names == other.relation_names
        )

    __hash__ = None  # type: ignore[assignment]  # equal by value and compared whole: not meant as a dictionary key

    # ---------------------------------------------------------------- names

    def entity_name(self, entity: int) -> str:
        """The name of one entity; "unknown" for -1."""
        if entity == MISSING:
            return "unknown"
        checked_ids("entity", entity, self.n_entities)
        return (
            f"e{entity}" if self._given_entity_names is None else self._given_entity_names[entity]
        )

    def relation_name(self, relation: int) -> str:
        """The name of one relation."""
        checked_ids("relation", relation, self.n_relations)
        return (
            f"r{relation}"
            if self._given_relation_names is None
            else self._given_relation_names[relation]
        )

    @cached_property
    def entity_names(self) -> tuple[str, ...]:
        """The N names, in the order of the ids."""
        return self._given_entity_names or tuple(f"e{i}" for i in range(self.n_entities))

    @cached_property
    def relation_names(self) -> tuple[str, ...]:
        """The R names, in the order of the ids."""
        return self._given_relation_names or tuple(f"r{i}" for i in range(self.n_relations))

    def entity_id(self, name: str) -> int:
        """The entity of that name, or of the one that is canonically equivalent to it in Unicode.

        There is at most one, since no table has two equivalent names. A composed `é` finds a
        decomposed one.

        Raises:
            InputError: there is none; the message has the closest names.
        """
        return self._entity_ids.find(name)

    def relation_id(self, name: str) -> int:
        """The relation of that name, or of the equivalent one, in the way of `entity_id`."""
        return self._relation_ids.find(name)

    @cached_property
    def _entity_ids(self) -> NameIndex:
        """The ids of the entities by name."""
        return NameIndex("entity", self.entity_names)

    @cached_property
    def _relation_ids(self) -> NameIndex:
        """The ids of the relations by name."""
        return NameIndex("relation", self.relation_names)

    # ---------------------------------------------------------------- facts by name

    def used_names(self) -> tuple[Collection[str], Collection[str]]:
        """The names of the entities, and of the relations, that occur in a fact."""
        present = self.answers != MISSING
        occurring = present.any(axis=0)
        occurring[self.answers[present]] = True
        entities = dict.fromkeys(self.entity_names[i] for i in np.flatnonzero(occurring))
        relations = np.flatnonzero(present.any(axis=1))
        return entities.keys(), dict.fromkeys(self.relation_names[r] for r in relations).keys()

    def rows(self, relations: Collection[str] | None = None) -> Iterator[Row]:
        """The facts that are present as names (subject, relation, object): by the ids of subject,
        then of relation.

        Args:
            relations: the names of those whose facts are asked for; by default all.
        """
        chosen = [
            r
            for r, name in enumerate(self.relation_names)
            if relations is None or name in relations
        ]
        entities, names = self.entity_names, [self.relation_names[r] for r in chosen]
        for subject, targets in zip(entities, self.answers[chosen].T.tolist(), strict=True):
            for name, target in zip(names, targets, strict=True):
                if target != MISSING:
                    yield subject, name, entities[target]

    def query_text(self, entity: int, path: Sequence[int]) -> str:
        """A query in the names of the table, as `printable` shows them, for messages."""
        names = [self.entity_name(entity), *(self.relation_name(r) for r in path)]
        return printable(" ".join(names))

    # ---------------------------------------------------------------- to train on

    def dataset(
        self, hops: int = 1, hops_per_token: int = 0, longest: int | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """All stored queries of k hops as tokens, and what is to be said: in the tokens of
        `Vocabulary`, the subject first.

        Args:
            hops: k.
            hops_per_token: of a chain of thought, how many hops each written token makes; 0 to
                answer at once. A chain writes END last, so that its vocabulary has PAD and END.
            longest: the longest path of all that are to be learned together; the prompts of
                shorter ones are padded to it, and the vocabulary then has PAD and END.

        Returns:
            int64 tokens (Q, L) and targets (Q, A): what the last A of the L positions are to say.

        Raises:
            InputError: no such query is stored, or an argument is out of range.
            DoesNotFit: it needs more memory than the machine has.
        """
        return dataset(self, hops, hops_per_token, longest)

    # ---------------------------------------------------------------- from and to elsewhere

    @classmethod
    def random_bijections(cls, entities: int, relations: int, seed: int = 0) -> FactTable:
        """R independent uniform bijections of N entities: the setting of Theorems 4.1 to 4.4."""
        return cls(random_answers.bijections(entities, relations, seed))

    @classmethod
    def rotations(cls, entities: int, relations: int) -> FactTable:
        """The bijections `f_r(s) = s + r mod N`: a table that its sizes alone determine."""
        return cls(random_answers.rotations(entities, relations))

    @classmethod
    def random_functions(
        cls, entities: int, relations: int, seed: int = 0, missing: float = 0.0
    ) -> FactTable:
        """R independent uniform functions; facts are missing with this probability, 0 to 1."""
        return cls(random_answers.functions(entities, relations, seed, missing))

    @classmethod
    def random_disjoint(
        cls, entities: int, relations: int, seed: int = 0, missing: float = 0.0
    ) -> FactTable:
        """R functions whose answer sets are disjoint and of random sizes: the setting of Theorem
        F.1.

        The N entities are divided at random among the first min(N, R) relations, at least one to
        each; relation `r` answers uniformly within its share. With more relations than entities
        the remaining ones have no facts at all.
        """
        return cls(random_answers.disjoint(entities, relations, seed, missing))

    @classmethod
    def random_worlds(cls, worlds: int, size: int, relations: int, seed: int = 0) -> FactTable:
        """Independent sets of subjects, each with R fresh uniform bijections onto the same
        attributes: `worlds * size` entities, of which world w has the subjects w size to
        (w + 1) size - 1; the attributes are the first `size` entities.

        What a model learns of many worlds stands in their subjects' rows: all else is shared.
        """
        return cls(random_answers.of_worlds(worlds, size, relations, seed))

    @classmethod
    def random_sparse(cls, entities: int, relations: int, seed: int = 0) -> FactTable:
        """Functions in which each subject has facts of at most ceil(sqrt(R)) relations, of one at
        least: as many as a uniform number says, of relations drawn at random.
        """
        return cls(random_answers.sparse(entities, relations, seed))

    @classmethod
    def path_star(cls, degree: int, length: int, seed: int = 0) -> FactTable:
        """The one relation `parent` of a path-star graph: `degree` paths of `length` nodes, which
        share the first, their centre. Its parent is missing; nodes are numbered at random.

        The first node of the path to a leaf is its ancestor of `length - 2` hops (arXiv
        2510.26745).
        """
        return cls(random_answers.path_star(degree, length, seed), relation_names=("parent",))

    @classmethod
    def from_triples(cls, triples: Iterable[tuple[str, str, str]]) -> FactTable:
        """The table of (subject, relation, object) names; ids in the order of first appearance.

        Raises:
            InputError: there is no triple, or two of them give one (subject, relation) different
                objects.
        """
        return cls(*answers_of(triples))

    @classmethod
    def from_tsv(cls, path: str | os.PathLike[str]) -> FactTable:
        """Read a fact file: one `subject<TAB>relation<TAB>object` a line (see
        `constructions.facts.tsv` for the format).
        """
        return cls.from_triples(read_tsv(path).rows)

    def to_tsv(self, path: str | os.PathLike[str]) -> None:
        """Write the facts that are present, one a line, atomically: the file is either as it was
        or complete.

        Raises:
            InputError: there is no fact, or the file cannot be written.
        """
        write_tsv(self, path)
