"""Which node lies nearest, by the cosine of embeddings: structure that no edge states.

*Leaves near their first node* asks it of path-stars: of how many paths is, of all first nodes, the
one of the own path the nearest to the leaf? No edge joins them, so a lookup of edges gives them no
reason to be near. By chance: one in as many as there are paths.

*Neighbours nearest* asks it of any graph: of how many nodes is the nearest other node a neighbour?
By chance: the mean of `degree / (n - 1)`.

Ties are wrong: what counts as nearest is strictly nearer than all others.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from verify.learned.geometry.graphs import Graph
from verify.learned.measure import Measure

LEAVES = "leaves near first node"
NEIGHBOURS = "neighbours nearest"


def leaves_near(table: NDArray[np.floating], graph: Graph) -> Measure:
    """The share of leaves whose nearest first node is that of their own path; refused of graphs
    without paths.
    """
    if not graph.paths.size:
        return Measure.without(LEAVES, "the graph is no path-star")
    if graph.paths.shape[1] < 3:
        return Measure.without(
            LEAVES, "an edge joins each leaf and its first node, or they are one"
        )
    rows = _directions(table)
    cosines = rows[graph.leaves] @ rows[graph.first_nodes].T
    own = np.diag(cosines).copy()
    np.fill_diagonal(cosines, -np.inf)
    right = own > cosines.max(axis=1)
    paths = len(graph.paths)
    return Measure.of_counts(LEAVES, (int(right.sum()), paths), (1, paths))


def neighbours_nearest(table: NDArray[np.floating], graph: Graph) -> Measure:
    """The share of nodes whose nearest other node is a neighbour."""
    rows = _directions(table)
    cosines = rows @ rows.T
    np.fill_diagonal(cosines, -np.inf)
    best_neighbour = np.where(graph.adjacency, cosines, -np.inf).max(axis=1)
    best_other = np.where(graph.adjacency, -np.inf, cosines).max(axis=1)
    n = graph.n_nodes
    null = Fraction(int(graph.degrees.sum()), n * (n - 1))
    right = int((best_neighbour > best_other).sum())
    return Measure(NEIGHBOURS, Fraction(right, n), null)


def _directions(table: NDArray[np.floating]) -> NDArray[np.float64]:
    """The rows at length 1; rows of length 0, and what is not finite, as NaN, which is never
    nearer.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        found: NDArray[np.float64] = table / np.linalg.norm(table, axis=1, keepdims=True)
    return found
