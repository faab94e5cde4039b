"""Rows for given embeddings: facts in one-bit entries of an MLP, whatever the embeddings are.

Claim. Let subjects v_s and relations w_r be given vectors of dimension d, R < d, the w_r linearly
independent. Let P project to what is orthogonal to all of them, and let D_r be the dual basis,
`<D_r, w_q> = 1` for q = r, else 0. A ReLU network of two hidden layers recalls every fact from
`x = v_s + 2 w_r` (the residual and twice what uniform attention leaves at the relation) if

    subjects     |P v_s|^2 > <P v_s, P v_t>                      for all t != s,
    relations    max_s <D_r, v_s> < 2 + min_s <D_r, v_s>         for all r.

It has `(N + 2R)(d + 1) + R m (N + 2R + 1)` numbers inside, m = max(1, ceil(log2 N)), of which only
N R m, each 0 or 1, depend on the facts. In real arithmetic its logit margin is at least 2.

Formula. For independent uniform unit vectors `d = R + 4 log2 N` is about enough. Two of them in
dimension n have an inner product above tau with probability `I_(1 - tau^2)((n-1)/2, 1/2) / 2`, at
most `(1 - tau^2)^((n-1)/2) / 2`: a beta variable with parameters (a, 1/2) is stochastically larger
than one with (a, 1). There are less than N^2/2 pairs, so that all inner products are at most tau
with probability at least 1 - P if

    n >= 1 + (4 ln N + 2 ln(1/(4P))) / (-ln(1 - tau^2)),

about 4 log2 N for tau = 1/sqrt(2). Of P v_s the directions are uniform in n = d - R dimensions;
the lengths differ, so that tau must lie below the least ratio of two of them.

Weights. Let g_s be the gap of the first inequality and h_r that of the second, l_r its left side.
First layer: unit s, `ReLU(1 + 2 (<P v_s, x> - |P v_s|^2) / g_s)`, is 1 for s, and at least 1 below
0 for all others; two units a relation, of which the difference is 1 for r and 0 for others,
`ReLU(2 u_r - 1/2) - ReLU(2 u_r - 3/2)` with `u_r = (<D_r, x> - l_r) / h_r`. Second layer: unit
(r, j) is `ReLU(sum of b_j(f_r(s)) over units s + (difference of r) - 1)`. The sum y over r holds
the code of the answer; `logit_t = <c(t), 2 y - 1>`.

Hypotheses. All facts are there. The codes c are ours: a given random unembedding takes N d more.

Source. Ours: `key_value_rows` (Theorem 4.3(1) by rows) where the embeddings of 2412.06538 are
given.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from constructions.facts.codes import bits_needed, sign_codes
from constructions.facts.table import FactTable
from constructions.guards.errors import InputError
from verify.rivals.given_embeddings import unit_vectors
from verify.rivals.memories.refusals import of_noise
from verify.rivals.memory import Built, Memory
from verify.rivals.work import Work

LEAST_GAP = 2.0**-12
"""Relative to what is compared: below it rounding to float32 may decide."""
IN_ITS_PLACE = 0.05
"""What is taken for a smaller gap, so that what is built errs on few facts."""


@dataclass(frozen=True)
class Gaps:
    """How far the two inequalities are from equality, float64.

    Attributes:
        subjects: `1 - <P v_s, P v_t> / |P v_s|^2` for the closest t, (N,).
        closest: that t, int64 (N,).
        relations: `1 - (max_s - min_s) <D_r, v_s> / 2`, (R,).
        ends: the subjects that attain the maximum and the minimum, int64 (R, 2).
    """

    subjects: Tensor
    closest: Tensor
    relations: Tensor
    ends: Tensor

    @property
    def least(self) -> float:
        """The smallest of all."""
        return min(self.subjects.min().item(), self.relations.min().item())


class GivenRows(nn.Module):
    """The network, asked with tokens.

    Attributes:
        facts: the parameter: bit j of f_r(s), float32 (R m, N).
        subjects, relations, answers: the embeddings (N, d), (R, d), and the codes (N, m).
        directions, thresholds: of the first layer, (N + 2R, d) and (N + 2R,).
        gates, biases: of the second layer, what reads relations, (R m, 2R) and (R m,).
        gaps: how far the embeddings are from being too close.
    """

    gaps: Gaps

    def __init__(self, facts: FactTable, subjects: Tensor, relations: Tensor):
        super().__init__()
        n, r = facts.n_entities, facts.n_relations
        m = bits_needed(n)
        codes = torch.from_numpy(sign_codes(np.arange(n), m)).float()
        bits = ((codes + 1) / 2)[torch.from_numpy(facts.answers.copy())]  # (R, N, m)
        self.facts = nn.Parameter(bits.transpose(1, 2).reshape(r * m, n).contiguous())
        directions, thresholds, self.gaps = _first_layer(subjects, relations)
        both = torch.eye(r).repeat_interleave(m, 0)
        for name, given in (
            ("subjects", subjects),
            ("relations", relations),
            ("answers", codes),
            ("directions", directions),
            ("thresholds", thresholds),
            ("gates", torch.cat([both, -both], 1)),
            ("biases", -torch.ones(r * m)),
        ):
            self.register_buffer(name, given.float())

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits (Q, N) of prompts `s r`, int64 (Q, 2)."""
        subjects, relations = cast(Tensor, self.subjects), cast(Tensor, self.relations)
        answers, gates = cast(Tensor, self.answers), cast(Tensor, self.gates)
        n, m = answers.shape
        x = subjects[tokens[..., 0]] + 2 * relations[tokens[..., 1] - n]
        first = (x @ cast(Tensor, self.directions).T - cast(Tensor, self.thresholds)).relu()
        second = first @ torch.cat([self.facts, gates], 1).T + cast(Tensor, self.biases)
        code = second.relu().reshape(*second.shape[:-1], -1, m).sum(-2)
        return (2 * code - 1) @ answers.T


