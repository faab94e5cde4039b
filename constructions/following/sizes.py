"""How large each number may be, and how far off, for all tokens at all positions alike.

A matrix W makes errors `|W| e` of errors e, and rounds; ReLU is 1-Lipschitz; sums add errors. What
a head's mixture may be off by is left to who uses these rules.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from constructions.following.walk import Heads, Matrix, MatrixRules
from constructions.model.rounding import magnitudes, up


@dataclass(frozen=True)
class Size:
    """Bounds on a vector that is computed with errors.

    Attributes:
        largest: float64 (n,), on the absolute value of each number without errors.
        error: float64 (n,), on how far each number is off, but for a common shift.
        shift: on a further error that is the same for all numbers, so that it cancels from what
            reads differences of them.
    """

    largest: Tensor
    error: Tensor
    shift: float = 0

    @property
    def total(self) -> Tensor:
        """The largest absolute value of each number with its errors."""
        return self.largest + self.error + self.shift


class Sizes(MatrixRules[Size]):
    """All sums are rounded outwards. Here nothing rounds but the bounds themselves."""

    def through(self, matrix: Matrix, x: Size) -> Size:
        """|W| of both, and what is rounded; a shift cancels."""
        total, largest, errors = x.total, list[Tensor](), list[Tensor]()
        for size in magnitudes(matrix.weight):
            largest.append(up(size @ x.largest))
            errors.append(up(size @ x.error + self.rounded(matrix.name, size, total)))
        return Size(torch.cat(largest), torch.cat(errors))

    def rounded(self, name: str, size: Tensor, total: Tensor) -> Tensor | float:
        """How far W x may be off by rounding, for all |x| <= total; size: |W|, float64, or some
        of its rows.
        """
        return 0.0

    def plus(self, x: Size, update: Size) -> Size:
        """The sum; where 0 is added nothing becomes larger."""
        error = x.error + update.error
        largest = torch.where(update.largest == 0, x.largest, up(x.largest + update.largest))
        shift = x.shift + update.shift
        rounded = self.rounded_sum(x.largest + update.largest + error + shift)
        return replace(x, largest=largest, error=up(error + rounded))

    def rounded_sum(self, total: Tensor) -> Tensor | float:
        """How far a sum of at most this absolute value may be off by rounding."""
        return 0.0

    def mixed(self, heads: Heads, query: Size, key: Size, value: Size) -> Size:
        """What each head reads, one after the other."""
        errors = [value.error[:0]]
        for scored, read in heads.channels():
            moved = self.moved_mixture(_part(query, scored), _part(key, scored))
            error, largest = value.error[read], value.largest[read]
            errors.append(up(error * (1 + moved) + moved * largest))
        return Size(value.largest, torch.cat(errors))

    @abstractmethod
    def moved_mixture(self, query: Size, key: Size) -> float:
        """By which ratio of the largest value a head's mixture may be off, from its queries and
        keys; 2 for any two softmaxes.
        """


def _part(x: Size, channels: slice) -> Size:
    """Some channels."""
    return Size(x.largest[channels], x.error[channels])
