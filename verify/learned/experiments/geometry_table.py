"""What was measured of memories of graphs, as a table for each graph."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from verify.learned.experiments.found import Found
from verify.learned.geometry.diagonal import NAME as DIAGONAL
from verify.learned.geometry.edge_recall import NAME as RECALL
from verify.learned.geometry.energy import FAR
from verify.learned.geometry.energy import NAME as ENERGY
from verify.learned.geometry.first_hops import NAME as HELD_OUT
from verify.learned.geometry.first_hops import SEEN
from verify.learned.geometry.nearest import LEAVES, NEIGHBOURS
from verify.learned.measure import Measure, Number

SHORT = {
    ENERGY: "energy",
    FAR: "far end",
    LEAVES: "leaves",
    NEIGHBOURS: "neighb.",
    RECALL: "edges",
    DIAGONAL: "diag.",
    HELD_OUT: "unseen",
    SEEN: "seen",
}
"""Measures as heads of columns, in the order in which they are shown."""
USUAL = 64
"""The dimension that a label does not state."""
SMALL = 0.02
"""The initial scale that a label calls small; it states others, but for rows of length 1."""
LABEL, COLUMN, STEP = 34, 8, 12
"""Widths: of a label at least, of a measure, of a step of the table of energy along training."""
WIDEST = 99


def table(found: Sequence[Found]) -> list[str]:
    """For each graph: what is by chance, and of each memory the means over the seeds with the
    half-widths of their intervals; then the energy along training of the first graph.
    """
    lines: list[str] = []
    for title, group in _groups(found).items():
        lines += [title, *_of_group(group), ""]
    return [*lines, *_along(next(iter(_groups(found).values())))]


def label(found: Found) -> str:
    """A memory, in at most 42 characters."""
    point = found.on_graph
    if point.memory == "node2vec":
        return f"Node2Vec, d {point.d_model}"
    ways = [
        "frozen" if point.frozen else "",
        "" if point.tied else "untied",
        _scale(found),
        f"decay {point.weight_decay:g}" if point.weight_decay else "",
        f"d {point.d_model}" if point.d_model != USUAL else "",
    ]
    if point.memory == "linear":
        ways = ["frozen" if point.frozen else "learned", f"d {point.d_model}"]
    return ", ".join([point.memory, *filter(None, ways)])


def _labels(group: Sequence[Found]) -> list[str]:
    """The memories of a group; where two would be called alike, their steps are stated too."""
    labels = [label(one) for one in group]
    return [
        f"{name}, {one.on_graph.steps:,} steps" if labels.count(name) > 1 else name
        for name, one in zip(labels, group, strict=True)
    ]


def _scale(found: Found) -> str:
    """With which initial scale, in words."""
    point = found.on_graph
    if point.initial_scale == SMALL:
        return "small"
    unit = math.isclose(point.initial_scale, point.d_model**-0.5)
    return "" if unit else f"scale {point.initial_scale:g}"


def graph_of(found: Found) -> str:
    """The graph of a point, in words."""
    point = found.on_graph
    sizes = " x ".join(map(str, point.sizes))
    name = f"{point.n_nodes} nodes" if point.graph == "given" else f"{point.graph} {sizes}"
    held = f", {point.held_out:.0%} of first hops held out" if point.held_out else ""
    return f"{name}{held}"


def _groups(found: Sequence[Found]) -> dict[str, list[Found]]:
    """The points by their graphs, in order."""
    groups: dict[str, list[Found]] = {}
    for one in found:
        groups.setdefault(graph_of(one), []).append(one)
    return groups


def _of_group(group: Sequence[Found]) -> list[str]:
    """A head, what is by chance, and two lines for each memory."""
    there = [one for one in group if not one.lost]
    names = [name for name in SHORT if any(name in one.measures for one in there)]
    labels = _labels(group)
    wide = min(max(LABEL, *(len(one) + 1 for one in labels)), WIDEST - COLUMN * len(names))
    lines = [f"{'':{wide}}" + "".join(f"{SHORT[name]:>{COLUMN}}" for name in names)]
    chances = [
        next((m.null for one in there if (m := one.measure(name)).null is not None), None)
        for name in names
    ]
    lines.append(f"{'  by chance':{wide}}" + "".join(map(_cell, chances)))
    for name, one in zip(labels, group, strict=True):
        if one.lost:
            lines.append(f"{name:{wide}}{one.lost}")
            continue
        measures = [one.measure(name) if name in one.measures else None for name in names]
        values = _cells(measures, lambda m: m.value)
        lines += [f"{name:{wide}}{values}"] if len(name) < wide else [name, " " * wide + values]
        lines.append(f"{'  +-':{wide}}" + _cells(measures, _half))
    return lines


def _along(group: Sequence[Found]) -> list[str]:
    """The energy of the first graph's memories along training."""
    lines = ["energy along training, mean over the seeds, as `step: energy`"]
    labels = _labels(group)
    wide = max(27, *(len(one) + 1 for one in labels))
    most = (WIDEST - wide) // STEP - 1  # beside the last
    for name, one in zip(labels, group, strict=True):
        energy = one.along.values.get(ENERGY) if one.along else None
        if one.along is None or energy is None:
            continue
        shown = [
            f"{step}: {sum(values) / len(values):.2f}"
            for step, values in zip(one.along.steps, energy, strict=True)
        ]
        chosen = shown[:: -(-len(shown) // most)]
        last = [] if shown[-1] in chosen else [shown[-1]]
        cells = "".join(f"{part:>{STEP}}" for part in (*chosen, *last))
        lines.append(f"{name:{wide}}{cells}")
    return lines if len(lines) > 1 else []


def _cells(measures: Sequence[Measure | None], part: Callable[[Measure], Number | None]) -> str:
    """One part of each measure."""
    return "".join(
        f"{'refused':>{COLUMN}}"
        if m is not None and m.refused
        else _cell(None if m is None else part(m))
        for m in measures
    )


def _cell(number: Number | None) -> str:
    """A number, or a dash."""
    return f"{'-' if number is None else f'{float(number):.3f}':>{COLUMN}}"


def _half(measure: Measure) -> float | None:
    """Half of the interval."""
    if measure.low is None or measure.high is None:
        return None
    return (measure.high - measure.low) / 2
