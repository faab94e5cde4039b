"""Exact integers, bounds that are rounded up, and what floating point does to a forward pass
(Lemmas K1, K5 and K9 of docs/certificates.md).
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from verify.kernel.folder import Model
from verify.kernel.verdict import Undecided, require

LARGEST = 2.0**52
EXACT = {"float64": 53, "float32": 24, "float16": 11, "bfloat16": 8}
"""Integers up to 2 to the power of this are exact."""
FINITE = {"float64": 1023, "float32": 127, "float16": 15, "bfloat16": 127}
"""Numbers below 2 to the power of this do not overflow."""
ONE_HOT_GAP = 800
"""e^-800 is 0 in every dtype."""


def small(numbers: np.ndarray, most: float | None = None) -> np.ndarray:
    """The same integers, if they, or partial sums of them up to `most`, are exact (Lemma K1)."""
    most = np.abs(numbers).max(initial=0) if most is None else most
    require(most < LARGEST, "numbers may reach 2^52: the kernel's integers are below", Undecided)
    return numbers


def times(rows: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """The matrix (out, in) times every row (..., in), exactly (Lemma K1)."""
    sizes = np.abs(rows).max(axis=tuple(range(rows.ndim - 1)), initial=0)
    return small(rows @ matrix.T, float((np.abs(matrix) @ sizes).max(initial=0)))


def upward(bound: np.ndarray) -> np.ndarray:
    """What was added up of integers >= 0: exact below 2^52, else rounded up (Lemma K1)."""
    require(np.isfinite(bound).all(), "a bound overflows", Undecided)
    return np.where(bound < LARGEST, bound, bound * (1 + 2.0**-20))


def grown(sizes: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """A bound on the absolute values of the matrix (out, in) times what is at most `sizes` (in,);
    see `upward`.
    """
    return upward(np.abs(matrix) @ sizes)


def leaked(gap: int, others: int) -> Fraction:
    """A bound on the softmax weight of so many positions, whose scores are lower than the highest
    by `gap` or more (Lemma K5): e > 2.718281828 and log2(e) > 1.442.
    """
    # weights.v: softmax_leaks; leaked.v: leaked_bounds_softmax
    power = Fraction("2.718281828") ** gap if gap < 100 else 2 ** (1442 * min(gap, 10**5) // 1000)
    return Fraction(others) / (others + power)


class Noted:
    """What is noted of the numbers at all deciding positions.

    Attributes:
        peak: the largest sum of absolute values of terms, in units that divide all of them.
        high: the largest one of a product, in units of 1.
        gap: the smallest one by which a head selects.
    """

    def __init__(self) -> None:
        self.peak, self.high, self.gap = 0.0, 0.0, ONE_HOT_GAP

    def sums(self, sizes: np.ndarray) -> None:
        """Note sums of at most these sizes."""
        self.peak = max(self.peak, float(sizes.max(initial=0)))

    def product(self, sizes: np.ndarray, matrix: np.ndarray) -> np.ndarray:
        """Note a product, in units of the power of two that divides the matrix; see `grown`."""
        bits = int(np.bitwise_or.reduce(matrix.astype(np.int64), axis=None))
        self.sums((bound := grown(sizes, matrix)) / (bits & -bits or 1))
        self.high = max(self.high, float(bound.max(initial=0)))
        return bound

    def doubt(self, model: Model) -> str:
        """Why the module is not proven to compute without rounding; "" if it is (Lemma K9)."""
        digits, most = EXACT[model.dtype], 2.0 ** FINITE[model.dtype]
        if not self.peak < 2.0**digits:
            return f"sums may reach {self.peak:.0f}, and {model.dtype} is exact below 2^{digits}"
        if self.gap < ONE_HOT_GAP:
            return f"scores differ by {self.gap}: softmax is exactly one-hot from {ONE_HOT_GAP} on"
        if not (high := max(self.high, largest(model))) < most:
            return f"numbers of a forward pass may reach {high:.3g}, and {model.dtype} ends there"
        return ""


def largest(model: Model) -> float:
    """A bound on all numbers of a forward pass but the logits, also at positions whose states mean
    nothing: by absolute values, enlarged by the roundings that made each (Lemma K9).
    """
    unit, high = 2.0 ** -EXACT[model.dtype], [0.0]

    def up(sizes: np.ndarray, roundings: int) -> np.ndarray:
        x = roundings * unit
        sizes = sizes * (1 + 2 * x if x <= 1 else 4.0 ** min(math.ceil(x), 500)) * (1 + 2.0**-20)
        high.append(float(sizes.max(initial=0)))
        return sizes

    def through(sizes: np.ndarray, matrix: np.ndarray, more: int = 0) -> np.ndarray:
        return up(grown(sizes, matrix), np.count_nonzero(matrix, axis=1).max(initial=0) + more)

    stream = up(np.abs(model.embedding).max(axis=0) + np.abs(model.positions).max(axis=0), 1)
    try:
        for heads, mlp in model.layers:
            before, writes = stream, sum(len(value) for *_, value, _ in heads)
            for query, key, value, output in heads:
                through(through(before, query), through(before, key)[None])
                mixed = through(before, value, 4 * len(model.positions))
                stream = up(stream + through(mixed, output, writes), 1 + len(heads))
            hidden = stream
            for matrix in mlp:
                hidden = through(hidden, matrix)
            stream = up(stream + hidden, 1) if mlp else stream
    except Undecided:
        return math.inf
    return max(high)
