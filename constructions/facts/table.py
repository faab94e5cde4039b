"""Fact tables, and the one oracle of the project: everything that is called right or wrong is
compared with it.
"""

from __future__ import annotations

import difflib
import os
import unicodedata
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from constructions.guards.errors import DoesNotFit, InputError
from constructions.guards.integers import whole
from constructions.guards.memory import require_memory
from constructions.guards.wording import printable, shortened

MISSING = -1
MOST_HOPS = 2048
"""The longest paths that models are built for: each hop takes a position or more, mostly a layer
of its own.
"""
MOST_QUERIES = 10**9
"""So many are run one by one, which may take hours; of more a proof decides, or nothing does."""
MOST_BITS = 10**6
"""Of the number of queries, wherever it is reported."""


def require_path(hops: int, name: str = "hops") -> None:
    """Raise DoesNotFit, with both numbers, if paths are longer than `MOST_HOPS`."""
    if hops > MOST_HOPS:
        raise DoesNotFit(
            f"{name} is {shortened(hops)}, and models are built for up to {MOST_HOPS:,}"
        )


def require_runnable(queries: int) -> None:
    """Raise InputError, with both numbers, if there are more than `MOST_QUERIES`."""
    if queries > MOST_QUERIES:
        raise InputError(
            f"there are {shortened(queries)} queries, and at most {MOST_QUERIES:,} are run one"
            " by one"
        )


def name_defect(name: str) -> tuple[int, str] | None:
    """The first reason why `name` cannot name an entity or a relation, with its 0-based position;
    None if it can.
    """
    if not name:
        return 0, "an empty name"
    for position, character in enumerate(name):
        if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") or character == "\ufeff":
            label = unicodedata.name(character, "a control character")
            return position, f"U+{ord(character):04X} ({label})"
    if name[0].isspace():
        return 0, "a leading space"
    if name[-1].isspace():
        return len(name) - 1, "a trailing space"
    return None


