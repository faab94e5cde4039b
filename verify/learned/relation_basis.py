"""Which relation a stream says is asked for: the nearest mean over subjects."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from verify.learned.decoder import Floats, Ints

_ROUNDING = 1e-6
"""Means that differ by less of their length are the same."""


class RelationBasis:
    """The means of what a stream holds at one place when one relation or another is asked for.

    Every subject is read by the means of others, in the span of the differences of the means.

    Attributes:
        always: (d,), the mean of the means: what is the same for all.
        differ: whether the means differ.
        shares: of how many (subject, relation) the nearest mean is that of the relation, and of
            how many it would be by chance.
    """

    def __init__(self, held: Mapping[int, Floats], groups: Ints, subject: int):
        """Of what is held of n subjects for each relation, (n, d); in which group (n,) each is
        held out, -1 for one who has no part at all; and of whom one is followed.
        """
        self._relations = np.array(list(held))
        every = np.stack(list(held.values()))
        if (groups < 0).all():
            groups = np.zeros_like(groups)
        counted = right = 0
        for group in range(int(groups.max()) + 1):
            means = every[:, (groups >= 0) & (groups != group)].mean(axis=1)
            if not np.isfinite(means).all():  # of nobody
                means = every[:, groups >= 0].mean(axis=1)
            if group == max(0, groups[subject]):
                self._means, self.always = means, means.mean(axis=0)
            outside = every[:, groups == group]
            said = _nearest(means, outside.reshape(-1, every.shape[2])).reshape(len(held), -1)
            right += int((said == np.arange(len(held))[:, None]).sum())
            counted += said.size
        apart = np.abs(self._means - self.always).max(initial=0)
        self.differ = bool(apart > _ROUNDING * np.abs(self._means).max(initial=0))
        self.shares = right / max(1, counted), 1 / len(held)

    def is_told(self, relation: int) -> bool:
        """Whether no other relation has the same mean."""
        own = self.part(relation) + self.always
        apart = np.abs(self._means - own).max(axis=1)
        return bool((apart <= _ROUNDING * np.abs(self._means).max()).sum() == 1)

    def read(self, state: Floats) -> int:
        """The relation whose mean is nearest to a state (d,)."""
        return int(self._relations[_nearest(self._means, state[None])[0]])

    def part(self, relation: int) -> Floats:
        """What it is of the stream, (d,)."""
        part: Floats = self._means[np.flatnonzero(self._relations == relation)[0]] - self.always
        return part


def _nearest(means: Floats, states: Floats) -> np.ndarray:
    """The number of the nearest mean (R, d) to each state (Q, d), in the span of their
    differences.
    """
    apart = means - means.mean(axis=0)
    _, sizes, axes = np.linalg.svd(apart, full_matrices=False)
    axes = axes[sizes > _ROUNDING * max(sizes.max(initial=0), np.finfo(float).tiny)]
    own, given = apart @ axes.T, (states - means.mean(axis=0)) @ axes.T
    far = np.square(own).sum(axis=1) - 2 * given @ own.T
    nearest: np.ndarray = far.argmin(axis=1)
    return nearest
