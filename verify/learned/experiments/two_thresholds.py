"""Recall appears in fewer dimensions than clean superposition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from verify.learned.experiments.experiment import Expectation, Experiment
from verify.learned.experiments.found import Found
from verify.learned.experiments.measured import draw_against, table, value
from verify.learned.experiments.points import Point
from verify.learned.experiments.superposed import LEARNED
from verify.learned.superposition import NAME as R2

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DIMENSIONS = (4, 5, 6, 7, 8, 10, 12, 16, 20, 24, 32)
CLEAN = 0.95
"""A share of new facts by written rows that is called transfer here."""
NAMES = (R2, "both", "zero-step transfer", "transfer after 25 steps")


def points(full: bool) -> list[Point]:
    """One for each dimension; given True of a larger size too."""
    small: list[Point] = [replace(LEARNED, d_model=d) for d in DIMENSIONS]
    large = [
        replace(LEARNED, size=32, d_model=d) for d in (6, 8, 9, 10, 11, 12, 16, 20, 25, 32, 40)
    ]
    return [*small, *(large if full else [])]


def label(found: Found) -> str:
    """The dimension, and the size if it is not the default."""
    point = found.one_hop
    return f"K = {point.size}, d = {point.d_model}"


def _d(found: Found) -> int:
    """The dimension."""
    return found.one_hop.d_model


def _from(found: Sequence[Found], name: str, share: float) -> int | None:
    """The least dimension of the default size from which on recall, or a measure, is so high in
    the mean.
    """
    least = None
    for one in sorted(found, key=_d, reverse=True):
        if one.one_hop.size != LEARNED.size:
            continue
        shown = one.mean_recall if name == "recall" else value(one, name)
        if shown is None or shown < share:
            break
        least = _d(one)
    return least


def _shown(found: Sequence[Found]) -> list[str]:
    """The table, and both thresholds."""
    lines = table(found, label, NAMES)
    if any(one.lost for one in found):
        return lines
    recall, clean = _from(found, "recall", 0.99), _from(found, "zero-step transfer", CLEAN)
    bits = LEARNED.relations * (LEARNED.size - 1).bit_length()
    return [
        *lines,
        f"K = {LEARNED.size}: mean recall is 99 % from d = {recall} on, zero-step transfer"
        f" {CLEAN:.0%} from d = {clean} on;",
        f"0.4 R log2 K = {0.4 * bits:.1f}, R log2 K + R + 1 = {bits + LEARNED.relations + 1}",
    ]


def _draw(axes: Axes, found: Sequence[Found]) -> None:
    """The default size."""
    small = [one for one in found if one.one_hop.size == LEARNED.size]
    draw_against(
        axes, small, _d, NAMES, f"dimension d, {LEARNED.worlds} worlds of {LEARNED.size}, R = 4"
    )


TWO_THRESHOLDS = Experiment(
    title="Two thresholds: recall, and clean superposition",
    question=(
        "16 worlds of 16 subjects, R = 4, weight decay 1: in which dimension do models recall"
        " their facts, and in which are rows superpositions that can be edited and written?"
    ),
    points=points,
    table=_shown,
    expectations=(
        Expectation(
            "recall of 99 % comes first: from d at most 10 on, and zero-step transfer of 95 % from"
            " a d that is 1.5 times as large at least",
            "recall later, or transfer sooner",
            lambda found: (
                (recall := _from(found, "recall", 0.99)) is not None
                and recall <= 10
                and (
                    (clean := _from(found, "zero-step transfer", CLEAN)) is None
                    or clean >= 1.5 * recall
                )
            ),
        ),
        Expectation(
            "at d = 24, over R log2 K + R + 1 = 21, zero-step transfer is at least 95 %",
            "less",
            lambda found: any(
                _d(one) == 24 and (value(one, "zero-step transfer") or 0) >= CLEAN for one in found
            ),
        ),
    ),
    draw=_draw,
)
