"""The largest number of any forward pass, from the absolute values of the weights; and what layers
have written, of which heads may read nothing where positions are to be remembered at once.
"""

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
    Rules,
    Units,
    follow,
    network_of,
)
from constructions.model.rounding import magnitude
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
        return self._met(magnitude(matrix.weight) @ x)

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
    largest = magnitude(network.embedding.weight).amax(0)
    if network.positions is None:
        return largest
    return largest + magnitude(network.positions.weight).amax(0)


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


class _Written(Rules[Tensor]):
    """Which coordinates a layer has written, bool (d_model,): those whose rows are not 0."""

    def __init__(self) -> None:
        self.read = False

    def attended(self, x: Tensor, heads: Heads) -> Tensor:
        """Notes whether keys or values read what was written; queries may."""
        for matrix in (heads.key, heads.value):
            self.read |= bool((x & (matrix.weight != 0).any(0)).any())
        return (heads.output.weight != 0).any(1)

    def computed(self, x: Tensor, units: Units) -> Tensor:
        """The rows of the last matrix."""
        return (units.matrices[-1].weight != 0).any(1)

    def plus(self, x: Tensor, update: Tensor) -> Tensor:
        """Once written, always written."""
        return x | update


@torch.no_grad()
def attends_to_embeddings_alone(network: Network) -> bool:
    """Whether all keys and values depend on a token and its position alone: they read only
    coordinates that no earlier layer writes (rows of exact zeros).
    """
    rules, table = _Written(), network.embedding.weight
    follow(network, torch.zeros(table.shape[1], dtype=torch.bool, device=table.device), rules)
    return not rules.read


def prefix_is_static(model: Transformer) -> bool:
    """Whether later layers need not be run for positions that are only attended to: what a layer
    remembers of a position (`Transformer.remember`) depends on its token alone, and no number of
    a forward pass can overflow.
    """
    return (
        attends_to_embeddings_alone(network_of(model))
        and largest_number(model) < torch.finfo(model.embedding.weight.dtype).max / 4
    )
