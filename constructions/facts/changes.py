"""Single facts of a table changed: every entity keeps its id, and new names take spare places.

A change is a triple (subject, relation, object) of names. It gives the subject that object,
whatever was there before; None as object removes the fact. An entity that no fact mentions any
more stays an entity.
"""

from __future__ import annotations

import unicodedata
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from constructions.facts.answers import MISSING
from constructions.facts.names import name_defect
from constructions.facts.spare import is_for_answers, is_reserved
from constructions.facts.table import FactTable
from constructions.facts.triples import Row
from constructions.guards.errors import InputError
from constructions.guards.wording import counted

Change = tuple[str, str, str | None]
"""The names of subject, relation and object; None where the fact is removed."""


@dataclass(frozen=True)
class NewEntity:
    """A new name in a spare place: the id, the name, and the reserved name that was there."""

    id: int
    name: str
    instead_of: str


@dataclass(frozen=True, eq=False)
class TableChange:
    """What some changes make of a table.

    Attributes:
        facts: the changed table.
        given: how many different facts were given, those included that were as they are now.
        subjects, relations: int64 (n,), of the facts that are others now, by subject and relation.
        before, after: int64 (n,), their answers; -1 for none.
        new_entities: the names that were not in the table, by their ids.
    """

    facts: FactTable
    given: int
    subjects: NDArray[np.int64]
    relations: NDArray[np.int64]
    before: NDArray[np.int64]
    after: NDArray[np.int64]
    new_entities: tuple[NewEntity, ...]

    @property
    def added(self) -> int:
        """How many facts there were not."""
        return int((self.before == MISSING).sum())

    @property
    def removed(self) -> int:
        """How many facts there are not any more."""
        return int((self.after == MISSING).sum())

    @property
    def changed(self) -> int:
        """How many facts have another answer."""
        return len(self.subjects) - self.added - self.removed


def changed_table(facts: FactTable, changes: Iterable[Change]) -> TableChange:
    """The table with some facts changed, added or removed.

    Raises:
        InputError: a change is no triple of names, a relation or the subject of a removal is not
            in the table, two changes of one fact contradict each other, there are more new names
            than spare entities, or nothing is to be changed.
    """
    given = [_checked(change) for change in changes]
    if not given:
        raise InputError("no changes: at least one (subject, relation, object) is needed")
    names = _Names(facts)
    for subject, _, target in given:
        names.require(subject, is_answer=False, is_new=target is not None)
        if target is not None:
            names.require(target, is_answer=True, is_new=True)
    new = names.placed()
    wanted: dict[tuple[int, int], int] = {}
    for subject, relation, target in given:
        key = names.id_of(subject), facts.relation_id(relation)
        answer = MISSING if target is None else names.id_of(target)
        before = wanted.setdefault(key, answer)
        if before not in (MISSING, answer):
            one, other = (
                "none" if i == MISSING else repr(names.name_of(i)) for i in (before, answer)
            )
            raise InputError(
                f"({subject}, {relation}) is changed twice, to {one} and to {other}; keep one"
            )
        wanted[key] = answer
    at = np.array(sorted(wanted), dtype=np.int64)
    targets = np.array([wanted[subject, relation] for subject, relation in at.tolist()])
    held = facts.answers[at[:, 1], at[:, 0]]
    differs = held != targets
    subjects, relations = at[differs].T
    answers = facts.answers.copy()
    answers[relations, subjects] = targets[differs]
    entity_names = list(facts.entity_names)
    for entity in new:
        entity_names[entity.id] = entity.name
    return TableChange(
        FactTable(answers, entity_names, facts.relation_names) if len(subjects) else facts,
        len(wanted),
        subjects,
        relations,
        held[differs],
        targets[differs],
        new,
    )


