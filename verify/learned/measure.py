"""One number, what it would be by chance, what it is where it should fail, and its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from scipy import stats

from constructions.guards.errors import InputError, InternalError

Number = Fraction | float
CONFIDENCE = 0.95
"""Of the intervals over seeds."""


@dataclass(frozen=True)
class Measure:
    """What was measured of one decoder, or of several seeds.

    Attributes:
        name: what was measured.
        value: a Fraction where answers were counted, else a float; None if it was refused.
        null: the same where facts, or what stands for them, are shuffled; None if there is none.
        control: the same where it should fail, as the function that measured it says; None if no
            control was given.
        low, high: the ends of an interval of the mean over seeds; None of one seed.
        n_seeds: how many were measured.
        refused: why there is no value; None if there is one.
    """

    name: str
    value: Number | None
    null: Number | None = None
    control: Number | None = None
    low: float | None = None
    high: float | None = None
    n_seeds: int = 1
    refused: str | None = None

    def __post_init__(self) -> None:
        if (self.value is None) != (self.refused is not None):
            raise InternalError(
                f"{self.name}: a measure has a value or a reason why not; got {self.value} and"
                f" {self.refused!r}"
            )
        for part in (self.value, self.null, self.control):
            if part is not None and not math.isfinite(part):
                raise InternalError(f"{self.name}: {part} is no number to compare with others")

    @classmethod
    def of_counts(
        cls,
        name: str,
        counts: tuple[int, int],
        null: tuple[int, int] | None = None,
        control: tuple[int, int] | None = None,
    ) -> Measure:
        """Of counted answers, each as (how many, of how many)."""
        if not counts[1]:
            return cls.without(name, "there is nothing to count")
        return cls(name, Fraction(*counts), _share(null), _share(control))

    @classmethod
    def without(cls, name: str, reason: str) -> Measure:
        """No value, and why."""
        return cls(name, None, refused=reason)

    def __str__(self) -> str:
        if self.refused is not None:
            return f"{self.name}: refused, {self.refused}"
        said = f"{self.name}: {_written(self.value)}"
        if self.low is not None and self.high is not None:
            said += f" [{self.low:.3f}, {self.high:.3f}]"
        beside = [
            f"{name} {_written(part)}"
            for name, part in (("null", self.null), ("control", self.control))
            if part is not None
        ]
        return f"{said} ({', '.join(beside)})" if beside else said


def over_seeds(measured: Sequence[Measure]) -> Measure:
    """The mean over seeds with Student's t-interval of it at 95 %: `mean +- t s / sqrt(n)`, where
    s is the standard deviation over seeds, n - 1 in its denominator, and t the quantile of n - 1
    degrees of freedom. It is not cut off at 0 and 1; seeds that agree have an interval of one
    point.

    Nulls and controls are means over the same seeds, and there if all seeds have one. If any seed
    was refused, so is the whole: a mean over the others would be one over chosen seeds.

    Raises:
        InputError: there is none, or they have different names.
    """
    names = {one.name for one in measured}
    if len(names) != 1:
        raise InputError(
            f"a mean is taken over seeds of one measure; got {sorted(names) or 'none'}"
        )
    name, n = names.pop(), sum(one.n_seeds for one in measured)
    refused = [one.refused for one in measured if one.refused is not None]
    if refused:
        reason = f"{len(refused)} of {len(measured)} seeds: {refused[0]}"
        return Measure(name, None, n_seeds=n, refused=reason)
    if any(one.n_seeds != 1 for one in measured):
        raise InputError(f"{name}: these are means over seeds already")
    values = [one.value for one in measured if one.value is not None]
    mean = _mean(values)
    null = _mean_of_all([one.null for one in measured])
    control = _mean_of_all([one.control for one in measured])
    if n == 1:
        return Measure(name, mean, null, control)
    spread = math.sqrt(sum((float(one) - float(mean)) ** 2 for one in values) / (n - 1))
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, n - 1)) * spread / math.sqrt(n)
    return Measure(name, mean, null, control, float(mean) - half, float(mean) + half, n)


def _mean(values: Sequence[Number]) -> Number:
    """Exact if all are."""
    exact = [value for value in values if isinstance(value, Fraction)]
    if len(exact) == len(values):
        return sum(exact, Fraction(0)) / len(exact)
    return math.fsum(map(float, values)) / len(values)


def _mean_of_all(values: Sequence[Number | None]) -> Number | None:
    """The mean; None if one is missing."""
    there = [value for value in values if value is not None]
    return _mean(there) if len(there) == len(values) else None


def _share(counts: tuple[int, int] | None) -> Fraction | None:
    """How many of how many; None of none."""
    return Fraction(*counts) if counts and counts[1] else None


def _written(part: Number | None) -> str:
    """A share with what was counted, or three digits."""
    if isinstance(part, Fraction) and part.denominator < 10**6:
        return f"{float(part):.3f}" if part.denominator > 1 else f"{part}"
    return f"{float(part or 0):.3f}"
