"""Intervals and errors: what is known of each coordinate at each position.

For each coordinate at each position there is an interval that holds its value without any change
of the weights, in real arithmetic, and a bound e on how far the value with the change, in floating
point, is from that. The intervals are those of a box of token sequences: all tokens at every
position, or a single query, which is a point (`constructions.following.queries`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from constructions.model.rounding import up

UNIT = 2.0**-53
"""Of float64, in which the bounds are computed."""
MOST_SCALE = 2.0**-3
"""A common factor that is further from 1 counts as an error of each coordinate: beside a smaller
one no sum overflows that is at most a quarter of the largest number without it.
"""


@dataclass
class Box:
    """Bounds on vectors (..., n), in float64.

    Attributes:
        low, high: (..., n), the ends of the values without the change, in real arithmetic; of a
            point the very same tensor.
        error: (..., n), how far the values with the change, in floating point, are from those,
            but for a common shift.
        shift: (..., 1), on a further error: one factor of at most this for each position, times
            `along`. It may cancel from what reads differences. None for none.
        along: (n,), the vector that the shift multiplies; None for none.
        scale: (..., 1), on the s of a common factor 1 + s for each position, at most
            `MOST_SCALE`: it multiplies the values with the change, errors and shift included,
            beside what all these say. Two boxes with the very same tensor here have the same
            factor. None for a factor of 1.
    """

    low: Tensor
    high: Tensor
    error: Tensor
    shift: Tensor | None = None
    along: Tensor | None = None
    scale: Tensor | None = None

    @property
    def is_point(self) -> bool:
        """Whether all intervals are points."""
        return self.high is self.low

    @property
    def largest(self) -> Tensor:
        """The largest absolute value without the change."""
        return self.low.abs() if self.is_point else torch.maximum(self.high, -self.low)

    @property
    def total(self) -> Tensor:
        """The largest absolute value with it, but for the common factor."""
        total = self.largest + self.error
        return (
            total
            if self.shift is None or self.along is None
            else total + self.shift * self.along.abs()
        )

    @property
    def middle_and_half(self) -> tuple[Tensor, Tensor]:
        """The same interval as a point and a distance from it."""
        if self.is_point:
            return self.low, self.low.new_zeros(()).expand_as(self.low)
        middle = (self.low + self.high) / 2
        return middle, up(torch.maximum(self.high - middle, middle - self.low))

    def relu(self) -> Box:
        """What ReLU makes of it: both values lie between 0 and `high + error`."""
        error = self.error.minimum(up(self.high + self.error).relu())
        low, high = self._ends(torch.relu)
        return Box(low, high, error, scale=self.scale)

    def _ends(self, change: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
        """Both ends, changed; a point stays one."""
        low = change(self.low)
        return low, low if self.is_point else change(self.high)

    def divided(self, by: Tensor) -> Tensor:
        """What absolute errors, made of the numbers as they are, count for beside the factor:
        `1 / (1 + s) <= 1 + 2 scale`.
        """
        return by if self.scale is None else by * (1 + 2 * self.scale)

    def unscaled(self) -> Box:
        """The same with a factor of 1: what the factor does is an error."""
        if self.scale is None:
            return self
        error = up(self.error + self.scale * (self.largest + self.error))
        shift = None if self.shift is None else up(self.shift * (1 + self.scale))
        return Box(self.low, self.high, error, shift, self.along)

    def with_one(self) -> Box:
        """The same vectors (..., n + 1) with a last coordinate that is 1, beside the factor too:
        `1 = (1 + s) (1 + e)` with `|e| <= 2 |s|`. A matrix with its bias as the last column reads
        it.
        """
        one = self.low.new_ones(()).expand(*self.low.shape[:-1], 1)
        low, high = self._ends(lambda end: torch.cat([end, one], -1))
        off = torch.zeros_like(one) if self.scale is None else up(2 * self.scale).expand_as(one)
        along = self.along if self.along is None else nn.functional.pad(self.along, (0, 1))
        error = torch.cat([self.error.expand_as(self.low), off], -1)
        return Box(low, high, error, self.shift, along, self.scale)

    def channels(self, some: slice) -> Box:
        """Some coordinates; of vectors without a shift or a factor."""
        return Box(*self._ends(lambda end: end[..., some]), self.error[..., some])

    def at(self, places: Tensor) -> Box:
        """Of vectors (P, n) those at these places (...): (..., n)."""
        shift = None if self.shift is None else self.shift[places]
        scale = None if self.scale is None else self.scale[places]
        low, high = self._ends(lambda end: end[places])
        return Box(low, high, self.error[places], shift, self.along, scale)


def side_by_side(boxes: Sequence[Box]) -> Box:
    """Vectors (..., n) after each other, (..., sum of n); without shifts or factors."""
    low, error = (torch.cat([getattr(box, end) for box in boxes], -1) for end in ("low", "error"))
    if all(box.is_point for box in boxes):
        return Box(low, low, error)
    return Box(low, torch.cat([box.high for box in boxes], -1), error)
