"""Everything that is measured of the memories of a graph, along their training and at its end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from verify.learned.geometry.along import Along
from verify.learned.geometry.diagonal import diagonal_top1
from verify.learned.geometry.edge_recall import edge_recall, recalled
from verify.learned.geometry.energy import FAR, energy, in_the_plane
from verify.learned.geometry.first_hops import SEEN, first_hops
from verify.learned.geometry.laplacian import leading, trailing
from verify.learned.geometry.nearest import leaves_near, neighbours_nearest
from verify.learned.geometry.on_graph import OnGraph
from verify.learned.geometry.questions import Questions
from verify.learned.geometry.trained import Seen, trained
from verify.learned.measure import Measure

LOOKS = (0, 10, 25, 50, 75, 100, 150, 200, 300, 500, 1000, 2000, 5000, 10000)
"""After which steps memories are measured, beside the last."""


@dataclass(frozen=True)
class OfGraph:
    """What was measured of the memories of a graph.

    Attributes:
        recalled: how many directed edges each seed's memory recalls after the last step.
        edges: of how many.
        measures: after the last step, of each seed, by name; the control of each is the same
            memory before its first step.
        along: the same along training.
    """

    recalled: tuple[int, ...]
    edges: int
    measures: dict[str, tuple[Measure, ...]]
    along: Along


def of_graph(point: OnGraph) -> OfGraph:
    """Train the memories of a point and measure them."""
    questions = Questions.of(point)
    scales = [Scale(leading(graph), trailing(graph)) for graph in questions.graphs]
    looks = {look for look in LOOKS if look < point.steps} | {point.steps}
    found: list[tuple[int, list[dict[str, Measure]]]] = []
    for last in trained(point, questions, looks):
        each = [_measures(point, questions, scale, last, m) for m, scale in enumerate(scales)]
        found.append((last.step, [{one.name: one for one in of_one} for of_one in each]))
    counts = [
        recalled(last.edges(m, point.n_nodes), graph, point.memory != "node2vec")
        for m, graph in enumerate(questions.graphs)
    ]
    plane = in_the_plane(last.tables[0], questions.graphs[0])
    return OfGraph(
        tuple(right for right, _ in counts),
        counts[0][1],
        _at_the_end(found[0][1], found[-1][1]),
        Along(
            tuple(step for step, _ in found),
            _values(found),
            tuple((float(x), float(y)) for x, y in plane),
        ),
    )


@dataclass(frozen=True)
class Scale:
    """The ends of the spectrum of a graph: bases of its leading and its trailing eigenvectors."""

    near: NDArray[np.float64]
    far: NDArray[np.float64]


def _measures(
    point: OnGraph, questions: Questions, scale: Scale, seen: Seen, m: int
) -> Iterator[Measure]:
    """All that is measured of one memory."""
    graph, table = questions.graphs[m], seen.tables[m]
    yield energy(table, graph, scale.near)
    yield energy(table, graph, scale.far, FAR)
    if graph.paths.size:
        yield leaves_near(table, graph)
    yield neighbours_nearest(table, graph)
    yield edge_recall(seen.edges(m, point.n_nodes), graph, point.memory != "node2vec")
    if seen.whole:
        yield diagonal_top1(seen.whole["table"][m], seen.whole["matrix"][m], graph)
    if point.held_out:
        logits, held = seen.logits[m, graph.n_nodes :], questions.held_out[m]
        yield first_hops(logits[held], graph.first_nodes[held], len(graph.paths))
        yield first_hops(logits[~held], graph.first_nodes[~held], len(graph.paths), SEEN)


def _at_the_end(
    before: list[dict[str, Measure]], after: list[dict[str, Measure]]
) -> dict[str, tuple[Measure, ...]]:
    """The measures of all seeds by name, with what they were before training as controls."""
    return {
        name: tuple(
            replace(last[name], control=None if last[name].refused else first[name].value)
            for first, last in zip(before, after, strict=True)
        )
        for name in after[0]
    }


def _values(
    found: list[tuple[int, list[dict[str, Measure]]]],
) -> dict[str, tuple[tuple[float, ...], ...]]:
    """What each measure was at each step, but of measures that were refused once."""
    values = {}
    for name in found[0][1][0]:
        numbers = [[of_one[name].value for of_one in each] for _, each in found]
        if not any(one is None for of_step in numbers for one in of_step):
            values[name] = tuple(tuple(float(one or 0) for one in row) for row in numbers)
    return values
