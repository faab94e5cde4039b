"""What a head reads: from boxes of its queries, keys and values.

Scores that each move by at most eta change softmax weights p by factors within `e^(2 eta)`: all
changes together are at most `e^(2 eta) - 1`, at most twice that of all weights but the largest,
and at most 2. What a head reads changes by at most that times half the width of the values, and by
the error of the values.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from constructions.following.boxes import UNIT, Box
from constructions.following.changes import Change
from constructions.model.rounding import up

_EXP = 2.0**-40
"""More than the relative rounding of an exponential."""
_LEAST_EXPONENT = -700.0
"""Exponentials of less are taken for that: they would underflow."""


class Selection(NamedTuple):
    """From position `start` on a head selects: one score is above all others by at least `gap`."""

    start: int
    gap: float


class Visible(NamedTuple):
    """What each of some positions (P,) attends to.

    Attributes:
        at: int64 (P, L), the numbers of the positions that it sees, then its own again and again.
        hidden: bool (P, L), where it stands only to fill the row.
    """

    at: Tensor
    hidden: Tensor


def mixture(
    change: Change,
    query: Box,
    key: Box,
    value: Box,
    sees: Visible,
    selection: Selection | None,
    number: float = 1.0,
) -> Box:
    """What a head reads at each position, from its queries, keys and values (P, width);
    selection: where it is known to select; number: what the queries have been divided by, while
    the module divides the scores, so that these must not overflow before.
    """
    (at, hidden), width = sees, query.low.shape[-1]
    n_positions = at.shape[-1]
    key, value = key.at(at), value.at(at)
    (q, q_half), (k, k_half) = query.middle_and_half, key.middle_and_half
    scores = _dot(k, q)
    rounded = (width + 4) * UNIT * _dot(k.abs(), q.abs())
    spread = up(_dot(k.abs() + k_half, q_half) + _dot(k_half, q.abs()) + rounded)
    flushed = change.flushed * (query.total.sum(-1)[..., None] + key.total.sum(-1))
    sums = _dot(key.total, query.total)
    held = number * sums < change.most
    rounded = torch.where(held, change.rounds(sums, width + 4), torch.nan) + flushed
    moved = up(_dot(key.total, query.error) + _dot(key.error, query.largest) + rounded)
    eta = moved.masked_fill(hidden, 0).amax(-1)
    least, most, others = softmax(scores - spread, scores + spread, hidden)
    if selection is not None:
        leak = (n_positions - 1) * math.exp(max(-selection.gap, _LEAST_EXPONENT))
        selects = (~hidden).sum(-1) > selection.start
        others = torch.where(selects, others.clamp(max=leak), others)

    # without the change
    floor, ceiling = value.low.amin(-2), value.high.amax(-2)
    v, v_half = value.middle_and_half
    middle, half = (least + most) / 2, up((most - least) / 2)
    ends = _mixed(middle, v)
    spread = _mixed(half + (n_positions + 4) * UNIT * middle, v.abs())
    spread = up(spread if value.is_point else spread + _mixed(most, v_half))

    # with it
    factor = torch.where(eta > -_LEAST_EXPONENT / 2, torch.inf, torch.expm1(2 * eta))
    shifted = torch.where(others > 0, (2 * others * factor).minimum(factor).clamp(max=2), 0.0)
    worst = value.error.amax(-2)
    weights = (most * (1 + factor[..., None])).clamp(max=1).masked_fill(hidden, 0)
    largest = torch.maximum(ceiling, -floor) + worst
    rounded = change.rounds(largest, 2 * n_positions + 16) + change.flushed * n_positions * (
        1 + largest
    )
    error = (
        _mixed(weights, value.error).minimum(worst)
        + shifted[..., None] * (ceiling - floor) / 2
        + rounded
    )
    if change.points and value.is_point:
        return Box(ends, ends, up(error + spread))
    return Box(
        torch.maximum(ends - spread, floor), torch.minimum(ends + spread, ceiling), up(error)
    )


def _dot(keys: Tensor, query: Tensor) -> Tensor:
    """Inner products (P, L) of keys (P, L, width) and a query (P, width)."""
    return (keys @ query[..., None])[..., 0]


def _mixed(weights: Tensor, values: Tensor) -> Tensor:
    """Values (P, L, width) with these weights (P, L): (P, width)."""
    return (weights[..., None, :] @ values)[..., 0, :]


def softmax(low: Tensor, high: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Bounds on softmax weights (..., L) from those of scores, and (...) on all but the largest
    weight together.

    No upper bound of a visible position is 0; others are 0 where a single position is visible.
    """
    slack = _EXP + 2 * (low.shape[-1] + 16) * UNIT
    top = high.masked_fill(hidden, -torch.inf).amax(-1, keepdim=True)
    above = (high - top).clamp(min=_LEAST_EXPONENT).exp().masked_fill(hidden, 0) * (1 + slack)
    below = (low - top).exp().masked_fill(hidden, 0) * (1 - slack)
    sum_above, sum_below = above.sum(-1, keepdim=True), below.sum(-1, keepdim=True)
    beside_above = (sum_above - above + slack * sum_above).clamp(min=0)
    beside_below = (sum_below - below - slack * sum_below).clamp(min=0)
    most = (above / (above + beside_below) * (1 + slack)).clamp(max=1).masked_fill(hidden, 0)
    least = (below / (below + beside_above) * (1 - slack)).masked_fill(hidden, 0)
    first = most.argmax(-1, keepdim=True)
    others = up(most.scatter(-1, first, 0.0).sum(-1))
    at_least = torch.maximum(least.gather(-1, first), 1 - others[..., None] - 2 * UNIT)
    return least.scatter(-1, first, at_least), most, others
