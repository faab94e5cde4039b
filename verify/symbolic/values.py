"""Integer matrices, and integers that depend on what is not known, for the checker: numpy alone,
and no overflow.

numpy wraps silently. So every product is bounded before it is taken, and every number stays below
`LARGEST` (Lemma S19).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from verify.kernel.verdict import Undecided

LARGEST = 2**58
MOST_NUMBERS = 2**27  # held at once
KEPT = 40  # bits of a sum of bounds
_NONE: np.ndarray = np.zeros(0, np.int64)
_POWERS: np.ndarray = 2 ** np.arange(62)


def size_of(array: np.ndarray) -> int:
    """The largest absolute value, 0 of an empty array."""
    return max(int(array.max(initial=0)), -int(array.min(initial=0)))


def bounded(limit: int) -> None:
    """Raise Undecided unless numbers up to the limit can be handled."""
    if limit >= LARGEST:
        raise Undecided("numbers are too large for the checker's integers")


def few(numbers: int) -> None:
    """Raise Undecided unless so many numbers may be held at once."""
    if numbers > MOST_NUMBERS:
        raise Undecided(
            f"{numbers} numbers are too many for the checker, which holds up to {MOST_NUMBERS} at"
            " once"
        )


def product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The matrix product of integer arrays, if no partial sum can reach `LARGEST`."""
    bounded(size_of(a) * size_of(b) * max(a.shape[-1], 1))
    return a.astype(np.int64, copy=False) @ b.astype(np.int64, copy=False)


def added_up(first: np.ndarray, *others: np.ndarray) -> np.ndarray:
    """The sum of integer arrays of one shape."""
    bounded(sum(size_of(array) for array in (first, *others)))
    found = first.astype(np.int64)
    for array in others:
        found = found + array
    return found


def segments(columns: np.ndarray) -> Iterator[tuple[Any, int]]:
    """Columns (cases, n), cut where a slice cannot read on: what reads each part, case by case,
    and its width.
    """
    cuts = np.flatnonzero((np.diff(columns, axis=1) != 1).any(axis=0)) + 1
    for part in np.split(columns, cuts, axis=1) if columns.size else ():
        start, flat = int(part[0, 0]), part.ravel()
        in_one = (flat == start + np.arange(part.size)).all()
        yield (slice(start, start + part.size) if in_one else flat), part.shape[1]


