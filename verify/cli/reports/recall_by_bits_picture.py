"""Recall against bits as a picture: rounded and fine-tuned models, and the bound under them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from verify.cli.reports.pictures import write_picture
from verify.learned.recall_by_bits import RecallByBits

_STEPS = 200
_LEFT, _TOP = 0.3, 1.1


def draw(curves: Sequence[tuple[str, RecallByBits]], path: Path) -> None:
    """Write recall against all bits a fact as an SVG, PNG or PDF, for models of equally many
    facts, each with its name: hollow as rounded, filled as fine-tuned; the bound as an area that
    nothing enters.

    Raises:
        InputError: see `verify.cli.reports.pictures.write_picture`.
    """

    def fill(figure: Any) -> None:
        """One panel, and its legend."""
        axes = figure.add_subplot()
        _draw_bound(axes, curves[0][1])
        for index, (name, curve) in enumerate(curves):
            _draw_points(axes, name, curve, f"C{index % 10}")
        axes.set(xlabel="bits of all tensors, for each fact", ylabel="recall", ylim=(0, _TOP))
        axes.set_xscale("log")
        axes.set_xlim(left=_LEFT)
        axes.grid(alpha=0.25, linewidth=0.5)
        figure.legend(loc="outside upper center", ncols=2, frameon=False, fontsize=7.5)

    write_picture(fill, path, (6.4, 4.0), settings={"svg.hashsalt": "recall by bits"})


def _draw_bound(axes: Any, curve: RecallByBits) -> None:
    """The recall that the bits allow at most, and where no model is; nothing where no bound is
    known.
    """
    queries = curve.n_queries
    if curve.drawn is None:
        return
    wrong = sorted({round(step * queries / _STEPS) for step in range(_STEPS + 1)}, reverse=True)
    at = [(curve.drawn.needed(one) / queries, 1 - one / queries) for one in wrong]
    bits, recall = zip(*[(bits, recall) for bits, recall in at if bits > 0], strict=True)
    axes.plot(bits, recall, color="black", linewidth=1.2, label="bound: docs/imperfect-recall.md")
    axes.fill_between(bits, recall, _TOP, color="0.9", linewidth=0)
    if curve.cheapest is not None:
        axes.axvline(
            curve.cheapest.total_bits / queries,
            color="0.4",
            linestyle=":",
            linewidth=1,
            label=f"{curve.cheapest.label}, the cheapest construction",
        )


def _draw_points(axes: Any, name: str, curve: RecallByBits, color: str) -> None:
    """One model's points, each with its b."""
    queries = curve.n_queries
    for tuned in sorted({one.tuned for one in curve.points}):
        points = [one for one in curve.points if one.tuned == tuned]
        bits = [one.total_bits / queries for one in points]
        recall = [one.right / queries for one in points]
        axes.plot(
            bits,
            recall,
            color=color,
            marker="o",
            markersize=4,
            linewidth=1 if tuned else 0.7,
            linestyle="-" if tuned else "--",
            markerfacecolor=color if tuned else "white",
            label=f"{name}, {'fine-tuned' if tuned else 'rounded'}",
        )
        for one, x, y in zip(points, bits, recall, strict=True):
            axes.annotate(str(one.bits), (x, y), (0, 5), textcoords="offset points", fontsize=6)
            if one.right == queries:  # with more bits it stays so
                break
