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
factors; `constructions.decoders.logit_error` follows how far that, and all rounding, can go.
"""

from __future__ import annotations

import math
from fractions import Fraction

import torch
from torch import nn

from constructions.decoders.blocks import BlockPlan
from constructions.decoders.embedding_map import EmbeddingMap
from constructions.decoders.logit_error import NormError, logit_error
from constructions.decoders.standard_decoder import StandardDecoder, StandardShape
from constructions.decoders.standard_model import Bounds
from constructions.decoders.vector_sizes import MOST_DELTA, Magnitudes, largest_vectors
from constructions.guards.errors import DoesNotFit, InputError, InternalError
from constructions.model.fact_model import FactModel
from constructions.model.margin import MarginClaim
from constructions.model.norm_eps import why_no_eps


def make_norms_the_identity(
    decoder: StandardDecoder,
    model: FactModel,
    plan: BlockPlan,
    embedding_map: EmbeddingMap,
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
    magnitudes, most = largest_vectors(decoder, embedding_map), torch.finfo(dtype).max / 4
    if not (magnitudes.peak < most and (shape.norm is None or magnitudes.squares < most)):
        raise DoesNotFit(
            f"{model.construction}: numbers of a forward pass may reach {magnitudes.peak:.3g}, the"
            f" squares of a vector that enters a norm together {magnitudes.squares:.3g}; {dtype}"
            f" holds them up to {most:.3g} with room to add; use a wider dtype"
        )
    if shape.norm is None:
        if slack is not None:
            raise InputError(f"a slack of 2^{slack} is for norms, and this decoder has none")
        distortion, norm_error, bounded = Fraction(0), NormError(), True
    else:
        norms = _norms_of(decoder, magnitudes)
        slack = norms.best() if slack is None else slack
        norms.require(slack, proven)
        distortion, norm_error, bounded = (
            norms.distortion(slack),
            norms.error(slack),
            norms.is_bounded(slack),
        )
        _write_slack(decoder, embedding_map, slack)
        if not all(norm.weight.isfinite().all() for norm in decoder.norms()):
            raise DoesNotFit(
                f"gains times a slack of 2^{slack} exceed {4 * most:.3g}; use a wider dtype or"
                " smaller gains"
            )
    exact = margin is not None and not margin.rounds
    error = 0.0
    if not (exact and norm_error == NormError()):
        error = logit_error(decoder, model, plan, embedding_map, norm_error, slack, exact)
    if proven and not (margin is not None and 2 * error < margin.real):
        reported = "nothing is proven" if margin is None else f"{float(margin.real):.3g}"
        raise DoesNotFit(
            f"{model.construction} in {dtype} with {shape.norm or 'no norm'}: two logits may be"
            f" off by {2 * error:.3g} together, and the margin is {reported}; use float64, or"
            " another slack"
        )
    if not bounded:
        return slack, Bounds(None, None, None)
    return slack, Bounds(distortion, error, None if margin is None else margin.less(error))


def _norms_of(decoder: StandardDecoder, magnitudes: Magnitudes) -> _Norms:
    """The norms of a decoder, with the largest eps.

    Raises:
        DoesNotFit: the dtype is too narrow for a slack.
        InputError: an eps is negative, or too large.
    """
    dtype = decoder.embedding.weight.dtype
    if dtype not in (torch.float32, torch.float64):
        raise DoesNotFit(
            f"norms as the identity need float32 or float64; the decoder is in {dtype}"
        )
    floats = torch.finfo(dtype)
    for norm in decoder.norms():
        if why := why_no_eps(norm, dtype):
            raise InputError(why)
    # RMSNorm's default
    every_eps = [floats.eps if norm.eps is None else norm.eps for norm in decoder.norms()]
    divides = decoder.embedding.weight.device.type == "cpu"
    return _Norms(decoder.shape, max(every_eps), floats, magnitudes, divides)


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

    def error(self, k: int) -> NormError:
        """Rounding included, whatever the order of the sums; the constants are generous."""
        if self.is_exact(k):
            return NormError()
        d_model, unit, mean = self.shape.d_model, self.unit, 0.0
        if self.shape.norm == "layernorm":
            slack = 2.0**k * sum(2 * part for part in four_squares(d_model // 2))
            mean = self.of.mean + 4 * (d_model + 8) * unit * (slack + self.of.total) / d_model
        return NormError(
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


def _write_slack(decoder: StandardDecoder, embedding_map: EmbeddingMap, k: int) -> None:
    """The slack at every position; gains 2^k times what they were, for the construction 2^k, for
    the slack in pre-norm 0.
    """
    own, slack = torch.from_numpy(embedding_map.own), torch.from_numpy(embedding_map.slack)
    mirrored = len(embedding_map.mirror) > 0
    parts = four_squares(embedding_map.d_model // 2 if mirrored else embedding_map.d_model)
    values = torch.tensor([*parts, *(-part for part in parts)][: len(slack)], dtype=torch.float64)
    decoder.positions.weight[:, slack] = (2.0**k * values).to(decoder.positions.weight)
    for norm in decoder.norms():
        norm.weight[own] = 1
        norm.weight.mul_(2.0**k)
        if decoder.shape.placement == "pre":
            norm.weight[slack] = 0
        if isinstance(norm, nn.LayerNorm):
            norm.bias[own] = 0


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
