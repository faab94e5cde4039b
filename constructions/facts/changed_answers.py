"""Which answers differ between two tables: counted exactly for every length of paths, by a search
in the graph that the facts are, without listing the N R^k queries.

Definition. For an entity a of the old table and b of the new one let `D_l(a, b)` be the number of
words w of l relations with `old(a, w) != new(b, w)`; a missing answer, -1, is a place of its own
that no word leaves.

    D_0(a, b) = [a != b]        D_l(a, b) = sum over r of D_(l-1)(old_r(a), new_r(b))

The changed answers of l hops are those of the pairs (s, s): the sum of `D_l(s, s)`. Such a pair
has none unless s leads to a changed fact within l letters. So these *diagonal* pairs are kept, and
the pairs that a changed fact leads to; of all others every D is 0. A pair that is first reached
after j further letters needs D up to k - 1 - j alone, and those reached last need none.

Cost: a pass over the facts for each letter, and R steps for each pair. Pairs that words reach from
one changed fact are at most R^(k - 2), and at most N^2; where there are more than `MOST_STEPS`
steps in all, that is said, with the lengths up to which answers can be counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from constructions.facts.alignment import Aligned, aligned
from constructions.facts.answers import MISSING
from constructions.facts.limits import require_path
from constructions.facts.table import FactTable
from constructions.guards.errors import DoesNotFit, InputError
from constructions.guards.integers import whole
from constructions.guards.wording import counted, shortened

MOST_STEPS = 3 * 10**7
"""Pairs times relations: about a gigabyte while they are found."""
MOST_BITS = 13_000
"""Of the number of queries: some 4,000 digits, which Python still writes out."""
_COUNTED = 2**62
"""Counts that may reach this are Python integers."""
_SAME, _OTHER = 0, 1
"""The states of pairs that need not be followed: no word tells them apart; they differ, and no
letter is left.
"""


@dataclass(frozen=True)
class ChangedAnswer:
    """A query whose answer differs, by name; None for no answer."""

    subject: str
    path: tuple[str, ...]
    old: str | None
    new: str | None


class ChangedAnswers:
    """The queries of up to k hops, about entities and relations that two tables share, whose
    answers differ.

    Attributes:
        tables: the two tables, aligned.
        hops: k.
        queries: how many queries of 1, 2, ..., k hops were compared: Python integers.
        counts: how many of them have another answer.
    """

    def __init__(self, tables: Aligned, hops: int):
        self.tables, self.hops = tables, hops
        n_relations = len(tables.relations)
        self.queries = tuple(
            len(tables.subjects) * n_relations**length for length in range(1, hops + 1)
        )
        self._steps, self._states = _Search(tables, hops).found()
        self._differing = [np.array([0, 1, *self._off_diagonal()], dtype=np.int64)]
        for _ in range(hops):
            last = self._differing[-1]
            if int(last.max()) * n_relations * len(last) >= _COUNTED:
                last = last.astype(object)
            after = last[self._steps].sum(axis=0)
            after[_SAME] = 0
            self._differing.append(after)
        at = self._diagonal
        self.counts = tuple(int(found[at].sum()) for found in self._differing[1:])

    @property
    def total(self) -> int:
        """How many answers differ, over all lengths."""
        return sum(self.counts)

    @property
    def _diagonal(self) -> NDArray[np.int64]:
        """The states (s, s) that lead to a changed fact, of subjects of both tables, by id."""
        old, new = self._states.T
        both = np.zeros(len(self.tables.names) + 1, dtype=bool)
        both[self.tables.subjects] = True
        return np.flatnonzero((old == new) & both[old]) + 2

    def _off_diagonal(self) -> NDArray[np.bool_]:
        """Whether the two places of each state differ."""
        return np.asarray(self._states[:, 0] != self._states[:, 1])

    def listed(self, limit: int | None = None) -> Iterator[ChangedAnswer]:
        """The changed answers: shorter paths first, then by the subject's id in the old table,
        then by the path, relation by relation in their order; at most so many.
        """
        left = self.total if limit is None else whole("limit", limit, 0)
        for length, count in enumerate(self.counts, start=1):
            for first in range(0, min(left, count), 4096):
                numbers = np.arange(first, min(first + 4096, left, count))
                subjects, words = self.by_number(numbers, length)
                yield from self._named(subjects, words)
            left -= min(left, count)

    def by_number(
        self, numbers: NDArray[np.int64], length: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Queries of one length by their number among those whose answers differ, in order: the
        places of the subjects (n,) and words (n, length).

        Args:
            numbers: 0 to their number less 1, below 2^63.
            length: how many relations, 1 to k.
        """
        diagonal = self._diagonal
        upto = np.cumsum(self._differing[length][diagonal])
        which = np.searchsorted(upto, numbers, side="right")
        state = diagonal[which]
        rest = numbers - (upto - self._differing[length][diagonal])[which]
        words = np.empty((len(numbers), length), dtype=np.int64)
        for place in range(length):
            after = self._steps[:, state]
            upto = np.cumsum(self._differing[length - place - 1][after], axis=0)
            words[:, place] = letter = (upto > rest).argmax(axis=0)
            state = after[letter, np.arange(len(state))]
            rest = rest - (upto[letter, np.arange(len(state))] - self._last(state, length, place))
        return self._states[diagonal[which] - 2, 0], words

    def _last(self, states: NDArray[np.int64], length: int, place: int) -> np.ndarray:
        """How many words each state has left after the letter at a place."""
        return self._differing[length - place - 1][states]

    def _named(
        self, subjects: NDArray[np.int64], words: NDArray[np.int64]
    ) -> Iterator[ChangedAnswer]:
        """Queries with both answers, by name."""
        names, relations = self.tables.names, self.tables.relations
        old, new = (
            _walked(table, subjects, words) for table in (self.tables.old, self.tables.new)
        )
        for subject, word, before, after in zip(
            subjects.tolist(), words.tolist(), old.tolist(), new.tolist(), strict=True
        ):
            yield ChangedAnswer(
                names[subject],
                tuple(relations[r] for r in word),
                None if before == MISSING else names[before],
                None if after == MISSING else names[after],
            )


