"""The capacity plane as a picture: bounds as curves, constructions as points."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

from bounds.lower_bound import Bound
from constructions.files.whole_file import write_atomically
from constructions.guards.errors import InputError
from verify.cli.reports.plane import Plane, curves

_LINES = {
    "global": ("#999999", "-", "global (paper)"),
    "sharpened_global": ("#555555", "--", "sharpened global (ours)"),
    "disjoint_trees": ("#d95f02", "-", "disjoint trees (paper)"),
    "shared_leaves": ("#1b9e77", "-", "shared leaves (ours)"),
    "fact_aware_unembedding": ("#7570b3", "-", "fact-aware unembedding, $B_u = B_e$ (ours)"),
}
_MARKERS = ("o", "s", "D", "^", "v", "P", "X", "*", "<", ">", "p", "h", "d", "8")


def require_matplotlib() -> None:
    """Raise InputError if matplotlib is not installed."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise InputError(
            "--plot needs matplotlib: pip install '.[plot]' in a clone of this project"
        ) from None


def require_svg(path: Path) -> None:
    """Raise InputError unless the name of a picture ends as the one format that is written."""
    if path.suffix.lower() != ".svg":
        raise InputError(f"{path}: the picture is an SVG; give a file name that ends in .svg")


def draw(shown: Plane, path: Path) -> None:
    """Write the plane as an SVG: bounds as curves; constructions as points, filled in bits of
    facts, hollow in dense bits.

    Raises:
        InputError: see `require_matplotlib`.
    """
    require_matplotlib()
    import matplotlib
    from matplotlib.figure import Figure

    sizes = (shown.n_entities, shown.n_relations, shown.hops)
    shown = replace(shown, curves=curves(*sizes, 16, shown.own))
    settings: dict[Any, Any] = {
        "svg.hashsalt": "capacity plane",
        "svg.fonttype": "path",
        "font.size": 9,
    }
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=(8.2, 5.2), layout="constrained")
        axes = figure.add_subplot()
        _draw_curves(axes, shown)
        _draw_points(axes, shown)
        unit = max(1, (shown.n_entities - 1).bit_length())
        axes.set_xscale("symlog", linthresh=unit, linscale=0.5)
        axes.set_yscale("symlog", linthresh=unit * shown.n_relations, linscale=0.3)
        axes.set_xlim(left=-0.15 * unit)
        axes.set_ylim(bottom=-0.2 * unit * shown.n_relations)
        axes.set_xlabel("$B_e$: bits of one token's embedding")
        axes.set_ylabel("$B_T$: bits inside (attention, MLPs, positions)")
        axes.set_title(f"N = {shown.n_entities:,}, R = {shown.n_relations:,}, k = {shown.hops:,}")
        axes.grid(alpha=0.25, linewidth=0.5)
        title = "filled: bits of facts\nhollow: all bits, dense"
        figure.legend(
            loc="outside right upper", frameon=False, fontsize=7.5, title=title, alignment="left"
        )
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None})
    write_atomically(path, iter([text.getvalue()]))


def _draw_curves(axes: Any, shown: Plane) -> None:
    """The bounds as curves, and the bits of the facts as a line."""
    own = {
        bound.name: (f"C{index}", "-.", f"{bound.name} (own)")
        for index, bound in enumerate(shown.own)
    }
    for name, (color, style, label) in (_LINES | own).items():
        at = [(bits, found[name]) for bits, found in shown.curves]
        points = [
            (bits, bound.bits) for bits, bound in at if isinstance(bound, Bound) and bound.bits > 0
        ]
        if points:
            axes.plot(
                *zip(*points, strict=True),
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


def _draw_points(axes: Any, shown: Plane) -> None:
    """The constructions as points: filled in bits of facts, hollow in dense bits."""
    names = list(dict.fromkeys(plan.entry.name for plan, _ in shown.points))
    for index, name in enumerate(names):
        costs = [plan.costs for plan, _ in shown.points if plan.entry.name == name]
        color, marker = f"C{index % 10}", _MARKERS[index % len(_MARKERS)]
        exempt = " (unembedding knows facts)" * any(cost.unembedding_fact_bits for cost in costs)
        exempt += " (writes tokens)" * any(cost.written_tokens > 1 for cost in costs)
        if len(costs) > 1 and not exempt:
            bits = [(cost.embedding_fact_bits, cost.internal_fact_bits) for cost in costs]
            axes.plot(*zip(*bits, strict=True), color=color, linewidth=0.7, zorder=3)
        axes.scatter(
            [cost.embedding_fact_bits for cost in costs],
            [cost.internal_fact_bits for cost in costs],
            s=26,
            color=color,
            marker=marker,
            label=name + exempt,
            zorder=4,
            clip_on=False,
        )
        axes.scatter(
            [cost.embedding_bits for cost in costs],
            [cost.internal_bits for cost in costs],
            s=26,
            facecolors="none",
            edgecolors=color,
            marker=marker,
            linewidths=0.8,
            zorder=3,
        )
