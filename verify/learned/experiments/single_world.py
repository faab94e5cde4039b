"""The same measures in one world: what R^2 says there, and what it does not."""

from __future__ import annotations

from collections.abc import Sequence

from verify.learned.experiments.experiment import Expectation, Experiment
from verify.learned.experiments.found import Found
from verify.learned.experiments.measured import draw_bars, table, value
from verify.learned.experiments.points import OneHop, Point
from verify.learned.experiments.superposed import SETTING
from verify.learned.superposition import NAME as R2


def points(full: bool) -> list[Point]:
    """256 subjects in one world, and as many in 16; given True, 512 as well."""
    sizes = [(1, 256), (16, 16)] + ([(1, 512), (32, 16)] if full else [])
    return [OneHop(c, k, 4, 24, 64, 2, **SETTING) for c, k in sizes]  # type: ignore[arg-type]


def label(found: Found) -> str:
    """The worlds."""
    point = found.one_hop
    return (
        f"{point.worlds} worlds of {point.size}"
        if point.worlds > 1
        else f"one world of {point.size}"
    )


def _shown(found: Sequence[Found]) -> list[str]:
    """The table."""
    return table(found, label)


SINGLE_WORLD = Experiment(
    title="One world: a high R^2 without transfer",
    question=(
        "In one world, N subjects with R bijections onto N answers, a vector for each attribute"
        " fits any rows and is refused; rows are fitted by matrices on the unembedding. Is a high"
        " R^2 there the superposition of the theorem? If it were, new bijections would be recalled"
        " by written rows, as in many worlds."
    ),
    points=points,
    table=_shown,
    expectations=(
        Expectation(
            "in one world R^2 is over 0.7, and zero-step transfer below 0.6",
            "R^2 of 0.7 or less, or transfer of 0.6 or more",
            lambda found: (
                (r2 := value(found[0], R2)) is not None
                and (step := value(found[0], "zero-step transfer")) is not None
                and r2 > 0.7
                and step < 0.6
            ),
        ),
        Expectation(
            "of as many subjects in many worlds zero-step transfer is higher by 0.3 at least",
            "a smaller difference",
            lambda found: (
                (one := value(found[0], "zero-step transfer")) is not None
                and (many := value(found[1], "zero-step transfer")) is not None
                and many - one >= 0.3
            ),
        ),
    ),
    draw=lambda axes, found: draw_bars(axes, found, label),
)
