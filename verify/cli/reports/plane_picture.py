"""The capacity plane as a picture: bounds as curves, constructions as points.

from verify.cli.reports.plane import plane
from verify.cli.reports.plane_picture import draw

axes = draw(plane(65536, 8, 3))  # or draw(plane(...), ax) into axes of yours
axes.figure.savefig("plane.pdf")
"""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bounds.lower_bound import Bound, LowerBound
from bounds.theorem_4_2 import LOWER_BOUNDS
from verify.cli.reports.pictures import (
    MARKERS,
    Look,
    add_legend,
    require_matplotlib,
    write_picture,
)
from verify.cli.reports.plane import Plane, embedding_bits

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LINES = {
    "global": ("#999999", "-", "global (paper)"),
    "sharpened_global": ("#555555", "--", "sharpened global (ours)"),
    "disjoint_trees": ("#d95f02", "-", "disjoint trees (paper)"),
    "shared_leaves": ("#1b9e77", "-", "shared leaves (ours)"),
    "fact_aware_unembedding": ("#7570b3", "-", "fact-aware unembedding, $B_u = B_e$ (ours)"),
}
POINTS = 200
"""At which each bound is evaluated, if nothing else is asked for."""
_DRAWN = 500
"""Points of a curve that is drawn: between whole B_e a bound is at most the straight line."""
SIZE = (9.0, 5.4)
"""Inches of the whole picture."""
LINEAR = 0.9 / math.log(10)
"""matplotlib's `linscale` with which an axis that is linear at first has no corner at its unit."""
BAND = 1.2
"""How wide the band of the points at B_e = 0 is, in units of log2 N."""


def write(shown: Plane, path: Path, look: Look | None = None, points: int = POINTS) -> None:
    """Write the plane as an SVG, PNG or PDF.

    Raises:
        InputError: see `verify.cli.reports.pictures.write_picture`.
    """
    write_picture(lambda figure: _fill(figure, shown, points), path, SIZE, look)


def draw(shown: Plane, ax: Axes | None = None, points: int = POINTS) -> Axes:
    """Draw the plane: bounds as curves; constructions as points, filled in bits of facts, hollow
    in dense bits.

    A curve ends on 0 where its bound does. What is filled at B_e = 0 stands in a band left of 0,
    side by side, a place for each construction.

    Args:
        shown: bounds and constructions; `Plane.only` says which of them.
        ax: axes to draw into; by default those of a new figure.
        points: at which each bound is evaluated, about.

    Returns:
        The axes; what is drawn has labels, so that `ax.legend()` shows them.

    Raises:
        InputError: matplotlib is not installed.
    """
    require_matplotlib()
    if ax is None:
        from matplotlib.figure import Figure

        figure = Figure(figsize=SIZE, layout="constrained")
        ax = figure.add_subplot()
    unit = max(1, (shown.n_entities - 1).bit_length())
    _draw_curves(ax, shown, points)
    _draw_points(ax, shown, unit)
    ax.set_xscale("symlog", linthresh=unit, linscale=LINEAR)
    ax.set_yscale("symlog", linthresh=unit * shown.n_relations, linscale=LINEAR)
    ax.set_xlim(left=-BAND * unit)
    ax.set_ylim(bottom=-0.2 * unit * shown.n_relations)
    ax.axvspan(-BAND * unit, 0, color="0.94", linewidth=0, zorder=0)
    around: Any = ax.figure
    width, height = (side / around.dpi for side in (around.bbox.width, around.bbox.height))
    place = ax.get_position()
    for axis, limits, first, many in (
        (ax.xaxis, ax.get_xlim(), unit, 1.2 * width * place.width),
        (ax.yaxis, ax.get_ylim(), unit * shown.n_relations, 1.5 * height * place.height),
    ):
        axis.set_ticks(ticks(limits[1], first, min(7, max(3, int(many)))))
        axis.set_ticks([], minor=True)
    small = min(width, height) < 4.5
    ax.set_xlabel("$B_e$" if small else "$B_e$: bits of one token's embedding (grey: 0)")
    ax.set_ylabel("$B_T$" if small else "$B_T$: bits inside (attention, MLPs, positions)")
    ax.set_title(f"N = {shown.n_entities:,}, R = {shown.n_relations:,}, k = {shown.hops:,}")
    ax.grid(alpha=0.25, linewidth=0.5)
    return ax


def _fill(figure: Any, shown: Plane, points: int) -> None:
    """The whole picture: the plane and its legend."""
    add_legend(figure, [draw(shown, figure.add_subplot(), points)], _LEGEND)


_LEGEND = "filled: bits of facts\nhollow: all bits, dense"


def place(value: float, first: int) -> float:
    """Where a value stands on an axis that is linear up to `first`, in decades."""
    base = LINEAR / (1 - 1 / 10)
    return base * value / first if value <= first else base + math.log10(value / first)


def ticks(last: float, first: int, many: int) -> list[float]:
    """0 and powers of ten, on an axis that is linear up to `first` and ends at `last`: so far
    apart that about so many would fill it.
    """
    gap, found = place(last, first) / many, [0.0]
    for exponent in range(math.ceil(math.log10(max(last, 1))) + 1):
        value = 10.0**exponent
        if value <= last and place(value, first) - place(found[-1], first) >= gap:
            found.append(value)
    return found


