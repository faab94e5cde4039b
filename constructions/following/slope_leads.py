"""By how much queries are answered right at least, by `constructions.following.slopes`."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from constructions.following.changes import Change
from constructions.following.follower import BoxRules, Follower
from constructions.following.points import Point
from constructions.following.prefixes import without_sharing
from constructions.following.slopes import Slopes, plain, weighed
from constructions.following.walk import follow
from constructions.model.rounding import up


def leads_by_slopes(
    follower: Follower, tokens: Tensor, answers: Tensor, change: Change, most_rivals: int
) -> Tensor:
    """By how much each of some queries is answered right at least, (Q,), as
    `constructions.following.queries.lead` says it; NaN where that is not known, or more than
    `most_rivals` logits are near.

    Args:
        follower: of the network.
        tokens, answers: int64 (Q, L) and (Q, A).
        change: rounding, or real arithmetic.
        most_rivals: so many derivatives are taken.
    """
    wide, real = copy.copy(change), copy.copy(change)
    wide.points, real.unit = False, 0.0
    embedded = follower.points(tokens, change, without_sharing(tokens))
    crude, others, exact = (
        BoxRules(follower.weights, each, embedded.prefixes, None) for each in (change, wide, real)
    )
    rules = Slopes(crude, others, exact)
    with torch.enable_grad():
        entered = plain(follower.placed(embedded, change))
        x = rules.entered(entered)
        x = follow(follower.network, x, rules)
        at = embedded.prefixes.at[:, -answers.shape[-1] :]
        logits = rules.through(follower.network.unembedding, Point(x.at[at], x.error[at]))
        return _leads(rules.own, logits, answers, most_rivals)


def _leads(
    own: list[tuple[Tensor, Tensor]], logits: Point, answers: Tensor, most_rivals: int
) -> Tensor:
    """The least lead of each query over its rivals, (Q,)."""
    at = answers[..., None]
    right = logits.at.gather(-1, at)
    apart = (right - logits.at).detach()  # (Q, A, V)
    size = (right.abs() + logits.at.abs()).detach()
    crude = apart - up(logits.error + logits.error.gather(-1, at)) - 2.0**-50 * size
    # the answer is no rival of its own, but must be a number itself, which rivals would show
    known = (right - logits.error.gather(-1, at)).isfinite().detach()
    crude.scatter_(-1, at, torch.where(known, torch.inf, torch.nan).to(crude))
    found = crude.clone()
    open_ = ~(crude > 0)
    count = open_.flatten(1).sum(1)
    rank = open_.flatten(1).cumsum(1).view_as(open_)
    for turn in range(1, min(most_rivals, int(count.max())) + 1):
        chosen = open_ & (rank == turn)
        total = (right - logits.at)[chosen].sum()
        bound = weighed(own, total, len(answers))
        left = apart - 2.0**-50 * size - bound[:, None, None]
        found = torch.where(chosen, left, found)
    found = found.flatten(1).amin(1)
    return torch.where(count <= most_rivals, found, torch.nan)
