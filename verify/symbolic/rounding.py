"""What is not exact: softmax that is not quite one-hot, sums that round, numbers that overflow."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from verify.symbolic.reading import Layer, Model
from verify.symbolic.values import Matrix, Sizes

EXACT = {"float64": 53, "float32": 24, "float16": 11, "bfloat16": 8}  # sums below 2^this are exact
# numbers below 2^this do not overflow
FINITE = {"float64": 1023, "float32": 127, "float16": 15, "bfloat16": 127}
ONE_HOT_GAP = 800  # e^-800 underflows to 0 in every dtype


def leak(gap: int, others: int) -> Fraction:
    """A bound on the softmax weight of `others` positions whose scores are lower by `gap` or more
    (Lemma S4): e > 2.718281828.
    """
    power = (
        Fraction(2718281828, 10**9) ** gap
        if gap < 100
        else Fraction(2 ** (1442 * min(gap, 10**5) // 1000))
    )
    return Fraction(others) / (others + power)


@dataclass
class Rounding:
    """What was noted of the sums and scores at the positions that decide.

    Attributes:
        peak: no partial sum is larger (Lemma S17).
        highest: no score is larger.
        gap: the least one between the scores of a head.
    """

    peak: int = 0
    highest: int = 0
    gap: int = ONE_HOT_GAP

    def note(self, *sums: int) -> None:
        """Sums may become so large."""
        self.peak = max(self.peak, *sums)

    def note_scores(self, largest: int, gap: int) -> None:
        """Scores may become so large, and the largest is apart from the next by this."""
        self.highest, self.gap = max(self.highest, largest), min(self.gap, gap)

    def reason(self, model: Model, tokens: np.ndarray) -> str:
        """Why floating point is not proven to compute without rounding, at the positions that
        decide; "" if it is (Lemmas S17 and S18).

        Args:
            model: what is stored.
            tokens: int64 (d,), the largest absolute value of each column of the embedding.
        """
        dtype = model.dtype
        if self.peak >= 2 ** EXACT[dtype]:
            exact = f"{dtype} is exact below 2^{EXACT[dtype]}"
            return f"sums may reach {self.peak}, and {exact}"
        if self.gap < ONE_HOT_GAP:
            return (
                f"scores of a head differ by {self.gap}: its softmax is exactly one-hot from"
                f" {ONE_HOT_GAP} on"
            )
        bits = largest_bits(model, tokens, self.highest)
        if bits > FINITE[dtype]:
            return (
                f"numbers of a forward pass may reach 2^{bits}, and {dtype} surely holds those"
                f" below 2^{FINITE[dtype]}; a number that overflows at any position spoils all"
            )
        return ""


def largest_bits(model: Model, tokens: np.ndarray, highest: int) -> int:
    """All numbers of a forward pass, at positions whose states mean nothing too, are below 2 to
    the power of this (Lemma S18).

    By absolute values, each coordinate by itself, and as floating point computes them: rounded in
    every operation. `highest` is the largest score at a position that decides.
    """
    precision, positions = EXACT[model.dtype], len(model.positions)
    stream = Sizes(tokens).plus(Sizes(np.abs(model.positions).max(axis=0))).rounded(1, precision)
    high = [stream, Sizes(np.array([highest]))]
    for layer in model.layers:
        stream = _after_layer(stream, layer, positions, precision, high)
    return max(sizes.bits() for sizes in high)


def _after_layer(
    stream: Sizes, layer: Layer, positions: int, precision: int, high: list[Sizes]
) -> Sizes:
    """Bounds on the stream after a layer; adds to `high` those on all that it computes."""

    def through(sizes: Sizes, matrix: Matrix) -> Sizes:
        return sizes.through(matrix).rounded(matrix.terms, precision)

    heads, mlp = layer
    # by one product for all heads
    before, written = stream, sum(output.terms for *_, output in heads)
    for query, key, value, output in heads:
        asked, held, read = (through(before, matrix) for matrix in (query, key, value))
        scores = asked.times(held).rounded(len(query.dense), precision)
        # The computed weights add up to 1 but for the rounding of their sum, then of each
        # quotient.
        mixed = read.rounded(4 * positions, precision).through(output).rounded(written, precision)
        stream = stream.plus(mixed).rounded(1 + len(heads), precision)
        high += [asked, held, read, scores, mixed, stream]
    hidden = stream
    for matrix in mlp:
        hidden = matrix.largest(hidden).rounded(matrix.terms, precision)
        high.append(hidden)
    stream = stream.plus(hidden).rounded(1, precision) if mlp else stream
    high.append(stream)
    return stream
