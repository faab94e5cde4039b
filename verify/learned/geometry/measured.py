"""Everything that is measured of the memories of a graph, along their training and at its end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from verify.learned.geometry.diagonal import diagonal_top1
from verify.learned.geometry.edge_recall import edge_recall, recalled
from verify.learned.geometry.energy import energy, in_the_plane
from verify.learned.geometry.first_hops import SEEN, first_hops
from verify.learned.geometry.graphs import Graph
from verify.learned.geometry.laplacian import leading
from verify.learned.geometry.nearest import leaves_near, neighbours_nearest
from verify.learned.geometry.on_graph import OnGraph
from verify.learned.geometry.questions import Questions
from verify.learned.geometry.trained import Seen, trained
from verify.learned.measure import Measure

LOOKS = (0, 10, 25, 50, 75, 100, 150, 200, 300, 500, 1000, 2000, 5000, 10000)
"""After which steps memories are measured, beside the last."""


@dataclass(frozen=True)
class Along:
    """How measures rise and fall along training.

    Attributes:
        steps: after which memories were measured.
        values: by the name of a measure, at each of these steps, of each seed.
        plane: the first seed's embeddings after the last step in the plane of the two leading
            eigenvectors, a pair for each node.
    """

    steps: tuple[int, ...]
    values: dict[str, tuple[tuple[float, ...], ...]]
    plane: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class OfGraph:
    """What was measured of the memories of a graph.

    Attributes:
        recalled: how many directed edges each seed's memory recalls after the last step.
        edges: of how many.
        measures: after the last step, of each seed, by name.
        along: the same along training.
    """

    recalled: tuple[int, ...]
    edges: int
    measures: dict[str, tuple[Measure, ...]]
    along: Along


def of_graph(point: OnGraph) -> OfGraph:
    """Train the memories of a point and measure them."""
    questions = Questions.of(point)
    bases = [leading(graph) for graph in questions.graphs]
    looks = {look for look in LOOKS if look < point.steps} | {point.steps}
    steps: list[int] = []
    values: dict[str, list[tuple[float, ...]]] = {}
    for seen in trained(point, questions, looks):
        steps.append(seen.step)
        each = [list(_measures(point, questions, bases[m], seen, m)) for m in range(len(bases))]
        measures = {of[0].name: tuple(of) for of in zip(*each, strict=True)}
        for name, of in measures.items():
            if not any(one.refused for one in of):
                values.setdefault(name, []).append(tuple(float(one.value or 0) for one in of))
        last = seen
    counts = [
        recalled(_edges(point, last, m), graph, point.memory != "node2vec")
        for m, graph in enumerate(questions.graphs)
    ]
    plane = in_the_plane(last.tables[0], questions.graphs[0])
    return OfGraph(
        tuple(right for right, _ in counts),
        counts[0][1],
        measures,
        Along(
            tuple(steps),
            {name: tuple(each) for name, each in values.items() if len(each) == len(steps)},
            tuple((float(x), float(y)) for x, y in plane),
        ),
    )


def _measures(
    point: OnGraph, questions: Questions, basis: np.ndarray, seen: Seen, m: int
) -> Iterator[Measure]:
    """All that is measured of one memory."""
    graph, table = questions.graphs[m], seen.tables[m]
    yield energy(table, graph, basis)
    if graph.paths.size:
        yield leaves_near(table, graph)
    yield neighbours_nearest(table, graph)
    yield edge_recall(_edges(point, seen, m), graph, point.memory != "node2vec")
    if seen.whole:
        yield diagonal_top1(seen.whole["table"][m], seen.whole["matrix"][m], graph)
    if point.held_out:
        yield from _hops(graph, questions, seen, m)


def _hops(graph: Graph, questions: Questions, seen: Seen, m: int) -> Iterator[Measure]:
    """Of first hops that were held out, and of those that were trained on."""
    logits, held = seen.logits[m, graph.n_nodes :], questions.held_out[m]
    yield first_hops(logits[held], graph.first_nodes[held], len(graph.paths))
    yield first_hops(logits[~held], graph.first_nodes[~held], len(graph.paths), SEEN)


def _edges(point: OnGraph, seen: Seen, m: int) -> np.ndarray:
    """The logits of one memory that answer what is next, a row for each node."""
    return seen.logits[m, : point.n_nodes]
