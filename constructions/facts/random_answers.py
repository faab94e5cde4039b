"""The answers of random tables, and of one that its sizes alone determine: int64 (relations,
entities), -1 where a fact is missing.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from constructions.facts.answers import MISSING
from constructions.guards.errors import InputError
from constructions.guards.integers import whole
from constructions.guards.memory import require_memory


def bijections(entities: int, relations: int, seed: int) -> NDArray[np.int64]:
    """Independent uniform bijections."""
    entities, relations, seed = _checked_sizes(entities, relations, seed)
    identity = np.tile(np.arange(entities, dtype=np.int64), (relations, 1))
    return np.random.default_rng(seed).permuted(identity, axis=1)


def of_worlds(worlds: int, size: int, relations: int, seed: int) -> NDArray[np.int64]:
    """Independent uniform bijections of each of several sets of subjects onto the first one."""
    worlds = whole("worlds", worlds, 1)
    size = whole("size", size, 1)
    _, relations, seed = _checked_sizes(worlds * size, relations, seed)
    identity = np.tile(np.arange(size, dtype=np.int64), (relations, worlds, 1))
    return np.random.default_rng(seed).permuted(identity, axis=2).reshape(relations, -1)


def rotations(entities: int, relations: int) -> NDArray[np.int64]:
    """The bijections `f_r(s) = s + r mod N`."""
    entities, relations, _ = _checked_sizes(entities, relations, 0)
    return (np.arange(entities, dtype=np.int64) + np.arange(relations)[:, None]) % entities


def functions(entities: int, relations: int, seed: int, missing: float) -> NDArray[np.int64]:
    """Independent uniform functions, each fact missing with probability `missing` (0 to 1)."""
    entities, relations, seed = _checked_sizes(entities, relations, seed, missing)
    rng = np.random.default_rng(seed)
    answers = rng.integers(entities, size=(relations, entities), dtype=np.int64)
    return np.where(rng.random(answers.shape) < missing, MISSING, answers)


def disjoint(entities: int, relations: int, seed: int, missing: float) -> NDArray[np.int64]:
    """Functions whose answer sets are disjoint and of random sizes: the entities are divided at
    random among the first min(N, R) relations, at least one to each.
    """
    entities, relations, seed = _checked_sizes(entities, relations, seed, missing)
    rng = np.random.default_rng(seed)
    order = rng.permutation(entities)
    shares = min(entities, relations)
    inner = (
        np.sort(rng.choice(entities - 1, shares - 1, replace=False)) + 1
        if shares > 1
        else np.array([], int)
    )
    bounds = np.concatenate([[0], inner, [entities]])
    answers = np.full((relations, entities), MISSING, dtype=np.int64)
    for r in range(shares):
        answers[r] = order[rng.integers(bounds[r], bounds[r + 1], size=entities)]
    return np.where(rng.random(answers.shape) < missing, MISSING, answers)


def sparse(entities: int, relations: int, seed: int) -> NDArray[np.int64]:
    """Functions in which each subject has facts of 1 to ceil(sqrt(R)) relations, as many as a
    uniform number says, of relations drawn at random.
    """
    entities, relations, seed = _checked_sizes(entities, relations, seed)
    rng = np.random.default_rng(seed)
    answers = rng.integers(entities, size=(relations, entities), dtype=np.int64)
    counts = rng.integers(1, 2 + math.isqrt(relations - 1), size=entities)
    order = rng.permuted(np.tile(np.arange(relations)[:, None], (1, entities)), axis=0)
    return np.where(order < counts, answers, MISSING)


def path_star(degree: int, length: int, seed: int) -> NDArray[np.int64]:
    """Each node's parent in a path-star: `degree` paths of `length` nodes that share their first
    one, the centre, which has no parent. Nodes have random numbers.
    """
    degree, length, seed = (
        whole("degree", degree, 1),
        whole("length", length, 2),
        whole("seed", seed, 0),
    )
    nodes, _, seed = _checked_sizes(degree * (length - 1) + 1, 1, seed)
    order = np.random.default_rng(seed).permutation(nodes)
    paths = order[1:].reshape(degree, length - 1)
    parents = np.full((1, nodes), MISSING, dtype=np.int64)
    parents[0, paths[:, 0]] = order[0]
    parents[0, paths[:, 1:]] = paths[:, :-1]
    return parents


def thinned(answers: NDArray[np.int64], seed: int, missing: float) -> NDArray[np.int64]:
    """The same answers, each missing with this probability (0 to 1)."""
    relations, entities = answers.shape
    *_, seed = _checked_sizes(entities, relations, seed, missing)
    kept = np.random.default_rng(seed).random(answers.shape) >= missing
    return np.where(kept, answers, MISSING)


def _checked_sizes(
    entities: int, relations: int, seed: int, missing: float = 0.0
) -> tuple[int, int, int]:
    """Sizes and seed as Python integers. Raises InputError where they are none or out of range,
    and DoesNotFit where such a table needs more memory than the machine has.
    """
    entities, relations, seed = (
        whole("entities", entities, 1),
        whole("relations", relations, 1),
        whole("seed", seed, 0),
    )
    if not 0 <= missing <= 1:
        raise InputError(f"missing is a probability, 0 to 1; got {missing}")
    require_memory(
        4 * 8 * entities * relations,
        f"a random table of {entities:,} x {relations:,} facts and its draft",
    )
    return entities, relations, seed
