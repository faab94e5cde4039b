"""What an experiment is: its points, what was expected of them beforehand, and how the outcome is
shown.

A protocol is fixed before the seeds of which results are reported are run: the points, their
settings and the expectations stand here, chosen with the seeds `CHOOSING`, and are committed;
`REPORTED` are run afterwards. An expectation that is not met is refuted, and is printed as such.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from verify.learned.experiments.found import Found
from verify.learned.experiments.points import Point

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Outcome = Literal["met", "refuted", "not known"]


@dataclass(frozen=True)
class Expectation:
    """What was expected before the run.

    Attributes:
        text: a sentence.
        refuted_by: what would refute it, in words.
        holds: whether it does, of all that was found; None if that is not known.
    """

    text: str
    refuted_by: str
    holds: Callable[[Sequence[Found]], bool | None]

    def outcome(self, found: Sequence[Found]) -> Outcome:
        """What has become of it; what was lost leaves it not known."""
        held = None if any(one.lost for one in found) else self.holds(found)
        return "not known" if held is None else "met" if held else "refuted"


@dataclass(frozen=True)
class Experiment:
    """An experiment.

    Attributes:
        title: one line.
        question: what it asks, and how, in a few sentences.
        points: of the default size, and, given True, of the full one.
        table: lines of at most 99 columns.
        expectations: of the default size.
        draw: draws the outcome; the label of an axis says what it shows. Takes one pair of axes.
    """

    title: str
    question: str
    points: Callable[[bool], list[Point]]
    table: Callable[[Sequence[Found]], list[str]]
    expectations: tuple[Expectation, ...]
    draw: Callable[[Axes, Sequence[Found]], None]
