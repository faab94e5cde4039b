"""What RMSNorm and LayerNorm make of boxes, rounding included.

RMSNorm makes `g_i x_i / sqrt(S)` of x, with the mean square `S = sum x^2 / D + eps`. Of an x that
is off by e the sum of squares is off by at most `sum (2 |x| + e) e`, and rounds by `(D + 8) u` of
itself. If S is off by a ratio rho <= 1/2 in all, its inverse root is off by a ratio of at most
rho: `(1 - rho)^(-1/2) - 1 <= rho`. Products and the root round by 8 u.

LayerNorm does so with `c = x - mean x`. What the mean is off by, from the errors of x and by
rounding, `(D + 8) u` times the mean of |x|, it takes from all coordinates alike: times the gains,
that is a shift of the result, which cancels from what reads differences
(`constructions.decoders.identity_norms` needs that). A shift of x by equal amounts has no effect
at all. Some implementations compute `x r - mean r` and `mean x^2 - (mean x)^2`: so c is off by a
further `4 u (|x| + |mean|)`, and the variance by `4 (D + 8) u mean x^2`.

**A common factor.** Let x stand beside a common factor (`Box.scale`): what enters is
`(1 + s) (x + e)`. With `S' = mean (x + e)^2 + eps / (1 + s)^2` the norm returns, rounding aside,
`g (x + e) / sqrt(S')`: this is `1 + s'` times `g (x + e) / sqrt(S)`, with `1 + s' = sqrt(S / S')`.
So of the factor that was there nothing is left but what it makes of eps, at most `4 |s| eps` for
|s| <= 1/8; and errors e are multiplied as x is, and by nothing else. What they do to the mean
square is the new factor, with |s'| <= rho, which all coordinates share; so is the rounding of the
mean square. (If it counted as an error of each coordinate, errors would grow threefold in each
norm: twice that of the slack, which is about the root mean square, comes to its own.)

Beside a slack of 2^40 the bounds themselves, which are computed in float64, do not know the mean
any better. So here the intervals need not hold the values in real arithmetic, but those of some
reference, of which every order of summation is within the error and the shift: of a narrow
interval the middle, and of the mean the middle of its interval, too.
"""

from __future__ import annotations

import torch
from torch import Tensor

from constructions.following.boxes import MOST_SCALE, UNIT, Box
from constructions.following.changes import Change
from constructions.model.rounding import up

_NARROW = 2.0**-30
"""Intervals of this width, relative to what they hold, only come from rounding the bounds."""


def rms_norm(
    x: Box, gain: Tensor, eps: float, change: Change, most_eps: float | None = None
) -> Box:
    """`gain x / sqrt(mean x^2 + eps)`; where it is not known exactly, eps is the least that it may
    be, and `most_eps` the most.
    """
    moved = (2 * x.largest + x.error) * x.error
    off = _squares_error(x.total, moved, change, x.low.shape[-1] + 8)
    return _scaled(x, off, gain, eps, change, most_eps)


def layer_norm(x: Box, gain: Tensor, bias: Tensor | None, eps: float, change: Change) -> Box:
    """`gain c / sqrt(mean c^2 + eps) + bias`, with `c = x - mean x`."""
    n = x.low.shape[-1]
    x = _as_points(x)
    (low, low_off), (high, high_off) = _sum(x.low), _sum(x.high)
    low, high = (low - low_off) / n, (high + high_off) / n
    middle = (low + high) / 2
    apart = up(torch.maximum(high - middle, middle - low)) + 4 * UNIT * middle.abs()
    error = x.error
    # what of it is not the same for all coordinates
    if x.shift is not None and x.along is not None:
        error = error + up(
            x.shift * ((x.along - _mean(x.along)).abs() + 4 * n * UNIT * _mean(x.along.abs()))
        )
    rounded = x.divided(change.rounds(x.total.sum(-1, keepdim=True), n + 8) / n)
    shift = up(_mean(error) + rounded + apart)
    rounded = 4 * change.unit * (x.total + middle.abs() + shift) + 4 * change.underflow
    error = up(error + x.divided(rounded))
    spread = 4 * UNIT * (x.largest + middle.abs())
    centered = Box(
        x.low - middle - spread,
        x.high - middle + spread,
        error,
        shift,
        torch.ones_like(gain),
        x.scale,
    )
    moved = (2 * centered.largest + error) * error + 2 * shift * (error + apart) + shift * shift
    y = _scaled(centered, _squares_error(x.total, moved, change, 4 * (n + 8)), gain, eps, change)
    return y if bias is None else change.plus(y, Box(bias, bias, torch.zeros_like(bias)))


