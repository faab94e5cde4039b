"""Two tables side by side: their entities and relations aligned by name."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from constructions.facts.answers import MISSING
from constructions.facts.table import FactTable
from constructions.guards.errors import InputError


@dataclass(frozen=True, eq=False)
class Aligned:
    """The relations that two tables share, over the entities of both.

    A place is an entity of either: first those of the old table, by their ids, then those that are
    new. Spare entities have a place and are asked for nothing: their names are none.

    Attributes:
        names: the entities by place.
        relations: the names of the R shared relations, in the order of the old table.
        old, new: int64 (R, places), the answers by place; -1 where there is none, as for an entity
            that the table does not have.
        subjects: int64, the places of the entities that both tables have, spare ones aside.
        new_entities, gone_entities: names, spare ones aside.
        new_relations, gone_relations: names.
    """

    names: tuple[str, ...]
    relations: tuple[str, ...]
    old: NDArray[np.int64]
    new: NDArray[np.int64]
    subjects: NDArray[np.int64]
    new_entities: tuple[str, ...]
    gone_entities: tuple[str, ...]
    new_relations: tuple[str, ...]
    gone_relations: tuple[str, ...]


def aligned(old: FactTable, new: FactTable) -> Aligned:
    """Align two tables by the names of their entities and relations, of which canonically
    equivalent ones are the same.

    Raises:
        InputError: they share no relation, or no entity that is not spare.
    """
    old_spare, new_spare = (set(facts.spare_entities.tolist()) for facts in (old, new))
    old_names, new_names = (list(map(_key, facts.entity_names)) for facts in (old, new))
    place_of = {name: i for i, name in enumerate(old_names) if i not in old_spare}
    shared, places, names = [], [], list(old.entity_names)
    for i, name in enumerate(new_names):
        if name in place_of and i not in new_spare:
            shared.append(place_of[name])
            places.append(place_of[name])
        else:
            places.append(len(names))
            names.append(new.entity_names[i])
    new_relations = {_key(name): i for i, name in enumerate(new.relation_names)}
    pairs = [
        (r, new_relations[_key(name)])
        for r, name in enumerate(old.relation_names)
        if _key(name) in new_relations
    ]
    for what, common in (("entity", shared), ("relation", pairs)):
        if not common:
            raise InputError(
                f"the two tables have no {what} in common, so that no query can be put to both;"
                f" the first of them are {getattr(old, f'{what}_name')(0)!r} and"
                f" {getattr(new, f'{what}_name')(0)!r}"
            )
    here, there = (np.array(ids, dtype=np.int64) for ids in zip(*pairs, strict=True))
    place = np.array([*places, MISSING], dtype=np.int64)
    before = np.full((len(pairs), len(names)), MISSING, dtype=np.int64)
    after = before.copy()
    before[:, : old.n_entities] = old.answers[here]
    after[:, place[:-1]] = place[new.answers[there]]
    taken = set(shared)
    common_old = {old.relation_names[r] for r in here.tolist()}
    common_new = {new.relation_names[r] for r in there.tolist()}
    return Aligned(
        tuple(names),
        tuple(old.relation_names[r] for r in here.tolist()),
        before,
        after,
        np.array(sorted(shared), dtype=np.int64),
        tuple(names[old.n_entities + i] for i in _not_spare(places, old.n_entities, new_spare)),
        tuple(
            name
            for i, name in enumerate(old.entity_names)
            if i not in old_spare and i not in taken
        ),
        tuple(name for name in new.relation_names if name not in common_new),
        tuple(name for name in old.relation_names if name not in common_old),
    )


def _not_spare(places: list[int], first: int, spare: set[int]) -> list[int]:
    """Which of the added places, from 0, are of entities that are not spare."""
    return [place - first for i, place in enumerate(places) if place >= first and i not in spare]


def _key(name: str) -> str:
    """What canonically equivalent names share."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)