class Matrix:
    """A weight matrix (out, in) in integers, with its nonzero entries column by column.

    Attributes:
        dense: int64 (out, in).
        largest: the largest absolute value.
        norm: the largest sum of absolute values of a row.
        terms: the most entries of a row that are not 0.
        reads, writes: bool (in,) and (out,): the columns and rows that are not 0.
    """

    def __init__(self, dense: np.ndarray):
        self.dense = dense.astype(np.int64)
        self.largest = size_of(self.dense)
        bounded(self.largest * 2**28)
        self.norm = int(self.absolute.sum(axis=1).max(initial=0))
        there = self.dense != 0
        self.terms = int(np.count_nonzero(there, axis=1).max(initial=0))
        self.reads, self.writes = there.any(axis=0), there.any(axis=1)
        self._sorted: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None

    @property
    def grain(self) -> int:
        """The largest power of two that divides every entry."""
        every_bit = int(np.bitwise_or.reduce(self.absolute, axis=None))
        return every_bit & -every_bit or 1

    def _by_column(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The nonzero entries column by column: (where each column starts, row, value)."""
        if self._sorted is None:
            columns, rows = np.nonzero(self.dense.T)
            starts = np.cumsum(np.bincount(columns, minlength=self.dense.shape[1]))
            self._sorted = np.append(0, starts), rows, self.dense[rows, columns]
        return self._sorted

    def entries(self, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """All nonzero entries of the given columns: (which of them, row, value)."""
        starts, rows, values = self._by_column()
        count = starts[columns + 1] - starts[columns]
        few(int(count.sum()))
        which = np.repeat(np.arange(len(columns)), count)
        at = (
            np.arange(len(which))
            - np.repeat(np.cumsum(count) - count, count)
            + starts[columns][which]
        )
        return which, rows[at], values[at]

    def sums(self, sizes: np.ndarray) -> np.ndarray:
        """A bound on every partial sum, for each row, of a product with a vector of at most these
        absolute values.
        """
        return product(self.absolute, sizes)

    def times(self, vectors: np.ndarray) -> np.ndarray:
        """The product with each of some vectors, int64 (vectors, out)."""
        return product(vectors, self.dense.T)

    @property
    def absolute(self) -> np.ndarray:
        """The absolute values of all entries."""
        return np.abs(self.dense)


class Values:
    """C cases of n coordinates, each `const + sum of coef * unknown`.

    An unknown `key < d` is the bit (or number) in that column of a layout; `key = d + e` is 1 if
    the node is e, else 0. const is int64 (C, n); at, key, coef are int64 with one entry for each
    term, which belongs to coordinate i of case c for `at = c n + i`. They are in the order of (at,
    key), no two terms have both in common, and no coef is 0.
    """

    def __init__(self, const: np.ndarray, *terms: np.ndarray):
        self.const = const
        self.at: np.ndarray
        self.key: np.ndarray
        self.coef: np.ndarray
        self.at, self.key, self.coef = terms or (_NONE, _NONE, _NONE)

    def plus(
        self, const: Any, at: np.ndarray = _NONE, key: np.ndarray = _NONE, coef: np.ndarray = _NONE
    ) -> Values:
        """These values and more; terms of one unknown in one coordinate are added up."""
        bounded(size_of(self.const) + size_of(np.asarray(const)))
        bounded(size_of(self.coef) + size_of(coef))
        at, key, coef = (
            np.append(self.at, at),
            np.append(self.key, key),
            np.append(self.coef, coef),
        )
        order = np.lexsort((key, at))
        at, key, coef = at[order], key[order], coef[order]
        first = np.flatnonzero(
            np.append(True, (np.diff(at) != 0) | (np.diff(key) != 0))[: len(at)]
        )
        if len(first):
            bounded(size_of(coef) * int(np.diff(np.append(first, len(at))).max()))
            coef = np.add.reduceat(coef, first)
        return Values(
            self.const + const, *(terms[coef != 0] for terms in (at[first], key[first], coef))
        )

    def only(self, kept: np.ndarray) -> Values:
        """The same constants with the chosen terms."""
        return Values(self.const, self.at[kept], self.key[kept], self.coef[kept])

    def repeated(self, n: int) -> Values:
        """A single case n times."""
        few(n * max(len(self.at), self.const.shape[1]))
        shift = np.repeat(np.arange(n) * self.const.shape[1], len(self.at))
        const = np.repeat(self.const, n, axis=0)
        return Values(
            const, np.tile(self.at, n) + shift, np.tile(self.key, n), np.tile(self.coef, n)
        )

    def through(self, matrix: Matrix) -> Values:
        """The matrix times these values."""
        n_out, n_in = matrix.dense.shape
        few(len(self.const) * n_out)
        bounded(matrix.largest * size_of(self.coef) * max(n_in, 1))
        case, coordinate = np.divmod(self.at, n_in)
        which, row, value = matrix.entries(coordinate)
        zero = Values(np.zeros((len(self.const), n_out), np.int64))
        terms = case[which] * n_out + row, self.key[which], self.coef[which] * value
        # numpy's product of integers is slow, and most of them are 0
        some = self.const.any(axis=0)
        return zero.plus(product(self.const[:, some], matrix.dense.T[some]), *terms)

    def sizes(self, top: np.ndarray) -> np.ndarray:
        """A bound on the absolute value of each coordinate in all cases, (n,); unknowns of key < d
        lie in 0..top[key].
        """
        variable = self.key < len(top)
        bounded(size_of(self.const) + size_of(self.coef) * (size_of(top) * len(top) + 1))
        low, high = self.const.copy().ravel(), self.const.copy().ravel()
        reach = self.coef[variable] * top[self.key[variable]]
        np.add.at(high, self.at[variable], np.maximum(reach, 0))
        np.add.at(low, self.at[variable], np.minimum(reach, 0))
        largest = np.zeros_like(low)  # of all nodes, one is at hand
        np.maximum.at(largest, self.at[~variable], np.abs(self.coef[~variable]))
        most: np.ndarray = (np.maximum(high, -low) + largest).reshape(self.const.shape).max(axis=0)
        return most


def bit_lengths(sizes: np.ndarray) -> np.ndarray:
    """How many bits each integer of 0 to `LARGEST` has, 0 for 0."""
    lengths: np.ndarray = np.searchsorted(_POWERS, sizes, side="right")
    return lengths


class Sizes:
    """Bounds on absolute values, `sizes * 2^scale`, each with a scale of its own, rounded up so
    that they stay integers.

    A coordinate that is small stays so beside one that is large: what reads it alone is bounded by
    it alone.

    Attributes:
        sizes: int64 (n,), at least 0.
        scale: int64 (n,).
    """

    def __init__(self, sizes: np.ndarray, scale: Any = 0):
        self.sizes = sizes
        self.scale: np.ndarray = np.broadcast_to(np.asarray(scale, np.int64), sizes.shape)

    @classmethod
    def total(cls, sizes: np.ndarray, scale: np.ndarray) -> Sizes:
        """The sums over the first axis of terms (m, n), in units of 2^-40 of the power of two
        above the largest term.
        """
        bounded(len(sizes) << KEPT)
        top = np.where(sizes > 0, scale + bit_lengths(sizes), -LARGEST).max(
            axis=0, initial=-LARGEST
        )
        down = top - KEPT - scale
        aligned = -(-sizes >> np.clip(down, 0, 62)) << np.clip(-down, 0, KEPT)
        return cls(aligned.sum(axis=0), np.where(top > -LARGEST, top - KEPT, 0))

    def bits(self) -> int:
        """All are below 2 to the power of this."""
        return int((bit_lengths(self.sizes) + self.scale)[self.sizes > 0].max(initial=0))

    def small(self) -> Sizes:
        """The same in twelve bits each."""
        spare = bit_lengths(self.sizes) - 12
        sizes = -(-self.sizes >> np.maximum(spare, 0)) << np.clip(-spare, 0, 12)
        return Sizes(sizes, self.scale + spare)

    def through(self, matrix: Matrix) -> Sizes:
        """Of a product with the matrix."""
        few, n_out = self.small(), len(matrix.dense)
        scales = np.unique(few.scale[few.sizes > 0])
        parts, absolute = np.zeros((len(scales), n_out), np.int64), matrix.absolute
        for part, scale in zip(parts, scales, strict=True):
            read = (few.sizes > 0) & (few.scale == scale)
            part[:] = product(absolute[:, read], few.sizes[read])
        return Sizes.total(parts, np.repeat(scales[:, None], n_out, axis=1))

    def times(self, other: Sizes) -> Sizes:
        """Of an inner product."""
        one, two = self.small(), other.small()
        return Sizes.total((one.sizes * two.sizes)[:, None], (one.scale + two.scale)[:, None])

    def plus(self, other: Sizes) -> Sizes:
        """Of a sum."""
        return Sizes.total(
            np.stack([self.sizes, other.sizes]), np.stack([self.scale, other.scale])
        )

    def rounded(self, operations: int, precision: int) -> Sizes:
        """Of numbers that so many roundings to so many bits, one after the other, have enlarged:
        `(1 + 2^-precision)^n`.

        That is at most `e^x` for `x = n 2^-precision`, so at most `1 + 2 x` for x <= 1, and below
        `4^ceil(x)` for any x.
        """
        few = self.small()
        if operations > 2**precision:
            return Sizes(few.sizes, few.scale - 2 * (-operations >> precision))
        more = -((-operations << 17) >> precision)
        return Sizes((few.sizes << 16) + few.sizes * more, few.scale - 16)
