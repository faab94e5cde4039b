"""Several objects of one subject and relation, where a relation is a function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from constructions.facts import conflicts
from constructions.facts.conflicts import MANY
from constructions.facts.defects import Defects
from constructions.guards.errors import InputError
from constructions.guards.wording import brief, counted
from constructions.importing.facts import Facts, Numbers

Result = tuple[Facts, list[str]]
Mask = NDArray[np.bool_]


def sole_objects(facts: Facts, many: str, defects: Defects) -> Result:
    """Facts of which each subject and relation has one object, and lines that say how that came;
    conflicts are noted as defects where they are to be errors.

    Args:
        facts: each once, in the order of a file.
        many: one of `conflicts.MANY`.
        defects: takes what is wrong.

    Raises:
        InputError: the name of a new relation is that of another.
    """
    _, first, number, sizes = np.unique(
        facts.pairs, return_index=True, return_inverse=True, return_counts=True
    )
    several = sizes[number] > 1
    if not several.any():
        return facts, []
    pairs = int((sizes > 1).sum())
    lines = [
        f"{counted(pairs, '(subject, relation) pair')} with several objects,"
        f" {counted(int(several.sum()), 'fact')}"
    ]
    facts, more = _MODES[many](facts, several, first[number], defects)
    return facts, [f"{lines[0]}: {more}"]


def _error(facts: Facts, several: Mask, first: Numbers, defects: Defects) -> tuple[Facts, str]:
    """Every further object is a defect; they are summed up by relation."""
    for fact in np.flatnonzero(first != np.arange(len(facts))).tolist():

        def message(fact: int = fact, before: int = int(first[fact])) -> str:
            """Where it is, what was found, what to do."""
            subject, target = facts.entities[facts.subjects[fact]], facts.targets
            relation = facts.relations[facts.relation_ids[fact]]
            there = facts.briefly(before, 2)
            name, known = (brief(facts.entities[i], 100) for i in (target[fact], target[before]))
            found = conflicts.conflict(
                brief(subject, 100), brief(relation, 100), name, known, there
            )
            return f"{facts.place(fact, 2)}: {found}; a relation is a function: keep one"

        defects.note((int(facts.records[fact]), int(facts.fields[fact])), message)
    sizes = np.bincount(first)[first]
    by_relation = []
    for relation in np.unique(facts.relation_ids[several]).tolist():
        of = several & (facts.relation_ids == relation)
        subjects = len(np.unique(facts.subjects[of]))
        by_relation.append((facts.relations[relation], subjects, int(sizes[of].max())))
    defects.summary = conflicts.summary(facts.places.name, by_relation)
    return facts, "an error"


def _first(facts: Facts, several: Mask, first: Numbers, defects: Defects) -> tuple[Facts, str]:
    """The first object in the file is kept."""
    kept = first == np.arange(len(facts))
    return facts.take(
        kept
    ), f"the first of each kept, {counted(int((~kept).sum()), 'fact')} dropped"


def _drop(facts: Facts, several: Mask, first: Numbers, defects: Defects) -> tuple[Facts, str]:
    """No fact of such a pair is kept."""
    return facts.take(~several), "all of them dropped"


def _number(facts: Facts, several: Mask, first: Numbers, defects: Defects) -> tuple[Facts, str]:
    """Of a relation `child` with several objects come the relations `child 1`, `child 2`, ...: the
    objects of a subject in the order of their names.
    """
    divided = np.zeros(len(facts.relations), dtype=bool)
    divided[facts.relation_ids[several]] = True
    of_divided = divided[facts.relation_ids]
    order = np.lexsort((_name_ranks(facts, of_divided), first))
    starts = np.flatnonzero(np.diff(first[order], prepend=-1))
    facts, of_divided = facts.take(order), of_divided[order]
    place = np.arange(len(facts)) - np.repeat(starts, np.diff(starts, append=len(facts)))
    relations = [name for name, new in zip(facts.relations, divided, strict=True) if not new]
    taken = set(facts.relations)
    most = np.zeros(len(facts.relations), dtype=np.int64)
    np.maximum.at(most, facts.relation_ids[of_divided], place[of_divided] + 1)
    kept = np.cumsum(~divided) - 1
    begin = len(relations) + np.cumsum(most) - most
    for relation in np.flatnonzero(divided).tolist():
        name = facts.relations[relation]
        numbered = [f"{name} {i}" for i in range(1, most[relation] + 1)]
        if clash := taken.intersection(numbered):
            shown = brief(min(clash), 100)
            raise InputError(
                f"{facts.places.name}: number would make the relation {shown!r} of {name!r},"
                " and there is one of that name; give one of them another"
            )
        relations += numbered
        taken.update(numbered)
    ids = np.where(of_divided, begin[facts.relation_ids] + place, kept[facts.relation_ids])
    count = f"{counted(int(divided.sum()), 'relation')} made into {int(most.sum()):,}"
    return replace(facts, relations=relations, relation_ids=ids), count


def _set(facts: Facts, several: Mask, first: Numbers, defects: Defects) -> tuple[Facts, str]:
    """All are kept: they are the set of answers."""
    return facts, "all kept, as sets of answers"


def further_objects(facts: Facts) -> dict[str, int]:
    """How many facts of each relation give a subject another object than an earlier fact, for the
    relations that have such; facts each once.
    """
    further = np.ones(len(facts), dtype=bool)
    further[np.unique(facts.pairs, return_index=True)[1]] = False
    counts = np.bincount(facts.relation_ids[further], minlength=len(facts.relations))
    return {facts.relations[i]: int(counts[i]) for i in np.flatnonzero(counts).tolist()}


def _name_ranks(facts: Facts, which: Mask) -> Numbers:
    """The place of each object among all in the order of the names, of those facts; else 0."""
    ids = np.unique(facts.targets[which])
    names = [facts.entities[i] for i in ids.tolist()]
    ranks = np.zeros(len(facts.entities), dtype=np.int64)
    ranks[ids[sorted(range(len(ids)), key=names.__getitem__)]] = np.arange(len(ids))
    return np.where(which, ranks[facts.targets], 0)


_MODES: dict[str, Callable[[Facts, Mask, Numbers, Defects], tuple[Facts, str]]] = dict(
    zip(MANY, (_error, _first, _drop, _number, _set), strict=True)
)
