"""The rows of the token embedding, and how facts are written into them: what `install` does.

Everything is checked before anything is written. Rows are written some at a time, and in them
codes some words at a time, so that the memory which this takes grows neither with the number of
entities nor with that of words; and so that a table that no memory holds goes to a file by the
same rows (`constructions.writing.plan.Plan.tables`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from constructions.facts.answers import MISSING
from constructions.facts.set_table import SetTable
from constructions.facts.table import FactTable
from constructions.facts.vocabulary import Vocabulary
from constructions.facts.words import leading_to, reached, some_words
from constructions.model.fact_model import FactModel
from constructions.model.readout import Readout
from constructions.model.stream import Slot
from constructions.writing.claims import Holds, Made

AT_ONCE = 2**16
"""Nodes whose codes are made at once."""
NUMBERS_AT_ONCE = 2**21
"""Of rows that are made at once."""


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
        found, weight = self.checked(model.vocabulary, facts.functions), model.embedding.weight
        for start in range(0, len(weight), some := rows_at_once(weight.shape[1])):
            found.fill(weight[start : start + some], start)
        if found.readout is not None:
            model.write_readout(found.readout)

    def checked(self, vocabulary: Vocabulary, facts: FactTable) -> FactRows:
        """The rows of these facts, all of whose nodes have codes.

        Raises:
            InputError: one has none; or see `readout` and `Made`.
        """
        readout = None if self.readout is None else self.readout(facts)
        for one in self.holds:
            last = one.last_of(facts.n_relations)
            nodes = reached(facts, one.words, last)
            if self.stored_only:
                nodes = nodes[nodes != MISSING]
            one.code.codebook.numbers(vocabulary.answer_tokens(nodes))
        made = tuple((one.slot, one.rows(facts)) for one in self.made)
        return FactRows(self, vocabulary, facts, made, readout)

    def update(self, model: FactModel, facts: FactTable) -> dict[str, int]:
        """As a call, for a model that holds `model.facts` already: only rows are written that can
        differ from those for these.

        Returns:
            How many rows of each parameter were written, by its name.

        Raises:
            InputError: as a call. Nothing is written then.
        """
        found = self.checked(model.vocabulary, facts)
        weight, before = model.embedding.weight, model.facts
        changed = np.flatnonzero((facts.answers != before.answers).any(axis=0))
        steps = max((one.words for one in self.holds), default=1) - 1
        concerned = leading_to(before, changed, steps) if self.holds else changed[:0]
        written = np.zeros(len(weight), dtype=bool)
        written[concerned] = True
        for one in self.holds if len(concerned) else ():
            self.write_codes(weight, one, found, concerned)
        for slot, values in found.made:
            there = weight[: facts.n_entities, torch.from_numpy(slot.columns.ravel())]
            rows = _rows_that_differ(there, torch.tensor(values).to(weight))
            written[rows] = True
            if len(rows):
                write_rows(weight, rows, slot, values[rows])
        counts = {"embedding.weight": int(written.sum())}
        if found.readout is not None:
            counts["unembedding.weight"] = _write_what_differs(model, found.readout)
        return counts

    def write_codes(
        self,
        weight: Tensor,
        one: Holds,
        found: FactRows,
        entities: NDArray[np.int64],
        first: int = 0,
    ) -> None:
        """Write the codes of one claim into the rows of some entities, some words at a time.

        Args:
            weight: rows of the embedding, from that of the token `first` on.
            one: the claim.
            found: the facts.
            entities: whose rows are written.
            first: see `weight`.
        """
        facts, columns = found.facts, one.columns(found.facts.n_relations)
        last = one.last_of(facts.n_relations)
        some = max(1, AT_ONCE // len(entities))
        for start in range(0, len(columns), some):
            here = columns[start : start + some]
            numbers = np.arange(start, start + len(here))
            words = some_words(numbers, facts.n_relations, one.words, last)
            nodes = facts.answer(entities[:, None], words[None]).ravel()
            codes = self._codes(one, found.vocabulary.answer_tokens(nodes), nodes == MISSING)
            codes = codes.reshape(len(entities), -1)
            write_rows(weight, entities - first, Slot(one.slot.space, one.slot.name, here), codes)

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


@dataclass(frozen=True)
class FactRows:
    """The rows of the token embedding for certain facts: whatever holds them, memory or a file,
    has them from here.

    Attributes:
        source: what they hold, for any facts.
        vocabulary: the tokens, of which each has a row.
        facts: of which every node has its code.
        made: what else depends on the facts: slots, and (N, slot.size) each.
        readout: that of the facts, if it depends on them.
    """

    source: TokenRows
    vocabulary: Vocabulary
    facts: FactTable
    made: tuple[tuple[Slot, NDArray[Any]], ...]
    readout: Readout | None

    def fill(self, rows: Tensor, start: int) -> None:
        """Write the rows (n, d_model) of the tokens from `start` on, in place: all that they are
        to hold beside zeros.
        """
        vocabulary, source = self.vocabulary, self.source
        tokens = np.arange(start, start + len(rows))
        entities = tokens[tokens < vocabulary.n_entities]
        if len(entities):
            for one in source.holds:
                source.write_codes(rows, one, self, entities, start)
            for slot, values in (*self.made, *source.constants):
                _write_some(rows, start, slot, values, entities, vocabulary.entities)
        relations = tokens[np.isin(tokens, vocabulary.relations)]
        for slot, values in source.relations if len(relations) else ():
            _write_some(rows, start, slot, values, relations, vocabulary.relations)
        if source.unknown_is_read and vocabulary.unknown in tokens:
            unknown = np.array([vocabulary.unknown])
            for one in source.holds:
                if vocabulary.unknown in one.code.codebook.tokens:
                    words = len(one.columns(self.facts.n_relations))
                    everywhere = np.tile(one.code.rows(unknown), words)
                    write_rows(rows, unknown - start, one.slot.flat(), everywhere)

    def blocks(self, d_model: int, dtype: torch.dtype) -> Iterator[Tensor]:
        """All rows in their order, some at a time: (n, d_model)."""
        some = rows_at_once(d_model)
        for start in range(0, len(self.vocabulary), some):
            rows = torch.zeros(min(some, len(self.vocabulary) - start), d_model, dtype=dtype)
            self.fill(rows, start)
            yield rows


def rows_at_once(d_model: int) -> int:
    """So many rows of a table are made together: some megabytes, which caches hold."""
    return max(1, NUMBERS_AT_ONCE // max(1, d_model))


def _write_some(
    rows: Tensor,
    start: int,
    slot: Slot,
    values: ArrayLike,
    tokens: NDArray[np.int64],
    every: NDArray[np.int64],
) -> None:
    """Write what some of the tokens `every` hold in a slot, of values (len(every), slot.size) or
    what broadcasts to it.
    """
    whole = np.broadcast_to(np.asarray(values), (len(every), slot.size))
    write_rows(rows, tokens - start, slot, whole[tokens - every[0]])


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
    shape, whole = np.broadcast_shapes(rows.shape, columns.shape), np.asarray(values)
    if whole.shape != shape:
        whole = np.broadcast_to(whole, shape)
    at = slice(tokens[0], tokens[-1] + 1), slice(columns[0, 0], columns[0, -1] + 1)
    # torch takes no memory that is for reading alone
    new = torch.from_numpy(whole) if whole.flags.writeable else torch.tensor(whole)
    # contiguous on both sides, as is usual
    if whole.shape == (at[0].stop - at[0].start, at[1].stop - at[1].start):
        weight[at] = new
    else:
        weight[torch.from_numpy(rows), torch.from_numpy(columns)] = new.to(weight)
