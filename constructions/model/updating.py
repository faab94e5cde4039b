"""Single facts of a model changed in place: only the rows concerned are written, or, where
internal weights hold facts, these are built again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

import numpy as np
from torch import nn

from constructions.facts.changes import TableChange
from constructions.facts.table import FactTable
from constructions.facts.vocabulary import Vocabulary
from constructions.guards.errors import DoesNotFit, InputError
from constructions.guards.wording import brief, counted
from constructions.model.installing import installing, require_changeable, require_claim
from constructions.model.readout import Readout
from constructions.model.rebuild import Recorded, as_built, planned
from constructions.model.shapes import TransformerShape


class Updatable(Recorded, Protocol):
    """What is asked of a model that is to be changed, beside being a module: see
    `constructions.model.fact_model.FactModel`.
    """

    vocabulary: Vocabulary
    shape: TransformerShape
    readout: Readout
    stored_only: bool
    fact_tables: frozenset[str] | None
    _write_facts: Any


@dataclass(frozen=True)
class Update:
    """What an update has changed.

    Attributes:
        table: the changes of the table, and the entities that are new in it.
        rows_written: how many rows of each parameter were written, by its name; those of which
            none was are left out.
        rebuilt: the parameters with internal weights that were built again and are others now.
    """

    table: TableChange
    rows_written: Mapping[str, int] = field(default_factory=dict)
    rebuilt: tuple[str, ...] = ()

    def in_words(self) -> list[str]:
        """Lines that say it."""
        table = self.table
        as_before = table.given - len(table.subjects)
        lines = [
            f"{counted(table.given, 'fact')} given: {table.changed:,} changed, {table.added:,}"
            f" added, {table.removed:,} removed, {as_before:,} as before"
        ]
        lines += [
            f"new entity: {new.name}, number {new.id:,}, in the place of {new.instead_of}"
            for new in table.new_entities
        ]
        rows = [f"{counted(n, 'row')} of {name}" for name, n in self.rows_written.items()]
        if self.rebuilt:
            rows.append(f"{', '.join(self.rebuilt)}, which hold facts and were built again")
        return [*lines, f"written: {'; '.join(rows) or 'nothing'}"]


def updated(model: Updatable, change: TableChange) -> Update:
    """Write a changed table into a model that holds the one before.

    Raises:
        InputError: see `FactModel.update`; nothing is changed then.
    """
    if not len(change.subjects):
        return Update(change)
    facts = change.facts
    require_claim(model.construction, facts, model.stored_only)
    require_changeable(cast("nn.Module", model))
    try:
        if model.fact_tables is None:
            found = Update(change, rebuilt=_rebuilt(model, facts))
        else:
            with installing(cast("nn.Module", model), model.fact_tables):
                written = model._write_facts.update(model, facts)
            found = Update(change, {name: n for name, n in written.items() if n})
    except InputError as error:
        kind = DoesNotFit if isinstance(error, DoesNotFit) else InputError
        raise kind(
            f"{model.construction} does not take the changed table as it stands, and nothing is"
            f" changed: {error}{_without_code(model, change)}"
        ) from None
    model.facts = facts
    return found


def _without_code(model: Updatable, change: TableChange) -> str:
    """Which answer that has come has no code, in words; empty if all have one."""
    vocabulary = model.vocabulary
    tokens = np.unique(vocabulary.answer_tokens(change.after))
    if model.stored_only:
        tokens = tokens[tokens != vocabulary.unknown]
    known = np.unique(np.concatenate([book.tokens for book in model.codebooks]))
    for token in tokens[~np.isin(tokens, known)][:1].tolist():
        if token == vocabulary.unknown:
            return (
                "; it was built of a table that has all facts, so that *unknown*, the answer where"
                " one is removed, has no code"
            )
        return (
            f"; {change.facts.entity_name(token)!r} is none of the {len(known):,} answers that"
            " have a code: build with spare answers (--spare-answers), or of the changed table"
        )
    return ""


def _rebuilt(model: Updatable, facts: FactTable) -> tuple[str, ...]:
    """Build the model again of other facts, and take its weights; returns the names of those that
    are others now.

    Raises:
        InputError: the model is not as it was built, or of these facts it has other sizes.
    """
    as_built(model)
    plan = planned(model.recipe, facts, model.codebooks, model.embedding.weight.dtype)
    if plan.shape != model.shape:
        raise DoesNotFit(
            f"its sizes would be {brief(plan.shape)}, and they are {brief(model.shape)}; build a"
            " model of the changed table"
        )
    again, module = plan.build(), cast("nn.Module", model)
    written = []
    for name, new in again.state_dict().items():
        held = module.get_parameter(name)
        if not bool((held.cpu() == new.cpu()).all()):
            written.append(name)
        held.copy_(new)
    model.readout = again.readout
    return tuple(written)