def curve(bound: LowerBound, shown: Plane, points: int) -> list[tuple[float, float]]:
    """(B_e, B_T) along a bound, from 0 to where it ends on 0, or to the end of the plane, in so
    many points that a logarithmic axis shows no corners.
    """
    found = corners(bound, shown, points)
    return _interpolated(found) if found else []


def corners(bound: LowerBound, shown: Plane, points: int) -> list[tuple[float, float]]:
    """(B_e, B_T) along a bound, at about so many points at which it is evaluated.

    Half of the points are even on the logarithmic axis, half close in on the end, where the curve
    falls. Between whole numbers, and at the end, it is a straight line.
    """
    sizes = (shown.n_entities, shown.n_relations, shown.hops)
    last = embedding_bits(*sizes, 1)[-1]

    @cache
    def bits(at: int) -> float:
        """The bound there; what does not exist says nothing, as a negative one does."""
        found = bound.at(*sizes, at, at)
        return found.bits if isinstance(found, Bound) else -1.0

    coarse = _even(last, 32)
    positive = [at for at in coarse if bits(at) > 0]
    if not positive:
        return []
    low = positive[-1]
    high = next((at for at in coarse if at > low), None)
    while high is not None and high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if bits(middle) > 0 else (low, middle)
    near = (low - round(low * 0.5 ** (16 * i / points)) for i in range(points // 2))
    places = sorted({*_even(low, max(2, points // 2)), *near, low})
    found = [(float(at), bits(at)) for at in places if bits(at) > 0]
    if high is not None:
        found.append((low + bits(low) / (bits(low) - bits(high)), 0.0))
    return found


def _interpolated(found: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The same curve in more points, which a logarithmic axis does not show as corners."""
    at, values = (np.array(axis) for axis in zip(*found, strict=True))
    end = at[-1]
    even = np.geomspace(1, end + 1, _DRAWN) - 1
    near = end - np.geomspace(end, end * 1e-6, _DRAWN) if end else np.zeros(1)
    more = np.unique(np.concatenate([at, even.clip(0, end), near.clip(0, end)]))
    return list(zip(more.tolist(), np.interp(more, at, values).tolist(), strict=True))


def _even(last: int, count: int) -> list[int]:
    """Integers from 0 to `last`, about evenly on a logarithmic axis: each once."""
    steps = (round((last + 1) ** (i / (count - 1))) - 1 for i in range(count))
    return sorted({0, last, *(min(step, last) for step in steps)})


def _draw_curves(axes: Any, shown: Plane, points: int) -> None:
    """The bounds as curves, and the bits of the facts as a line."""
    own = {
        bound.name: (f"C{index}", "-.", f"{bound.name} (own)")
        for index, bound in enumerate(shown.own)
    }
    every = {**LOWER_BOUNDS, **{bound.name: bound for bound in shown.own}}
    for name, (color, style, label) in (LINES | own).items():
        found = curve(every[name], shown, points) if name in shown.columns else []
        if found:
            axes.plot(
                *zip(*found, strict=True),
                color=color,
                linestyle=style,
                linewidth=1.6,
                label=label,
                zorder=2,
            )
    axes.axhline(
        shown.limit,
        color="black",
        linewidth=0.8,
        linestyle=":",
        label=r"$\log_2 (N!)^R$",
        zorder=1,
    )


def _draw_points(axes: Any, shown: Plane, unit: int) -> None:
    """The constructions as points: filled in bits of facts, hollow in dense bits."""
    names = list(dict.fromkeys(plan.entry.name for plan, _ in shown.points))
    at_zero = zero_places(shown, unit)
    for index, name in enumerate(names):
        costs = [plan.costs for plan, _ in shown.points if plan.entry.name == name]
        color, marker = f"C{index % 10}", MARKERS[index % len(MARKERS)]
        exempt = " (unembedding knows facts)" * any(cost.unembedding_fact_bits for cost in costs)
        exempt += " (writes tokens)" * any(cost.written_tokens > 1 for cost in costs)
        bits = [
            (_drawn(cost.embedding_fact_bits) or at_zero[name], _drawn(cost.internal_fact_bits))
            for cost in costs
        ]
        if len(costs) > 1 and not exempt:
            axes.plot(*zip(*bits, strict=True), color=color, linewidth=0.7, zorder=3)
        axes.scatter(
            *zip(*bits, strict=True),
            s=18 if len(at_zero) > 4 else 26,
            color=color,
            marker=marker,
            label=name + exempt,
            zorder=4,
            clip_on=False,
        )
        axes.scatter(
            [_drawn(cost.embedding_bits) for cost in costs],
            [_drawn(cost.internal_bits) for cost in costs],
            s=26,
            facecolors="none",
            edgecolors=color,
            marker=marker,
            linewidths=0.8,
            zorder=3,
        )


def zero_places(shown: Plane, unit: int) -> dict[str, float]:
    """Where in the band left of 0 each construction stands that has points without a bit of facts
    in the embedding, side by side, on an axis that is linear up to `unit`.
    """
    names = [plan.entry.name for plan, _ in shown.points if not plan.costs.embedding_fact_bits]
    apart = list(dict.fromkeys(names))
    width = BAND * unit
    return {name: width * ((i + 0.5) / len(apart) - 1) for i, name in enumerate(apart)}


def _drawn(bits: int) -> float:
    """A number as matplotlib takes it; what is too large for any picture is not drawn."""
    return float(bits) if bits < 10**150 else math.nan
