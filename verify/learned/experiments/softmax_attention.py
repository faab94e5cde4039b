"""Softmax attention against uniform attention."""

from __future__ import annotations

from collections.abc import Sequence

from verify.learned.experiments.experiment import Expectation, Experiment
from verify.learned.experiments.found import Found
from verify.learned.experiments.measured import draw_bars, table
from verify.learned.experiments.points import Attention, NormName, OneHop, Point

NAMES = ("attention to the subject",)
KINDS: tuple[tuple[Attention, NormName], ...] = (
    ("uniform", ""),
    ("softmax", ""),
    ("uniform", "rmsnorm"),
    ("softmax", "rmsnorm"),
)


def points(full: bool) -> list[Point]:
    """Both kinds of attention, with and without norms."""
    return [
        OneHop(1, 64, 4, d, 32, attention=kind, norm=norm, measured=("attention",), until=1.0)
        for d in ((6, 8, 12) if full else (8,))
        for kind, norm in KINDS
    ]


def label(found: Found) -> str:
    """What distinguishes the points."""
    point = found.one_hop
    return f"{point.attention}{', ' * bool(point.norm)}{point.norm} d={point.d_model}"


def _shown(found: Sequence[Found]) -> list[str]:
    """The table, and how many seeds recall all."""
    return [*table(found, label, NAMES), *map(_of_seeds, found)]


def _of_seeds(one: Found) -> str:
    """How many seeds recall all facts, and how far the others come."""
    if one.lost:
        return f"{label(one)}: {one.lost}"
    whole = sum(right == one.asked for right in one.right)
    return (
        f"{label(one)}: {whole} of {len(one.right)} seeds recall all, the least"
        f" {min(one.recall):.3f}; {min(one.steps)} to {max(one.steps)} steps"
    )


SOFTMAX_ATTENTION = Experiment(
    title="Softmax attention",
    question=(
        "N = 64, R = 4: does softmax attention learn the facts as uniform attention does, and"
        " where does it look?"
    ),
    points=points,
    table=_shown,
    expectations=(
        Expectation(
            "uniform attention recalls all facts with every seed, with or without norms",
            "a seed that does not",
            lambda found: all(
                bool(one.reaches(1.0)) for one in found if label(one).startswith("uniform")
            ),
        ),
        Expectation(
            "softmax attention stays above 1/4 at the subject in the mean",
            "less",
            lambda found: all(
                (m := one.measure(NAMES[0])).value is not None and m.value > 0.25
                for one in found
                if label(one).startswith("softmax")
            ),
        ),
    ),
    draw=lambda axes, found: draw_bars(axes, found, label, NAMES),
)
