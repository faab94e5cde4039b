"""Linear associative memory, trained: the matrix that gradient descent on the logistic loss finds.

Claim (measured, not proven). One matrix W (d, d) between given random unit keys and values, logits
`U W k`, trained on the mean cross-entropy of all F facts, recalls 99 % of F = N facts with N
answers each its own about where

    d^2 = 1.3 N ln N,    which is N log2 N / d^2 = 1 / (1.3 ln 2) = 1.11 bits a parameter.

This is the dashed line of Figure 1 (left) of 2412.06538: `C = 1.3` in the last cell of
linear_AM.ipynb, beside AdamW with rate 1000, 2^12 steps, stopped at 99 %. For all facts and in the
limit of many, the best matrix reaches d^2 = 2 N ln N (2605.10795, statistical physics; 2605.05189,
conjectured). benchmarks/published_associative.py measures both.

Here: all facts in each step, from W = 0, AdamW with rate 10 and a cosine to 0, at most 50 steps,
which reach 100 % at nearly the same size as thousands (docs/rivals-published.md).

Hypotheses. Every fact has a key of its own (`pair`).
"""

from __future__ import annotations

import math

import torch
from torch import nn

from constructions.learning.fit import fit
from verify.rivals.given_embeddings import OnKeys
from verify.rivals.memories import refusals
from verify.rivals.memory import Built, Memory
from verify.rivals.work import Work

STEPS, RATE = 50, 10.0
"""Of the optimizer."""
GUIDE = 1.3
"""d^2 / (N ln N) of the line in 2412.06538."""


def module_of(work: Work, dimension: int) -> OnKeys:
    """The memory before it is trained."""
    random = torch.Generator().manual_seed(work.seed)
    module = OnKeys(work, "pair", dimension, dimension, random)
    linear = nn.Linear(dimension, dimension, bias=False)
    nn.init.zeros_(linear.weight)
    module.memory = linear
    return module


def build(work: Work, dimension: int) -> Built:
    """Train it on all facts of this work."""
    module = module_of(work, dimension)
    found = fit(module, work.facts, STEPS, work.seed, rate=RATE, warm_up=0, device="cpu")
    return Built(found.models[0], dimension, 0, module.embeddings)


def sizes(work: Work) -> tuple[int, int]:
    """Around `d^2 = 1.3 F ln A`."""
    needed = math.sqrt(GUIDE * work.n_facts * math.log(max(2, work.n_entities)))
    return max(1, math.floor(needed / 2)), math.ceil(4 * needed)


trained = Memory(
    name="linear, trained",
    source="arXiv 2412.06538, Figure 1",
    size="dimension",
    embeddings="given",
    lacks=refusals.of_noise,
    sizes=sizes,
    build=build,
)
MEMORIES = [trained]
