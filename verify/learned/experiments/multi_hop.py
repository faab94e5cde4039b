"""Many hops, the learned counterpart of Theorem 4.4: with and without written intermediate
entities.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from verify.learned.experiments.experiment import Expectation, Experiment
from verify.learned.experiments.found import Found
from verify.learned.experiments.points import ManyHops, Point
from verify.learned.experiments.thresholds import MARKERS

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def points(full: bool) -> list[Point]:
    """Capacity over d, and held-out compositions; in the large grid of as many paths, N R^k =
    1,024, with two hops as with three.
    """
    if not full:
        return [
            *(ManyHops(32, 4, 2, d, 1, written) for d in (8, 12, 16) for written in (0, 1)),
            ManyHops(32, 4, 2, 32, 1, 1, held_out=0.2),
            ManyHops(32, 4, 2, 32, 2, 0, held_out=0.2),
        ]
    capacity = [
        ManyHops(n, 4, k, d, layers, written)
        for n, k in ((64, 2), (16, 3))
        for d in (8, 12, 16)
        for layers in (1, 2, 3)
        for written in (0, 1)
    ]
    unseen = [
        ManyHops(n, 4, 2, 32, layers, written, held_out=0.2)
        for n in (32, 64)
        for layers in (1, 2, 3)
        for written in (0, 1)
    ]
    return [*capacity, *unseen]


HEADER = (
    "   N   k    d  layers  answers      held out   recall: least  mean   held-out: least  mean"
    "  chance"
)


def table(found: Sequence[Found]) -> list[str]:
    """A line for each point."""
    lines = [HEADER]
    for one in found:
        point = one.many_hops
        way = "by a chain" if point.written else "at once"
        start = (
            f"{point.size:4}{point.hops:4}{point.d_model:5}{point.layers:8}  {way:12}"
            f"{point.held_out:9.0%}"
        )
        if one.lost:
            lines.append(f"{start}   {one.lost}")
            continue
        line = f"{start}{min(one.recall):16.3f}{one.mean_recall:6.3f}"
        if one.held_out_of:
            shares = one.held_out_share
            line += f"{min(shares):18.3f}{_mean(shares):6.3f}{1 / point.size:8.3f}"
        lines.append(line)
    return lines


def _mean(values: Sequence[float]) -> float:
    """The mean."""
    return sum(values) / len(values)


def draw(axes: Axes, found: Sequence[Found]) -> None:
    """Recall against d of paths that are all trained on."""
    groups: dict[tuple[int, int, int, int], list[Found]] = {}
    for one in found:
        point = one.many_hops
        if not point.held_out and not one.lost:
            key = (point.size, point.hops, point.layers, point.written)
            groups.setdefault(key, []).append(one)
    for place, ((size, hops, layers, written), group) in enumerate(groups.items()):
        way = "by a chain" if written else "at once"
        axes.plot(
            [one.many_hops.d_model for one in group],
            [one.mean_recall for one in group],
            marker=MARKERS[place % len(MARKERS)],
            linestyle="-" if written else "--",
            label=f"N = {size}, k = {hops}, {layers} layers, {way}",
        )
    axes.set(xlabel="dimension d", ylabel="recall, mean of the seeds", ylim=(0, 1.03))
    axes.legend(fontsize=6)


def _where(found: Sequence[Found], **fields: float) -> list[Found]:
    """The points with these fields."""
    return [
        one for one in found if all(getattr(one.point, name) == v for name, v in fields.items())
    ]


MULTI_HOP = Experiment(
    title="Many hops, at once or by a chain of thought",
    question=(
        "Standard decoders (pre-norm RMSNorm, 4 heads, MLP 4 d) learn all paths of k relations and"
        " all single hops of N entities, R = 4; at once, or writing the intermediate entities."
        " And paths that are held out, while each single hop is trained on."
    ),
    points=points,
    table=table,
    expectations=(
        Expectation(
            "with one layer, a chain recalls at least as much as an answer at once in every d, and"
            " more at the smallest",
            "less in some d, or no more at the smallest",
            lambda found: (
                all(
                    _where(found, d_model=d, written=1, held_out=0.0)[0].mean_recall
                    >= _where(found, d_model=d, written=0, held_out=0.0)[0].mean_recall - 0.005
                    for d in (8, 12, 16)
                )
                and _where(found, d_model=8, written=1)[0].mean_recall
                > _where(found, d_model=8, written=0)[0].mean_recall
            ),
        ),
        Expectation(
            "a chain answers held-out compositions: over 0.9 in the mean, with one layer; answers"
            " at once, with two layers, stay below 0.2",
            "0.9 or less, or 0.2 or more",
            lambda found: (
                _mean(_where(found, held_out=0.2, written=1)[0].held_out_share) > 0.9
                and _mean(_where(found, held_out=0.2, written=0)[0].held_out_share) < 0.2
            ),
        ),
    ),
    draw=draw,
)
