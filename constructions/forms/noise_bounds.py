"""How much noise the weights of a transformer bear: every weight changes by at most rho.

By `norms` the logits that answer move by less than half the margin that the construction claims;
by `queries` each answer wins with all errors: see `constructions.following.queries`. A radius is
the largest number found for which that holds; it holds however it was looked for.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from functools import partial

import torch
from torch import Tensor

from constructions.decoders.model_form import ModelForm
from constructions.following.alike import without_idle
from constructions.following.boxes import Box
from constructions.following.changes import Change, Entries
from constructions.following.follower import Follower
from constructions.following.queries import (
    lead,
    parts,
    positions_of,
    sequences,
    spread,
)
from constructions.following.walk import network_of
from constructions.model.fact_model import FactModel
from constructions.model.margin import MarginClaim

_LEAST, _MOST = 2.0**-200, 2.0**10
"""Between which a radius is looked for; below, products of errors underflow."""
_STEPS = 64
"""Of looking for it, at most."""
_STEEP = 16
"""So many times what is left at first may be missing at the larger end where both ends are used
to look between them.
"""
_NEAR = 2.0**-12
"""A radius is found up to this ratio."""


class Noise(Change):
    """Every weight changes by at most rho."""

    def __init__(self, rho: float, dtype: torch.dtype, points: bool = False):
        super().__init__(dtype, points)
        self.rho = rho

    def table(self, name: str, weight: Tensor) -> Tensor:
        """rho."""
        return weight.new_tensor(self.rho).expand_as(weight)

    def terms(self, entries: Entries) -> int:
        """All: what was 0 need not be."""
        return entries.width

    def moved(self, name: str, weight: Tensor, total: Tensor) -> Tensor:
        """rho times the sum."""
        return self.rho * total.sum(-1, keepdim=True)

    def off(self, name: str, entries: Entries, x: Box, share: float = 0.0) -> Tensor:
        """As for any change: all rows have as many terms."""
        return self.off_in_one(name, entries, x, share, self.terms(entries) + 2)


@torch.no_grad()
def radius_by_norms(model: FactModel | ModelForm, margin: MarginClaim, gap: int | None) -> float:
    """See `constructions.forms.noise.noise_radius`; gap: by which heads with queries select a
    position where it answers, see `constructions.forms.source.selected_gap`.
    """
    n_positions, dtype = positions_of(model), model.embedding.weight.dtype
    follower = Follower(without_idle(network_of(model)), n_positions)

    def left(rho: float) -> float:
        """What is left of the margin if each of two logits moves: positive, or it is lost."""
        noise = Noise(rho, dtype)
        logits = follower.logits(
            follower.box(n_positions, noise), noise, n_positions - model.hops, gap
        )
        moved = logits.error.max().item()
        return float(margin.real - 2 * Fraction(moved)) if math.isfinite(moved) else math.nan

    return _largest(left, _MOST)


@torch.no_grad()
def radius_by_queries(model: FactModel | ModelForm, progress: Callable[[int], None]) -> float:
    """See `constructions.forms.noise.noise_radius`. Each query is tried at the smallest radius so
    far; at first a few that are spread over all, so that it is soon as small as it becomes. (A
    smaller radius is borne by all that bear a larger one.)
    """
    every = sequences(model)
    follower = Follower(without_idle(network_of(model)), positions_of(model))
    found, queries = _MOST, 0
    for tokens, answers in spread(model):
        found = _borne(follower, tokens, answers, found)
    for tokens, answers in every:
        for part in parts(follower.network.shape, tokens):
            found = _borne(follower, tokens[part], answers[part], found)
            if not found:
                return 0.0
        queries += len(tokens)
        progress(queries)
    return found


def _borne(follower: Follower, tokens: Tensor, answers: Tensor, most: float) -> float:
    """The radius, of at most this, that all of some queries bear, token sequences (Q, L) and
    answers (Q, A). Of those that do not bear it the weakest is asked for its own, which the others
    are tried at.
    """
    while len(tokens) and most:
        left = _left(follower, tokens, answers, most)
        lost = ~(left > 0)
        if not lost.any():
            break
        tokens, answers, left = tokens[lost], answers[lost], left[lost]
        weakest = left.nan_to_num(-torch.inf).argmin()
        one = partial(_left, follower, tokens[weakest, None], answers[weakest, None])
        # a little less, so that others like it, which round otherwise, bear it as well
        most = (1 - _NEAR) * _largest(one, most, float(left[weakest]))
        others = torch.arange(len(tokens)) != weakest
        tokens, answers = tokens[others], answers[others]
    return most


def _left(follower: Follower, tokens: Tensor, answers: Tensor, rho: float) -> Tensor:
    """By how much the answers win, at least, (Q,): see `constructions.following.queries.lead`."""
    noise = Noise(rho, follower.network.embedding.weight.dtype, points=True)
    logits = follower.logits(follower.points(tokens, noise), noise, answers.shape[-1])
    return lead(logits, answers)


def _largest(
    left: Callable[[float], float | Tensor], most: float, at_most: float = math.nan
) -> float:
    """A number at which something positive is left, near the largest; 0 if none is found.

    By false position, where what is left at the end that stays twice counts half (the Illinois
    rule); where too little is known of the larger end, the ratio of the ends becomes its root.

    Args:
        left: falls; NaN where nothing is known.
        most: a number that is too large.
        at_most: what is left there.
    """
    good, bad, at_bad, moved = most / 2, most, at_most, None
    at_good = float(left(good))
    if not at_good > 0:
        good, bad, at_bad = _LEAST, good, at_good
        at_good = float(left(good))
    if not at_good > 0:
        return 0.0
    steep = -_STEEP * at_good
    for _ in range(_STEPS):
        if bad <= good * (1 + _NEAR):
            break
        if at_bad > steep:
            middle = good + (bad - good) * (at_good / (at_good - at_bad))
            middle = max(min(middle, bad * (1 - _NEAR / 2)), good * (1 + _NEAR / 2))
        else:
            middle = math.sqrt(good) * math.sqrt(bad)
        at_middle = float(left(middle))
        if at_middle > 0:
            at_bad = at_bad / 2 if moved == "good" else at_bad
            good, at_good, moved = middle, at_middle, "good"
        else:
            at_good = at_good / 2 if moved == "bad" else at_good
            bad, at_bad, moved = middle, at_middle, "bad"
    return good
