"""MLP memory for given random embeddings, trained: what gradient descent stores between them.

Claim (measured, not proven). An MLP of one hidden layer of m ReLU units with offsets, between
given random unit keys and values in R^d, trained on the mean cross-entropy of all N facts with an
answer each its own, recalls 99 % of them about where

    m d = 0.35 N ln N,    which is N log2 N / (2 m d) = 1 / (0.7 ln 2) = 2.06 bits a parameter

of the two matrices together, `2 m d` numbers; the m offsets are not counted there, and are here.
This is the dashed line of Figure 1 (right) of 2412.06538: `C = 0.35` in cell 1 of
mlp_sweep_plots.ipynb, for m/d = 1, 2, 4, 8 and d = 8 to 90; mlp_sweep.py trains with AdamW at
3e-2, at most 2^15 steps, stopped at 99 %.

Here: d = 4 log2 N, the width is searched; all facts in each step, AdamW with rate 0.15 and a
cosine to 0, at most 100 steps.

Hypotheses. Every fact has a key of its own (`pair`); the MLP of
`verify.rivals.memories.transformer_trained` reads what attention leaves of subject and relation.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from constructions.learning.fit import fit
from verify.rivals.given_embeddings import OnKeys
from verify.rivals.memories import refusals
from verify.rivals.memories.random_features import dimension_of
from verify.rivals.memory import Built, Memory
from verify.rivals.work import Work

STEPS, RATE = 100, 0.15
"""Of the optimizer."""
GUIDE = 0.35
"""m d / (N ln N) of the line in 2412.06538."""


def initial(dimension: int, width: int, random: torch.Generator) -> nn.Sequential:
    """The MLP before it is trained: Gaussian weights of variance 1 / inputs, offsets 0, as flax's
    `Dense` begins but for the tails.
    """
    first = nn.Linear(dimension, width)
    second = nn.Linear(width, dimension, bias=False)
    with torch.no_grad():
        for one in (first, second):
            one.weight.normal_(std=one.in_features**-0.5, generator=random)
        first.bias.zero_()
    return nn.Sequential(first, nn.ReLU(), second)


def build(work: Work, width: int) -> Built:
    """Train it on all facts of this work."""
    random = torch.Generator().manual_seed(work.seed)
    d = dimension_of(work)
    module = OnKeys(work, "pair", d, d, random)
    module.memory = initial(d, width, random)
    found = fit(module, work.facts, STEPS, work.seed, rate=RATE, warm_up=0, device="cpu")
    return Built(found.models[0], d, width, module.embeddings)


def sizes(work: Work) -> tuple[int, int]:
    """Around `m d = 0.35 F ln A`."""
    needed = GUIDE * work.n_facts * math.log(max(2, work.n_entities)) / dimension_of(work)
    return max(1, math.floor(needed / 2)), math.ceil(8 * needed)


trained = Memory(
    name="MLP, trained",
    source="arXiv 2412.06538, Figure 1",
    size="width",
    embeddings="given",
    lacks=refusals.of_noise,
    sizes=sizes,
    build=build,
)
MEMORIES = [trained]
