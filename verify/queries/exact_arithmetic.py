"""Which sums and products are exact in a dtype, in whatever order they are added."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor, nn

from constructions.model.rounding import up
from verify.queries.exact_numbers import (
    Known,
    Weight,
    columns,
    held_entries,
    largest,
    looked_at,
    sizes,
)

_SMALL = 2**20
"""Weights of up to so many entries may be read once for each batch."""
_LARGEST_GRID = 900


class Arithmetic:
    """What a dtype holds exactly, and what is known of tensors and weights.

    Attributes:
        dtype: of the module.
        unit: half of the distance from 1 to the next larger number.
        steps: multiples of a power of two are held exactly up to so many of it.
        most, least: sizes below which nothing overflows; the exponent of the smallest normal
            number.
        weights: what is known of the weights that were looked at, by their identity.
    """

    def __init__(self, dtype: torch.dtype):
        limits = torch.finfo(dtype)
        self.dtype, self.unit = dtype, limits.eps / 2
        self.steps, self.most, self.least = (
            2 / limits.eps,
            limits.max / 4,
            math.log2(limits.smallest_normal),
        )
        self.weights: dict[int, tuple[Tensor, Weight]] = {}

    def known(self, tensor: Tensor) -> Known | None:
        """What is known of a tensor, or of all entries of a parameter."""
        if isinstance(tensor, nn.Parameter):
            return self.weight(tensor).known
        return getattr(tensor, "exactly", None)

    def weight(self, weight: Tensor) -> Weight:
        """What is known of a weight, which is looked at once; nothing, if entries may be
        subnormal: some processors take these for 0.
        """
        if id(weight) not in self.weights:
            found = looked_at(weight.detach())
            if found.known is not None and found.known.grid < self.least:
                found = replace(found, known=None)
            self.weights[id(weight)] = weight, found
        return self.weights[id(weight)][1]

    def fits(self, most: float, grid: float) -> bool:
        """Whether all sums of absolute values up to `most`, on this grid, are exact."""
        if grid == math.inf:
            return most == 0
        return grid >= self.least and most < self.most and most <= self.reach(grid)

    def reach(self, grid: float) -> float:
        """Multiples of 2^grid are held exactly up to this."""
        return self.steps * math.ldexp(1.0, int(grid)) if grid < _LARGEST_GRID else math.inf

    def product(self, x: Tensor, weight: Tensor) -> Known | None:
        """What is known of `x @ weight.T`, for x (..., in) and weight (out, in), which is not
        computed; None where it is not proven exact, but for entries that read loose ones.
        """
        mine, its = self.known(x), self.weight(weight)
        if mine is None or mine.error or its.known is None:
            return None
        if mine.loose is not None:
            held = self.product(held_entries(x, mine), weight)
            return self.beside_loose(held, x, mine, weight.detach().mT, its.known)
        grid = mine.grid + its.known.grid
        if not x.numel() or not weight.numel():
            return Known(math.inf)
        if self.fits(largest(x) * its.row, grid):
            return Known(grid)
        size = columns(x)
        if self.fits(up(size @ its.columns).item(), grid):
            return Known(grid)
        if weight.numel() <= _SMALL and self.fits(
            up(weight.detach().abs().double() @ size).amax().item(), grid
        ):
            return Known(grid)
        return Known(grid) if self.fits(up(self._row_by_row(x, weight)).item(), grid) else None

    def beside_loose(
        self, held: Known | None, a: Tensor, mine: Known, b: Tensor, its: Known
    ) -> Known | None:
        """What is known of `a @ b`, of which entries are loose: `held` is what is known of the
        product of all other entries.

        An entry of the product is loose if a loose entry is multiplied in it, by anything but an
        exact 0. A loose one times an exact 0 adds 0, in any order, since it is finite.
        """
        if held is None:
            return None
        (size, loose), (its_size, its_loose) = sizes(a, mine), sizes(b, its)
        # which products have a loose factor, and no 0; counted, so that nothing underflows
        some = loose.double() @ (its_size > 0).double() + (size > 0).double() @ its_loose.double()
        terms = a.shape[-1]
        most = up(size @ its_size) * self.rounded_up(terms + 2)
        if mine.mixes:
            mixed = its_size.amax(-2, keepdim=True) * self.rounded_up(3 * terms + 24)
            most = most.minimum(mixed)
        return self.with_loose(held, torch.where(some > 0, most + terms * 2.0**self.least, 0.0))

    def rounded_up(self, times: int) -> float:
        """By how much a sum of non-negative numbers may grow that are rounded so often."""
        return math.exp(times * self.unit) * (1 + 2.0**-40) if times * self.unit < 1 else math.inf

    def with_loose(self, held: Known, loose: Tensor) -> Known | None:
        """The same, but for loose entries of these sizes; None if one of them may overflow."""
        if not loose.numel() or not bool((loose > 0).any()):
            return held if bool((loose == 0).all()) else None
        return replace(held, loose=loose) if bool(loose.amax() < self.most) else None

    def _row_by_row(self, x: Tensor, weight: Tensor) -> Tensor:
        """The largest sum of absolute values in `x @ weight.T`, for each row of x by itself; never
        too small.
        """
        wide = torch.promote_types(self.dtype, torch.float32)
        slack = 1 + 2 * (x.shape[-1] + 2) * torch.finfo(wide).eps
        return (x.abs().to(wide) @ weight.detach().abs().to(wide).mT).amax().double() * slack
