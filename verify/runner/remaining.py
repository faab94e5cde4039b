"""How long a run will still take, and how sure that is.

    remaining = Remaining(seconds, groups, order)
    remaining.begun(running, now)  # whenever another job has begun
    remaining.done(job, seconds)  # whenever one has finished
    remaining.left(workers, now)  # about 2 h 10 min left (1 h 40 min to 2 h 50 min)

The seconds of all jobs that are left are drawn a hundred times from what is known of them
(`verify.runner.ratios`); each time it is played through when the last of them ends, on workers of
which each takes the next job when it is free. So it counts that at last one worker has a long job
and the others have nothing. Said is the median, and the interval that four of five draws lie in:
the truth should be in it four times in five.

It is not played through that large jobs wait for memory. Time in which the whole machine sleeps is
not foreseen, and does no harm.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from verify.runner.durations import about
from verify.runner.ratios import SHORTEST, Ratios

DRAWS = 100
INTERVAL = (10, 50, 90)
"""Percentiles that are said."""
FEWEST, SOONEST, LATEST = 10, 15.0, 120.0
"""Nothing is said before so many jobs are done and so many seconds have passed, unless so many
have.
"""
EVERY = 5.0
"""Seconds for which an answer is kept, less the time that passes."""
TURNS = 40
"""The rest is shared out in at least so many turns for each worker: neighbours that are short
enough for it are played through as one job.
"""
LONGEST = 25.0
"""The logarithm of the seconds that a job is drawn to take at most."""


@dataclass(frozen=True)
class Estimate:
    """The time left.

    Attributes:
        seconds: the median.
        least, most: it is four times in five between these.
    """

    seconds: float
    least: float
    most: float

    def __str__(self) -> str:
        middle, least, most = map(about, (self.seconds, self.least, self.most))
        return f"about {middle} left" + (f" ({least} to {most})" if least != most else "")


class Remaining:
    """What is left of a run."""

    def __init__(
        self, seconds: Sequence[float], groups: Sequence[str], order: Sequence[int] | None = None
    ):
        """What is to be done.

        Args:
            seconds: of each job, estimated beforehand.
            groups: of each job: those of one group are off alike.
            order: in which they begin; by default as they stand.
        """
        self.ratios = Ratios(np.array(seconds, float), groups)
        self.order = np.array(range(len(seconds)) if order is None else order, dtype=np.int64)
        self.ended = np.zeros(len(seconds), bool)
        self.running: dict[int, float] = {}
        self.finished = 0
        self.first: float | None = None
        self.said: tuple[float, int, Estimate] | None = None

    def begun(self, running: Sequence[int], now: float) -> None:
        """These jobs are running, at a time of a clock that never goes back, in seconds."""
        self.first = now if self.first is None else self.first
        self.running = {job: self.running.get(job, now) for job in running}

    def done(self, job: int, seconds: float) -> None:
        """A job has taken so long: in this run, or in an earlier one."""
        self.ratios.learn(job, seconds)
        self.finished += 1
        self.lost(job)

    def lost(self, job: int) -> None:
        """A job will not be done."""
        self.running.pop(job, None)
        self.ended[job] = True

    def left(self, workers: int, now: float) -> Estimate | None:
        """The time left, if as many workers go on; None while there is little to say it from."""
        passed = 0.0 if self.first is None else now - self.first
        if passed < (SOONEST if self.finished >= FEWEST else LATEST):
            return None
        if self.said is None or now > self.said[0] + EVERY or workers != self.said[1]:
            self.said = now, workers, self._estimate(max(1, workers), now)
        since, _, said = self.said
        times = (said.seconds, said.least, said.most)
        return Estimate(*(max(0.0, seconds - (now - since)) for seconds in times))

    @property
    def share_done(self) -> float:
        """How much of the estimated work is done, from 0 to 1; all of it where there is none."""
        estimated = self.ratios.estimated
        return float(estimated[self.ended].sum() / self.ratios.total) if len(estimated) else 1.0

    def _estimate(self, workers: int, now: float) -> Estimate:
        """The time left, drawn and played through."""
        draw = np.random.default_rng(self.finished)
        waits = ~self.ended
        waits[list(self.running)] = False
        running = np.array(sorted(self.running), dtype=np.int64)
        waiting = self.order[waits[self.order]]
        common, spread = self.ratios.drawn(np.concatenate([running, waiting]), DRAWS, draw)
        elapsed = np.array([now - self.running[job] for job in running])
        at = len(running)
        free = _longer_than(elapsed, common[:, :at], spread[:at], draw)
        new = common[:, at:] + spread[at:] * draw.standard_normal((DRAWS, len(waiting)))
        ends = _played(free, np.exp(np.minimum(new, LONGEST)), workers)
        least, middle, most = np.percentile(ends, INTERVAL)
        return Estimate(float(middle), float(least), float(most))


def _longer_than(
    elapsed: NDArray[np.float64],
    common: NDArray[np.float64],
    spread: NDArray[np.float64],
    draw: np.random.Generator,
) -> NDArray[np.float64]:
    """The seconds that running jobs will still take, (draws, jobs), being not done after `elapsed`
    seconds: drawn from what is above these.
    """
    passed = np.log(np.maximum(elapsed, SHORTEST))
    below = np.vectorize(NormalDist().cdf, otypes=[float])((passed - common) / spread)
    place = below + (1 - below) * draw.uniform(1e-6, 1 - 1e-6, below.shape)
    known = place < 1 - 1e-9  # far beyond all that was thought a job lasts half as long again
    normal = np.vectorize(NormalDist().inv_cdf, otypes=[float])(np.where(known, place, 0.5))
    last = np.where(known, common + spread * normal, passed + math.log(1.5))
    left: NDArray[np.float64] = np.exp(np.minimum(last, LONGEST)) - elapsed
    return np.maximum(left, 0.0)


def _played(
    running: NDArray[np.float64], waiting: NDArray[np.float64], workers: int
) -> NDArray[np.float64]:
    """When the last of all jobs ends, in each draw.

    Args:
        running: seconds that are left of the jobs that have begun, (draws, jobs).
        waiting: seconds of the others, in the order in which they begin, (draws, jobs).
        workers: how many work side by side.
    """
    workers = max(workers, running.shape[1])
    free = np.zeros((len(running), workers))
    free[:, : running.shape[1]] = running
    rows = np.arange(len(free))
    for seconds in _turns(waiting, workers):
        first = free.argmin(1)
        free[rows, first] += seconds
    ends: NDArray[np.float64] = free.max(1)
    return ends


def _turns(waiting: NDArray[np.float64], workers: int) -> Iterator[NDArray[np.float64]]:
    """The same jobs; neighbours that are short together, (draws,) each."""
    if not waiting.shape[1]:
        return
    usual = np.median(waiting, axis=0)
    turn = np.floor(np.cumsum(usual) / (usual.sum() / (TURNS * workers)))
    starts = np.flatnonzero(np.diff(turn, prepend=-1))
    yield from np.add.reduceat(waiting, starts, axis=1).T
