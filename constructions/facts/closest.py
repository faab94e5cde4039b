"""The names that are closest to one that nobody has: fast also among a million.

Names are compared without regard to case by the ratio of `difflib`, 2 M / T: M letters that match,
in order, of T letters of both. That takes a while, so among many names it is taken of a short list
alone: of those that share the most pairs of neighbouring letters, counted in buckets for all names
at once.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from difflib import SequenceMatcher

import numpy as np
from numpy.typing import NDArray

BUCKETS = 64
"""Of pairs of letters: a power of two."""
FACTORS = np.array([0x9E3779B1, 0x85EBCA6B], dtype=np.uint32)
"""Odd numbers that spread letters over 32 bits."""
SHORT_LIST = 300
"""So many names are compared letter by letter; of fewer names, all."""
MOST_NAMES = 4_000_000
"""Of more, whose pairs would take over 256 MB, none is close."""
CUTOFF = 0.6
"""The least ratio of names that are close."""
_AT_ONCE = 2**16
"""Names whose pairs are counted together."""
_LONGEST = 200
"""Letters of a name that are compared; what lies behind is left out."""


class ClosestNames:
    """Names, and for each how many of its pairs of letters lie in each bucket.

    Args:
        names: without line ends.
    """

    def __init__(self, names: Sequence[str]):
        self.names = names
        starts = range(0, len(names), _AT_ONCE)
        counted = [_pairs(names[start : start + _AT_ONCE]) for start in starts]
        self.pairs = counted if len(names) > SHORT_LIST else []

    def find(self, name: str, most: int = 3) -> list[tuple[float, str]]:
        """The closest names, at most so many, the closest first, each behind its ratio."""
        name = name.replace("\n", " ")
        folded = _folded(name)
        matcher: SequenceMatcher[str] = SequenceMatcher()
        matcher.set_seq2(folded)
        found = []
        for other in self._short_list(name):
            matcher.set_seq1(_folded(other))
            quick = min(matcher.real_quick_ratio(), matcher.quick_ratio())
            if quick >= CUTOFF and (ratio := matcher.ratio()) >= CUTOFF:
                exact = SequenceMatcher(None, other[:_LONGEST], name[:_LONGEST]).ratio()
                found.append((ratio, exact, other))
        return [(ratio, other) for ratio, _, other in heapq.nlargest(most, found)]

    def _short_list(self, name: str) -> Sequence[str]:
        """The names that share the largest part of their pairs with a name."""
        if not self.pairs:
            return self.names
        wanted = _pairs([name])[0]
        total = int(wanted.sum())
        parts = []
        for counts in self.pairs:
            shared = np.minimum(counts, wanted).sum(axis=1, dtype=np.int32)
            parts.append(2 * shared / (counts.sum(axis=1, dtype=np.int32) + total))
        shares = np.concatenate(parts)
        best = np.argpartition(-shares, SHORT_LIST)[:SHORT_LIST]
        return [self.names[place] for place in best.tolist()]


def _folded(name: str) -> str:
    """What is compared of a name."""
    return name[:_LONGEST].casefold()


def _pairs(names: Sequence[str]) -> NDArray[np.uint8]:
    """How many pairs of neighbouring letters of each name lie in each bucket, the line ends before
    and behind it counted as letters: uint8 (names, BUCKETS), at most 255.
    """
    text = "\n".join(["", *map(_folded, names), ""])
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
    owners = np.cumsum(codes[:-1] == ord("\n")) - 1
    mixed: NDArray[np.uint32] = codes[:-1] * FACTORS[0] + codes[1:] * FACTORS[1]
    buckets = mixed.astype(np.int64) * BUCKETS >> 32
    counts = np.bincount(owners * BUCKETS + buckets, minlength=len(names) * BUCKETS)
    return np.minimum(counts, 255).astype(np.uint8).reshape(len(names), BUCKETS)