def _mean(values: Tensor) -> Tensor:
    """Of each vector, (..., 1)."""
    return values.mean(-1, keepdim=True)


def _squares_error(total: Tensor, moved: Tensor, change: Change, terms: int) -> Tensor:
    """How far a mean square is off, (..., L, 1): of vectors of at most these absolute values,
    whose squares move by these.
    """
    rounded = change.rounds((total * total).sum(-1, keepdim=True), terms) / total.shape[-1]
    return up(_mean(moved) + rounded)


def _scaled(
    x: Box,
    off: Tensor,
    gain: Tensor,
    eps: float,
    change: Change,
    most_eps: float | None = None,
) -> Box:
    """`gain x / sqrt(mean x^2 + eps)`, where the mean square is off by at most this; x may be
    shifted along (1, ..., 1). See `rms_norm` for `most_eps`.
    """
    most_eps = eps if most_eps is None else most_eps
    slack = 4 * (x.low.shape[-1] + 16) * UNIT
    least = torch.maximum(x.low, -x.high).clamp(min=0)
    below = (_mean(least * least) + eps) * (1 - slack)
    above = (_mean(x.largest * x.largest) + most_eps) * (1 + slack)
    # factors without the change
    small, large = above.rsqrt() * (1 - slack), below.rsqrt() * (1 + slack)
    low = torch.minimum(x.low * small, x.low * large)
    high = torch.maximum(x.high * small, x.high * large)
    if x.scale is not None:
        off = off * (1 + 4 * x.scale) + 4 * x.scale * most_eps
    ratio = up((off + 8 * change.unit * (most_eps + off)) / below)
    ratio = torch.where(ratio <= 0.5, ratio, torch.nan)
    scale = torch.where(ratio <= MOST_SCALE, ratio, 0.0)
    rounded = 8 * change.unit * x.total * (1 + ratio)
    # what is no common factor, if the ratio is too large for one
    apart = ratio - scale
    error = up((x.error + (x.largest + x.error) * apart + rounded) * large)
    error = error + 8 * change.underflow * (1 + large)
    ends = torch.stack([low * gain, high * gain])
    spread = 4 * UNIT * ends.abs().amax(0)
    error = up(error * gain.abs() + 2 * change.underflow)
    held = torch.where(
        x.total * large * (1 + ratio) * (1 + gain.abs()) < change.most, error, torch.nan
    )
    shift = None if x.shift is None else up(x.shift * large * (1 + apart))
    along = None if shift is None else gain
    return Box(ends.amin(0) - spread, ends.amax(0) + spread, held, shift, along, scale)


def _as_points(x: Box) -> Box:
    """The same, with narrow intervals as points: their width counts as an error."""
    middle, half = x.middle_and_half
    narrow = half <= _NARROW * (1 + middle.abs())
    low, high = torch.where(narrow, middle, x.low), torch.where(narrow, middle, x.high)
    error = x.error + torch.where(narrow, half, 0.0)
    return Box(low, high, error, x.shift, x.along, x.scale)


def _sum(values: Tensor) -> tuple[Tensor, Tensor]:
    """The sum of each row, and how far it may be off: in two parts, of which the one with the
    large numbers is exact.
    """
    n, largest = values.shape[-1], values.abs().amax(-1, keepdim=True)
    step = torch.ldexp(torch.ones_like(largest), torch.frexp(n * largest + 1).exponent + 2 - 53)
    coarse = (values / step).round() * step
    fine, total = values - coarse, coarse.sum(-1, keepdim=True)
    rest = fine.sum(-1, keepdim=True)
    return total + rest, up(
        2 * n * UNIT * fine.abs().sum(-1, keepdim=True) + 2 * UNIT * (total + rest).abs()
    )