class FactTable:
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
    """

    def __init__(
        self,
        answers: ArrayLike,
        entity_names: Sequence[str] | None = None,
        relation_names: Sequence[str] | None = None,
    ):
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
        for relation, entity in np.argwhere((table < MISSING) | (table >= n_entities))[:1]:
            raise InputError(
                f"answers[{relation}, {entity}] = {table[relation, entity]} is no entity: with"
                f" {n_entities} entities an answer is 0..{n_entities - 1}, or -1 for a missing"
                " fact"
            )
        table = table.astype(np.int64)
        table.setflags(write=False)
        self.answers = table
        self._given_entity_names = _checked_names("entity", entity_names, n_entities)
        self._given_relation_names = _checked_names("relation", relation_names, table.shape[0])

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
        start = _checked_ids("entity", entities, self.n_entities)
        words = _checked_ids("relation", paths, self.n_relations)
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
        self, count: int, hops: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """So many different queries of k hops, drawn at random among more: subjects (count,) and
        paths (count, k).
        """
        total = self.n_queries(hops)
        if total < 2**63:
            return self.queries(rng.choice(total, count, replace=False), hops)
        queries = np.zeros((0, 1 + hops), dtype=np.int64)
        while len(queries) < count:  # two alike are as good as impossible
            more = np.column_stack(
                [
                    rng.integers(self.n_entities, size=count),
                    rng.integers(self.n_relations, size=(count, hops)),
                ]
            )
            queries = np.unique(np.concatenate([queries, more]), axis=0)
        queries = rng.permutation(queries)[:count]
        return queries[:, 0], queries[:, 1:]

    # ---------------------------------------------------------------- names

    def entity_name(self, entity: int) -> str:
        """The name of one entity; "unknown" for -1."""
        if entity == MISSING:
            return "unknown"
        _checked_ids("entity", entity, self.n_entities)
        return (
            f"e{entity}" if self._given_entity_names is None else self._given_entity_names[entity]
        )

    def relation_name(self, relation: int) -> str:
        """The name of one relation."""
        _checked_ids("relation", relation, self.n_relations)
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
        return NameIndex("entity", self.entity_names)

    @cached_property
    def _relation_ids(self) -> NameIndex:
        return NameIndex("relation", self.relation_names)

    # ---------------------------------------------------------------- where tables come from, and
    # go to

    @classmethod
    def random_bijections(cls, entities: int, relations: int, seed: int = 0) -> FactTable:
        """R independent uniform bijections of N entities: the setting of Theorems 4.1 to 4.4."""
        entities, relations, seed = _checked_sizes(entities, relations, seed)
        identity = np.tile(np.arange(entities, dtype=np.int64), (relations, 1))
        return cls(np.random.default_rng(seed).permuted(identity, axis=1))

    @classmethod
    def rotations(cls, entities: int, relations: int) -> FactTable:
        """The bijections `f_r(s) = s + r mod N`: a table that its sizes alone determine."""
        entities, relations, _ = _checked_sizes(entities, relations, 0)
        return cls(
            (np.arange(entities, dtype=np.int64) + np.arange(relations)[:, None]) % entities
        )

    @classmethod
    def random_functions(
        cls, entities: int, relations: int, seed: int = 0, missing: float = 0.0
    ) -> FactTable:
        """R independent uniform functions, each fact missing with probability
        `missing` (0 to 1).
        """
        entities, relations, seed = _checked_sizes(entities, relations, seed, missing)
        rng = np.random.default_rng(seed)
        answers = rng.integers(entities, size=(relations, entities), dtype=np.int64)
        return cls(np.where(rng.random(answers.shape) < missing, MISSING, answers))

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
        entities, relations, seed = _checked_sizes(entities, relations, seed, missing)
        rng = np.random.default_rng(seed)
        order = rng.permutation(entities)
        shares = min(entities, relations)
        inner = (
            np.sort(rng.choice(entities - 1, shares - 1, replace=False)) + 1
            if shares > 1
            else np.array([], int)
        )
        bounds = np.concatenate([[0], inner, [entities]])
        answers = np.full((relations, entities), MISSING, dtype=np.int64)
        for r in range(shares):
            answers[r] = order[rng.integers(bounds[r], bounds[r + 1], size=entities)]
        return cls(np.where(rng.random(answers.shape) < missing, MISSING, answers))

    @classmethod
    def from_triples(cls, triples: Iterable[tuple[str, str, str]]) -> FactTable:
        """The table of (subject, relation, object) names; ids in the order of first appearance.

        Raises:
            InputError: there is no triple, or two of them give one (subject, relation) different
                objects.
        """
        entity_ids: dict[str, int] = {}
        relation_ids: dict[str, int] = {}
        whole = list(triples)
        for triple in whole:
            if isinstance(triple, (str, bytes)) or len(triple) != 3:
                raise InputError(f"a fact is a triple (subject, relation, object); got {triple!r}")
        rows = [
            (
                entity_ids.setdefault(subject, len(entity_ids)),
                relation_ids.setdefault(relation, len(relation_ids)),
                entity_ids.setdefault(target, len(entity_ids)),
            )
            for subject, relation, target in whole
        ]
        if not rows:
            raise InputError("no facts: a table needs at least one (subject, relation, object)")
        subjects, relations, targets = np.array(rows, dtype=np.int64).T
        what = f"the answers of {len(relation_ids):,} relations for {len(entity_ids):,} entities"
        require_memory(4 * 8 * len(relation_ids) * len(entity_ids), what)
        answers = np.full((len(relation_ids), len(entity_ids)), MISSING, dtype=np.int64)
        answers[relations, subjects] = targets
        for row in np.flatnonzero(answers[relations, subjects] != targets)[:1]:
            names = list(entity_ids)
            ids = (subjects[row], targets[row], answers[relations[row], subjects[row]])
            subject, target, kept = (printable(names[i]) for i in ids)
            relation = printable(list(relation_ids)[relations[row]])
            raise InputError(
                f"({subject}, {relation}) has two objects: {target} and {kept}; a relation is a"
                " function, keep one"
            )
        return cls(answers, list(entity_ids), list(relation_ids))

    @classmethod
    def from_tsv(cls, path: str | os.PathLike[str]) -> FactTable:
        """Read a fact file: one `subject<TAB>relation<TAB>object` a line (see
        `constructions.facts.tsv` for the format).
        """
        from constructions.facts.tsv import read_tsv

        return read_tsv(path).facts

    def to_tsv(self, path: str | os.PathLike[str]) -> None:
        """Write the facts that are present, one a line, atomically: the file is either as it was
        or complete.
        """
        from constructions.facts.tsv import write_tsv

        write_tsv(self, path)

    def query_text(self, entity: int, path: Sequence[int]) -> str:
        """A query in the names of the table, as `printable` shows them, for messages."""
        names = [self.entity_name(entity), *(self.relation_name(r) for r in path)]
        return printable(" ".join(names))


def _checked_sizes(
    entities: int, relations: int, seed: int, missing: float = 0.0
) -> tuple[int, int, int]:
    entities, relations, seed = (
        whole("entities", entities, 1),
        whole("relations", relations, 1),
        whole("seed", seed, 0),
    )
    if not 0 <= missing <= 1:
        raise InputError(f"missing is a probability, 0 to 1; got {missing}")
    require_memory(
        4 * 8 * entities * relations,
        f"a random table of {entities:,} x {relations:,} facts and its draft",
    )
    return entities, relations, seed


def _checked_names(kind: str, names: Sequence[str] | None, count: int) -> tuple[str, ...] | None:
    if names is None:
        return None
    if len(names) != count:
        raise InputError(f"{count} {kind} names are needed, one for each {kind}; got {len(names)}")
    for name in names:
        if not isinstance(name, str):
            raise InputError(f"a name must be a string; got {name!r} as {kind} name")
        if not (name.isascii() and name.isalnum()) and (defect := name_defect(name)):
            raise InputError(f"{kind} name {name!r} has {defect[1]} at character {defect[0] + 1}")
    if len(set(names)) < count:
        seen: set[str] = set()
        # what add returns, None, counts as not repeated
        repeated = next(name for name in names if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise InputError(f"{kind} names must be distinct; {repeated!r} names two of them")
    first: dict[str, str] = {}
    for name in names:
        other = first.setdefault(unicodedata.normalize("NFC", name), name)
        if other != name:
            raise InputError(
                f"{kind} names {other!r} ({other!a}) and {name!r} ({name!a}) "
                "differ only by Unicode normalization; spell the name alike"
            )
    return tuple(names)


def _checked_ids(kind: str, ids: ArrayLike, count: int) -> np.ndarray:
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


class NameIndex:
    """The ids of entities, or of relations, by name."""

    def __init__(self, kind: str, names: tuple[str, ...]):
        self.kind = kind
        self.by_name = {name: i for i, name in enumerate(names)}

    @cached_property
    def by_normal_form(self) -> dict[str, int]:
        """The ids of names beyond ASCII, by what the Unicode normal form NFC makes of them."""
        names = ((name, i) for name, i in self.by_name.items() if not name.isascii())
        return {unicodedata.normalize("NFC", name): i for name, i in names}

    def find(self, name: str) -> int:
        """The id of a name, or of the one that is canonically equivalent; InputError where there
        is none.
        """
        if not isinstance(name, str):
            raise InputError(f"{self.kind} names are strings; got {name!r}")
        if name in self.by_name:
            return self.by_name[name]
        normal = unicodedata.normalize("NFC", name)
        found = self.by_name.get(normal, self.by_normal_form.get(normal))
        if found is not None:
            return found
        count = f"among the {len(self.by_name)} of the table"
        few = self.by_name if len(self.by_name) <= 200_000 else ()
        close = difflib.get_close_matches(name, few, n=3)
        hint = f"; did you mean {' or '.join(map(repr, close))}?" if close else ""
        nearest = unicodedata.normalize("NFC", close[0]) if close else normal
        if close and (difference := _difference(normal, nearest)):
            hint += f" ({difference})"
        raise InputError(f"no {self.kind} is named {name!r} {count}{hint}")


def _difference(name: str, other: str) -> str | None:
    """Where two names that look alike differ first; None if the letters there show it."""
    shared = min(len(name), len(other))
    at = next((i for i in range(shared) if name[i] != other[i]), shared)
    here, there = name[at : at + 1], other[at : at + 1]
    if (here + there).isascii() and " " not in (here, there):
        return None
    return f"character {at + 1} is {_described(there)} there, not {_described(here)}"


def _described(character: str) -> str:
    if not character:
        return "missing"
    return f"U+{ord(character):04X} ({unicodedata.name(character, 'no name')})"
