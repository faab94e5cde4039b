"""Superposition, intervention and transfer in many worlds, and where they should fail."""

from __future__ import annotations

from collections.abc import Sequence

from verify.learned.experiments.experiment import Expectation, Experiment
from verify.learned.experiments.found import Found
from verify.learned.experiments.measured import draw_bars, table, value
from verify.learned.experiments.points import Measured, OneHop, Point
from verify.learned.measure import Measure
from verify.learned.superposition import NAME as R2

EVERY: tuple[Measured, ...] = ("rows", "intervention", "transfer", "selection")
SETTING = {"weight_decay": 1.0, "until": 0.0, "measured": EVERY}
LEARNED = OneHop(16, 16, 4, 24, 64, 2, **SETTING)  # type: ignore[arg-type]
FROZEN = OneHop(16, 16, 4, 24, 256, 1, frozen=("entities",), **SETTING)  # type: ignore[arg-type]
"""Rows of subjects are random and stay so: the MLP is a key-value memory."""


def points(full: bool) -> list[Point]:
    """Learned and frozen rows; given True for more facts too."""
    larger = [OneHop(16, 32, 4, 32, 64, 2, **SETTING), OneHop(32, 16, 4, 24, 64, 2, **SETTING)]  # type: ignore[arg-type]
    return [LEARNED, FROZEN, *(larger if full else [])]


def label(found: Found) -> str:
    """What distinguishes the points."""
    point = found.one_hop
    rows = "random rows, frozen" if point.frozen else "learned rows"
    return (
        rows
        if point.subjects == LEARNED.subjects
        else f"{point.worlds} x {point.size}, d = {point.d_model}"
    )


def _shown(found: Sequence[Found]) -> list[str]:
    """The table."""
    return table(found, label)


def _stands_out(
    measure: Measure, least: float, below: float, has_control: bool = True
) -> bool | None:
    """Whether a measure is over `least`, and its null and control below `below`; None if one of
    these is not known.
    """
    beside = (measure.null, measure.control) if has_control else (measure.null,)
    if measure.value is None or None in beside:
        return None
    return measure.value > least and all(float(one) < below for one in beside if one is not None)


SUPERPOSITION = Experiment(
    title="Superposition, intervention and transfer in many worlds",
    question=(
        "Claims (ii) to (iv) of the paper: are subjects' rows sums of one vector for each"
        " attribute (held-out R^2), does the exchange of one relation's component change that"
        " answer and no other (move, keep, both), and does the frozen rest take new bijections by"
        " rows that are written (zero-step) or trained for 25 steps? 16 worlds of 16 subjects,"
        " R = 4, weight decay 1; beside models whose random rows are frozen, so that a wider MLP"
        " stores the facts (a key-value memory)."
    ),
    points=points,
    table=_shown,
    expectations=(
        Expectation(
            "learned rows are superpositions: R^2 over 0.75, its null and control below 0",
            "R^2 of 0.75 or less, or a null or control above 0",
            lambda found: _stands_out(found[0].measure(R2), 0.75, 0),
        ),
        Expectation(
            "interventions are clean: both over 0.85, null and control below 0.05",
            "a share outside",
            lambda found: _stands_out(found[0].measure("both"), 0.85, 0.05),
        ),
        Expectation(
            "the rest takes new bijections in one step: zero-step over 0.9, null below 0.2",
            "0.9 or less, or a null of 0.2 or more",
            lambda found: _stands_out(found[0].measure("zero-step transfer"), 0.9, 0.2, False),
        ),
        Expectation(
            "frozen random rows show none of it: R^2 below 0.1 and both below 0.3, though all"
            " facts are recalled",
            "R^2 of 0.1 or more, both of 0.3 or more, or a seed below 0.99",
            lambda found: (
                (r2 := value(found[1], R2)) is not None
                and (both := value(found[1], "both")) is not None
                and r2 < 0.1
                and both < 0.3
                and bool(found[1].reaches(0.99))
            ),
        ),
    ),
    draw=lambda axes, found: draw_bars(axes, found, label),
)
