"""Embeddings that a memory is given, and the memory of keys and values that works on them.

    key(s, r) = E[s] + W[r]   (`sum`: what uniform attention to subject and relation leaves)
    key(s, r) = K[s R + r]    (`pair`: a vector of its own for each fact, as in most of the theory)
    logits    = V memory(key)

with rows of E, W, K and V independent and uniform on the unit sphere, as in arXiv 2412.06538.
"""

from __future__ import annotations

from typing import Literal, cast

import torch
from torch import Tensor, nn

from verify.rivals.work import Work

Keys = Literal["sum", "pair"]


def unit_vectors(rows: int, dimension: int, random: torch.Generator) -> Tensor:
    """Independent uniform unit vectors, float32 (rows, dimension)."""
    drawn = torch.randn(rows, dimension, generator=random, dtype=torch.float64)
    lengths: Tensor = drawn.norm(dim=1, keepdim=True)
    return (drawn / lengths).float()


class OnKeys(nn.Module):
    """A memory from keys (Q, d_in) to values (Q, d_out), asked with tokens.

    Attributes:
        memory: the module in the middle, to be set; its parameters are all that is stored.
        subjects, relations: given, (N, d_in) and (R, d_in); `pairs` (N R, d_in) in place of both.
        answers: given, (N, d_out).
    """

    memory: nn.Module

    def __init__(self, work: Work, keys: Keys, d_in: int, d_out: int, random: torch.Generator):
        super().__init__()
        self._n, self._r, self.keys_are = work.n_entities, work.n_relations, keys
        rows = {"pairs": work.n_facts}
        if keys == "sum":
            rows = {"subjects": work.n_entities, "relations": work.n_relations}
        for name, count in rows.items():
            self.register_buffer(name, unit_vectors(count, d_in, random))
        self.register_buffer("answers", unit_vectors(work.n_entities, d_out, random))
        self.embeddings = (*rows, "answers")

    def keys(self, tokens: Tensor) -> Tensor:
        """Of these prompts `s r`, int64 (Q, 2): (Q, d_in)."""
        subject, relation = tokens[..., 0], tokens[..., 1] - self._n
        if self.keys_are == "pair":
            return cast(Tensor, self.pairs)[subject * self._r + relation]
        return cast(Tensor, self.subjects)[subject] + cast(Tensor, self.relations)[relation]

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits (Q, N)."""
        values: Tensor = self.memory(self.keys(tokens))
        return values @ cast(Tensor, self.answers).T
