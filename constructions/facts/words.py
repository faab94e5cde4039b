"""Words: paths of relations, in lexicographic order."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from constructions.facts.answers import MISSING, Answers


def all_words(n_relations: int, length: int) -> NDArray[np.int64]:
    """All words of the given length, in lexicographic order: int64 (R^length, length)."""
    return np.indices((n_relations,) * length).reshape(length, n_relations**length).T


def some_words(
    numbers: NDArray[np.int64], n_relations: int, length: int, last: range
) -> NDArray[np.int64]:
    """Words by their number among those of the given length that end in a relation of `last`, in
    lexicographic order: int64 (n, length).
    """
    if not length:
        return np.zeros((len(numbers), 0), dtype=np.int64)
    shape = (n_relations,) * (length - 1) + (len(last),)
    words = np.stack(np.unravel_index(numbers, shape), axis=1)
    words[:, -1] += last.start
    return words


def reached(facts: Answers, length: int, last: range) -> NDArray[np.int64]:
    """The entities that some word of the given length leads to which ends in a relation of `last`,
    from any entity: int64, in order; -1 behind them if a word leads nowhere.
    """
    seen = np.append(np.ones(facts.n_entities, dtype=bool), False)  # MISSING is the last place
    for place in range(length):
        letters = slice(last.start, last.stop) if place == length - 1 else slice(None)
        after = np.append(np.zeros(facts.n_entities, dtype=bool), seen[MISSING])
        for answers in facts.answers[letters]:
            after[answers[seen[:-1]]] = True
        seen = after
    nodes = np.flatnonzero(seen)
    return np.where(nodes == facts.n_entities, MISSING, nodes)


def leading_to(facts: Answers, nodes: NDArray[np.int64], steps: int) -> NDArray[np.int64]:
    """The entities from which some word of at most so many letters leads to one of the given ones,
    these included: int64, in order.
    """
    found = np.zeros(facts.n_entities + 1, dtype=bool)  # MISSING is the last place
    found[nodes] = True
    for _ in range(steps):
        more = found[facts.answers].any(axis=0) & ~found[:-1]
        if not more.any():
            break
        found[:-1] |= more
    return np.flatnonzero(found[:-1])
