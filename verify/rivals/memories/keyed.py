"""Memories of keys and values: built from the vectors of all facts, and asked with tokens."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from verify.rivals.given_embeddings import Keys, OnKeys
from verify.rivals.memory import Built
from verify.rivals.work import Work


class Vectors(NamedTuple):
    """What a memory of keys and values is built from.

    Attributes:
        keys: of each fact, (F, d).
        values: of each possible answer, (N, d).
        answers: which of them answers each fact, int64 (F,).
    """

    keys: Tensor
    values: Tensor
    answers: Tensor


Solve = Callable[[Vectors, int, torch.Generator], nn.Module]
"""From the vectors, a width and what is drawn at random: a module from keys to values."""


def half_filled(work: Work) -> int:
    """d of F = d^2 / 2 facts, the middle of the grid of arXiv 2607.10034 (F = alpha d^2)."""
    return math.isqrt(2 * work.n_facts - 1) + 1


def drawn(work: Work, keys: Keys, d: int) -> tuple[OnKeys, Vectors, torch.Generator]:
    """Random embeddings of dimension d: the module without its memory, its vectors in float32, and
    what further random numbers are drawn from.
    """
    random = torch.Generator().manual_seed(work.seed)
    module = OnKeys(work, keys, d, d, random)
    tokens, answers = (torch.from_numpy(one) for one in work.facts.dataset())
    vectors = Vectors(module.keys(tokens), cast(Tensor, module.answers), answers[:, 0])
    return module, vectors, random


def built(work: Work, keys: Keys, d: int, width: int, solve: Solve) -> Built:
    """Random embeddings of dimension d, and what `solve` makes of them in float64, in float32."""
    module, vectors, random = drawn(work, keys, d)
    precise = Vectors(vectors.keys.double(), vectors.values.double(), vectors.answers)
    module.memory = solve(precise, width, random).float()
    return Built(module, d, width, module.embeddings)