def without(
    facts: FactTable, removed: Iterable[Row], place: Callable[[int, int], str]
) -> list[Change]:
    """The changes that remove facts which are written out; those that are not there are left out.

    Args:
        facts: the table.
        removed: the facts, as names.
        place: where the subject (0), relation (1) or object (2) of such a fact stands, by the
            number of the fact, for messages.

    Raises:
        InputError: a name is not in the table, or the fact has another object.
    """
    changes: list[Change] = []
    for number, (subject, relation, target) in enumerate(removed):
        part = 0
        try:
            entity = facts.entity_id(subject)
            part = 1
            found = int(facts.answers[facts.relation_id(relation), entity])
            part = 2
            if found not in (MISSING, facts.entity_id(target)):
                raise InputError(
                    f"({subject}, {relation}, {target}) is to be removed, and the table has"
                    f" {facts.entity_name(found)!r} there; name the fact as it is, or leave it out"
                )
        except InputError as error:
            raise InputError(f"{place(number, part)}: {error}") from None
        changes.append((subject, relation, None))
    return changes


def _checked(change: object) -> Change:
    """A change, if it is a triple of strings, of which the last may be None."""
    if isinstance(change, Sequence) and not isinstance(change, str | bytes) and len(change) == 3:
        subject, relation, target = change
        if all(isinstance(name, str) for name in (subject, relation, target or "")):
            return subject, relation, target
    raise InputError(
        "a change is a triple of names (subject, relation, object), with None as object where the"
        f" fact is to be removed; got {change!r}"
    )


class _Names:
    """The entities that changes name: those of the table, and new ones in spare places."""

    def __init__(self, facts: FactTable):
        self._facts = facts
        self._ids: dict[str, int] = {}
        self._new: dict[str, str] = {}
        self._answers: set[str] = set()

    def require(self, name: str, is_answer: bool, is_new: bool) -> None:
        """Note a name; InputError where it is not in the table and cannot be new."""
        key = unicodedata.normalize("NFC", name)
        if key in self._ids:
            return
        known = self._facts.known_entity(name)
        if known is not None:
            self._ids[key] = known
            return
        if not is_new:
            self._facts.entity_id(name)  # which says what is wrong
        if defect := name_defect(name):
            raise InputError(f"entity name {name!r} has {defect[1]} at character {defect[0] + 1}")
        if is_reserved(name):
            raise InputError(
                f"{name!r} is a reserved name, of spare entities; a new entity needs another"
            )
        self._new.setdefault(key, name)
        if is_answer:
            self._answers.add(key)

    def placed(self) -> tuple[NewEntity, ...]:
        """Give every new name a spare place: answers those that may become answers first, the
        others those that may not.
        """
        facts = self._facts
        for_answers, others = deque[int](), deque[int]()
        for i in facts.spare_entities.tolist():
            (for_answers if is_for_answers(facts.entity_names[i]) else others).append(i)
        if len(self._new) > len(for_answers) + len(others):
            self._refuse(len(for_answers) + len(others))
        found = []
        for key in sorted(self._new, key=lambda key: key not in self._answers):
            first, then = (for_answers, others)[:: 1 if key in self._answers else -1]
            place = (first or then).popleft()
            self._ids[key] = place
            found.append(NewEntity(place, self._new[key], facts.entity_names[place]))
        return tuple(sorted(found, key=lambda entity: entity.id))

    def _refuse(self, room: int) -> None:
        """Raise InputError: there are more new names than places."""
        first = next(iter(self._new.values()))
        try:
            self._facts.entity_id(first)
        except InputError as error:
            raise InputError(
                f"{counted(len(self._new), 'new name')}, and spare room for {room:,} ({error});"
                " build with more: --spare-entities, or FactTable.with_spare_entities"
            ) from None

    def id_of(self, name: str) -> int:
        """The id of a name that was noted."""
        return self._ids[unicodedata.normalize("NFC", name)]

    def name_of(self, entity: int) -> str:
        """The name of an entity, also of a new one."""
        new = {self._ids[key]: name for key, name in self._new.items()}
        return new.get(entity) or self._facts.entity_name(entity)
