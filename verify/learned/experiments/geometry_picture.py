"""Embeddings of nodes in the plane of the two leading eigenvectors: associative against geometric.

A row for each kind of memory, a column for each graph; each node is a dot, each edge a line.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from verify.learned.experiments.found import Found
from verify.learned.experiments.geometry_table import graph_of
from verify.learned.experiments.measured import value
from verify.learned.geometry.energy import NAME as ENERGY

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GRAPHS = 4
"""Columns at most."""
GAP = 0.02
KINDS = ("frozen", "learned", "Node2Vec")


def draw(axes: Axes, found: Sequence[Found]) -> None:
    """Divide the panel into small ones: rows of frozen, learned and Node2Vec, columns of graphs,
    which are named above; of each the first memory there is, of its first seed.
    """
    chosen: dict[str, dict[tuple[str, tuple[int, ...]], Found]] = {kind: {} for kind in KINDS}
    for one in sorted(found, key=lambda one: one.on_graph.n_nodes):
        point = one.on_graph
        if not (one.lost or one.along is None or point.held_out):
            chosen[_kind(one)].setdefault((point.graph, point.sizes), one)
    graphs = list(dict.fromkeys(graph for of in chosen.values() for graph in of))[:GRAPHS]
    axes.set_axis_off()
    for row, kind in enumerate(KINDS):
        for column, graph in enumerate(graphs):
            if graph in chosen[kind]:
                width, height = 1 / len(graphs), 1 / len(KINDS)
                left, bottom = column * width, 1 - (row + 1) * height
                panel = axes.inset_axes((left, bottom, width - GAP, height - 5 * GAP))
                shown = chosen[kind][graph]
                _draw_one(panel, shown, f"{graph_of(shown)}\n{kind}" if row == 0 else kind)
    axes.set(xlabel="plane of the two leading eigenvectors")


def _kind(found: Found) -> str:
    """In which row a memory is shown."""
    point = found.on_graph
    if point.memory == "node2vec":
        return "Node2Vec"
    return "frozen" if point.frozen else "learned"


def _draw_one(axes: Axes, found: Found, title: str) -> None:
    """The nodes and edges of one memory; the title is followed by its energy."""
    point = found.on_graph
    plane = found.along.plane if found.along else ()
    for a, b in point.of_seed(point.seeds[0]).edges.tolist():
        axes.plot(*zip(plane[a], plane[b], strict=True), color="0.6", linewidth=0.6)
    axes.plot(*zip(*plane, strict=True), "o", markersize=2, color="C0")
    share = value(found, ENERGY)
    energy = "" if share is None else f", {share:.2f}"
    axes.set_title(f"{title}{energy}", fontsize=6, pad=2)
    axes.set_xticks([])
    axes.set_yticks([])
