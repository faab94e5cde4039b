"""What happens to weights and sums: here rounding; with noise, or in another basis, more.

A matrix W that becomes W + D makes of errors e an error `|W| e + |D| (|x| + e)`, and rounds; sums
add errors, and round. Noise is a `Change` (`constructions.forms.noise_bounds`), and so is another
basis (`constructions.forms.basis_bounds`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from constructions.following.boxes import UNIT, Box
from constructions.model.rounding import up

_MOST_KEPT = 2**23
"""Entries of a weight whose absolute values are kept beside it."""


@dataclass(eq=False)
class Entries:
    """A weight, float64 (out, in), and what bounds need of it, which is found once.

    Attributes:
        weight: the entries.
        counts: how many columns each column stands for, float64 (in,); None for one each.
    """

    weight: Tensor
    counts: Tensor | None = None
    _along: tuple[Tensor, Tensor] | None = field(default=None, init=False, repr=False)

    @cached_property
    def width(self) -> int:
        """How many columns there are."""
        return self.weight.shape[1] if self.counts is None else int(self.counts.sum())

    def counted(self, total: Tensor) -> Tensor:
        """What is summed over columns (..., in), each as often as it stands for one."""
        return total if self.counts is None else total * self.counts

    @property
    def size(self) -> Tensor:
        """The absolute values, (out, in): kept, unless they are many."""
        return self._kept if self.weight.numel() <= _MOST_KEPT else self.weight.abs()

    @cached_property
    def _kept(self) -> Tensor:
        """See `size`."""
        return self.weight.abs()

    @cached_property
    def _block(self) -> tuple[Tensor, Tensor, Entries] | None:
        """The rows and columns that are not all 0, int64, and the entries where they meet; None
        if these are more than half of all.
        """
        rows, columns = ((self.weight != 0).any(axis).nonzero().ravel() for axis in (1, 0))
        if 2 * len(rows) * len(columns) >= self.weight.numel():
            return None
        return rows, columns, Entries(self.weight[rows][:, columns])

    def times(self, *vectors: Tensor, size: bool = False) -> tuple[Tensor, ...]:
        """W times each of these, (..., in) to (..., out); or |W|. Nothing is multiplied by rows
        and columns of zeros.
        """
        if self._block is None:
            matrix = (self.size if size else self.weight).mT
            return tuple(x @ matrix for x in vectors)
        rows, columns, block = self._block
        found = block.times(*(x[..., columns] for x in vectors), size=size)
        shape = len(self.weight)
        return tuple(x.new_zeros(*x.shape[:-1], shape).index_copy_(-1, rows, x) for x in found)

    def shifted(self, x: Box) -> Tensor:
        """A bound on what the shift of x adds to W x."""
        if x.shift is None or x.along is None:
            return self.weight.new_zeros(())
        if self._along is None or self._along[0] is not x.along:  # mostly the gain of one norm
            uncertain = (self.weight.shape[1] + 4) * UNIT * (self.size @ x.along.abs())
            self._along = x.along, (self.weight @ x.along).abs() + uncertain
        return x.shift * self._along[1]

    @cached_property
    def row_sums(self) -> Tensor:
        """Those of each row added up, (out,)."""
        return self.size.sum(1)

    @cached_property
    def largest_row(self) -> Tensor:
        """The largest of these sums, (); 0 for no rows."""
        return self.row_sums.max() if len(self.weight) else self.weight.new_zeros(())

    @cached_property
    def largest(self) -> Tensor:
        """The largest absolute value, (); 0 for no entries."""
        return self.size.max() if self.weight.numel() else self.weight.new_zeros(())

    @cached_property
    def not_zero(self) -> Tensor:
        """How many of each row are not 0, int64 (out,)."""
        return (self.weight != 0).sum(1)

    @cached_property
    def most_terms(self) -> int:
        """The largest of these numbers; 0 for no rows."""
        return int(self.not_zero.max()) if len(self.weight) else 0


def with_bias(weight: Tensor, bias: Tensor | None) -> Tensor:
    """The weight (out, in), or (out, in + 1) with a bias (out,) as its last column: this is what
    `Box.with_one` is multiplied by.
    """
    return weight if bias is None else torch.cat([weight, bias[:, None]], 1)


class Change:
    """What happens to weights and sums: here nothing but rounding, by half a unit in the last
    place.

    Products, sums and their terms may be flushed to 0 where they would be subnormal; but in
    float16, where none are. Where a sum may exceed a quarter of the largest number of the dtype
    nothing is known: the error is NaN, and so is all that depends on it.

    Attributes:
        points: of a point a point is made, a number as it is computed here: what it may be off by
            counts as an error. Else intervals hold the values in real arithmetic.
        eps: of the dtype, which an RMSNorm adds that states none.
    """

    def __init__(self, dtype: torch.dtype, points: bool = False):
        self.points = points
        limits = torch.finfo(dtype)
        self.unit, self.most, self.eps = limits.eps / 2, limits.max / 4, limits.eps
        self.flushed = 0.0 if dtype == torch.float16 else limits.smallest_normal
        # a product and a sum, or a product
        self.underflow = 2 * self.flushed or limits.smallest_normal * limits.eps

    def table(self, name: str, weight: Tensor) -> Tensor:
        """Bounds on the changes of a table's rows, (rows, d_model); a view where all are the same:
        the table may be large.
        """
        return weight.new_zeros(()).expand_as(weight)

    def moved(self, name: str, weight: Tensor, total: Tensor) -> Tensor:
        """A bound on |D x| for all |x| <= total, of columns as often as they count."""
        return torch.zeros(())

    def rounds(self, sums: Tensor, terms: int | Tensor) -> Tensor:
        """How far sums of so many products, of at most these absolute values together, are from
        the exact ones.
        """
        bound = terms * (self.unit * sums + self.underflow)
        held = sums < self.most
        return bound if held.all() else torch.where(held, bound, torch.nan)

    def terms(self, entries: Entries) -> Tensor | int:
        """How many products each row of a changed weight makes that are not 0: (rows,). Adding a 0
        does not round.
        """
        return entries.not_zero

    def rounded(self, name: str, entries: Entries, total: Tensor, moved: Tensor) -> Tensor:
        """How far `(W + D) x` is from that in floating point, for all |x| <= total; moved: the
        bound on |D x|.
        """
        (sums,) = entries.times(total, size=True)
        sums = sums + moved
        return self.rounds(sums, self.terms(entries) + 2) + self.flushed * (
            entries.row_sums + total.sum(-1, keepdim=True)
        )

    def through(self, name: str, entries: Entries, x: Box) -> Box:
        """W x."""
        share = (entries.weight.shape[1] + 4) * UNIT  # what a product rounds by here
        middle, half = x.middle_and_half
        (ends,) = entries.times(middle)
        if self.points and x.is_point:
            return Box(ends, ends, self.off(name, entries, x, share), scale=x.scale)
        (spread,) = entries.times(half + share * middle.abs(), size=True)
        error, spread = self.off(name, entries, x), up(spread)
        return Box(ends - spread, ends + spread, error, scale=x.scale)

    def off(self, name: str, entries: Entries, x: Box, share: float = 0.0) -> Tensor:
        """The error of W x, where x is off by this share of itself beside its error."""
        total = x.total
        counted = entries.counted(total)
        moved = up(self.moved(name, entries.weight, counted))
        rounded = self.rounded(name, entries, counted, moved)
        (error,) = entries.times(x.error + share * total, size=True)
        return up(error + entries.shifted(x) + moved + x.divided(rounded))

    def off_in_one(self, name: str, entries: Entries, x: Box, share: float, terms: int) -> Tensor:
        """As `off`, for rows of at most so many terms, two for rounding included: what they round
        by is part of the one product `|W| e`.
        """
        total = x.total
        counted = entries.counted(total)
        summed, moved = counted.sum(-1, True), up(self.moved(name, entries.weight, counted))
        held = bool((entries.largest * summed + moved < self.most).all())
        if not held or x.shift is not None or x.scale is not None:
            return Change.off(self, name, entries, x, share)  # each row by itself: it may overflow
        apart = (1 + terms * self.unit) * moved + terms * self.underflow
        apart = up(apart + self.flushed * (entries.largest_row + summed))
        off = up(torch.add(x.error, total, alpha=share + terms * self.unit))
        (error,) = entries.times(off, size=True)  # enlarged already
        return error.add_(apart)

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
        error = x.error + y.error + x.divided(self.rounded_sum(x.total, y.total))
        if self.points and x.is_point and y.is_point:
            low, error = x.low + y.low, up(error + 4 * UNIT * (x.total + y.total))
            return Box(low, low, error, x.shift, x.along, x.scale)
        error = up(error)
        spread = torch.where(y.largest > 0, 4 * UNIT * (x.largest + y.largest), 0.0)
        low, high = x.low + y.low - spread, x.high + y.high + spread
        return Box(low, high, error, x.shift, x.along, x.scale)

    def quotient(self, x: Box, number: float) -> Box:
        """x / number, where the number may be rounded too."""
        spread = 4 * UNIT * x.largest / number
        error = (x.error + 3 * self.unit * x.total) / number + self.underflow
        return Box(x.low / number - spread, x.high / number + spread, up(error))


class Rounding(Change):
    """No change but rounding, of points; all rows of a matrix count as many terms as the one that
    has the most, so that errors take one product.
    """

    def __init__(self, dtype: torch.dtype):
        super().__init__(dtype, points=True)

    def off(self, name: str, entries: Entries, x: Box, share: float = 0.0) -> Tensor:
        """As for any change."""
        return self.off_in_one(name, entries, x, share, entries.most_terms + 2)


class Real(Rounding):
    """No change and no rounding: real arithmetic. The errors that are left are what the bounds
    themselves, which are computed in float64, are rounded by.

    Args:
        dtype: of the weights; an RMSNorm that states no eps takes that of the dtype.
    """

    def __init__(self, dtype: torch.dtype):
        super().__init__(torch.float64)
        self.unit, self.eps = 0.0, torch.finfo(dtype).eps
