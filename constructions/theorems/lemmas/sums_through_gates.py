"""Lemma: integers whose sums over gates are given numbers, up to a rounding error that is known
exactly.

Statement. Let the gates of a subject's relations be linearly independent, each of weight w, and x
the shortest real solution of `<x, S_r> = t_r`. Then the integers `X_j = round(2^p x_j)` have the
sums `<X, S_r> = 2^p t_r + e_r` with `|e_r| <= w / 2`. For `2^p >= 2 w` that is at most a quarter
of 2^p: the nearest multiple of 2^p is the right one.

Proof. Each of the w numbers in a sum is rounded by at most 1/2. ∎

What is believed. The shortest solution is found in floating point, with steps of refinement. Its
errors need no bound, since `e_r` is then computed in integers, for every fact. A subject whose
errors are larger than allowed, or whose numbers are, is named: its gates are dependent, or nearly.

Beyond. Let the gates of a subject's relations and of any one other be independent, too. Then the
sums over all other gates can be made as large as one likes: `<y, S_r> = 0` for the subject's
relations leaves directions y with `<y, S_q> != 0` for every other q, as finitely many planes do
not fill the space of such y, and `x + lambda y` has them beyond any bound. Of a few directions
that are drawn the one is taken that makes the numbers least; what comes of it is compared in
integers with the bound, for every relation.

Ties. Where few relations meet, numbers half way between two integers are common. All of them are
rounded up, whatever the last bits of floating point: the half is 2^-20 more than that.

Used by: `sparse_selector`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from constructions.facts.answers import MISSING, Answers

AT_ONCE = 2**22
"""Numbers of a batch of systems of equations."""
_RIDGE, _HALF = 2.0**-40, 0.5 + 2.0**-20
_REFINEMENTS, _DIRECTIONS = 3, 8
_NOISE, _FAR = 2.0**-30, 2.0**60
"""A sum of a direction that is taken for 0, and a factor that is too large for any number."""


@dataclass(frozen=True)
class Solved:
    """The numbers of all subjects.

    Attributes:
        rows: int64 (N, g); where nothing is asked of other relations, 0 for a subject without
            facts.
        targets: int64 (facts,), `t_r` of each fact.
        errors: int64 (facts,), `e_r` of each fact.
    """

    rows: NDArray[np.int64]
    targets: NDArray[np.int64]
    errors: NDArray[np.int64]


@dataclass(frozen=True)
class Unsolved:
    """A subject whose numbers were not found.

    Attributes:
        subject: which.
        relations: of its facts.
        sums_hold: whether its sums are right, so that numbers are too large.
    """

    subject: int
    relations: NDArray[np.int64]
    sums_hold: bool


@dataclass(frozen=True)
class Sums:
    """What is asked of the numbers.

    Attributes:
        gates: int64 (R, g), of weight w.
        precision: p.
        most: what no number may exceed; w times that is below 2^53, so that all sums are exact in
            float64.
        beyond: (low, high); the sum of every relation of which a subject has no fact is at most
            low or at least high. None: nothing is asked of these.
    """

    gates: NDArray[np.int64]
    precision: int
    most: int
    beyond: tuple[int, int] | None = None

    def solved(self, facts: Answers, labels: NDArray[np.int64]) -> Solved | Unsolved:
        """Numbers for every subject, in batches of subjects with as many facts.

        Args:
            facts: what is to be read.
            labels: int64 (N,), `t_r` of a fact that leads to this entity.

        Returns:
            Errors are below half of 2^p. The first subject in the order of batches for which
            there are none.
        """
        gates, unit = self.gates.astype(np.float64), 2.0**self.precision
        rows = np.zeros((facts.n_entities, gates.shape[1]), dtype=np.int64)
        targets, errors = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
        width = gates.shape[1] if self.beyond is None else max(gates.shape)
        for subjects, relations in _alike(facts, width):
            if not relations.size and self.beyond is None:
                continue
            batch = _Systems(relations, gates[relations])
            wanted = labels[facts.answers[relations, subjects[:, None]]].astype(np.float64)
            found = batch.nearest(wanted, np.zeros((len(subjects), gates.shape[1])))
            if self.beyond is not None:
                found = self._sent_beyond(gates, batch, wanted, found)
            numbers = np.floor(unit * found + _HALF)
            small = np.abs(numbers).max(axis=1) <= self.most
            numbers[~small] = 0
            error = batch.sums(numbers) - unit * wanted
            held = small & (2 * np.abs(error) < unit).all(axis=1)
            held &= self._others_hold(gates, batch, numbers)
            for at in np.flatnonzero(~held)[:1]:
                right = (np.abs(batch.sums(found) - wanted)[at] < 0.25).all()
                return Unsolved(int(subjects[at]), relations[at], bool(right))
            rows[subjects] = numbers
            targets.append(wanted.ravel().astype(np.int64))
            errors.append(error.ravel().astype(np.int64))
        return Solved(rows, np.concatenate(targets), np.concatenate(errors))

    def _others_hold(
        self, gates: NDArray[np.float64], batch: _Systems, numbers: NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        """Whether all sums of other relations are where they should be, bool (n,): exactly."""
        if self.beyond is None:
            return np.ones(len(numbers), dtype=bool)
        low, high = self.beyond
        sums = numbers @ gates.T
        held = (sums <= low) | (sums >= high)
        np.put_along_axis(held, batch.relations, True, axis=1)
        return np.asarray(held.all(axis=1))

    def _sent_beyond(
        self,
        gates: NDArray[np.float64],
        batch: _Systems,
        wanted: NDArray[np.float64],
        shortest: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Solutions (n, g) near the shortest ones, with all other sums beyond the bounds, as far
        as floating point can tell: of some directions the one with the smallest numbers.
        """
        low, high = self._bounds()
        here, best = shortest @ gates.T, shortest
        least = np.full(len(shortest), np.inf)
        for direction in _directions(gates.shape[1]):
            free = batch.nearest(np.zeros_like(wanted), np.tile(direction, (len(shortest), 1)))
            slope = free @ gates.T
            slope[np.abs(slope) < _NOISE] = 0
            with np.errstate(divide="ignore", invalid="ignore"):
                needed = np.where(slope > 0, high - here, here - low) / np.abs(slope)
            np.put_along_axis(needed, batch.relations, 0, axis=1)
            factor = np.clip(np.nan_to_num(needed, nan=_FAR).max(axis=1), 0, _FAR)
            sent = shortest + factor[:, None] * free
            size = np.abs(sent).max(axis=1)
            best = np.where((size < least)[:, None], sent, best)
            least = np.minimum(size, least)
        return batch.nearest(wanted, best)

    def _bounds(self) -> tuple[float, float]:
        """Where other sums are to be, so that they are beyond when their numbers are rounded; one
        number alone is rounded to the bound.
        """
        weight, (low, high) = int(self.gates.sum(axis=1).max()), self.beyond or (0, 0)
        moved = weight / 2 if weight > 1 else 0
        return (low - moved) / 2.0**self.precision, (high + moved) / 2.0**self.precision


