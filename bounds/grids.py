"""Dyadic grids: the bits that hold some numbers, and those that describe the grid itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from constructions.guards.integers import whole


@dataclass(frozen=True)
class Grid:
    """The numbers `low + n 2^spacing`, n = 0, 1, ..., steps: the coarsest grid of some values,
    from the least to the largest.

    Attributes:
        low: the least value.
        spacing: the exponent e; 0 where there is one value.
        steps: the largest n; 0 for a constant, or for no value at all.
    """

    low: Fraction
    spacing: int
    steps: int

    @property
    def high(self) -> Fraction:
        """The largest value."""
        return self.low + self.steps * Fraction(2) ** self.spacing

    @property
    def width(self) -> int:
        """The bits that name a number of it."""
        return self.steps.bit_length()

    def holds(self, other: Grid) -> bool:
        """Whether all numbers of another grid have names of `width` bits on this one."""
        step = Fraction(2) ** self.spacing
        first = (other.low - self.low) / step
        last = first + other.steps * Fraction(2) ** other.spacing / step
        finer = other.steps and other.spacing < self.spacing
        return not finer and first.denominator == 1 and first >= 0 and last < 2**self.width

    def description_bits(self) -> int:
        """The bits that describe width, least value and spacing, as `natural_bits` of each part,
        signs included.
        """
        bits = natural_bits(self.width)
        mantissa, exponent = _odd_part(self.low)
        bits += signed_bits(mantissa) + (signed_bits(exponent) if mantissa else 0)
        return bits + (signed_bits(self.spacing) if self.steps else 0)


def fixed_point_width(pieces: Iterable[NDArray[np.float64]]) -> int:
    """The least number of bits that holds all values on one dyadic grid: 0 for a constant, 1 for
    {-1, 1}, 2 for {-1, 0, 1}.

    Raises:
        ValueError: a value is not a finite number.
    """
    return grid_of(pieces).width


def grid_of(pieces: Iterable[NDArray[np.float64]]) -> Grid:
    """The coarsest dyadic grid that holds all values; {0} of no value. Raises ValueError as
    `fixed_point_width`.
    """
    grids = {_grid_of_piece(piece) for piece in pieces if piece.size}
    if not grids:
        return Grid(Fraction(0), 0, 0)
    low, high = min(grid.low for grid in grids), max(grid.high for grid in grids)
    apart = [grid.spacing for grid in grids if grid.steps]
    apart += [_odd_part(grid.low - low)[1] for grid in grids if grid.low != low]
    if not apart:
        return Grid(low, 0, 0)
    return Grid(low, min(apart), int((high - low) / Fraction(2) ** min(apart)))


def natural_bits(number: int) -> int:
    """The length of Elias' delta code of number + 1, number >= 0: prefix-free, and about log2 n +
    2 log2 log2 n bits.

    Example:
        >>> natural_bits(7)
        8
    """
    length = (whole("number", number, 0) + 1).bit_length()
    return length - 1 + 2 * (length.bit_length() - 1) + 1


def signed_bits(number: int) -> int:
    """`natural_bits` of 2 n for n >= 0, and of -2 n - 1 for n < 0."""
    number = whole("number", number)
    return natural_bits(2 * number if number >= 0 else -2 * number - 1)


def _grid_of_piece(piece: NDArray[np.float64]) -> Grid:
    """The coarsest grid of some values, at least one, that are looked at together."""
    integers, scale = _as_integers(piece)
    low, high = int(integers.min()), int(integers.max())
    used = int(np.bitwise_or.reduce(integers - integers.flat[0], axis=None))
    spacing = used & -used  # the largest power of two that divides all differences
    exponent = scale + spacing.bit_length() - 1 if spacing else 0
    return Grid(low * Fraction(2) ** scale, exponent, (high - low) // spacing if spacing else 0)


def _as_integers(piece: NDArray[np.float64]) -> tuple[NDArray[Any], int]:
    """The values as integers times 2^scale: int64 where they are such integers (scale 0), Python
    integers otherwise.
    """
    low, high = piece.min(), piece.max()  # NaN, if any is
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ValueError("a weight is not a finite number, so that no number of bits holds it")
    if max(high, -low) < 2.0**61:  # so that no difference of two overflows
        integers = piece.astype(np.int64)
        if (integers == piece).all():
            return integers, 0
    # each value is an integer of 53 bits times a power of two; the least power is the common one
    parts, powers = np.frexp(piece)
    least = int(powers.min())
    mantissas = np.ldexp(parts, 53).astype(np.int64).astype(object)
    return mantissas << (powers - least).astype(object), least - 53


def _odd_part(number: Fraction) -> tuple[int, int]:
    """(m, e) with number = m 2^e, m odd; (0, 0) for 0. For dyadic numbers."""
    top, exponent = number.numerator, 1 - number.denominator.bit_length()
    if top == 0:
        return 0, 0
    twos = (top & -top).bit_length() - 1
    return top >> twos, exponent + twos
