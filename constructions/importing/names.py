"""Names that a fact file cannot hold: defects, or mended, or left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from constructions.facts.defects import Defects
from constructions.facts.names import name_defect, name_message
from constructions.guards.wording import counted
from constructions.importing.asked import NAMES
from constructions.importing.facts import Facts, Numbers, equivalent
from constructions.importing.reader import PARTS


def with_sound_names(facts: Facts, names: str, defects: Defects) -> tuple[Facts, list[str]]:
    """The facts after what is to be done with names that no fact file can hold, and lines that say
    what was done; defects are noted.

    Args:
        facts: as a file has them.
        names: "error", "trim" or "drop", see `NAMES`.
        defects: takes what is wrong.
    """
    said = []
    if names == NAMES[1]:
        facts, line = trimmed(facts)
        said += [line] if line else []
    unsound = _unsound(facts.entities), _unsound(facts.relations)
    if names == NAMES[2]:
        entities, relations = unsound
        left = entities[facts.subjects] | entities[facts.targets] | relations[facts.relation_ids]
        if left.any():
            said.append(
                f"{counted(int(left.sum()), 'fact')} left out, whose names no file can hold"
            )
        facts = facts.take(~left)
    else:
        note_unsound(facts, unsound, defects)
    note_equivalent(facts, defects)
    return facts, said


def _unsound(names: Sequence[str]) -> NDArray[np.bool_]:
    """Which of the names can be none, bool (names,)."""
    return np.array(
        [
            not (name.isprintable() and name == name.strip() and name)
            and name_defect(name) is not None
            for name in names
        ],
        dtype=bool,
    )


def note_unsound(
    facts: Facts, unsound: tuple[NDArray[np.bool_], NDArray[np.bool_]], defects: Defects
) -> None:
    """Note each name that can be none, where it stands first."""
    for names, uses, wrong in zip(
        (facts.entities, facts.relations), facts.first_uses(), unsound, strict=True
    ):
        for i in np.flatnonzero(wrong & (uses >= 0)).tolist():
            fact, part = divmod(int(uses[i]), 3)

            def message(name: str = names[i], fact: int = fact, part: int = part) -> str:
                """Where it is, what is wrong, what to do."""
                fault = name_defect(name)
                found, action = name_message(PARTS[part], name, fault[1] if fault else "")
                other = " (or see --names)" if name else ""
                return f"{facts.place(fact, part)}: {found}; {action}{other}"

            place = int(facts.records[fact]), int(facts.fields[fact])
            defects.note(place, message)


def note_equivalent(facts: Facts, defects: Defects) -> None:
    """Note names that differ only by Unicode normalization, where the later one stands first."""
    for names, uses in zip((facts.entities, facts.relations), facts.first_uses(), strict=True):
        used = np.flatnonzero(uses >= 0)
        order = used[np.argsort(uses[used], kind="stable")].tolist()
        for later, earlier in equivalent([names[i] for i in order]):
            name, other = names[order[later]], names[order[earlier]]
            fact, part = divmod(int(uses[order[later]]), 3)
            before, part_before = divmod(int(uses[order[earlier]]), 3)
            place = int(facts.records[fact]), int(facts.fields[fact])
            defects.note(
                place,
                f"{facts.place(fact, part)}: {name!r} ({name!a}) and {other!r} ({other!a}) of"
                f" {facts.briefly(before, part_before)} differ only by Unicode normalization;"
                " spell the name alike",
            )


def trimmed(facts: Facts) -> tuple[Facts, str]:
    """The facts with no white space at the ends of names; those of which a name has nothing else
    are left out. Also a line that says so, "" where there was none.
    """
    entities, entity_ids, changed = _merged(facts.entities)
    relations, relation_ids, more = _merged(facts.relations)
    if not changed and not more:
        return facts, ""
    new = replace(
        facts,
        entities=entities,
        relations=relations,
        subjects=entity_ids[facts.subjects],
        targets=entity_ids[facts.targets],
        relation_ids=relation_ids[facts.relation_ids],
    )
    held = np.array([bool(name) for name in entities], dtype=bool)
    named = np.array([bool(name) for name in relations], dtype=bool)
    kept = held[new.subjects] & held[new.targets] & named[new.relation_ids]
    return new.take(kept), (
        f"{counted(changed + more, 'name')} without the white space at the ends;"
        f" {counted(int((~kept).sum()), 'fact')} left out, where nothing else was"
    )


def _merged(names: Sequence[str]) -> tuple[list[str], Numbers, int]:
    """The names without white space at their ends, each once; the number of each among them; how
    many have changed.
    """
    numbers: dict[str, int] = {}
    ids = [numbers.setdefault(name.strip(), len(numbers)) for name in names]
    changed = sum(name != name.strip() for name in names)
    return list(numbers), np.array(ids, dtype=np.int64), changed
