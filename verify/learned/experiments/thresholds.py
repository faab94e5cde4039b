"""Capacity thresholds: the least dimension in which the models of all seeds recall 99 % of their
facts.

Models of several dimensions learn the same facts. The threshold is the least d from which on all
dimensions that were tried reach 99 % with every seed; so that one that is lucky below it does not
count. Beside it stand the dimensions of constructions that answer the same facts exactly, and the
information limit: the least dimension of rows of numbers of 8 bits that could hold the facts by
themselves (`bounds.dimension.least_dimension`), which binds where no other weight knows a fact.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bounds.sizes import predicted
from constructions.catalogue import CATALOGUE
from constructions.facts.table import FactTable
from verify.learned.experiments.found import Found
from verify.learned.experiments.points import OneHop

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHARE = 0.99
COORDINATE_BITS = 8


@dataclass(frozen=True)
class Threshold:
    """Of models that learn facts of one size.

    Attributes:
        found: by rising d.
    """

    found: tuple[Found, ...]

    @property
    def point(self) -> OneHop:
        """The first point, for all that they have in common."""
        return self.found[0].one_hop

    @property
    def least(self) -> int | None:
        """The least d from which on all reach the share; None if the last one does not."""
        least = None
        for one in reversed(self.found):
            if not one.reaches(SHARE):
                break
            least = one.one_hop.d_model
        return least

    @property
    def is_bracketed(self) -> bool:
        """Whether a dimension below the threshold was tried too, and d = 1 needs none."""
        return (self.least is not None and self.least > self.point.d_model) or self.least == 1

    def text(self) -> str:
        """The threshold, or on which side of what was tried it lies."""
        if self.least is None:
            return f"> {self.found[-1].one_hop.d_model}"
        return f"{self.least}" if self.is_bracketed else f"<= {self.least}"


def thresholds(found: Sequence[Found]) -> list[Threshold]:
    """Those of all sizes, in the order in which they come first."""
    groups: dict[OneHop, list[Found]] = {}
    for one in found:
        groups.setdefault(replace(one.one_hop, d_model=0), []).append(one)
    return [
        Threshold(tuple(sorted(group, key=lambda one: one.point.d_model)))
        for group in groups.values()
    ]


def constructions_of(point: OneHop) -> dict[str, int]:
    """The dimension of each construction that answers the same facts, and all others, in one hop,
    by name.
    """
    facts = FactTable.random_worlds(point.worlds, point.size, point.relations, 0)
    return {
        name: predicted(entry, facts).d_model
        for name, entry in CATALOGUE.items()
        if entry.takes_bijections and not (entry.multi_hop or entry.stored_only)
    }


def least_by_information(point: OneHop) -> int:
    """The least dimension of rows of 8-bit coordinates that tell all bijections of a world apart,
    if nothing else knows a fact.
    """
    from bounds.dimension import least_dimension

    return least_dimension(point.size, point.relations, COORDINATE_BITS)


HEADER = "worlds      N    R  width   learned d, recall below   least d of 8 bits each"


def table(found: Sequence[Found]) -> list[str]:
    """A line for each size; then the dimensions of constructions, a column for each size."""
    lines, columns = [HEADER], []
    for threshold in thresholds(found):
        point = threshold.point
        lines.append(
            f"{point.worlds:6}{point.subjects:7}{point.relations:5}{point.d_mlp:7}"
            f"{threshold.text():>9}  {_below(threshold):>15}{least_by_information(point):20}"
        )
        columns.append(constructions_of(point))
    lines.append("dimensions of constructions, in the order of these lines")
    for name in columns[0]:
        dimensions = ", ".join(str(column[name]) for column in columns)
        lines += textwrap.wrap(f"  {name}: {dimensions}", 99, subsequent_indent="    ")
    return lines


def _below(threshold: Threshold) -> str:
    """The recall of all seeds in the dimension before: the lowest and the highest."""
    least = threshold.least
    before = [one for one in threshold.found if least is None or one.one_hop.d_model < least]
    if not before or before[-1].lost:
        return "not known" if before else "-"
    recall = before[-1].recall
    return f"{min(recall):.3f}..{max(recall):.3f}"


def draw(axes: Axes, found: Sequence[Found]) -> None:
    """Recall against d: the mean over seeds, and their range."""
    for place, threshold in enumerate(thresholds(found)):
        there = [one for one in threshold.found if not one.lost]
        d = [one.one_hop.d_model for one in there]
        means = [one.mean_recall for one in there]
        point = threshold.point
        of_worlds = (
            f"{point.worlds} worlds of {point.size}" if point.worlds > 1 else f"N = {point.size}"
        )
        axes.plot(
            d,
            means,
            marker=MARKERS[place % len(MARKERS)],
            label=f"{of_worlds}, R = {point.relations}",
        )
        axes.fill_between(
            d, [min(one.recall) for one in there], [max(one.recall) for one in there], alpha=0.2
        )
    axes.axhline(SHARE, color="0.6", linewidth=0.8)
    axes.set(xlabel="dimension d", ylabel="recall, mean and range of the seeds", ylim=(0, 1.03))
    axes.legend(fontsize=7)


MARKERS = "osD^vPX*"


def least_of(found: Sequence[Found], **sizes: int) -> int | None:
    """The threshold of the models with these fields; None if there is none or several."""
    matching = [
        threshold
        for threshold in thresholds(found)
        if all(getattr(threshold.point, name) == value for name, value in sizes.items())
    ]
    return matching[0].least if len(matching) == 1 else None
