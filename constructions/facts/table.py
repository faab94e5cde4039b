"""Fact tables: the facts by number and by name."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from constructions.facts import random_answers
from constructions.facts.answers import MISSING, Answers
from constructions.facts.named import Names
from constructions.facts.sequences import dataset
from constructions.facts.spare import is_for_answers, reserved, spare_names
from constructions.facts.triples import Row, answers_of
from constructions.facts.tsv import read_tsv, write_tsv
from constructions.guards.integers import whole
from constructions.guards.memory import require_memory

LARGEST_SPARE = 2**31
"""So many spare entities at most, which no memory holds."""
ROWS_AT_ONCE = 2**12
"""Entities whose facts become Python's integers together."""


class FactTable(Names, Answers):
    """Facts `f_r(s)` of N entities and R relations: functions, bijections, or partial functions.

    Args:
        answers: integer array of shape (relations, entities); `answers[r, s]` is the entity that
            relation `r` leads to from entity `s`, or -1 (or masked) where that fact is missing.
            Copied to a read-only int64 array; but for int64 in a file that is mapped for reading,
            `np.load("answers.npy", mmap_mode="r")`, which stays there.
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
        Answers.__init__(self, answers)
        Names.__init__(self, entity_names, relation_names)

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

    # ---------------------------------------------------------------- spare entities

    def with_spare_entities(self, count: int, answers: int | None = None) -> FactTable:
        """The same table with further entities that have no fact yet, behind the others: room for
        new names (`FactModel.update`). Their names are reserved, see `constructions.facts.spare`.

        Args:
            count: how many.
            answers: how many of them may become answers, for which codebooks of answers keep
                codes; by default all. Fewer codes may save a bit in each of R blocks.

        Raises:
            InputError: a number is below 1, or there are more answers than entities.
            DoesNotFit: the table needs more memory than the machine has.
        """
        count = whole("count", count, 1, LARGEST_SPARE)
        answers = count if answers is None else whole("answers", answers, 0, count)
        n_entities = self.n_entities + count
        what = f"the answers of {self.n_relations:,} relations for {n_entities:,} entities"
        require_memory(4 * 8 * self.n_relations * n_entities, what)
        none = np.full((self.n_relations, count), MISSING, dtype=np.int64)
        names = [*self.entity_names, *spare_names(count, answers, self.entity_names)]
        table = np.concatenate([self.answers, none], axis=1)
        return FactTable(table, names, self._given_relation_names)

    @cached_property
    def spare_entities(self) -> NDArray[np.int64]:
        """The entities with a reserved name and without a fact, int64, in order."""
        found = np.array(reserved(self._given_entity_names or ()), dtype=np.int64)
        return found[~self.occurring[found]] if len(found) else found

    @property
    def hidden_entities(self) -> Collection[int]:
        """The spare entities: their names are none."""
        return frozenset(self.spare_entities.tolist())

    @property
    def spare_answers(self) -> NDArray[np.int64]:
        """Those of the spare entities that may become answers, int64, in order."""
        spare = self.spare_entities
        return spare[[is_for_answers(self.entity_names[i]) for i in spare.tolist()]]

    @property
    def keeps_disjoint_answers(self) -> bool:
        """Whether no entity is an answer of two relations, and none is spare, which may become
        that of any.
        """
        return self.has_disjoint_answers and not len(self.spare_answers)

    # ---------------------------------------------------------------- facts by name

    def used_names(self) -> tuple[Collection[str], Collection[str]]:
        """The names of the entities, and of the relations, that occur in a fact."""
        entities = dict.fromkeys(self.entity_names[i] for i in np.flatnonzero(self.occurring))
        relations = np.flatnonzero((self.answers != MISSING).any(axis=1))
        return entities.keys(), dict.fromkeys(self.relation_names[r] for r in relations).keys()

    @property
    def functions(self) -> FactTable:
        """The facts as functions, for what is made of functions alone: this table."""
        return self

    def packed(self) -> NDArray[np.int32]:
        """The answers as a tensor of a file: int32 (relations, entities), -1 for a missing one."""
        found = np.empty(self.answers.shape, np.int32)  # whatever the table's own order
        for answers, packed in zip(self.answers, found, strict=True):
            packed[:] = answers
        return found

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
        for start in range(0, self.n_entities, ROWS_AT_ONCE):
            some = slice(start, start + ROWS_AT_ONCE)
            answers = self.answers[chosen, some].T
            subjects, relations = np.nonzero(answers != MISSING)
            targets = answers[subjects, relations].tolist()
            yield from zip(
                (entities[start + subject] for subject in subjects.tolist()),
                (names[relation] for relation in relations.tolist()),
                (entities[target] for target in targets),
                strict=True,
            )

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
