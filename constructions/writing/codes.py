"""How a node of the fact graph is written in the stream: its code.

`Bits` and `Signs` write the bits of the node's number in a codebook, `Number` writes the number
itself, `Digits` its digits to any base. A builder may have a code of its own: any class with
these three attributes will do, with `form = None`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from constructions.facts.codes import Codebook, digit_codes
from constructions.guards.integers import require_integer_fields


class Code(Protocol):
    """What is asked of a code."""

    @property
    def form(self) -> str | None:
        """What a certificate calls it: `bits`, `signs`, `number`, or `base q` of digits; None for
        a code that it has no name for.
        """

    @property
    def codebook(self) -> Codebook:
        """The nodes that have a code."""

    def rows(self, tokens: NDArray[np.int64]) -> NDArray[np.integer]:
        """The codes of nodes, given by their tokens (n,): integers (n, width)."""


@dataclass(frozen=True)
class Bits:
    """The bits of the node's number, 0 or 1, the least significant first."""

    codebook: Codebook
    form: ClassVar[str] = "bits"

    def rows(self, tokens: NDArray[np.int64]) -> NDArray[np.integer]:
        """int8 (n, bits)."""
        return self.codebook.binary(tokens)


@dataclass(frozen=True)
class Signs:
    """The bits of the node's number as signs: -1 for 0, +1 for 1."""

    codebook: Codebook
    form: ClassVar[str] = "signs"

    def rows(self, tokens: NDArray[np.int64]) -> NDArray[np.integer]:
        """int8 (n, bits)."""
        return self.codebook.signs(tokens)


@dataclass(frozen=True)
class Number:
    """The node's number, in one coordinate."""

    codebook: Codebook
    form: ClassVar[str] = "number"

    def rows(self, tokens: NDArray[np.int64]) -> NDArray[np.integer]:
        """int64 (n, 1)."""
        return self.codebook.numbers(tokens)[:, None]


@dataclass(frozen=True)
class Digits:
    """The digits of the node's number to some base, each in a coordinate, the lowest first.

    Attributes:
        codebook: the nodes that have a code.
        base, digits: 2 or more, and how many digits are written.
    """

    codebook: Codebook
    base: int
    digits: int

    def __post_init__(self) -> None:
        require_integer_fields(self)

    @property
    def form(self) -> str | None:
        """`base q`; None for digits 0 and 1, which a certificate takes for bits, and these are
        read otherwise.
        """
        return f"base {self.base}" if self.base > 2 else None

    def rows(self, tokens: NDArray[np.int64]) -> NDArray[np.integer]:
        """int64 (n, digits)."""
        return digit_codes(self.codebook.numbers(tokens), self.base, self.digits)
