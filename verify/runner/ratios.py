"""How far estimates are off, learned from the jobs that are done.

    log(seconds / estimated) = overall + of its group + of its length + what is left

`overall` says that a machine is slower than the one on which costs were measured, or busy;
`group` that jobs of a kind (one construction in one form, say) take longer than was thought; the
length is the decade of the estimate, so that what many short jobs say of themselves is not taken
for the truth about long ones. All are normal beforehand, around 0, with the standard deviations
below; what a job says is weighed against them (a Kalman filter). Something that was learned long
ago counts less: the machine may have become busier.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

OVERALL, GROUP, LENGTH, LEFT = 1.0, 0.5, 0.4, 0.5
"""Standard deviations, before any job is done; of logarithms, so that 0.5 is a factor of 1.6."""
DRIFT = 0.8
"""That of how far `overall` moves while all jobs are done once: others may need the machine."""
JOBS_BELIEVED = 5
"""So many jobs of a length are as good as `LEFT`, which is only what was thought before."""
MOST_SURPRISING = 3.0
"""A job tells no more than one that is off by so many standard deviations: a machine may sleep, or
be stopped, while a job runs.
"""
SHORTEST = 1e-3
"""Seconds; no job is estimated, or measured, to take less."""
LOWEST, HIGHEST = -3, 6
"""Decades of seconds."""


class Ratios:
    """What is known of the ratios."""

    def __init__(self, estimated: NDArray[np.float64], groups: Sequence[str]):
        """`estimated`: seconds of each job; `groups`: the group of each."""
        self.estimated = np.maximum(estimated, SHORTEST)
        self.total = self.estimated.sum()
        names = {name: at for at, name in enumerate(dict.fromkeys(groups))}
        decades = np.clip(np.floor(np.log10(self.estimated)), LOWEST, HIGHEST) - LOWEST
        self.length = decades.astype(int)
        lengths = HIGHEST - LOWEST + 1
        group = np.array([names[name] for name in groups], dtype=int)
        # of each job: where overall, its length and its group stand among the unknowns
        self.places = np.stack([np.zeros_like(group), 1 + self.length, 1 + lengths + group], 1)
        before = [OVERALL, *[LENGTH] * lengths, *[GROUP] * len(names)]
        self.mean = np.zeros(len(before))
        self.covariance = np.diag(np.square(before))
        self.squares = np.full(lengths, JOBS_BELIEVED * LEFT**2)
        self.jobs = np.full(lengths, float(JOBS_BELIEVED))

    def learn(self, job: int, seconds: float) -> None:
        """A job has taken so many seconds."""
        at, length = self.places[job], self.length[job]
        self.covariance[0, 0] += DRIFT**2 * self.estimated[job] / self.total
        left = self.squares[length] / self.jobs[length]
        with_all = self.covariance[:, at].sum(1)
        variance = left + with_all[at].sum()
        surprise = np.log(max(seconds, SHORTEST) / self.estimated[job]) - self.mean[at].sum()
        most = MOST_SURPRISING * np.sqrt(variance)
        surprise = np.clip(surprise, -most, most)
        self.mean += with_all * (surprise / variance)
        self.covariance -= np.outer(with_all, with_all) / variance
        self.squares[length] += left / variance * surprise**2
        self.jobs[length] += 1

    def drawn(
        self, jobs: NDArray[np.int64], times: int, draw: np.random.Generator
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Logarithms of the seconds of some jobs as they may be: the part that is common to
        several jobs, (times, jobs), drawn, and the standard deviation of the rest, (jobs,).
        """
        values, vectors = np.linalg.eigh(self.covariance)
        root = vectors * np.sqrt(np.maximum(values, 0))
        unknowns = self.mean + draw.standard_normal((times, len(self.mean))) @ root.T
        common = unknowns[:, self.places[jobs]].sum(-1) + np.log(self.estimated[jobs])
        # the mean of what is still to come of a random walk has a third of the variance at its end
        ahead = DRIFT * np.sqrt(self.estimated[jobs].sum() / self.total / 3)
        common += ahead * draw.standard_normal((times, 1))
        length = self.length[jobs]
        return common, np.sqrt(self.squares[length] / self.jobs[length])
