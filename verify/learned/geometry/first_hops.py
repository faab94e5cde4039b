"""Held-out first hops: implicit reasoning over edges.

Of a path-star, a model is trained on all edges and, for some paths, on the question "which is the
first node of the path to this leaf?". The others are held out: their first node follows from edges
alone, by as many steps back as the path is long. The measure is the share of held-out leaves whose
first node's logit is finite and strictly above those of all other tokens.

By chance it is one in as many as there are paths: the answer of a model that has learned that
answers are first nodes, and nothing else. A stricter null is of the same answers: the held-out
leaves are dealt each other's first nodes (shifted by each number of places, all of them averaged),
so that a model that prefers first nodes that it was not asked for gains nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from verify.learned.measure import Measure

NAME = "held-out first hops"
SEEN = "trained first hops"


def first_hops(
    logits: NDArray[np.floating], first_nodes: NDArray[np.int64], n_paths: int, name: str = NAME
) -> Measure:
    """The share of leaves whose first node is answered.

    Args:
        logits: (Q, V), after the prompt of each leaf.
        first_nodes: int64 (Q,), the right answers.
        n_paths: of the whole graph; the null is the larger of one in so many, and of the share of
            right answers where leaves are dealt each other's first nodes.
        name: of the measure.
    """
    asked = len(first_nodes)
    if not asked:
        return Measure.without(name, "no path was held out")
    by_shift = [
        _right(logits, np.roll(first_nodes, shift)) for shift in range(asked if asked > 1 else 1)
    ]
    others = by_shift[1:]
    dealt = (sum(others), asked * len(others)) if others else (0, 1)
    null = max(dealt, (1, n_paths), key=lambda counts: counts[0] / counts[1])
    return Measure.of_counts(name, (by_shift[0], asked), null)


def _right(logits: NDArray[np.floating], answers: NDArray[np.int64]) -> int:
    """How many have the highest logit, strictly."""
    places = np.arange(len(answers))
    own = logits[places, answers]
    others = logits.copy()
    others[places, answers] = -np.inf
    return int((np.isfinite(own) & (own > others.max(axis=1))).sum())
