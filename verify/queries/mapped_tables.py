"""Embedding and unembedding of a module whose weights lie in files that memory may not hold: what
is read of them is let go again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from verify.reading.maps import let_go

NUMBERS_AT_ONCE = 2**20
"""Of an unembedding that are read together: about what caches hold."""
NARROW = (torch.float16, torch.bfloat16)
"""Logits of these are summed in float32 and then rounded, as torch sums them too; its own product
of 64 states takes five times as long where a processor has no instructions for it.
"""


def rows_at_once(d_model: int) -> int:
    """How many rows of an unembedding are read together."""
    return max(1, NUMBERS_AT_ONCE // d_model)


class Judged(NamedTuple):
    """What is kept of logits, of each of Q queries.

    Attributes:
        margins: (Q,), float64, by how much the logit of the wanted token is above all others, NaN
            if any is; infinite where no token is asked for.
        largest: the largest absolute logit of a wanted token, 0 if none is asked for.
        said: int64 (Q,), the first token that has the largest logit.
    """

    margins: Tensor
    largest: float
    said: Tensor


class MappedRows(nn.Module):
    """An embedding (tokens, d_model) in such a file: once rows are read, all of it is let go."""

    def __init__(self, weight: Tensor, stored: NDArray[np.uint8]):
        super().__init__()
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.stored = stored  # perhaps in another dtype

    def forward(self, tokens: Tensor) -> Tensor:
        """Token ids (...) to their rows (..., d_model)."""
        rows = functional.embedding(tokens, self.weight)
        let_go(self.stored)
        return rows


class InPieces(nn.Module):
    """An unembedding (tokens, d_model) in such a file: read some rows at a time, which then are
    let go.
    """

    def __init__(self, weight: Tensor, stored: NDArray[np.uint8]):
        super().__init__()
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.stored = stored.reshape(len(weight), -1)  # perhaps in another dtype

    def forward(self, x: Tensor) -> Tensor:
        """(..., d_model) to the logits (..., tokens)."""
        logits = x.new_empty(*x.shape[:-1], len(self.weight))
        for start, some in self.pieces(x):
            logits[..., start : start + some.shape[-1]] = some
        return logits

    def pieces(self, x: Tensor) -> Iterator[tuple[int, Tensor]]:
        """The first of some tokens, and the logits (..., some) of these, until all have come."""
        narrow = x.dtype in NARROW
        states = x.float() if narrow else x
        at_once = rows_at_once(self.weight.shape[1])
        for start in range(0, len(self.weight), at_once):
            rows = self.weight[start : start + at_once]
            logits = functional.linear(states, rows.float() if narrow else rows)
            yield start, logits.to(x.dtype)
            let_go(self.stored[start : start + at_once])

    def judged(self, x: Tensor, wanted: Tensor) -> Judged:
        """The logits of states (Q, d_model) against wanted tokens (Q,), -1 where none is asked
        for; not more of them are held than of some tokens.
        """
        found = _Best(x, wanted)
        for start, logits in self.pieces(x):
            found.add(start, logits)
        return found.judged()


def judged(logits: Tensor, wanted: Tensor) -> Judged:
    """The same of logits (Q, tokens) that are all there."""
    found = _Best(logits, wanted)
    found.add(0, logits)
    return found.judged()


class _Best:
    """The best logits (Q,) of the tokens that have come so far; `like` is of their dtype."""

    def __init__(self, like: Tensor, wanted: Tensor):
        self.wanted = wanted
        self.own = like.new_full((len(wanted),), torch.nan)
        self.others = like.new_full((len(wanted),), -torch.inf)  # of tokens that are not wanted
        self.best, self.said = self.others, torch.zeros_like(wanted)

    def add(self, start: int, logits: Tensor) -> None:
        """The logits (Q, some) of the tokens that follow."""
        best, place = logits.max(-1)
        self.said = torch.where(best > self.best, start + place, self.said)
        self.best = torch.maximum(self.best, best)
        here = (self.wanted >= start) & (self.wanted < start + logits.shape[-1])
        column = torch.where(here, self.wanted - start, 0)[:, None]
        own = logits.gather(-1, column)
        self.own = torch.where(here, own[:, 0], self.own)
        rest = logits.scatter(-1, column, torch.where(here[:, None], -torch.inf, own))
        self.others = torch.maximum(self.others, rest.amax(-1))  # both pass NaN on

    def judged(self) -> Judged:
        """What is to be known of all of them."""
        asked = self.wanted >= 0
        margins = torch.where(asked, self.own.double() - self.others.double(), torch.inf)
        own = self.own[asked].double().abs()
        return Judged(margins, own.max().item() if len(own) else 0.0, self.said)
