"""Memories side by side, as a picture: facts against stored numbers, and bits a fact."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from verify.cli.reports.pictures import MARKERS, Look, write_picture
from verify.rivals.compared import Compared, Row
from verify.rivals.limit import LEVELS, limit

BITS_A_NUMBER = 2.0
"""Of the guide line: arXiv 2404.05405."""


def write(works: Sequence[Compared], path: Path, look: Look | None = None) -> None:
    """Write a picture: left the facts that are recalled against the numbers that are stored, for
    each level, both on a logarithmic axis; right the bits a fact of the first work, all recalled.

    Raises:
        InputError: see `verify.cli.reports.pictures.write_picture`.
    """

    def fill(figure: Any) -> None:
        """Both panels, and the legend below them."""
        left, right = figure.subplots(1, 2)
        _draw_numbers(left, works)
        _draw_bits(right, works[0])
        figure.legend(loc="outside lower center", ncols=5, fontsize=6, frameon=False)

    size = (10.5, max(5.0, 2.4 + 0.2 * len(_bars(works[0]))))
    write_picture(fill, path, size, look, {"svg.hashsalt": "compare", "font.size": 8})


def _middle(row: Row, percent: int, what: str) -> float | None:
    """The median of a number over the seeds; None where some seed was lost or not reached."""
    levels = row.levels(percent)
    if not levels or any(level.size is None for level in levels):
        return None
    return float(median(getattr(level, what) for level in levels))


def _draw_numbers(axes: Any, works: Sequence[Compared]) -> None:
    """Facts against stored numbers."""
    names = [row.memory.name for row in works[0].rows]
    shown: list[tuple[float, float]] = []
    for place, name in enumerate(names):
        points = []
        for one in works:
            row = next(row for row in one.rows if row.memory.name == name)
            for percent in LEVELS:
                stored, facts = (_middle(row, percent, what) for what in ("stored", "right"))
                if stored and facts:
                    points.append((stored, facts))
        if points:
            shown += points
            style: dict[str, Any] = {
                "color": f"C{place % 10}",
                "marker": MARKERS[place % len(MARKERS)],
            }
            axes.plot(*zip(*points, strict=True), linestyle="", markersize=4, label=name, **style)
    if shown:
        _draw_guide(axes, works, shown)
    axes.set(xlabel="numbers that are stored", ylabel="facts recalled", xscale="log", yscale="log")
    axes.grid(alpha=0.25, linewidth=0.5, which="both")


def _draw_guide(
    axes: Any, works: Sequence[Compared], shown: Sequence[tuple[float, float]]
) -> None:
    """2 bits of the limit of all facts for each number, as far as there are facts."""
    each = limit(works[0].work, LEVELS[0]) / works[0].queries
    if each > 0:
        facts = [min(one for _, one in shown) / 1.5, 1.5 * max(one for _, one in shown)]
        stored = [each * one / BITS_A_NUMBER for one in facts]
        axes.plot(stored, facts, color="black", linewidth=0.8, linestyle=":")
        axes.annotate("2 bits a number", (stored[-1], facts[-1]), ha="right", fontsize=6)


def _bars(one: Compared) -> list[tuple[str, float]]:
    """Names and bits a fact, all recalled, the fewest first."""
    found = [(row.memory.name, _middle(row, LEVELS[0], "bits")) for row in one.rows]
    return sorted(
        [(name, bits / one.queries) for name, bits in found if bits is not None],
        key=lambda bar: bar[1],
    )


def _draw_bits(axes: Any, one: Compared) -> None:
    """Bits a fact, and the limit."""
    bars = _bars(one)
    axes.barh([name for name, _ in bars], [bits for _, bits in bars], color="0.7")
    axes.invert_yaxis()
    axes.axvline(limit(one.work, LEVELS[0]) / one.queries, color="black", linewidth=1.0)
    work = one.work
    axes.set(
        xlabel="bits a fact, all recalled; the line is the information limit",
        xscale="log",
        title=f"N = {work.n_entities:,}, R = {work.n_relations:,}, k = {work.hops}",
    )
