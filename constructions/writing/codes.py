"""How a node of the fact graph is written in the stream: its code.

`Bits` and `Signs` write the bits of the node's number in a codebook, `Number` writes the number
itself. A builder may have a code of its own: any class with these three attributes will do, with
`form = None`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from constructions.facts.codes import Codebook


class Code(Protocol):
    """What is asked of a code."""

    @property
    def form(self) -> Literal["bits", "signs", "number"] | None:
        """What a certificate calls it; None for a code that it cannot spell out."""

    @property
    def codebook(self) -> Codebook:
        """The nodes that have a code."""

    def rows(self, tokens: NDArray[np.int64]) -> NDArray[np.integer]:
        """The codes of nodes, given by their tokens (n,): integers (n, width)."""


@dataclass(frozen=True)
class Bits:
    """The bits of the node's number, 0 or 1, the least significant first."""

    codebook: Codebook
    form: ClassVar[Literal["bits"]] = "bits"

    def rows(self, tokens: NDArray[np.int64]) -> NDArray[np.integer]:
        """int8 (n, bits)."""
        return self.codebook.binary(tokens)


@dataclass(frozen=True)
class Signs:
    """The bits of the node's number as signs: -1 for 0, +1 for 1."""

    codebook: Codebook
    form: ClassVar[Literal["signs"]] = "signs"

    def rows(self, tokens: NDArray[np.int64]) -> NDArray[np.integer]:
        """int8 (n, bits)."""
        return self.codebook.signs(tokens)


@dataclass(frozen=True)
class Number:
    """The node's number, in one coordinate."""

    codebook: Codebook
    form: ClassVar[Literal["number"]] = "number"

    def rows(self, tokens: NDArray[np.int64]) -> NDArray[np.integer]:
        """int64 (n, 1)."""
        return self.codebook.numbers(tokens)[:, None]
