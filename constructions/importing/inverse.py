"""Inverse relations: of each fact (s, parent, o), the fact (o, child, s)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from constructions.facts.names import name_defect
from constructions.guards.errors import InputError
from constructions.guards.wording import close_names
from constructions.importing.facts import Facts


def with_inverses(facts: Facts, inverse: Mapping[str, str]) -> Facts:
    """The facts, and behind them those of the inverse relations.

    Args:
        facts: as a file has them.
        inverse: the name of each new relation, and the relation that it inverts; which may be one
            that stands before it here.

    Raises:
        InputError: there is no such relation, or there is one of the new name.
    """
    for name, of in inverse.items():
        used = np.unique(facts.relation_ids).tolist()
        relations = [facts.relations[i] for i in used]
        if of not in relations:
            raise InputError(
                f"no relation is named {of!r}, of which {name!r} is the inverse"
                + close_names(of, relations)
            )
        if name in relations:
            raise InputError(
                f"the inverse of {of!r} is to be named {name!r}, and there is a relation of that"
                " name; give it another"
            )
        if fault := name_defect(name):
            raise InputError(f"{fault[1]} in {name!r}, which is to be the name of a relation")
        facts = _with_inverse(facts, name, used[relations.index(of)])
    return facts


def _with_inverse(facts: Facts, name: str, of: int) -> Facts:
    """The facts, and those of one inverse relation."""
    inverted = facts.take(facts.relation_ids == of)
    return replace(
        facts,
        relations=[*facts.relations, name],
        subjects=np.append(facts.subjects, inverted.targets),
        relation_ids=np.append(
            facts.relation_ids, np.full(len(inverted), len(facts.relations), dtype=np.int64)
        ),
        targets=np.append(facts.targets, inverted.subjects),
        records=np.append(facts.records, inverted.records),
        fields=np.append(facts.fields, inverted.fields),
    )


def inverse_of(texts: Sequence[str]) -> dict[str, str]:
    """What `child=parent` says: `child` is the inverse of `parent`. The first `=` parts them.

    Raises:
        InputError: a text has no such form, or two have one new name.
    """
    found: dict[str, str] = {}
    for text in texts:
        name, sign, of = text.partition("=")
        if not (name and sign and of):
            raise InputError(
                f"an inverse relation is given as child=parent, its name and the relation that it"
                f" inverts; got {text!r}"
            )
        if name in found:
            raise InputError(f"{name!r} is to be the inverse of {found[name]!r} and of {of!r}")
        found[name] = of
    return found