def changed_answers(old: FactTable, new: FactTable, hops: int) -> ChangedAnswers:
    """Which of all answers to queries of 1 to k hops differ between two tables, by name.

    Compared are the queries about entities and relations that both tables have; those that are new
    or gone are in `tables` of what is returned. A path may lead over an entity that one table
    alone has.

    Args:
        old, new: the tables; their entities and relations are aligned by name.
        hops: k.

    Raises:
        InputError: k is not from 1 to `MOST_HOPS`, there are too many queries to be counted, or
            the tables have no entity or no relation in common.
        DoesNotFit: the changes lead to more pairs of entities than are held in memory.
    """
    hops = whole("hops", hops, 1)
    require_path(hops)
    tables = aligned(old, new)
    bits = hops * (len(tables.relations) - 1).bit_length() + len(tables.names).bit_length()
    if bits > MOST_BITS:
        raise InputError(
            f"{len(tables.relations):,} relations make a number of up to {shortened(bits)} bits of"
            f" paths of {hops:,} hops, and at most {MOST_BITS:,} are counted; ask for shorter ones"
        )
    return ChangedAnswers(tables, hops)


class _Search:
    """All pairs that have to be followed, and where each relation leads from them.

    A pair of places is the number `a (n + 1) + b`, with -1 as the place n.
    """

    def __init__(self, tables: Aligned, hops: int):
        self.hops, self.n_places = hops, len(tables.names)
        none = np.full((len(tables.relations), 1), self.n_places, dtype=np.int64)
        self.old, self.new = (
            np.concatenate([np.where(table == MISSING, self.n_places, table), none], axis=1)
            for table in (tables.old, tables.new)
        )

    def found(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where each relation leads from each state, int64 (R, states), the two that are not
        followed first; and the places of the others, int64 (states - 2, 2).
        """
        n = self.n_places + 1
        near = self._near()
        levels, known = [near * n + near], near * n + near
        leads = []
        for depth in range(self.hops):
            after = self._after(levels[-1])
            leads.append(after)
            if depth == self.hops - 1 or not len(levels[-1]):
                break
            a, b = np.divmod(after, n)
            further = np.setdiff1d(after[a != b], known)
            self._require_room(len(known) - len(near) + len(further), depth + 1)
            levels.append(further)
            known = np.union1d(known, further)
        pairs = np.concatenate(levels)
        order = np.argsort(pairs)
        steps = np.concatenate(
            [
                np.array([[_SAME, _SAME]] * len(self.old)),
                *(self._states_of(after, pairs, order) for after in leads),
            ],
            axis=1,
        )
        return steps, np.stack(np.divmod(pairs, n), axis=1)

    def _near(self) -> NDArray[np.int64]:
        """The places from which at most k letters lead over a changed fact."""
        near = (self.old != self.new).any(axis=0)
        for _ in range(self.hops - 1):
            more = near[self.old].any(axis=0) & ~near
            if not more.any():
                break
            near |= more
        return np.flatnonzero(near)

    def _after(self, pairs: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where each relation leads from some pairs: int64 (R, n)."""
        a, b = np.divmod(pairs, self.n_places + 1)
        found: NDArray[np.int64] = self.old[:, a] * (self.n_places + 1) + self.new[:, b]
        return found

    def _states_of(
        self, after: NDArray[np.int64], pairs: NDArray[np.int64], order: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """The states of pairs: those that are followed by their place, the others by whether they
        differ.
        """
        place = np.searchsorted(pairs, after, sorter=order)
        place = order[np.minimum(place, len(order) - 1)] if len(order) else place
        followed = pairs[place] == after if len(order) else np.zeros(after.shape, dtype=bool)
        a, b = np.divmod(after, self.n_places + 1)
        return np.where(followed, place + 2, np.where(a == b, _SAME, _OTHER))

    def _require_room(self, n_pairs: int, letters: int) -> None:
        """Raise DoesNotFit, with what can be counted, if there are too many pairs."""
        if n_pairs * len(self.old) > MOST_STEPS:
            raise DoesNotFit(
                f"within {counted(letters, 'letter')} the changes lead to {n_pairs:,} pairs of"
                f" entities, and pairs times the {len(self.old):,} relations may be up to"
                f" {MOST_STEPS:,}; changed answers are counted for paths of up to"
                f" {counted(letters, 'relation')}: -k {letters}"
            )


def _walked(
    table: NDArray[np.int64], subjects: NDArray[np.int64], words: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Where words (n, length) lead from places (n,), -1 for nowhere."""
    at = subjects
    for letter in words.T:
        at = np.where(at == MISSING, MISSING, table[letter, np.maximum(at, 0)])
    return at
