"""The rows of the token embedding, and how facts are written into them: what `install` does.

Everything is checked before anything is written. Codes are written some words at a time, so that
the memory which this takes does not grow with the number of words.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from constructions.facts.answers import MISSING
from constructions.facts.set_table import SetTable
from constructions.facts.table import FactTable
from constructions.facts.words import leading_to, reached, some_words
from constructions.model.fact_model import FactModel
from constructions.model.readout import Readout
from constructions.model.stream import Slot
from constructions.writing.claims import Holds, Made

AT_ONCE = 2**16
"""Nodes whose codes are made at once."""


@dataclass(frozen=True)
class TokenRows:
    """What the rows of the token embedding hold, for any facts.

    Attributes:
        holds: the codes in an entity's row; and in that of *unknown* if it is read again.
        made: what else in an entity's row depends on the facts.
        constants: slots of an entity's row, and what they hold for all facts: (N, slot.size), or
            what broadcasts to it.
        relations: slots of a relation's row, and what they hold: (R, slot.size), or what
            broadcasts to it.
        unknown_is_read: whether the token *unknown* is read like an entity: of a chain of thought.
        stored_only: whether nothing is claimed of missing facts, whose columns are 0 then.
        readout: makes the unembedding of the facts, if it depends on them. Raises InputError for
            facts that it cannot be made of.
    """

    holds: tuple[Holds, ...]
    made: tuple[Made, ...]
    constants: tuple[tuple[Slot, ArrayLike], ...]
    relations: tuple[tuple[Slot, ArrayLike], ...]
    unknown_is_read: bool
    stored_only: bool
    readout: Callable[[FactTable], Readout] | None

    def __call__(self, model: FactModel, facts: FactTable | SetTable) -> None:
        """Write the facts, after every node that is to be written is known to have a code.

        Raises:
            InputError: one has none; or see `readout` and `Made`. Nothing is written then.
        """
        functions = facts.functions
        readout, made = self._checked(model, functions)
        vocabulary, weight = model.vocabulary, model.embedding.weight
        for one in self.holds:
            self._write_codes(weight, one, model, functions, vocabulary.entities)
        for slot, values in (*made, *self.constants):
            write_rows(weight, vocabulary.entities, slot, values)
        for slot, values in self.relations:
            write_rows(weight, vocabulary.relations, slot, values)
        if readout is not None:
            model.write_readout(readout)

    def update(self, model: FactModel, facts: FactTable) -> dict[str, int]:
        """As a call, for a model that holds `model.facts` already: only rows are written that can
        differ from those for these.

        Returns:
            How many rows of each parameter were written, by its name.

        Raises:
            InputError: as a call. Nothing is written then.
        """
        readout, made = self._checked(model, facts)
        weight, before = model.embedding.weight, model.facts
        changed = np.flatnonzero((facts.answers != before.answers).any(axis=0))
        steps = max((one.words for one in self.holds), default=1) - 1
        concerned = leading_to(before, changed, steps) if self.holds else changed[:0]
        written = np.zeros(len(weight), dtype=bool)
        written[concerned] = True
        for one in self.holds if len(concerned) else ():
            self._write_codes(weight, one, model, facts, concerned)
        for slot, values in made:
            there = weight[: facts.n_entities, torch.from_numpy(slot.columns.ravel())]
            rows = _rows_that_differ(there, torch.tensor(values).to(weight))
            written[rows] = True
            if len(rows):
                write_rows(weight, rows, slot, values[rows])
        found = {"embedding.weight": int(written.sum())}
        if readout is not None:
            found["unembedding.weight"] = _write_what_differs(model, readout)
        return found

    def _checked(
        self, model: FactModel, facts: FactTable
    ) -> tuple[Readout | None, list[tuple[Slot, NDArray[Any]]]]:
        """The readout of the facts and what is made of them; InputError where they cannot be
        written.
        """
        readout = None if self.readout is None else self.readout(facts)
        vocabulary = model.vocabulary
        for one in self.holds:
            last = one.last_of(facts.n_relations)
            nodes = reached(facts, one.words, last)
            if self.stored_only:
                nodes = nodes[nodes != MISSING]
            one.code.codebook.numbers(vocabulary.answer_tokens(nodes))
        return readout, [(one.slot, one.rows(facts)) for one in self.made]

    def _write_codes(
        self,
        weight: Tensor,
        one: Holds,
        model: FactModel,
        facts: FactTable,
        entities: NDArray[np.int64],
    ) -> None:
        """Write the codes of one claim into the rows of some entities, some words at a time."""
        vocabulary, columns = model.vocabulary, one.columns(facts.n_relations)
        last = one.last_of(facts.n_relations)
        some = max(1, AT_ONCE // len(entities))
        for start in range(0, len(columns), some):
            here = columns[start : start + some]
            numbers = np.arange(start, start + len(here))
            words = some_words(numbers, facts.n_relations, one.words, last)
            nodes = facts.answer(entities[:, None], words[None]).ravel()
            codes = self._codes(one, vocabulary.answer_tokens(nodes), nodes == MISSING)
            codes = codes.reshape(len(entities), -1)
            write_rows(weight, entities, Slot(one.slot.space, one.slot.name, here), codes)
        if self.unknown_is_read and vocabulary.unknown in one.code.codebook.tokens:
            unknown = np.array([vocabulary.unknown])
            everywhere = np.tile(one.code.rows(unknown), len(columns))
            write_rows(weight, unknown, one.slot.flat(), everywhere)

    def _codes(
        self, one: Holds, tokens: NDArray[np.int64], missing: NDArray[np.bool_]
    ) -> NDArray[Any]:
        """The codes (tokens, width) of a claim; 0 for missing facts, where nothing is claimed of
        them.
        """
        if not self.stored_only:
            return one.code.rows(tokens)
        known = np.where(missing, one.code.codebook.tokens[0], tokens)
        return np.where(missing[:, None], 0, one.code.rows(known))


def _write_what_differs(model: FactModel, readout: Readout) -> int:
    """Write the rows of the unembedding that are not as the readout declares, and declare it;
    returns how many they are.
    """
    weight, count = model.unembedding.weight, 0
    for tokens, rows in readout.weight_rows(*weight.shape):
        places, new = torch.from_numpy(tokens), torch.from_numpy(rows).to(weight)
        differ = torch.from_numpy(_rows_that_differ(weight[places], new))
        if len(differ):
            weight[places[differ]] = new[differ]
        count += len(differ)
    model.readout = readout
    return count


def _rows_that_differ(some: Tensor, others: Tensor) -> NDArray[np.int64]:
    """In which rows two matrices differ, zeros of two signs included: int64."""
    differ = (some != others) | (some.signbit() != others.signbit())
    return np.flatnonzero(differ.any(dim=1).cpu().numpy())


def write_rows(weight: Tensor, tokens: NDArray[np.int64], slot: Slot, values: ArrayLike) -> None:
    """Set `weight[tokens, slot]`; values have the shape (len(tokens), slot.size) or broadcast to
    it.
    """
    rows, columns = tokens[:, None], slot.columns.ravel()[None, :]
    whole = np.broadcast_to(np.asarray(values), np.broadcast_shapes(rows.shape, columns.shape))
    at = slice(tokens[0], tokens[-1] + 1), slice(columns[0, 0], columns[0, -1] + 1)
    new = torch.tensor(whole, dtype=weight.dtype, device=weight.device)
    # contiguous on both sides, as is usual
    if whole.shape == (at[0].stop - at[0].start, at[1].stop - at[1].start):
        weight[at] = new
    else:
        weight[torch.from_numpy(rows), torch.from_numpy(columns)] = new
