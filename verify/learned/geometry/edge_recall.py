"""How many edges are recalled.

From node u a model gives a logit to each node. The edge u -> v, each edge in both directions, is
recalled if v's logit is finite and strictly above those of all nodes that are no neighbours of u:
so a node with three neighbours has all of them recalled just if they are its three highest. u
itself is such a node, and must be below, but for a memory that scores pairs by inner products of
one table, where u's own logit is the square of its length and says nothing (`own=False`, as
Noroozizadeh et al. evaluate Node2Vec).

In a random order of the logits an edge is recalled with probability `1 / (m + 1)`, where m is how
many nodes must be below: that is the null.

Their code reports another figure, top-5 recovery: u -> v counts if v is among the five highest. In
graphs of degree at most 4 that does not say that neighbours come first.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from verify.learned.geometry.graphs import Graph
from verify.learned.measure import Measure

NAME = "edge recall"


def recalled(logits: NDArray[np.floating], graph: Graph, own: bool = True) -> tuple[int, int]:
    """How many of the 2 E directed edges are recalled, and 2 E.

    Args:
        logits: (n, V), a row for each node; its first n columns are nodes, any further ones other
            tokens, which must be below too.
        graph: whose edges were memorised.
        own: whether a node's own logit must be below those of its neighbours.
    """
    below = _must_be_below(graph, logits.shape[1], own)
    bar = np.where(below, logits, -np.inf).max(axis=1, keepdims=True)  # NaN if one of them is
    neighbours = logits[:, : graph.n_nodes]
    right = graph.adjacency & np.isfinite(neighbours) & (neighbours > bar)
    return int(right.sum()), int(graph.adjacency.sum())


def edge_recall(logits: NDArray[np.floating], graph: Graph, own: bool = True) -> Measure:
    """The share of directed edges that are recalled, beside that of a random order."""
    right, of = recalled(logits, graph, own)
    m = _must_be_below(graph, logits.shape[1], own).sum(axis=1)
    chances = (int(d) * Fraction(1, int(b) + 1) for d, b in zip(graph.degrees, m, strict=True))
    return Measure(NAME, Fraction(right, of), sum(chances, Fraction(0)) / of)


def _must_be_below(graph: Graph, columns: int, own: bool) -> NDArray[np.bool_]:
    """bool (n, V): what must be below the neighbours of each node."""
    n = graph.n_nodes
    found = np.ones((n, columns), dtype=bool)
    found[:, :n] = ~graph.adjacency
    if not own:
        found[np.arange(n), np.arange(n)] = False
    return found
