"""Paths that meet no missing fact: how many there are, and which one has a given number.

A query is *stored* if its path meets no missing fact: of one hop these are the facts themselves.
They are counted from their ends: `counts(k)[s]`, the paths of k relations from entity s that are
stored, is the sum of `counts(k - 1)` over the answers that s has. The same counts say which path
has a number, without a list of those before it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_COUNTED = 2**62
"""Counts that may reach this are Python integers."""


class StoredPaths:
    """The stored paths of a table of facts.

    Args:
        answers: int64 (R, N), -1 for a missing fact.
    """

    def __init__(self, answers: NDArray[np.int64]):
        self._answers = answers
        self._counts = [np.ones(answers.shape[1], np.int64)]
        self._begins: dict[int, np.ndarray] = {}

    def counts(self, hops: int) -> np.ndarray:
        """How many stored paths of so many hops begin at each entity, (N,): int64, or Python
        integers where they are large.
        """
        while len(self._counts) <= hops:
            last = self._counts[-1]
            if int(last.max()) * self._answers.size >= _COUNTED:
                last = last.astype(object)
            self._counts.append(self._ends_with(last).sum(axis=0))
        return self._counts[hops]

    def total(self, hops: int) -> int:
        """How many stored paths of so many hops there are, from all entities together."""
        return int(self.counts(hops).sum())

    def queries(
        self, numbers: NDArray[np.int64], hops: int, subjects: NDArray[np.int64] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Stored queries by number, in lexicographic order: subjects (...) and paths (..., k).

        Args:
            numbers: 0 to their number less 1, which is below 2^63.
            hops: k.
            subjects: those alone about these entities, in this order; by default all N.
        """
        if subjects is None:
            subjects = np.arange(self._answers.shape[1])
        begins = _begins(self.counts(hops)[subjects])
        which = np.searchsorted(begins, numbers, side="right") - 1
        rest, node = numbers - begins[which], subjects[which]
        paths = np.empty((*numbers.shape, hops), dtype=np.int64)
        for place in range(hops):
            begins = self._begins_of_letters(hops - place)
            at = rest + begins[node * len(self._answers)]
            found = np.searchsorted(begins, at, side="right") - 1
            rest = np.asarray(at - begins[found], np.int64)
            paths[..., place] = found % len(self._answers)
            node = self._answers[paths[..., place], node]
        return subjects[which], paths

    def drawn(
        self, count: int, hops: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """So many stored queries, each as likely as any other, up to the rounding of float64:
        subjects (count,) and paths (count, k). They may be equal.
        """
        node = _chosen(self.counts(hops)[None].repeat(count, axis=0), rng)
        subjects, paths = node, np.empty((count, hops), dtype=np.int64)
        for place in range(hops):
            continued = self._ends_with(self.counts(hops - place - 1))[:, node].T
            paths[:, place] = _chosen(continued, rng)
            node = self._answers[paths[:, place], node]
        return subjects, paths

    def _ends_with(self, counts: np.ndarray) -> np.ndarray:
        """What is counted at the answer of every relation and entity, (R, N): 0 where the fact is
        missing.
        """
        return np.append(counts, 0)[self._answers]

    def _begins_of_letters(self, left: int) -> np.ndarray:
        """Of the stored paths of so many letters, in lexicographic order: where those begin that
        start with each entity and letter, (N R + 1,).
        """
        if left not in self._begins:
            self._begins[left] = _begins(self._ends_with(self.counts(left - 1)).T.ravel())
        return self._begins[left]


def _begins(counts: np.ndarray) -> np.ndarray:
    """Where each of several runs of so many begins, and where the last one ends: int64, or Python
    integers where these are large, as there may be more paths of fewer hops than of all.
    """
    if int(counts.max(initial=0)) * len(counts) >= _COUNTED:
        counts = counts.astype(object)
    return np.concatenate([np.zeros(1, counts.dtype), np.cumsum(counts)])


def _chosen(counts: np.ndarray, rng: np.random.Generator) -> NDArray[np.int64]:
    """A column for each row (rows, columns), drawn in proportion to the counts."""
    upto = np.cumsum((counts / counts.sum(axis=1, keepdims=True)).astype(np.float64), axis=1)
    at = rng.random((len(counts), 1)) * upto[:, -1:]
    chosen: NDArray[np.int64] = (upto > np.minimum(at, np.nextafter(upto[:, -1:], 0))).argmax(1)
    return chosen
