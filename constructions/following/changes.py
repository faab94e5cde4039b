"""What happens to weights and sums: here rounding; with noise, or in another basis, more.

A matrix W that becomes W + D makes of errors e an error `|W| e + |D| (|x| + e)`, and rounds; sums
add errors, and round. Noise is a `Change` (`constructions.forms.noise_bounds`), and so is another
basis (`constructions.forms.basis_bounds`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from constructions.following.boxes import UNIT, Box
from constructions.model.rounding import up

_MOST_KEPT = 2**23
"""Entries of a weight whose absolute values are kept beside it."""


@dataclass(frozen=True, eq=False)
class Entries:
    """A weight, float64 (out, in), and what bounds need of it, which is found once."""

    weight: Tensor

    @property
    def size(self) -> Tensor:
        """The absolute values, (out, in): kept, unless they are many."""
        return self._kept if self.weight.numel() <= _MOST_KEPT else self.weight.abs()

    @cached_property
    def _kept(self) -> Tensor:
        """See `size`."""
        return self.weight.abs()

    @cached_property
    def row_sums(self) -> Tensor:
        """Those of each row added up, (out,)."""
        return self.size.sum(1)

    @cached_property
    def not_zero(self) -> Tensor:
        """How many of each row are not 0, int64 (out,)."""
        return (self.weight != 0).sum(1)


class Change:
    """What happens to weights and sums: here nothing but rounding, by half a unit in the last
    place.

    Products, sums and their terms may be flushed to 0 where they would be subnormal; but in
    float16, where none are. Where a sum may exceed a quarter of the largest number of the dtype
    nothing is known: the error is NaN, and so is all that depends on it.
    """

    def __init__(self, dtype: torch.dtype):
        limits = torch.finfo(dtype)
        self.unit, self.most = limits.eps / 2, limits.max / 4
        self.flushed = 0.0 if dtype == torch.float16 else limits.smallest_normal
        # a product and a sum, or a product
        self.underflow = 2 * self.flushed or limits.smallest_normal * limits.eps

    def table(self, name: str, weight: Tensor) -> Tensor:
        """Bounds on the changes of a table's rows, (rows, d_model); a view where all are the same:
        the table may be large.
        """
        return weight.new_zeros(()).expand_as(weight)

    def moved(self, name: str, weight: Tensor, total: Tensor) -> Tensor:
        """A bound on |D x| for all |x| <= total."""
        return torch.zeros(())

    def rounds(self, sums: Tensor, terms: int | Tensor) -> Tensor:
        """How far sums of so many products, of at most these absolute values together, are from
        the exact ones.
        """
        return torch.where(
            sums < self.most, terms * (self.unit * sums + self.underflow), torch.nan
        )

    def terms(self, entries: Entries) -> Tensor | int:
        """How many products each row of a changed weight makes that are not 0: (rows,). Adding a 0
        does not round.
        """
        return entries.not_zero

    def rounded(self, name: str, entries: Entries, total: Tensor, moved: Tensor) -> Tensor:
        """How far `(W + D) x` is from that in floating point, for all |x| <= total; moved: the
        bound on |D x|.
        """
        sums = total @ entries.size.mT + moved
        return self.rounds(sums, self.terms(entries) + 2) + self.flushed * (
            entries.row_sums + total.sum(-1, keepdim=True)
        )

    def through(self, name: str, entries: Entries, x: Box) -> Box:
        """W x."""
        weight, size, n = entries.weight, entries.size.mT, entries.weight.shape[1]
        middle, half = x.middle_and_half
        ends, spread = middle @ weight.mT, up((half + (n + 4) * UNIT * middle.abs()) @ size)
        total = x.total
        moved = up(self.moved(name, weight, total))
        rounded = self.rounded(name, entries, total, moved)
        error = up(x.error @ size + x.shifted(weight) + moved + x.divided(rounded))
        return Box(ends - spread, ends + spread, error, scale=x.scale)

    def rounded_sum(self, x: Tensor, y: Tensor) -> Tensor:
        """How far x + y is from that in floating point, for streams of at most these absolute
        values.
        """
        return self.rounds(x + y, 1) + 2 * self.flushed

    def plus(self, x: Box, y: Box) -> Box:
        """x + y, where x may have a shift, and both a common factor: the same, or x has one."""
        if y.scale is not x.scale:
            y = y.unscaled()
            if x.scale is not None:  # 1 / (1 + s) differs from 1 by at most 2 scale
                y = Box(y.low, y.high, up(y.error + 2 * x.scale * y.total))
        spread = torch.where(y.largest > 0, 4 * UNIT * (x.largest + y.largest), 0.0)
        error = up(x.error + y.error + x.divided(self.rounded_sum(x.total, y.total)))
        low, high = x.low + y.low - spread, x.high + y.high + spread
        return Box(low, high, error, x.shift, x.along, x.scale)

    def quotient(self, x: Box, number: float) -> Box:
        """x / number, where the number may be rounded too."""
        spread = 4 * UNIT * x.largest / number
        error = (x.error + 3 * self.unit * x.total) / number + self.underflow
        return Box(x.low / number - spread, x.high / number + spread, up(error))