def _alike(facts: Answers, width: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Subjects (n,) that have the same number of facts, and the relations of these (n, facts):
    those with most facts first, in batches of about `AT_ONCE` numbers.
    """
    subjects, relations = np.nonzero(facts.answers.T != MISSING)
    counts = np.bincount(subjects, minlength=facts.n_entities)
    starts = np.cumsum(counts) - counts
    for count in np.unique(counts)[::-1].tolist():
        alike = np.flatnonzero(counts == count)
        some = max(1, AT_ONCE // (max(count, 1) * max(width, count)))
        for first in range(0, len(alike), some):
            here = alike[first : first + some]
            yield here, relations[starts[here, None] + np.arange(count)]


def _directions(width: int) -> Iterator[NDArray[np.float64]]:
    """In which numbers are sent: all alike, and some that are drawn; each in both senses."""
    rng = np.random.default_rng(width)
    for direction in (np.ones(width), *rng.standard_normal((_DIRECTIONS, width))):
        yield direction
        yield -direction


class _Systems:
    """A batch of systems of equations.

    Attributes:
        relations: int64 (n, facts).
        gates: float64 (n, facts, g), of these relations.
        inverse: (n, facts, facts), of the inner products of gates; anything where they are
            dependent.
    """

    def __init__(self, relations: NDArray[np.int64], gates: NDArray[np.float64]):
        self.relations, self.gates = relations, gates
        products = gates @ gates.swapaxes(1, 2)
        self.inverse = np.linalg.inv(products + _RIDGE * np.eye(gates.shape[1]))

    def sums(self, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
        """The sums of numbers (n, g) over the gates: (n, facts)."""
        return np.asarray((self.gates @ numbers[..., None])[..., 0])

    def nearest(
        self, targets: NDArray[np.float64], start: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """The solutions (n, g) with sums `targets` that are nearest to `start`, (n, g); from 0 the
        shortest ones. Anything where gates are dependent.
        """
        found, across = start, self.gates.swapaxes(1, 2)
        for _ in range(1 + _REFINEMENTS):
            left = (targets - self.sums(found))[..., None]
            found = found + (across @ (self.inverse @ left))[..., 0]
        return found
