"""Logits in exact rational arithmetic, query by query: what decides where intervals touch.

Every floating point weight is an integer times a power of two. So is every number of a forward
pass without norms and softmax: it is computed here in Python's integers, of any size, by the one
walk over the layers (`constructions.following.walk`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from constructions.following.walk import (
    Heads,
    Matrix,
    MatrixRules,
    Network,
    follow,
)
from constructions.guards.errors import InternalError

Integers = NDArray[np.object_]


@dataclass(frozen=True)
class Dyadic:
    """Python integers times a power of two: `integers * 2 ** exponent`."""

    integers: Integers
    exponent: int

    def at(self, exponent: int) -> Integers:
        """The integers of the same numbers for an exponent that is no larger."""
        found: Integers = self.integers * (1 << (self.exponent - exponent))
        return found


def dyadic(weight: Tensor) -> Dyadic:
    """A tensor of finite numbers, exactly."""
    mantissas, exponents = np.frexp(weight.detach().double().cpu().numpy())
    integers = np.ldexp(mantissas, 53).astype(np.int64)
    used = exponents[integers != 0] - 53
    least = int(used.min(initial=0)) if used.size else 0
    shifts = np.where(integers != 0, exponents - 53 - least, 0)
    whole = integers.astype(object) * (np.array(1, dtype=object) << shifts.astype(object))
    return Dyadic(whole, least)


class Rational(MatrixRules[Dyadic]):
    """The numbers themselves, of one vector (n,)."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[Dyadic, Dyadic | None]] = {}

    def through(self, matrix: Matrix, x: Dyadic) -> Dyadic:
        """W x."""
        weight, _ = self._exactly(matrix)
        return Dyadic(weight.integers.dot(x.integers), weight.exponent + x.exponent)

    def layer(self, matrix: Matrix, x: Dyadic) -> Dyadic:
        """W x + b."""
        _, bias = self._exactly(matrix)
        found = self.through(matrix, x)
        return found if bias is None else self.plus(found, bias)

    def relu(self, x: Dyadic) -> Dyadic:
        """No number below 0."""
        return Dyadic(np.maximum(x.integers, 0), x.exponent)

    def plus(self, x: Dyadic, update: Dyadic) -> Dyadic:
        """The sum."""
        least = min(x.exponent, update.exponent)
        return Dyadic(x.at(least) + update.at(least), least)

    def mixed(self, heads: Heads, query: Any, key: Any, value: Any) -> Dyadic:
        """A softmax is no rational: `is_rational` is asked before."""
        raise InternalError("a softmax is no rational number")

    def row(self, matrix: Matrix, token: int) -> Dyadic:
        """A row of a table."""
        return dyadic(matrix.weight[token])

    def _exactly(self, matrix: Matrix) -> tuple[Dyadic, Dyadic | None]:
        """A matrix and its bias, converted once."""
        if matrix.name not in self._held:
            bias = None if matrix.bias is None else dyadic(matrix.bias)
            self._held[matrix.name] = dyadic(matrix.weight), bias
        return self._held[matrix.name]


def is_rational(network: Network) -> bool:
    """Whether all logits are rational numbers, and pairs of tokens enter: the one-layer model with
    uniform attention and without norms.
    """
    heads = any(isinstance(part.adds, Heads) for part in network.parts)
    return network.pair is not None and not heads and next(network.norms(), None) is None


def exact_logits(network: Network, rules: Rational, tokens: tuple[int, int]) -> Dyadic:
    """The logits (d_vocab,) of a pair of tokens, exactly."""
    subject, relation = (rules.row(network.embedding, token) for token in tokens)
    if network.pair is not None and network.pair.value is not None:
        subject = rules.through(network.pair.value, subject)
    return rules.through(
        network.unembedding, follow(network, rules.plus(subject, relation), rules)
    )
