"""Superposition against weight decay."""

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

DECAYS = (0.0, 0.1, 0.3, 1.0, 3.0)
NAMES = (R2, "both", "zero-step transfer", "transfer after 25 steps")


def points(full: bool) -> list[Point]:
    """One for each weight decay; given True with one hidden layer too."""
    two: list[Point] = [replace(LEARNED, weight_decay=decay) for decay in DECAYS]
    one = [replace(LEARNED, weight_decay=decay, hidden_layers=1) for decay in DECAYS]
    return [*two, *(one if full else [])]


def _decay(found: Found) -> float:
    """Of a point."""
    return found.one_hop.weight_decay


def _layers(found: Found) -> int:
    """Hidden layers of a point."""
    return found.one_hop.hidden_layers


def label(found: Found) -> str:
    """The decay, and how many hidden layers."""
    return f"decay {_decay(found):g}, {_layers(found)} hidden"


def _draw(axes: Axes, found: Sequence[Found]) -> None:
    """The models of two hidden layers."""
    two = [one for one in found if _layers(one) == LEARNED.hidden_layers]
    draw_against(axes, two, _decay, NAMES, "weight decay")


WEIGHT_DECAY = Experiment(
    title="Weight decay makes superpositions clean",
    question="The setting of `superpositions`, learned rows, with other weight decays.",
    points=points,
    table=lambda found: table(found, label, NAMES),
    expectations=(
        Expectation(
            "R^2 at decay 1 is above that without decay by 0.1 at least",
            "a smaller difference",
            lambda found: (
                (none := value(found[0], R2)) is not None
                and (one := value(found[3], R2)) is not None
                and one - none >= 0.1
            ),
        ),
    ),
    draw=_draw,
)
