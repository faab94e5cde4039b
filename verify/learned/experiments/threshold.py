"""The capacity threshold in one world: N subjects, which are the answers as well."""

from __future__ import annotations

from verify.learned.experiments.experiment import Expectation, Experiment
from verify.learned.experiments.points import OneHop, Point
from verify.learned.experiments.thresholds import draw, least_of, table

DEFAULT = {
    (32, 4): range(3, 6),
    (64, 1): range(1, 4),
    (64, 4): range(3, 7),
    (64, 16): range(6, 10),
    (128, 4): range(4, 7),
}
"""N and R to the dimensions that are tried; hidden units are 8 R."""
FULL = {
    **{(n, 4): range(3, 9) for n in (32, 64, 128, 256)},
    (512, 4): range(5, 10),
    **{(64, r): range(1, 10) for r in (1, 2, 8, 16)},
    **{(256, r): range(1, 7) for r in (1, 2)},
    (256, 8): range(5, 11),
    (256, 16): range(7, 13),
    (512, 16): range(9, 11),
}


def points(full: bool) -> list[Point]:
    """One for each dimension of each size."""
    return [
        OneHop(1, n, r, d, 8 * r, steps=2000 if full else 1500)
        for (n, r), dimensions in (FULL if full else DEFAULT).items()
        for d in dimensions
    ]


THRESHOLD = Experiment(
    title="The capacity threshold in one world",
    question=(
        "In which dimension d do trained one-layer models recall 99 % of N R facts, R random"
        " bijections of N entities? Claim (i) of the paper: from a threshold in d on, which grows"
        " with N and R. In one world the unembedding and the MLP may store facts too."
    ),
    points=points,
    table=table,
    expectations=(
        Expectation(
            "at N = 64 the threshold grows with R: at R = 1, 4, 16 it is 2, 5, 8, each within 1",
            "a threshold that is more than 1 off, or none in the range",
            lambda found: all(
                (least := least_of(found, size=64, relations=r)) is not None
                and abs(least - d) <= 1
                for r, d in ((1, 2), (4, 5), (16, 8))
            ),
        ),
        Expectation(
            "at R = 4 it grows slowly with N: at most by 2 from N = 32 to N = 128",
            "a larger growth, or a threshold that falls",
            lambda found: (
                (small := least_of(found, size=32, relations=4)) is not None
                and (large := least_of(found, size=128, relations=4)) is not None
                and 0 <= large - small <= 2
            ),
        ),
        Expectation(
            "it is far below the dimension R log2 N + 1 of `selector`: less than half at N = 64,"
            " R = 4 and 16",
            "half or more",
            lambda found: all(
                (least := least_of(found, size=64, relations=r)) is not None
                and 2 * least < 6 * r + 1
                for r in (4, 16)
            ),
        ),
    ),
    draw=draw,
)
