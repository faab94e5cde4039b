"""Which answers no rounding can turn: the margin of a query against a bound on what the order of summation may change.

Two forward passes of one query, in batches of other shapes or with a cache, add the same numbers in another order. Both are
within some error of the logits in real arithmetic, of the weights as they are in their dtype. So a query is

* *right* if its margin is positive and no error can make it 0 or less;
* *wrong* if no error can make it positive, or if a NaN was found;
* *undecided* otherwise.

The error is looked for in three ways, the next one only where the last does not decide:

* it is 0 where the arithmetic of the batch is proven exact (`verify.exact`);
* `norms`: the largest error e of any logit, of all token sequences at once (`constructions.following`). A margin was
  computed within 2 e of the real one, and so is any other: what differs from 0 by more than 4 e is decided;
* `queries`: intervals of all logits of the query itself.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from constructions.answering import Answering, Writing
from constructions.errors import DoesNotFit
from constructions.following import Box, Change, Follower, sequences_at_once
from constructions.following_norms import DecoderFollower
from constructions.standard_decoder import StandardDecoder
from constructions.transformer import Transformer


class Rounding:
    """Bounds on rounding for the queries of one length of one plain model.

    Attributes:
        error: by `norms`: no logit of a query is off by more; None until it is needed, infinite where nothing is known.
        why: why there is no bound by queries; None if there is, or none was needed.
    """

    def __init__(self, model: Answering, hops: int):
        self.model = model
        self.error: float | None = None
        self.why: str | None = None
        self.change = Change(model.embedding.weight.dtype)
        self.written = -(-hops // model.hops_per_token) if isinstance(model, Writing) else 0
        self.prompt = 1 + (model.hops if isinstance(model, Writing) else hops)
        self._follower: Follower | None = None

    def decide(self, margins: Tensor, tokens: Tensor, answers: Tensor, open_: Tensor) -> tuple[Tensor, Tensor]:
        """Which queries are wrong, and which are undecided.

        Args:
            margins: as computed, float64 (Q,), of a batch whose arithmetic is not proven exact.
            tokens: the sequences (Q, L) at whose last position the answers stand.
            answers: (Q,).
            open_: bool (Q,): of which queries it is to be decided; others are neither wrong nor undecided.

        Returns:
            bool (Q,), twice.
        """
        wrong = open_ & margins.isnan()
        near = open_ & ~wrong & ~(margins.abs() > 4 * self._by_norms())
        wrong |= open_ & ~near & (margins < 0)
        undecided = near.clone()
        where = near.nonzero().ravel()
        if where.numel() and (follower := self._followed()) is not None:
            at_once = sequences_at_once(self.model, tokens.shape[-1])
            for some in where.split(at_once):
                logits = follower.logits(follower.points(tokens[some].cpu(), self.change), self.change, 1)
                right, lost = (found.to(margins.device) for found in _decided(logits, answers[some].cpu()))
                wrong[some] = lost
                undecided[some] = ~lost & ~(right & (margins[some] > 0))
        return wrong, undecided

    def _followed(self) -> Follower | None:
        if self._follower is None and self.why is None:
            length = self.prompt + self.written
            try:
                if isinstance(self.model, StandardDecoder):
                    self._follower = DecoderFollower(self.model, length)
                elif isinstance(self.model, Transformer):
                    self._follower = Follower(self.model, length)
                else:
                    self.why = f"no bound on the rounding of a {type(self.model).__name__} is known"
            except DoesNotFit as error:
                self.why = str(error)
        return self._follower

    def _by_norms(self) -> float:
        if self.error is None:
            self.error, follower, length = math.inf, self._followed(), self.prompt + self.written
            if follower is not None:
                logits = follower.logits(follower.box(length, self.change), self.change, 1 + self.written)
                error = logits.error.max().item()
                self.error = error if math.isfinite(error) else math.inf
        return self.error


def _decided(logits: Box, answers: Tensor) -> tuple[Tensor, Tensor]:
    """Which queries are right and which are wrong in every order: logits (Q, 1, d_vocab), answers (Q,)."""
    low, high = (logits.low - logits.error)[:, 0], (logits.high + logits.error)[:, 0]
    at = answers[:, None]
    own_low, own_high = low.gather(-1, at)[:, 0], high.gather(-1, at)[:, 0]
    others_low, others_high = (ends.scatter(-1, at, -torch.inf).amax(-1) for ends in (low, high))
    known = ~(low.isnan() | high.isnan()).any(-1)
    return known & (own_low > others_high), known & (own_high <= others_low)
