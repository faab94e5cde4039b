"""A norm at a point: its numbers with derivatives, how far it is from linear near the point, and
by how much the module rounds there.

**How far it is from linear**, for |delta| <= e: of `g x / sqrt(S)` with `S = mean x^2 + eps`
(LayerNorm: of the centred x, and e + mean e) let `a = mean (2 |x| + e) e` and
`rho = a / S <= 1/2`. The mean square at x + delta is S + s, |s| <= a. From

    (S + s)^(-1/2) = S^(-1/2) (1 - s / (2 S) + r),    |r| <= (3/8) rho^2 2^(5/2) <= 2.2 rho^2,

and `s = 2 mean x delta + mean delta^2`, of which the derivative has the first part alone, it is at
most `|g| S^(-1/2) (|x| (mean e^2 / (2 S) + 2.2 rho^2) + e (rho / 2 + 2.2 rho^2))`.

**By how much the module rounds**: as `constructions.following.norms` says of one vector, for all
vectors near x, whose mean square is at least S / 2.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from constructions.following.changes import Change
from constructions.following.points import Point
from constructions.following.walk import Norm
from constructions.model.rounding import up

_EPS = torch.finfo(torch.float32).eps
"""In dtypes with a larger one torch's versions differ in which they add."""


class NormAt(NamedTuple):
    """A norm at points.

    Attributes:
        made: what float64 makes of them, with derivatives, (P, n).
        bent: how far it is from linear, (P, n); NaN where that is not known.
        rounded: by how much the module rounds, (P, n).
    """

    made: Tensor
    bent: Tensor
    rounded: Tensor


def norm_at(x: Point, norm: Norm, gain: Tensor, bias: Tensor | None, change: Change) -> NormAt:
    """A norm with this gain, and this bias if it has one, at points."""
    centers, stated = isinstance(norm.module, nn.LayerNorm), norm.module.eps
    at, error = x.at, x.error
    if centers:
        at, error = at - at.mean(-1, keepdim=True), error + error.mean(-1, keepdim=True)
    square = (at * at).mean(-1, keepdim=True) + (change.eps if stated is None else float(stated))
    made = gain * at / square.sqrt()
    made = made if bias is None else made + bias
    size, s = at.detach().abs(), square.detach()
    size = size + 2.0**-40 * (size + x.at.detach().abs()).amax(-1, keepdim=True)
    rho = up(((2 * size + error) * error).mean(-1, keepdim=True) / s)
    second = 2.2 * rho * rho
    bent = size * ((error * error).mean(-1, keepdim=True) / (2 * s) + second)
    bent = gain.abs() / s.sqrt() * (bent + error * (rho / 2 + second))
    known = (rho <= 0.5) & (stated is not None or change.eps <= _EPS)
    rounded = _rounds(change, x, size + error, s, centers, gain.abs())
    if bias is not None:
        product = 2 * gain.abs() * (size + error) / s.sqrt() + rounded
        rounded = rounded + change.rounded_sum(product, bias.abs())
    return NormAt(made, torch.where(known, bent, torch.nan), rounded)


def _rounds(
    change: Change, x: Point, size: Tensor, square: Tensor, centers: bool, gain: Tensor
) -> Tensor:
    """By how much a norm rounds, (P, n), the bias aside: as `constructions.following.norms` says,
    here for all vectors near x. Their absolute values, centred, are at most `size`, and their mean
    square is at least half of `square`.
    """
    n, u, flushed = size.shape[-1], change.unit, change.underflow
    whole = x.at.detach().abs() + x.error
    mean = whole.mean(-1, keepdim=True)
    moved = torch.zeros_like(size)
    terms = n + 8
    if centers:
        moved = up(u * ((n + 8) * mean + 4 * (whole + mean)) + (n + 16) * flushed)
        terms = 4 * (n + 8)
    off = ((2 * size + moved) * moved).mean(-1, keepdim=True)
    off = off + terms * (u * (whole * whole).mean(-1, keepdim=True) + flushed)
    ratio = up(2 * off / square + 8 * u)
    ratio = torch.where(ratio <= 0.5, ratio, torch.nan)
    large = (2 / square).sqrt()
    found = large * (moved + (size + moved) * (ratio + 8 * u)) + 8 * flushed * (1 + large)
    return up(gain * found + 2 * flushed)
