"""Lemma: a subject's facts can be read through gates that are linearly independent.

Statement. Let each relation r have a gate, a vector `S_r` of g zeros and w ones. For a subject
with facts of the relations in B there are numbers `x_1, ..., x_g` with `<x, S_r> = t_r` for every
r in B, whichever the numbers `t_r` are, if and only if the gates of B are linearly independent.

Proof. The map from x to its sums over the gates of B is onto just if the rows of its matrix, the
gates, are linearly independent. ∎

Which gates are independent. All have the same weight w, so that no two different ones are
multiples of each other, and of three different ones none is a combination of the other two
(docs/theorems/sparse_selector.md): different gates serve every table of at most 3 facts a subject.
With R gates, `g = R`, the unit vectors serve every table. In between a draw is looked at: whoever
solves for the numbers finds out.

Used by: `sparse_selector`.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
from numpy.typing import NDArray

_TRIED = 2
"""So many times as many gates as are needed are drawn, of which those that differ are taken."""


def weight_of(n_relations: int, gates: int) -> int:
    """w, how many coordinates a gate lets through: half of them; one where every relation has a
    coordinate of its own.
    """
    return 1 if gates == n_relations else max(1, gates // 2)


def drawn_gates(n_relations: int, gates: int, seed: int) -> NDArray[np.int64]:
    """The gates of all relations: int64 (R, g), zeros and ones, as many ones in each row.

    They are unit vectors where g = R. Else they are drawn without putting any back, as long as
    there are enough; if there are fewer than R, some serve several relations.

    Args:
        n_relations, gates: R, g, with g at most R.
        seed: of the draw.
    """
    if gates == n_relations:
        return np.eye(gates, dtype=np.int64)
    rng, weight = np.random.default_rng(seed), weight_of(n_relations, gates)
    if math.comb(gates, weight) <= 2 * _TRIED * n_relations:
        open_ = np.array(list(itertools.combinations(range(gates), weight)))
    else:
        keys = rng.random((_TRIED * n_relations, gates))
        open_ = np.unique(np.sort(keys.argsort(axis=1)[:, :weight], axis=1), axis=0)
    chosen = np.resize(rng.permutation(len(open_)), n_relations)
    found = np.zeros((n_relations, gates), dtype=np.int64)
    np.put_along_axis(found, open_[chosen], 1, axis=1)
    return found
