"""Least squares in turn: written embeddings and readout, without a gradient.

    logits(a, b) = U ReLU(E1[a] + E2[b])       E1, E2: h numbers for each token; U (N, h)

While no hidden unit opens or closes, the logits are linear in U, in E1 and in E2, each taken
alone. So each is solved by ridge regression in turn, from random embeddings. The targets T are 1
for the answer and 0 for the others, moved after each solution to where a logit already does
better: only errors count, as in the method of Ho and Kashyap (1965).

    U      = T^T H (H^T H + ridge)^-1,         H = ReLU(E1[a] + E2[b]), one row for each fact
    E1[a] += (sum (o o^T) * (U^T U) + ridge)^-1 (sum o * U^T (T - logits))
             over the facts of a, o their open units, * entry by entry; E2[b] likewise
    T      = max(1, logit) for the answer, min(0, logit) for the others

Claim: none but what is measured. Nothing is given: the embeddings hold the facts too, so of N
entities and R relations `(2 N + R) h` numbers are stored. On the public challenge of
docs/challenge.md, which has this shape: 2,400 facts at h = 64, of 128 first and second tokens.

Source: ours; `benchmarks/challenge.py --alternating` runs it. Memory: about
`4 F (3 N + 8 h) + 12 T h^2` bytes, T tokens, where each token has about as many facts; blocks are
filled up to the most facts of one token.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from verify.learned.answered import Answered
from verify.rivals.memories.keyed import half_filled
from verify.rivals.memories.refusals import of_noise
from verify.rivals.memory import Built, Memory
from verify.rivals.work import Work

RIDGE = 1e-3
ROUNDS = 100
COUNTED = 5
"""Recall is counted after each so many rounds."""

Floats = NDArray[np.float32]
Tokens = NDArray[np.int64]


class Found(NamedTuple):
    """Weights after a round.

    Attributes:
        first, second: E1 and E2, float32 (tokens, h).
        readout: U, float32 (answers, h).
    """

    first: Floats
    second: Floats
    readout: Floats


class Sizes(NamedTuple):
    """How many first tokens, second tokens, answers and hidden units there are."""

    first: int
    second: int
    answers: int
    hidden: int


def alternate(
    facts: tuple[Tokens, Tokens, Tokens], sizes: Sizes, rounds: int, seed: int
) -> Iterator[Found]:
    """Yield the weights after each round.

    Args:
        facts: first tokens, second tokens and answers, int64 (F,) each.
        sizes: of the weights.
        rounds: how many.
        seed: of the embeddings at the beginning, standard normal.
    """
    *tokens, answers = facts
    rng = np.random.default_rng(seed)
    tables = [
        rng.normal(size=(count, sizes.hidden)).astype(np.float32)
        for count in (sizes.first, sizes.second)
    ]
    own = np.arange(len(answers)), answers
    targets = np.zeros((len(answers), sizes.answers), np.float32)
    targets[own] = 1
    groups = [_groups(one, len(table)) for one, table in zip(tokens, tables, strict=True)]
    for _ in range(rounds):
        hidden = np.maximum(tables[0][tokens[0]] + tables[1][tokens[1]], 0)
        u = _ridge(hidden.T @ hidden, hidden.T @ targets).T
        for side, facts_of_token in enumerate(groups):
            hidden = np.maximum(tables[0][tokens[0]] + tables[1][tokens[1]], 0)
            logits = hidden @ u.T
            np.minimum(logits, 0, out=targets)
            targets[own] = np.maximum(logits[own], 1)
            opened = (hidden > 0).astype(np.float32)
            pulls = ((targets - logits) @ u) * opened
            tables[side] = tables[side] + _changes(facts_of_token, opened, pulls, u)
        yield Found(tables[0], tables[1], u)


def _groups(tokens: Tokens, n_tokens: int) -> Tokens:
    """The facts of each token, int64 (n_tokens, the most of one), filled with F, which is none."""
    order = np.argsort(tokens, kind="stable")
    counts = np.bincount(tokens, minlength=n_tokens)
    starts = np.cumsum(counts) - counts
    groups = np.full((n_tokens, counts.max()), len(tokens))
    groups[tokens[order], np.arange(len(tokens)) - starts[tokens[order]]] = order
    return groups


def _ridge(gram: Floats, right: Floats) -> Floats:
    """Solve `(gram + RIDGE of its mean diagonal) x = right`, also many at once: gram (..., h, h),
    right (..., h, any); 0 where both are 0.
    """
    h = gram.shape[-1]
    ridge = RIDGE * np.trace(gram, axis1=-2, axis2=-1) / h + np.finfo(np.float32).tiny
    with_ridge = gram + ridge[..., None, None] * np.eye(h, dtype=gram.dtype)
    found: Floats = np.linalg.solve(with_ridge, right)
    return found


def _changes(groups: Tokens, opened: Floats, pulls: Floats, u: Floats) -> Floats:
    """The change (tokens, h) of one embedding: for each token a system of h equations."""
    none = np.zeros((1, u.shape[1]), np.float32)
    blocks = np.concatenate([opened, none])[groups]
    together = np.concatenate([pulls, none])[groups].sum(axis=1)
    gram = (blocks.transpose(0, 2, 1) @ blocks) * (u.T @ u)
    return _ridge(gram, together[..., None])[..., 0]


class Tabled(nn.Module):
    """Tokens `s r`, int64 (Q, 2), to `U ReLU(E[s] + E[r])`, float32 (Q, N).

    Attributes:
        embedding: (N + R, h), of subjects and relations; a parameter.
        unembedding: U (N, h), a parameter.
    """

    def __init__(self, found: Found):
        super().__init__()
        both = np.concatenate([found.first, found.second])
        self.embedding = nn.Parameter(torch.from_numpy(both))
        self.unembedding = nn.Parameter(torch.from_numpy(np.ascontiguousarray(found.readout)))

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits (Q, N)."""
        return self.embedding[tokens].sum(dim=-2).relu() @ self.unembedding.T


def build(work: Work, size: int) -> Built:
    """The weights when every fact is recalled, which each COUNTED rounds asks; or after ROUNDS."""
    tokens, answers = work.facts.dataset()
    facts = tokens[:, 0], tokens[:, 1] - work.n_entities, answers[:, 0]
    sizes = Sizes(work.n_entities, work.n_relations, work.n_entities, size)
    for done, found in enumerate(alternate(facts, sizes, ROUNDS, work.seed), 1):
        if done % COUNTED:
            continue
        module = Tabled(found)
        if Answered(module, work.facts).score({}).right == work.n_facts:
            break
    return Built(module, size, size, ("embedding", "unembedding"))


MEMORIES = (
    Memory(
        name="least squares in turn",
        source="ours, docs/challenge.md",
        size="width",
        embeddings="written",
        lacks=of_noise,
        sizes=lambda work: (1, 2 * half_filled(work)),
        build=build,
    ),
)