@torch.no_grad()
def given_rows(facts: FactTable, subjects: Tensor, relations: Tensor) -> GivenRows:
    """Facts in rows for these embeddings.

    Args:
        facts: a table without missing facts.
        subjects: v_s, (N, d), finite.
        relations: w_r, (R, d), finite.

    Returns:
        A module that recalls all facts.

    Raises:
        InputError: a fact is missing, the shapes do not fit, the relations are not independent, or
            two embeddings are too close: the worst pair is named, with its numbers.
    """
    _require_fit(facts, subjects, relations)
    made = GivenRows(facts, subjects, relations)
    gaps = made.gaps
    s, r = int(gaps.subjects.argmin()), int(gaps.relations.argmin())
    if not gaps.subjects[s] > LEAST_GAP:
        raise InputError(
            f"subjects {s} and {int(gaps.closest[s])} are too close: orthogonal to the relations,"
            f" their inner product is {1 - gaps.subjects[s].item():.4g} of the square of subject"
            f" {s}, and it may be at most {1 - LEAST_GAP:.4g} of it; take a larger dimension than"
            f" {subjects.shape[1]}"
        )
    if not gaps.relations[r] > LEAST_GAP:
        high, low = gaps.ends[r].tolist()
        raise InputError(
            f"subjects {high} and {low} are too far apart along the dual vector of relation {r}:"
            f" by {2 - 2 * gaps.relations[r].item():.4g}, and they may be by at most"
            f" {2 - 2 * LEAST_GAP:.4g}; take a larger dimension than {subjects.shape[1]}"
        )
    return made


def largest_product(n_vectors: int, dimension: int, probability: float) -> float:
    """tau: all inner products of independent uniform unit vectors are at most this, but with that
    probability; see the module.

    Args:
        n_vectors: N, at least 1.
        dimension: n, at least 2.
        probability: P, above 0 and at most 1/4.
    """
    needed = 4 * math.log(n_vectors) + 2 * math.log(1 / (4 * probability))
    return math.sqrt(-math.expm1(-needed / (dimension - 1)))


# -------------------------------------------------------------------- steps


def _require_fit(facts: FactTable, subjects: Tensor, relations: Tensor) -> None:
    """Raise InputError unless these are embeddings of the table."""
    if not facts.is_total:
        raise InputError(
            f"rows for given embeddings hold every fact; {facts.n_facts} of"
            f" {facts.n_entities * facts.n_relations} are there"
        )
    d = subjects.shape[-1]
    wanted = (facts.n_entities, d), (facts.n_relations, d)
    shapes = tuple(subjects.shape), tuple(relations.shape)
    if shapes != wanted or not subjects.isfinite().all() or not relations.isfinite().all():
        raise InputError(
            f"embeddings are finite, of the shapes {wanted[0]} and {wanted[1]}; got {shapes[0]}"
            f" and {shapes[1]}"
        )
    rank = int(torch.linalg.matrix_rank(relations.double()))
    if rank < facts.n_relations or d <= facts.n_relations:
        raise InputError(
            f"the {facts.n_relations} relations span {rank} dimensions of {d}; they must be"
            " linearly independent, and leave a dimension to the subjects"
        )


def _first_layer(subjects: Tensor, relations: Tensor) -> tuple[Tensor, Tensor, Gaps]:
    """Directions (N + 2R, d), thresholds (N + 2R,) and gaps, float64.

    Where a gap is too small another is taken in its place, and what is built may be wrong.
    """
    v, w = subjects.double(), relations.double()
    dual = torch.linalg.pinv(w).T  # (R, d)
    free = v - (v @ dual.T) @ w
    products = free @ free.T
    own = products.diagonal().clone()
    others, closest = products.fill_diagonal_(-torch.inf).max(1)
    others = others.maximum(-own)  # of a single subject there is no other
    along = v @ dual.T  # (N, R)
    (high, far), (low, near) = along.max(0), along.min(0)
    gaps = Gaps(1 - others / own, closest, 1 - (high - low) / 2, torch.stack([far, near], 1))
    gap = (own * _large_enough(gaps.subjects))[:, None]
    swing = 2 * _large_enough(gaps.relations)
    steps = 2 * dual / swing[:, None]
    starts = 2 * high / swing
    directions = torch.cat([2 * free / gap, steps, steps])
    thresholds = torch.cat([2 * own / gap[:, 0] - 1, starts + 0.5, starts + 1.5])
    return directions, thresholds, gaps


def _large_enough(gaps: Tensor) -> Tensor:
    """Relative gaps, with another in place of those that are too small."""
    return torch.where(gaps > LEAST_GAP, gaps, IN_ITS_PLACE)


def _sizes(work: Work) -> tuple[int, int]:
    """From what leaves two dimensions to the subjects to twice what is about enough."""
    logarithm = math.log2(max(2, work.n_entities))
    return work.n_relations + 2, work.n_relations + math.ceil(8 * logarithm) + 16


def _build(work: Work, dimension: int) -> Built:
    """With random unit vectors, whether or not they are far enough apart."""
    random = torch.Generator().manual_seed(work.seed)
    subjects = unit_vectors(work.n_entities, dimension, random)
    relations = unit_vectors(work.n_relations, dimension, random)
    module = GivenRows(work.facts, subjects, relations)
    width = max(len(cast(Tensor, module.directions)), len(module.facts))
    return Built(module, dimension, width, ("subjects", "relations", "answers"))


MEMORIES = [
    Memory("rows, given embeddings", "ours", "dimension", "given", of_noise, _sizes, _build)
]
