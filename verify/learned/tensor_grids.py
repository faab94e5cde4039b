"""A tensor on a uniform grid of 2^b levels: `step / 2` times `m`, `m + 2`, ..., `m + 2 (2^b - 1)`.

The step is a number of 8 binary digits, as bfloat16 has them, and m an integer. Both are chosen by
the tensor, hence by the facts, and are charged: 16 bits for the step, a prefix-free code for m. A
tensor that lies on a dyadic grid of at most b bits as it is (most of a construction) stays there,
and is charged as `bounds.grids` says.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from bounds.grids import grid_of, signed_bits
from constructions.guards.errors import InputError

_STEP_DIGITS, STEP_BITS = 8, 16
"""Of bfloat16: binary digits of a step, and what it is charged."""


@dataclass(frozen=True)
class TensorGrid:
    """The levels that a tensor may have, and what it costs.

    Attributes:
        step: between neighbours; 0 where the tensor stays as it is.
        low: m, the lowest level in halves of a step.
        levels: how many there are.
        entries: of the tensor.
        width: bits of an entry.
        description: bits of step and m, or of the dyadic grid.
        scale: the share of the tensor's range that the levels cover.
    """

    step: float
    low: int
    levels: int
    entries: int
    width: int
    description: int
    scale: float

    @property
    def bits(self) -> int:
        """All that the tensor costs."""
        return self.entries * self.width + self.description

    def nearest(self, values: Tensor) -> Tensor:
        """The nearest levels, in the dtype of the values."""
        if not self.step:
            return values
        half = self.step / 2
        number = ((values.double() / half - self.low) / 2).round().clamp(0, self.levels - 1)
        return ((self.low + 2 * number) * half).to(values.dtype)


def grid_for(values: Tensor, bits: int, scale: float) -> TensorGrid:
    """The grid of 2^bits levels over a share of the tensor's range, about its middle.

    Raises:
        InputError: an entry is not a finite number.
    """
    return grids_for(values, bits, [scale])[0]


def grids_for(values: Tensor, bits: int, scales: Sequence[float]) -> list[TensorGrid]:
    """The same for several shares, the tensor read once. Raises InputError as `grid_for`."""
    flat = values.detach().double().cpu().flatten()
    if not bool(flat.isfinite().all()):
        raise InputError("a weight is not a finite number, so that no grid holds it")
    entries = flat.numel()
    exact = grid_of([flat.numpy()])
    if exact.width <= bits:
        kept = TensorGrid(0.0, 0, 1, entries, exact.width, exact.description_bits(), 1.0)
        return [kept] * len(scales)
    lowest, highest = float(flat.min()), float(flat.max())
    levels = 2**bits
    found = []
    for scale in scales:
        step = _short(scale * (highest - lowest) / (levels - 1))
        low = round((highest + lowest) / step) - (levels - 1)
        described = STEP_BITS + signed_bits(low)
        found.append(TensorGrid(step, low, levels, entries, bits, described, scale))
    return found


def _short(number: float) -> float:
    """The least number of 8 binary digits that is not smaller."""
    mantissa, exponent = math.frexp(number)
    return math.ldexp(math.ceil(math.ldexp(mantissa, _STEP_DIGITS)), exponent - _STEP_DIGITS)


def squared_error(values: Tensor, grid: TensorGrid) -> float:
    """What rounding changes, squared and summed."""
    return float(torch.square(grid.nearest(values.detach()).double() - values.detach()).sum())
