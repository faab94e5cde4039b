"""How large vectors of a decoder may be beside the slack of its norms.

Of the construction's columns coordinate by coordinate, from the absolute values of its weights; of
the rest of the stream the Euclidean norm, from the spectral norms of what writes there. Norms
shrink a vector, but for their gain, and the construction's gain counts as 1; what LayerNorm
subtracts from all coordinates changes no variance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from constructions.decoders.embedding_map import EmbeddingMap
from constructions.decoders.network import network_of_decoder
from constructions.decoders.standard_decoder import StandardDecoder
from constructions.following.walk import Heads, Matrix, Norm, Rules, Units, follow
from constructions.model.rounding import magnitude, up

MOST_DELTA = 2.0**-12
"""A norm after a part multiplies by something within twice this of 1, or nothing here holds."""


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


@torch.no_grad()
def largest_vectors(decoder: StandardDecoder, embedding_map: EmbeddingMap) -> Magnitudes:
    """Of all vectors of a forward pass, whatever the tokens; NaN if a weight is.

    Raises:
        InputError: what stands for a norm is none.
    """
    rules = _Lengths(embedding_map, post=decoder.shape.placement == "post")
    tokens, positions = magnitude(decoder.embedding.weight), magnitude(decoder.positions.weight)
    own = tokens[:, rules.own].amax(0) + positions[:, rules.own].amax(0)
    rest = tokens[:, rules.rest].norm(dim=1).amax() + positions[:, rules.rest].norm(dim=1).amax()
    follow(network_of_decoder(decoder), rules.met(_Vectors(own, rest)), rules)
    found = torch.stack(rules.found).double().cpu()
    return Magnitudes(*up(found).amax(0).tolist())  # amax keeps a NaN


@dataclass(frozen=True)
class _Vectors:
    """Of a vector: the absolute values in the construction's columns, float64 (n,); the Euclidean
    norm of the rest of the stream; and that norm where the mean was taken of it which a norm has
    subtracted from all columns, None for the same.
    """

    own: Tensor
    rest: Tensor
    averaged: Tensor | None = None

    @property
    def length(self) -> Tensor:
        """The Euclidean norm. The last term: a mean of the rest, subtracted from own columns, is
        at most half of its norm in all.
        """
        averaged = self.rest if self.averaged is None else self.averaged
        squares = (self.own * self.own).sum() + self.rest * self.rest + averaged * averaged / 4
        return squares.sqrt()


class _Lengths(Rules[_Vectors]):
    """Notes squares, total, mean and peak of each vector that is met; post: whether norms stand
    after each part.
    """

    def __init__(self, embedding_map: EmbeddingMap, post: bool):
        self.own = torch.from_numpy(np.append(embedding_map.columns, embedding_map.mirror))
        self.rest = torch.from_numpy(embedding_map.rest)
        self.d_model, self.post = embedding_map.d_model, post
        self.found: list[Tensor] = []

    def met(self, x: _Vectors) -> _Vectors:
        """The same, noted."""
        spread = math.sqrt(len(self.rest))
        squares = (x.own * x.own).sum() + x.rest * x.rest
        total, mean = x.own.sum() + 2 * x.rest * spread, x.rest * spread / self.d_model
        self.found.append(torch.stack([squares, total, mean, x.own.amax() + x.rest]))
        return x

    def attended(self, x: _Vectors, heads: Heads) -> _Vectors:
        """Heads mix positions: the columns of the rest get as much as the longest of them."""
        scores = x.length**2 * (
            heads.query.weight.double().norm() * heads.key.weight.double().norm()
        )
        return self._written(x, heads.value, heads.output, len(heads.shapes), scores)

    def computed(self, x: _Vectors, units: Units) -> _Vectors:
        """ReLU shrinks."""
        inner, outer = units.matrices
        return self._written(x, inner, outer, 1, x.length * 0)

    def plus(self, x: _Vectors, update: _Vectors) -> _Vectors:
        """The sum."""
        return self.met(_Vectors(up(x.own + update.own), up(x.rest + update.rest)))

    def normed(self, x: _Vectors, norm: Norm) -> _Vectors:
        """The rest by its gain; the construction's columns as they are, but for the slack that
        norms after each part have changed.
        """
        rest = self._rest_past(norm, x.rest)
        if self.post:
            return _Vectors(x.own * (1 + 2 * MOST_DELTA), rest * (1 + 2 * MOST_DELTA))
        return replace(x, rest=rest, averaged=x.rest)

    def _rest_past(self, norm: Norm, rest: Tensor) -> Tensor:
        """The Euclidean norm of what a norm makes of the rest of the stream."""
        if not len(self.rest):
            return rest
        gain = norm.module.weight[self.rest].double()
        bias: Tensor | float = 0.0
        if isinstance(norm.module, nn.LayerNorm):
            bias = norm.module.bias[self.rest].double().norm()
        # what a gain makes of a subtracted mean
        uneven = (gain - 1).abs().amax() * rest * len(self.rest) / self.d_model
        return up(rest * gain.abs().amax() + uneven + bias)

    def _written(
        self, x: _Vectors, inner: Matrix, outer: Matrix, n_parts: int, scores: Tensor
    ) -> _Vectors:
        """What two matrices write to the construction's columns and to the rest."""
        hidden = up(magnitude(inner.weight[:, self.own]) @ x.own)
        longest = x.length * inner.weight.double().norm()
        peak = torch.stack([hidden.amax(), longest, scores]).amax()
        self.found.append(torch.stack([*peak.new_zeros(3), peak]))
        return _Vectors(
            magnitude(outer.weight[self.own]) @ hidden,
            x.length * _gain(inner.weight, outer.weight[self.rest], n_parts),
        )


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
