"""Which answers no rounding can turn: the margin of a query against a bound on what the order of
summation may change.

Two forward passes of one query, in batches of other shapes or with a cache, add the same numbers
in another order. Both are within some error of the logits in real arithmetic, of the weights as
they are in their dtype. So a query is

* *right* if its margin is positive and no error can make it 0 or less;
* *wrong* if no error can make it positive, or if a NaN was found;
* *undecided* otherwise.

The error is looked for in three ways, the next one only where the last does not decide:

* it is 0 where the arithmetic of the batch is proven exact (`verify.queries.exact`);
* `norms`: the largest error e of any logit, of all token sequences at once
  (`constructions.following.follower`). A margin was computed within 2 e of the real one, and so is
  any
  other: what differs from 0 by more than 4 e is decided;
* `queries`: intervals of all logits of the query itself: around its numbers as they are computed
  here, which costs half, then of real arithmetic, which are tighter. Of a construction in another
  basis also in the basis that it was turned from (`constructions.forms.basis_bounds`), of the
  weights as they are now.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from constructions.decoders.model_form import ModelForm
from constructions.decoders.network import network_of_decoder
from constructions.decoders.standard_decoder import StandardDecoder
from constructions.following.boxes import Box
from constructions.following.changes import Change
from constructions.following.changes import Rounding as OfPoints
from constructions.following.follower import Follower
from constructions.following.queries import parts
from constructions.following.walk import Network, network_of
from constructions.forms.basis_bounds import Turned
from constructions.guards.errors import DoesNotFit
from constructions.model.answering import Answering
from constructions.model.transformer import Transformer


class Rounding:
    """Bounds on rounding for the queries of one length of one plain model.

    Attributes:
        error: by `norms`: no logit of a query is off by more; None until it is needed, infinite
            where nothing is known.
        why: why there is no bound by queries; None if there is one, or none was needed.
    """

    def __init__(self, model: Answering, hops: int):
        self.model = model
        self.error: float | None = None
        self.why: str | None = None
        self.written = -(-hops // model.hops_per_token) if model.hops_per_token else 0
        self.prompt = 1 + (model.hops if model.hops_per_token else hops)
        self._found: list[tuple[Follower, Change]] | None = None

    def decide(
        self, margins: Tensor, tokens: Tensor, answers: Tensor, open_: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Which queries are wrong, and which are undecided.

        Args:
            margins: as computed, float64 (Q,), of a batch whose arithmetic is not proven exact.
            tokens: the sequences (Q, L) at whose last position the answers stand.
            answers: (Q,).
            open_: bool (Q,): of which queries it is to be decided; others are neither wrong nor
                undecided.

        Returns:
            bool (Q,), twice.
        """
        wrong = open_ & margins.isnan()
        near = open_ & ~wrong & ~(margins.abs() > 4 * self.by_norms())
        wrong |= open_ & ~near & (margins < 0)
        undecided = near.clone()
        for follower, change in reversed(self._ways()):  # first what mostly decides all
            left = undecided.nonzero().ravel()
            for part in parts(self.model.shape, tokens[left]):
                some = left[part]
                logits = follower.logits(follower.points(tokens[some].cpu(), change), change, 1)
                right, lost = (
                    found.to(margins.device) for found in _decided(logits, answers[some].cpu())
                )
                wrong[some] = lost
                undecided[some] = ~lost & ~(right & (margins[some] > 0))
        return wrong, undecided

    def _ways(self) -> list[tuple[Follower, Change]]:
        """The module itself, twice; and, if it is a construction in another basis, that from which
        it was turned.
        """
        if self._found is None:
            self._found, model, length = [], self.model, self.prompt + self.written
            try:
                if (network := _network(model)) is not None:
                    follower, dtype = Follower(network, length), model.embedding.weight.dtype
                    self._found += [(follower, Change(dtype)), (follower, OfPoints(dtype))]
                if isinstance(model, ModelForm) and _is_turned(model):
                    change = Turned(model.source, model, model.basis.double().cpu())
                    self._found.append((Follower(network_of(model.source), length), change))
            except DoesNotFit as error:
                self.why = str(error)
        return self._found

    def by_norms(self) -> float:
        """The largest error of any logit of any query; infinite where nothing is known."""
        if self.error is None:
            self.error, length = math.inf, self.prompt + self.written
            for follower, change in self._ways()[:1]:
                logits = follower.logits(follower.box(length, change), change, 1 + self.written)
                error = logits.error.max().item()
                self.error = error if math.isfinite(error) else math.inf
        return self.error


def _network(model: Answering) -> Network | None:
    """Of a module of ours; None of others."""
    if isinstance(model, StandardDecoder):
        return network_of_decoder(model)
    return network_of(model) if isinstance(model, Transformer) else None


def _is_turned(model: ModelForm) -> bool:
    """Whether the whole stream is that of a construction in another basis."""
    return model.source.shape == model.shape and not torch.equal(
        model.basis, torch.eye(len(model.basis)).to(model.basis)
    )


def _decided(logits: Box, answers: Tensor) -> tuple[Tensor, Tensor]:
    """Which queries are right and which are wrong in every order: logits (Q, 1, d_vocab), answers
    (Q,).
    """
    low, high = (logits.low - logits.error)[:, 0], (logits.high + logits.error)[:, 0]
    at = answers[:, None]
    own_low, own_high = low.gather(-1, at)[:, 0], high.gather(-1, at)[:, 0]
    others_low, others_high = (ends.scatter(-1, at, -torch.inf).amax(-1) for ends in (low, high))
    known = ~(low.isnan() | high.isnan()).any(-1)
    return known & (own_low > others_high), known & (own_high <= others_low)
