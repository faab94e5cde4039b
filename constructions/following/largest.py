"""The largest number of any forward pass, from the absolute values of the weights."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from constructions.following.walk import (
    Heads,
    Matrix,
    MatrixRules,
    Network,
    Norm,
    follow,
    network_of,
)
from constructions.model.rounding import largest_of_columns, magnitude, magnitudes
from constructions.model.transformer import Transformer


class Largest(MatrixRules[Tensor]):
    """The largest absolute value of each coordinate, float64 (n,), for all tokens at all
    positions: softmax mixes, ReLU shrinks. Not rounded outwards: what it is compared with leaves
    room.

    Attributes:
        peaks: the largest number of each vector that was met, scores included.
    """

    def __init__(self) -> None:
        self.peaks: list[Tensor] = []

    def through(self, matrix: Matrix, x: Tensor) -> Tensor:
        """|W| |x|."""
        return self._met(torch.cat([size @ x for size in magnitudes(matrix.weight)]))

    def mixed(self, heads: Heads, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """A mixture of values; no score is larger than those of all heads together."""
        self._met((query * key).sum()[None])
        return value

    def plus(self, x: Tensor, update: Tensor) -> Tensor:
        """|x| + |update|."""
        return self._met(x + update)

    def normed(self, x: Tensor, norm: Norm) -> Tensor:
        """At most `sqrt(d_model)` times the gain, plus the bias."""
        largest = magnitude(norm.module.weight) * math.sqrt(len(x))
        if isinstance(norm.module, nn.LayerNorm):
            largest = largest + magnitude(norm.module.bias)
        return self._met(largest)

    def _met(self, x: Tensor) -> Tensor:
        """The same, its largest number noted."""
        if x.numel():
            self.peaks.append(x.max())
        return x


def largest_embedded(network: Network) -> Tensor:
    """The largest absolute value of each coordinate of an embedded token, its position included:
    float64 (d_model,).
    """
    largest = largest_of_columns(network.embedding.weight)
    if network.positions is None:
        return largest
    return largest + largest_of_columns(network.positions.weight)


@torch.no_grad()
def largest_number(model: Transformer) -> float:
    """A bound on the absolute value of every number in any forward pass, logits aside; NaN if a
    weight is, infinite where float64 does not hold it.
    """
    network, rules = network_of(model), Largest()
    embedded = largest_embedded(network)
    follow(network, embedded, rules)
    found = torch.stack([embedded.max(), *rules.peaks]).max().item()
    if math.isnan(found) and not any(bool(weight.isnan().any()) for weight in model.parameters()):
        return math.inf  # 0 times what is infinite
    return found
