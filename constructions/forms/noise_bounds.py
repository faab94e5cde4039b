"""How much noise the weights of a transformer bear: every weight changes by at most rho.

By `norms` the logits that answer move by less than half the margin that the construction claims;
by `queries` each answer wins with all errors: see `constructions.following.queries`. A radius is
the largest number found, by bisection, for which that holds; it holds whatever the bisection does.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import torch
from torch import Tensor

from constructions.decoders.model_form import ModelForm
from constructions.following.changes import Change, Entries
from constructions.following.follower import Follower
from constructions.following.queries import lost, parts, positions_of, sequences
from constructions.following.walk import network_of
from constructions.model.fact_model import FactModel
from constructions.model.margin import MarginClaim
from constructions.writing.position_reading import SELECTED_GAP

_LEAST, _MOST = -200.0, 10.0
"""Exponents of 2 between which a radius is looked for; below, products of errors underflow."""
_STEPS = 24
"""Of bisection: the exponent is found to 1e-4."""
_AT_ONCE = 64
"""Queries that are bisected together."""


class Noise(Change):
    """Every weight changes by at most rho."""

    def __init__(self, rho: float, dtype: torch.dtype):
        super().__init__(dtype)
        self.rho = rho

    def table(self, name: str, weight: Tensor) -> Tensor:
        """rho."""
        return weight.new_tensor(self.rho).expand_as(weight)

    def terms(self, entries: Entries) -> int:
        """All: what was 0 need not be."""
        return entries.weight.shape[1]

    def moved(self, name: str, weight: Tensor, total: Tensor) -> Tensor:
        """rho times the sum."""
        return self.rho * total.sum(-1, keepdim=True)


@torch.no_grad()
def radius_by_norms(model: FactModel | ModelForm, margin: MarginClaim, selects: bool) -> float:
    """See `constructions.forms.noise.noise_radius`; selects: whether heads with queries select
    a position where it answers.
    """
    n_positions, dtype = positions_of(model), model.embedding.weight.dtype
    follower, gap = Follower(network_of(model), n_positions), SELECTED_GAP if selects else None

    def survives(rho: float) -> bool:
        """Whether the logits move by less than half the margin."""
        noise = Noise(rho, dtype)
        logits = follower.logits(
            follower.box(n_positions, noise), noise, n_positions - model.hops, gap
        )
        moved = logits.error.max().item()
        return math.isfinite(moved) and 2 * Fraction(moved) < margin.real

    return _largest(survives, _MOST)


@torch.no_grad()
def radius_by_queries(model: FactModel | ModelForm, progress: Callable[[int], None]) -> float:
    """See `constructions.forms.noise.noise_radius`. Streamed: queries are tried at the smallest
    radius so far. Where some of a batch do not bear it, it is bisected for the first of these, and
    the others are tried again. (A smaller radius is borne by all that bear a larger one.)
    """
    follower = Follower(network_of(model), positions_of(model))
    found, queries = math.exp2(_MOST), 0
    for tokens, answers in sequences(model):
        untried, left = parts(model, tokens), (tokens[:0], answers[:0])
        while True:
            while len(left[0]) < _AT_ONCE and (part := next(untried, None)) is not None:
                more = _lost(follower, tokens[part], answers[part], found)
                left = torch.cat([left[0], more[0]]), torch.cat([left[1], more[1]])
            if not len(left[0]):
                break
            found = _bisected(follower, left[0][:_AT_ONCE], left[1][:_AT_ONCE], found)
            if not found:
                return 0.0
            left = _lost(follower, left[0][_AT_ONCE:], left[1][_AT_ONCE:], found)
        queries += len(tokens)
        progress(queries)
    return found


def _bisected(follower: Follower, tokens: Tensor, answers: Tensor, most: float) -> float:
    """The radius, of at most this, that all of some queries bear: see `_largest`. A query that did
    not bear the last one that was too large is tried by itself first.
    """
    weakest = tokens[:0], answers[:0]

    def survive(rho: float) -> bool:
        """Whether all of these are certain to be answered right."""
        nonlocal weakest
        if len(weakest[0]) and len(_lost(follower, *weakest, rho)[0]):
            return False
        left = _lost(follower, tokens, answers, rho)
        weakest = (left[0][:1], left[1][:1]) if len(left[0]) else weakest
        return not len(left[0])

    return _largest(survive, math.log2(most))


def _lost(
    follower: Follower, tokens: Tensor, answers: Tensor, rho: float
) -> tuple[Tensor, Tensor]:
    """Those of the queries, token sequences (Q, L) and answers (Q, A), that are not certain to be
    answered right.
    """
    noise = Noise(rho, follower.network.embedding.weight.dtype)
    which = lost(
        follower.logits(follower.points(tokens, noise), noise, answers.shape[-1]), answers
    )
    return tokens[which], answers[which]


def _largest(survives: Callable[[float], bool], most: float) -> float:
    """A number that survives, near the largest that does; 0 if none is found."""
    good, bad = _LEAST, most  # exponents of 2
    if not survives(math.exp2(good)):
        return 0.0
    for _ in range(_STEPS):
        middle = (good + bad) / 2
        if survives(math.exp2(middle)):
            good = middle
        else:
            bad = middle
    return math.exp2(good)
