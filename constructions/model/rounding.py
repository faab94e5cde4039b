"""Bounds that are computed in float64 and rounded outwards."""

from __future__ import annotations

from torch import Tensor

OUTWARD = 2.0**-20
"""More than the relative rounding of a float64 sum of up to 2^30 terms of one sign."""


def magnitude(weight: Tensor) -> Tensor:
    """The absolute values of a weight, float64."""
    return weight.detach().abs().double()


def up(values: Tensor) -> Tensor:
    """Non-negative numbers, enlarged by more than the rounding of the sums that they come from."""
    return values * (1 + OUTWARD)
