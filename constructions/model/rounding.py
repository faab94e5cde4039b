"""Bounds that are computed in float64 and rounded outwards."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

NUMBERS_AT_ONCE = 2**18
"""Of a weight of which absolute values are taken: what that needs does not grow with it."""
OUTWARD = 2.0**-20
"""More than the relative rounding of a float64 sum of up to 2^30 terms of one sign."""


def magnitude(weight: Tensor) -> Tensor:
    """The absolute values of a weight, float64."""
    return weight.detach().abs().double()


def magnitudes(weight: Tensor) -> Iterator[Tensor]:
    """The rows of `magnitude`, in order, some at a time: (rows, in), at least once."""
    some = max(1, NUMBERS_AT_ONCE // max(1, weight.shape[1]))
    return map(magnitude, torch.split(weight.detach(), some))


def largest_of_columns(weight: Tensor) -> Tensor:
    """`magnitude(weight).amax(0)`, float64 (in,), without a copy of the weight."""
    weight = weight.detach()
    return torch.maximum(weight.amax(0), -weight.amin(0)).double()


def up(values: Tensor) -> Tensor:
    """Non-negative numbers, enlarged by more than the rounding of the sums that they come from."""
    return values * (1 + OUTWARD)
