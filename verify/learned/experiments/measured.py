"""Tables and figures of measures: a line for each point, a column for each measure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from verify.learned.experiments.found import Found
from verify.learned.measure import Measure
from verify.learned.superposition import NAME as R2

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAMES = (
    R2,
    "move",
    "keep",
    "both",
    "zero-step transfer",
    "transfer after 25 steps",
    "selection",
)
"""Of the measures, in the order in which they are shown."""
SHORT = {
    R2: "R^2",
    "zero-step transfer": "zero-step",
    "transfer after 25 steps": "25 steps",
    "attention to the subject": "attention",
}
"""As the head of a column."""


def table(
    found: Sequence[Found], label: Callable[[Found], str], names: Sequence[str] = NAMES
) -> list[str]:
    """Three lines for each point: the mean of each measure over the seeds, its null, its control;
    and one with the half-width of its interval.

    Args:
        found: the points.
        label: names a point, in at most 20 characters.
        names: of the measures.
    """
    heads = "".join(f"{SHORT.get(name, name):>10}" for name in names)
    lines = [f"{'':20}{'recall':>7}{heads}"]
    for one in found:
        if one.lost:
            lines.append(f"{label(one):20}  {one.lost}")
            continue
        measures = [one.measure(name) for name in names]
        lines.append(
            f"{label(one):20}{one.mean_recall:7.3f}" + _cells(measures, lambda m: m.value)
        )
        lines.append(f"{'  +-':20}{'':7}" + _cells(measures, _half))
        lines.append(f"{'  null':20}{'':7}" + _cells(measures, lambda m: m.null))
        lines.append(f"{'  control':20}{'':7}" + _cells(measures, lambda m: m.control))
    refusals = {m.refused for one in found for name in names if (m := one.measure(name)).refused}
    return [*lines, *(f"refused: {reason}" for reason in sorted(refusals))]


def _cells(measures: Sequence[Measure], part: Callable[[Measure], object]) -> str:
    """One part of each measure."""
    return "".join(
        f"{'refused' if m.refused else '-' if (x := part(m)) is None else f'{float(x):.3f}':>10}"  # type: ignore[arg-type]
        for m in measures
    )


def _half(measure: Measure) -> float | None:
    """Half of the interval."""
    if measure.low is None or measure.high is None:
        return None
    return (measure.high - measure.low) / 2


def value(found: Found, name: str) -> float | None:
    """The mean of a measure over the seeds; None if it was refused."""
    measured = found.measure(name).value
    return None if measured is None else float(measured)


def draw_against(
    axes: Axes,
    found: Sequence[Found],
    at: Callable[[Found], float],
    names: Sequence[str],
    label: str,
) -> None:
    """Recall and measures against a number of the points, with their intervals; nulls dotted."""
    there = sorted((one for one in found if not one.lost), key=at)
    x = [at(one) for one in there]
    recall = [one.mean_recall for one in there]
    axes.plot(x, recall, "ko-", label="recall")
    for place, name in enumerate(names):
        shown = [(at(one), one.measure(name)) for one in there]
        known = [(at_, m) for at_, m in shown if m.value is not None]
        if not known:
            continue
        places, measures = zip(*known, strict=True)
        colour = f"C{place}"
        means = [float(m.value) for m in measures]
        axes.plot(places, means, "o-", color=colour, label=SHORT.get(name, name))
        axes.fill_between(
            places,
            [mean if m.low is None else m.low for mean, m in zip(means, measures, strict=True)],
            [mean if m.high is None else m.high for mean, m in zip(means, measures, strict=True)],
            color=colour,
            alpha=0.2,
        )
        nulls = [(p, float(m.null)) for p, m in known if m.null is not None]
        if nulls:
            axes.plot(*zip(*nulls, strict=True), ":", color=colour, linewidth=0.9)
    axes.set(xlabel=label, ylabel="mean, 95 % interval; nulls dotted", ylim=(-0.1, 1.05))
    axes.legend(fontsize=7)


def draw_bars(
    axes: Axes, found: Sequence[Found], label: Callable[[Found], str], names: Sequence[str] = NAMES
) -> None:
    """A group of bars for each measure: one for each point, its null as a line across it."""
    there = [one for one in found if not one.lost]
    width = 0.8 / max(1, len(there))
    for place, one in enumerate(there):
        for at, name in enumerate(names):
            m = one.measure(name)
            if m.value is None:
                continue
            x = at + (place - (len(there) - 1) / 2) * width
            low, high = (float(m.value) if end is None else end for end in (m.low, m.high))
            axes.bar(
                x, float(m.value), width, color=f"C{place}", label=label(one) if not at else None
            )
            axes.plot([x, x], [low, high], color="black", linewidth=0.8)
            if m.null is not None:
                axes.plot([x - width / 2, x + width / 2], [float(m.null)] * 2, color="0.3")
    axes.set_xticks(range(len(names)), [SHORT.get(name, name) for name in names], fontsize=7)
    axes.set(ylim=(-1.0, 1.05), ylabel="mean, 95 % interval; nulls as lines")
    axes.axhline(0, color="0.7", linewidth=0.6)
    axes.legend(fontsize=7)
