"""Linear associative memory: one matrix between given random keys and values.

Claim. F facts whose keys are independent unit vectors k_f in R^d, with answers a_f among A unit
vectors u_a, are stored in one matrix: logits `U W k`.

    outer products   W = sum_f u_(a_f) k_f^T
    least squares    W = U^+ Y (K^+)^T,  the least W of those that minimise |U W K^T - Y|^2

where Y (A, F) is 1 where a is the answer of f and 0 elsewhere, and `^+` is the pseudo-inverse.
With orthonormal keys and values both are the same matrix, and all logits are 1 or 0.

Formula [ours]. Of outer products the answer's logit is 1 and each logit carries a sum of products
of independent vectors, about Gaussian with variance `v = F/d^2 + (F/A - 1)/d`: facts with other
answers, and the others with the same one. All F (A - 1) differences are positive about when
`4 v ln(F A) < 1` (own and other noise share the burden evenly), half of all facts are right
about when `2 v ln A < 1`. With F = A = N this is d^2 = 8 N ln N for all, 2 N ln N for half.

Hypotheses. Keys are independent of each other, so every fact has a key of its own (`pair`).

Source. Outer products as transformer memories: Bietti et al. (2306.00802), Cabannes et al.
(2310.02984), Nichani et al. (2412.06538); that d^2 must be of order N log N, with a sharp
transition for outer products, is the abstract of 2605.05189. The constants here are ours.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

from verify.rivals.memories import refusals
from verify.rivals.memories.keyed import drawn
from verify.rivals.memory import Built, Memory
from verify.rivals.work import Work

Rule = Literal["outer products", "least squares"]
RIDGE = 1e-9
"""Share of the mean of a Gram matrix's diagonal that is added to it: above what float32 leaves of
directions that keys do not have."""


def matrix(keys: Tensor, values: Tensor, wanted: Tensor, rule: Rule) -> Tensor:
    """The matrix (d_out, d_in) that is to give the logits `wanted`.

    Args:
        keys: (F, d_in).
        values: of all answers, (A, d_out).
        wanted: (A, F).
        rule: see the module.
    """
    if rule == "outer products":
        return values.T @ wanted @ keys
    written = wanted.double().T @ torch.linalg.pinv(values.double()).T
    return _solved(keys.double(), written).T.float()


def _solved(keys: Tensor, written: Tensor) -> Tensor:
    """K^+ times these rows (F, d_out): the least solution of `K X = rows` in the sense of least
    squares, by the smaller of the two Gram matrices, whose diagonal is raised by `RIDGE`.
    """
    n_keys, d_in = keys.shape
    smaller = min(keys.shape)
    gram = keys.T @ keys if n_keys >= d_in else keys @ keys.T
    ridge = RIDGE * gram.trace() / smaller + torch.finfo(gram.dtype).tiny  # of zeros, too
    gram += ridge * torch.eye(smaller, dtype=gram.dtype)
    if n_keys >= d_in:
        found: Tensor = torch.linalg.solve(gram, keys.T @ written)
    else:
        found = keys.T @ torch.linalg.solve(gram, written)
    return found


def incidence(answers: Tensor, n_answers: int) -> Tensor:
    """1 where a is the answer of fact f, else 0: float32 (A, F)."""
    return nn.functional.one_hot(answers, n_answers).float().T


def weights_as(weight: Tensor) -> nn.Linear:
    """A linear map without bias that has this matrix (d_out, d_in)."""
    linear = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    linear.weight = nn.Parameter(weight.clone())
    return linear


def dimension_of_outer_products(n_facts: int, n_answers: int) -> float:
    """The d at which `4 ln(F A) (F/d^2 + (F/A - 1)/d) = 1`: see the module."""
    logarithm = 4 * math.log(max(2, n_facts * n_answers))
    half = logarithm * max(0.0, n_facts / n_answers - 1) / 2
    return half + math.sqrt(half**2 + logarithm * n_facts)


def _memory(rule: Rule, name: str, source: str) -> Memory:
    """The memory that writes its matrix by this rule."""

    def build(work: Work, dimension: int) -> Built:
        """The facts in one matrix (d, d)."""
        module, (keys, values, answers), _ = drawn(work, "pair", dimension)
        wanted = incidence(answers, work.n_entities)
        module.memory = weights_as(matrix(keys, values, wanted, rule))
        return Built(module, dimension, 0, module.embeddings)

    def sizes(work: Work) -> tuple[int, int]:
        """Around what outer products need."""
        needed = dimension_of_outer_products(work.n_facts, work.n_entities)
        return max(1, math.floor(needed / 8)), math.ceil(2 * needed)

    return Memory(name, source, "dimension", "given", refusals.of_noise, sizes, build)


outer_products = _memory("outer products", "linear, outer products", "arXiv 2412.06538, section 3")
least_squares = _memory("least squares", "linear, least squares", "arXiv 2310.02984")
MEMORIES = [outer_products, least_squares]
