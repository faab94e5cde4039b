"""The capacity threshold in many worlds, where the rows of subjects alone can hold the facts."""

from __future__ import annotations

from verify.learned.experiments.experiment import Expectation, Experiment
from verify.learned.experiments.points import OneHop, Point
from verify.learned.experiments.thresholds import draw, least_of, table

DEFAULT = {(1, 32, 4): range(3, 6), (4, 32, 4): range(5, 9), (16, 32, 4): range(7, 11)}
"""Worlds, K and R to the dimensions that are tried; hidden units are 8 R."""
FULL = {
    (1, 64, 4): range(3, 7),
    (2, 64, 4): range(4, 9),
    (4, 64, 4): range(5, 10),
    (16, 64, 4): range(8, 14),
    **{(16, k, 1): range(1, 5) for k in (16, 32, 64)},
    **{(16, k, 2): range(2, 8) for k in (16, 32, 64)},
    **{(16, k, 4): range(4, 12) for k in (16, 32)},
    (16, 32, 8): range(9, 18),
}


def points(full: bool) -> list[Point]:
    """One for each dimension of each size."""
    return [
        OneHop(c, k, r, d, 8 * r, steps=2000 if full else 1500)
        for (c, k, r), dimensions in (FULL if full else DEFAULT).items()
        for d in dimensions
    ]


WORLDS = Experiment(
    title="The capacity threshold in many worlds",
    question=(
        "The same where c sets of K subjects each have R fresh bijections onto one set of K"
        " attributes. All but the rows of subjects is shared, so that with many worlds these must"
        " hold the facts, as in Theorem 4.1: the setting in which its threshold can be seen."
    ),
    points=points,
    table=table,
    expectations=(
        Expectation(
            "the threshold grows with the number of worlds: at K = 32, R = 4 it is 4, 7 and 9 for"
            " 1, 4 and 16 worlds, each within 1, and rises from each to the next",
            "a threshold that is more than 1 off, or does not rise",
            lambda found: (
                None not in (least := [least_of(found, worlds=c) for c in (1, 4, 16)])
                and all(abs(d - e) <= 1 for d, e in zip(least, (4, 7, 9), strict=True))  # type: ignore[operator]
                and least[0] < least[1] < least[2]  # type: ignore[operator]
            ),
        ),
        Expectation(
            "with 16 worlds it lies between R + 1 = 5, that of `scalar_selector`, and"
            " R log2 K + 1 = 21, that of `selector`",
            "a threshold outside",
            lambda found: (least := least_of(found, worlds=16)) is not None and 5 < least < 21,
        ),
    ),
    draw=draw,
)
