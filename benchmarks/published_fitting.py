"""Memories of several seeds, trained at once on random keys and values: what
published_associative.py bisects.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from verify.rivals.given_embeddings import unit_vectors
from verify.rivals.memories.mlp_trained import initial

CHECKED, PATIENCE = 32, 512
"""Steps between two measurements of recall, and after how many without a better one it ends."""


@dataclass(frozen=True)
class Schedule:
    """How a memory is trained: the rate, its fall as a cosine or not, steps, and when to stop."""

    rate: float
    steps: int
    falls: bool = False
    share: float = 0.99


class Given:
    """Keys and values of several seeds, N for each, padded to the most.

    Attributes:
        keys, values: (S, P, d), zeros beyond the N of a seed.
        is_there: bool (S, P).
    """

    def __init__(self, counts: list[int], d: int, seeds: list[int]):
        most = max(counts)
        self.keys, self.values = torch.zeros(2, len(seeds), most, d)
        self.counts = torch.tensor(counts)
        self.is_there = torch.arange(most) < self.counts[:, None]
        for row, (seed, n) in enumerate(zip(seeds, counts, strict=True)):
            random = torch.Generator().manual_seed(seed)
            self.keys[row, :n] = unit_vectors(n, d, random)
            self.values[row, :n] = unit_vectors(n, d, random)

    def logits(self, written: Tensor) -> Tensor:
        """(S, P, P) of what was written, (S, P, d)."""
        return (written @ self.values.mT).masked_fill(~self.is_there[:, None], -1e30)

    def recall(self, logits: Tensor) -> Tensor:
        """The share of right answers, ties wrong, (S,)."""
        own = logits.diagonal(dim1=1, dim2=2)
        others = logits.masked_fill(torch.eye(logits.shape[1], dtype=torch.bool), -math.inf)
        right = (own > others.amax(-1)) & self.is_there
        return right.sum(1) / self.counts

    def loss(self, logits: Tensor) -> Tensor:
        """The sum over seeds of their mean cross-entropies."""
        each = logits.logsumexp(-1) - logits.diagonal(dim1=1, dim2=2)
        return ((each * self.is_there).sum(1) / self.counts).sum()


def trained(
    given: Given, weights: list[Tensor], read: Callable[[Tensor], Tensor], plan: Schedule
) -> Tensor:
    """Whether each seed reaches the share, bool (S,), as AdamW trains these weights."""
    optimizer = torch.optim.AdamW(weights, lr=plan.rate, weight_decay=0.0)
    best, last = torch.zeros(len(given.counts)), 0
    for step in range(plan.steps + 1):
        logits = given.logits(read(given.keys))
        if step % CHECKED == 0:
            found = given.recall(logits.detach())
            if ((found > best) & (best < plan.share)).any():
                last = step
            best = torch.maximum(best, found)
            if (best >= plan.share).all() or step - last >= PATIENCE:
                break
        for group in optimizer.param_groups:
            fall = (1 + math.cos(math.pi * step / plan.steps)) / 2
            group["lr"] = plan.rate * (fall if plan.falls else 1.0)
        optimizer.zero_grad()
        given.loss(logits).backward()
        optimizer.step()
    return best >= plan.share


def linear(given: Given, plan: Schedule) -> Tensor:
    """One matrix between keys and values."""
    d = given.keys.shape[2]
    weight = torch.zeros(len(given.counts), d, d, requires_grad=True)
    return trained(given, [weight], lambda keys: keys @ weight, plan)


def outer_products(given: Given, plan: Schedule) -> Tensor:
    """The sum of outer products."""
    written = given.keys @ (given.keys.mT @ given.values)
    return given.recall(given.logits(written)) >= plan.share


def hidden(given: Given, plan: Schedule, ratio: int, seeds: list[int]) -> Tensor:
    """An MLP with so many hidden units for each dimension."""
    d = given.keys.shape[2]
    each = [
        initial(d, ratio * d, torch.Generator().manual_seed(seed + 1_000_000)) for seed in seeds
    ]
    first, offset, second = (
        torch.stack([dict(one.named_parameters())[name].detach() for one in each])
        for name in ("0.weight", "0.bias", "2.weight")
    )
    weights = [first, offset, second]
    for one in weights:
        one.requires_grad_(True)

    def read(keys: Tensor) -> Tensor:
        """Values (S, P, d) of keys."""
        return (keys @ first.mT + offset[:, None]).relu() @ second.mT

    return trained(given, weights, read, plan)


def largest(enough: Callable[[list[int]], Tensor], around: float, n_seeds: int) -> list[int]:
    """The largest N that suffices, of each seed: bisection from 0.4 to 2.5 times what the line
    says, which are taken to suffice and to be too many, until they differ by 4 % or 1.
    """
    low = [max(2, math.floor(0.4 * around))] * n_seeds
    high = [math.ceil(2.5 * around)] * n_seeds

    def is_open(seed: int) -> bool:
        """Whether the two still differ."""
        return high[seed] - low[seed] > 1 and high[seed] > 1.04 * low[seed]

    while any(is_open(seed) for seed in range(n_seeds)):
        tried = [round(math.sqrt(a * b)) for a, b in zip(low, high, strict=True)]
        for seed, is_enough in enumerate(enough(tried).tolist()):
            if is_open(seed):
                (low if is_enough else high)[seed] = tried[seed]
    return low
