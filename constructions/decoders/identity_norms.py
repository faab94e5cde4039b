"""Norms that act as the identity: a slack that outweighs everything else in each vector.

Four further coordinates of every position hold `2^k (a, b, c, e)` with `a^2 + b^2 + c^2 + e^2 =
D`, the number of columns (Lagrange: always possible), and all gains are 2^k. A vector x beside the
slack then has the mean square `4^k + |x|^2 / D`, so that RMSNorm multiplies it by

    2^k (4^k + |x|^2 / D + eps)^(-1/2) = (1 + delta)^(-1/2)  with  delta = (|x|^2 / D + eps) / 4^k.

In floating point this is the identity bit for bit once `2 |x|^2` and eps are at most `4^k u / 2`
(u half an ulp of 1): in whatever order the squares are added, each partial sum is either a sum of
small terms or an integer multiple of 4^k that absorbs them; the mean is 4^k (the sum divided by D,
as torch does on a CPU), its root 2^k, and multiplying by 2^-k and 2^k rounds nothing.

LayerNorm also subtracts the mean. So every coordinate is there twice, as x and -x, the slack
included (`a^2 + b^2 + c^2 + e^2 = D / 2`), and is read as half their difference, from which any
mean of the rest of the stream cancels. But computing the mean rounds by about `u 2^k`, and
subtracting it rounds the coordinates by u times that: a large slack costs accuracy, a small one
distorts. k is chosen to balance the two.

Pre-norm: norms read the slack that the positions brought, which nothing writes; their gain on it
is 0, so that nothing reads it and no gradient is scaled by it. Post-norm: the stream is what the
norms return. It is multiplied as a whole, and its slack is within a factor of `(1 + delta)^(-1/2)`
of 2^k (a, b, c, e) after each norm, whatever came before; hence each norm multiplies by something
within `2 delta` of 1, for delta <= 1/4.

All parts of a block are positively homogeneous (no biases): a common factor on all coordinates of
a position passes through an MLP, and moves no argmax. Attention compares positions with different
factors; `_logit_error` follows what that, and all rounding, can add up to.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from constructions.decoders.blocks import Plan, PlannedHead
from constructions.decoders.embedding_map import EmbeddingMap
from constructions.decoders.standard_decoder import Bounds, StandardDecoder, StandardShape
from constructions.guards.errors import DoesNotFit, InputError, InternalError
from constructions.model.fact_model import FactModel, MarginClaim
from constructions.model.rounding import magnitude, up
from constructions.writing.position_reading import GAIN

MOST_DELTA = 2.0**-12
"""A larger delta is refused: the slack would no longer dominate."""


@dataclass(frozen=True)
class Magnitudes:
    """Bounds over all norms of a decoder and all tokens, on everything beside the slack.

    Attributes:
        squares, total, mean: |x|^2, sum of |x|, |mean of x| of a vector that enters a norm.
        peak: any number of a forward pass, logits aside.
    """

    squares: float
    total: float
    mean: float
    peak: float


@dataclass(frozen=True)
class _NormError:
    """What a norm makes of a coordinate x as it is read: within `ratio |x| + absolute` of x; it
    enters sums with up to `shift` more, which then cancels.
    """

    ratio: float = 0
    absolute: float = 0
    shift: float = 0


def make_norms_the_identity(
    decoder: StandardDecoder,
    model: FactModel,
    plan: Plan,
    places: EmbeddingMap,
    margin: MarginClaim | None,
    slack: int | None,
    proven: bool,
) -> tuple[int | None, Bounds]:
    """Write slack and gains; returns k, and what is proven, as `StandardModel` has it.

    margin: what is proven of the construction's weights; None if nothing is, and nothing is to be
        here.

    Raises:
        DoesNotFit: numbers, or the slack's squares, may overflow; or, if it is to be proven that
            all facts survive, a slack of 2^k is too small, or the error of the logits may reach
            half the margin.
        InputError: a slack is given where there are no norms, or the eps of a norm is no size.
    """
    shape, dtype = decoder.shape, decoder.embedding.weight.dtype
    magnitudes, most = largest_vectors(decoder, places), torch.finfo(dtype).max / 4
    if not (magnitudes.peak < most and (shape.norm is None or magnitudes.squares < most)):
        raise DoesNotFit(
            f"{model.construction}: numbers of a forward pass may reach {magnitudes.peak:.3g}, the"
            f" squares of a vector that enters a norm together {magnitudes.squares:.3g}; {dtype}"
            f" holds them up to {most:.3g} with room to add; use a wider dtype"
        )
    if shape.norm is None:
        if slack is not None:
            raise InputError(f"a slack of 2^{slack} is for norms, and this decoder has none")
        distortion, norm_error, bounded = Fraction(0), _NormError(), True
    else:
        if dtype not in (torch.float32, torch.float64):
            raise DoesNotFit(
                f"norms as the identity need float32 or float64; the decoder is in {dtype}"
            )
        found = (norm.eps for norm in decoder.norms())
        # RMSNorm's default
        every_eps = [torch.finfo(dtype).eps if eps is None else eps for eps in found]
        for eps in every_eps:
            if not 0 <= eps < most:
                raise InputError(f"eps of a norm is {eps}; it must be from 0 to {most:.3g}")
        divides = decoder.embedding.weight.device.type == "cpu"
        norms = _Norms(shape, max(every_eps), torch.finfo(dtype), magnitudes, divides)
        slack = norms.best() if slack is None else slack
        norms.require(slack, proven)
        distortion, norm_error, bounded = (
            norms.distortion(slack),
            norms.error(slack),
            norms.is_bounded(slack),
        )
        _write_slack(decoder, places, slack)
        if not all(norm.weight.isfinite().all() for norm in decoder.norms()):
            raise DoesNotFit(
                f"gains times a slack of 2^{slack} exceed {4 * most:.3g}; use a wider dtype or"
                " smaller gains"
            )
    exact = margin is not None and not margin.rounds
    error = 0.0
    if not (exact and norm_error == _NormError()):
        error = _logit_error(decoder, model, plan, places, norm_error, slack, exact)
    if proven and not (margin is not None and 2 * error < margin.real):
        reported = "nothing is proven" if margin is None else f"{float(margin.real):.3g}"
        raise DoesNotFit(
            f"{model.construction} in {dtype} with {shape.norm or 'no norm'}: two logits may be"
            f" off by {2 * error:.3g} together, and the margin is {reported}; use float64, or"
            " another"
            " slack"
        )
    if not bounded:
        return slack, Bounds(None, None, None)
    return slack, Bounds(distortion, error, None if margin is None else margin.less(error))


class _Norms:
    """The norms of a decoder as functions of k."""

    def __init__(
        self,
        shape: StandardShape,
        eps: float,
        floats: torch.finfo,
        magnitudes: Magnitudes,
        divides: bool,
    ):
        self.shape, self.eps, self.floats, self.of, self.divides = (
            shape,
            eps,
            floats,
            magnitudes,
            divides,
        )
        self.unit = floats.eps / 2

    def delta(self, k: int) -> Fraction:
        """(|x|^2 / D + eps) / 4^k."""
        return (Fraction(self.of.squares) / self.shape.d_model + Fraction(self.eps)) / Fraction(
            4
        ) ** k

    def distortion(self, k: int) -> Fraction:
        """How far from 1 the factor of a norm may be."""
        return self.delta(k) / 2 if self.shape.placement == "pre" else 2 * self.delta(k)

    def is_bounded(self, k: int) -> bool:
        """Whether `largest_vectors` holds, which for norms after each part counts on a small
        delta.
        """
        return self.shape.placement == "pre" or self.delta(k) <= MOST_DELTA

    def is_exact(self, k: int) -> bool:
        """Whether each norm provably returns the very numbers that it is given."""
        most = Fraction(4) ** k * Fraction(self.unit) / 2
        return (
            self.shape.norm == "rmsnorm"
            and self.divides
            and 2 * Fraction(self.of.squares) <= most
            and Fraction(self.eps) <= most
        )

    def error(self, k: int) -> _NormError:
        """Rounding included, whatever the order of the sums; the constants are generous."""
        if self.is_exact(k):
            return _NormError()
        d_model, unit, mean = self.shape.d_model, self.unit, 0.0
        if self.shape.norm == "layernorm":
            slack = 2.0**k * sum(2 * part for part in four_squares(d_model // 2))
            mean = self.of.mean + 4 * (d_model + 8) * unit * (slack + self.of.total) / d_model
        return _NormError(
            float(self.distortion(k)) + 4 * (d_model + 17) * unit, 4 * unit * mean, mean
        )

    def best(self) -> int:
        """RMSNorm: the least k that is exact. LayerNorm: that with the least error, for
        coordinates of about 1.
        """
        ks = range(1, math.frexp(self.floats.max / self.shape.d_model)[1] // 2 - 2)
        if self.shape.norm == "rmsnorm":
            return next((k for k in ks if self.is_exact(k)), ks[-1])
        possible = [k for k in ks if self.delta(k) <= MOST_DELTA] or [ks[-1]]
        errors = [self.error(k) for k in possible]
        return possible[
            min(
                range(len(errors)),
                key=lambda i: errors[i].ratio + self.shape.d_model * self.unit * errors[i].shift,
            )
        ]

    def require(self, k: int, proven: bool) -> None:
        """Raise DoesNotFit unless the slack's squares can be added and, if it is to be proven, it
        dominates.
        """
        if not 2 * k + math.log2(self.shape.d_model) < math.log2(self.floats.max) - 2:
            raise DoesNotFit(
                f"a slack of 2^{k} is too large: its squares exceed {self.floats.max:.3g}; use a"
                " wider dtype"
            )
        if k < 0:
            raise DoesNotFit(f"a slack of 2^{k} is too small: it must be at least 2^0")
        if proven and not self.delta(k) <= MOST_DELTA:
            raise DoesNotFit(
                f"a slack of 2^{k} is too small: the mean square of all else in a vector may be"
                f" {float(self.delta(k)):.3g} of the slack's, and must be at most {MOST_DELTA:.3g}"
            )


@torch.no_grad()
def largest_vectors(decoder: StandardDecoder, places: EmbeddingMap) -> Magnitudes:
    """Of the construction's columns coordinate by coordinate, from the absolute values of its
    weights; of the rest of the stream the Euclidean norm, from the spectral norms of what writes
    there. Norms shrink a vector, but for their gain, and the construction's gain counts as 1; what
    LayerNorm subtracts from all coordinates changes no variance.
    """
    own, rest = (
        torch.from_numpy(np.append(places.columns, places.mirror)),
        torch.from_numpy(places.rest),
    )
    spread = math.sqrt(len(rest))
    found: list[list[Tensor]] = []

    def look(x: Tensor, r: Tensor) -> None:
        found.append(
            [
                (x * x).sum() + r * r,
                x.sum() + 2 * r * spread,
                r * spread / places.d_model,
                x.amax() + r,
            ]
        )

    def past(norm: nn.Module, r: Tensor) -> Tensor:
        if isinstance(norm, nn.Identity) or not len(rest):
            return r
        if not isinstance(norm, nn.RMSNorm | nn.LayerNorm):
            raise InputError(
                f"a norm is a {type(norm).__name__}; RMSNorm, LayerNorm or Identity is expected"
            )
        gain = norm.weight[rest].double()
        bias = norm.bias[rest].double().norm() if isinstance(norm, nn.LayerNorm) else 0
        # what a gain makes of a subtracted mean
        uneven = (gain - 1).abs().amax() * r * len(rest) / places.d_model
        return up(r * gain.abs().amax() + uneven + bias)

    tokens, positions = magnitude(decoder.embedding.weight), magnitude(decoder.positions.weight)
    x = tokens[:, own].amax(0) + positions[:, own].amax(0)
    r = tokens[:, rest].norm(dim=1).amax() + positions[:, rest].norm(dim=1).amax()
    look(x, r)
    for block in decoder.block_sequence():
        looks = [block.attention.query.weight, block.attention.key.weight]
        attention = [block.attention.value.weight, block.attention.output.weight]
        mlp = [block.mlp.matrix(0), block.mlp.matrix(1)]
        for norm, (inner, outer), n_parts in (
            (block.attention_norm, attention, decoder.shape.n_heads),
            (block.mlp_norm, mlp, 1),
        ):
            read = past(norm, r) if block.pre else r
            # the last: a mean subtracted from own columns
            length = ((x * x).sum() + read * read + r * r / 4).sqrt()
            hidden = up(magnitude(inner[:, own]) @ x)
            peak = torch.stack(
                [
                    hidden.amax(),
                    length * inner.double().norm(),
                    length**2 * math.prod(w.double().norm() for w in looks),
                ]
            )
            found.append([*x.new_zeros(3), peak.amax()])
            x = up(x + magnitude(outer[own]) @ hidden)
            r = up(r + length * _gain(inner, outer[rest], n_parts))
            look(x, r)
            x, r = (
                (x, r)
                if block.pre
                else (x * (1 + 2 * MOST_DELTA), past(norm, r) * (1 + 2 * MOST_DELTA))
            )
    # amax keeps a NaN
    return Magnitudes(*up(torch.tensor(found, dtype=torch.float64)).amax(0).tolist())


def _gain(inner: Tensor, outer: Tensor, n_parts: int) -> Tensor:
    """How much longer `outer [mix(inner_h x)]_h` may be than x; heads h, each mixing positions, or
    all units as one part.
    """
    if not outer.numel():
        return outer.new_zeros((), dtype=torch.float64)
    used = inner.double() * (outer != 0).any(0)[:, None]
    longest: Tensor = (
        _spectral_norm(outer.double())
        * _spectral_norm(used.reshape(n_parts, -1, inner.shape[1])).norm()
    )
    return longest


def _spectral_norm(matrices: Tensor) -> Tensor:
    """Of float64 matrices (..., m, n): the root of the largest eigenvalue of the smaller Gram
    matrix; NaN unless finite.
    """
    wide = matrices if matrices.shape[-2] <= matrices.shape[-1] else matrices.mT
    scale = wide.abs().amax((-2, -1), keepdim=True)  # no square overflows
    wide = torch.where(scale.isfinite() & (scale > 0), wide / scale, 0)
    largest: Tensor = torch.linalg.eigvalsh(wide @ wide.mT)[..., -1]
    return largest.clamp(min=0).sqrt() * scale[..., 0, 0]


def _write_slack(decoder: StandardDecoder, places: EmbeddingMap, k: int) -> None:
    """The slack at every position; gains 2^k times what they were, for the construction 2^k, for
    the slack in pre-norm 0.
    """
    own, slack = torch.from_numpy(places.own), torch.from_numpy(places.slack)
    mirrored = len(places.mirror) > 0
    parts = four_squares(places.d_model // 2 if mirrored else places.d_model)
    values = torch.tensor([*parts, *(-part for part in parts)][: len(slack)], dtype=torch.float64)
    decoder.positions.weight[:, slack] = (2.0**k * values).to(decoder.positions.weight)
    for norm in decoder.norms():
        norm.weight[own] = 1
        norm.weight.mul_(2.0**k)
        if decoder.shape.placement == "pre":
            norm.weight[slack] = 0
        if isinstance(norm, nn.LayerNorm):
            norm.bias[own] = 0


class _Bound(NamedTuple):
    """Of numbers as they should be: how large; of the same numbers as they are: how far off. Each
    float64 (n,).
    """

    largest: Tensor
    error: Tensor

    def plus(self, update: _Bound, unit: float) -> _Bound:
        """The sum, rounded."""
        largest, error = self.largest + update.largest, self.error + update.error
        return _Bound(up(largest), up(error + unit * (largest + error)))


@torch.no_grad()
def _logit_error(
    decoder: StandardDecoder,
    model: FactModel,
    plan: Plan,
    places: EmbeddingMap,
    norm: _NormError,
    slack: int | None,
    exact: bool,
) -> float:
    """How far a logit may be from the construction's. If that is exact, its heads that select a
    position select no other; else nothing is taken from it but its weights.

    Follows a bound on each coordinate's error, over all tokens, through the blocks: norms add
    theirs, a matrix W makes `|W| e` of errors e and rounds by `(n + 1) u |W| |x|`, ReLU is
    1-Lipschitz.
    """
    floats = torch.finfo(decoder.embedding.weight.dtype)
    unit, flushed = floats.eps / 2, floats.smallest_normal  # what is smaller may be lost
    pre = decoder.shape.placement == "pre"
    gain = 2.0 ** (slack or 0)  # a norm divides by it, and then multiplies

    def normed(x: _Bound) -> _Bound:
        lost = norm.absolute + 2 * flushed * gain
        return x._replace(error=up(x.error + norm.ratio * (x.largest + x.error) + lost))

    def times(weight: Tensor, x: _Bound, shift: float = 0) -> _Bound:
        size = magnitude(weight)
        # twice: mirrored coordinates
        terms = 2 * int((size != 0).sum(1).max()) + 2 if size.numel() else 0
        total = x.largest + x.error + shift
        rounded = terms * (unit * (size @ total) + 2 * flushed) + flushed * (
            size.sum(1) + total.sum()
        )
        return _Bound(up(size @ x.largest), up(size @ x.error + rounded))

    def attend(x: _Bound, head: PlannedHead) -> _Bound:
        query, key, value = (
            times(weight, x, norm.shift) for weight in (head.query, head.key, head.value)
        )
        moved = _moved_pattern(query, key, model, unit, exact)
        return times(
            head.output,
            value._replace(error=up(value.error * (1 + moved) + moved * value.largest)),
        )

    largest = magnitude(plan.embedding).amax(0) + magnitude(plan.positions).amax(0)
    if decoder.shape.tied:
        largest = largest + magnitude(plan.unembedding).amax(0)
    x = _Bound(largest, torch.zeros_like(largest) if exact else up(unit * largest + 2 * flushed))
    for index in range(decoder.shape.n_layers):
        planned = plan.blocks[index - places.first_block] if index in places.blocks else None
        read = normed(x) if pre else x
        for head in planned.heads if planned else ():
            x = x.plus(attend(read, head), unit)
        x = x if pre else normed(x)
        read = normed(x) if pre else x
        if planned and len(planned.read):
            x = x.plus(times(planned.write, times(planned.read, read, norm.shift)), unit)
        x = x if pre else normed(x)
    logits = times(plan.unembedding, normed(x) if pre else x, norm.shift)
    return logits.error.max().item()


def _moved_pattern(
    query: _Bound, key: _Bound, model: FactModel, unit: float, exact: bool
) -> float:
    """By which ratio of the largest value a head's mixture may be off; 2 for any two softmaxes.

    Heads of constructions that do not round either have no queries, or select: their scores are at
    least `2 GAIN - 1` apart, and exp underflows beyond 745. So their softmax stays exactly one-hot
    while a score moves by at most `GAIN / 2`.
    """
    n_positions = max(model.shape.n_positions, model.hops + 1)
    exponentials = (n_positions + 8) * unit
    if not len(query.largest):
        return exponentials
    products = (
        (query.largest + query.error)
        @ (key.largest + key.error)
        * (1 + (len(query.largest) + 4) * unit)
    )
    moved = up(products - query.largest @ key.largest).item()
    if exact and moved <= GAIN / 2:
        return 0
    return min(
        math.expm1(min(2 * moved, 600)) * (1 + exponentials) + exponentials, 2 + exponentials
    )


def four_squares(n: int) -> tuple[int, int, int, int]:
    """Integers with a^2 + b^2 + c^2 + e^2 = n (Lagrange), in descending order."""
    for a in range(math.isqrt(n), -1, -1):
        for b in range(min(a, math.isqrt(n - a * a)), -1, -1):
            rest = n - a * a - b * b
            for c in range(min(b, math.isqrt(rest)), -1, -1):
                e = math.isqrt(rest - c * c)
                if e <= c and e * e == rest - c * c:
                    return a, b, c, e
    raise InternalError(
        f"{n} was found to be no sum of four squares, which every natural number is"
    )
