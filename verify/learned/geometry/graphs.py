"""Graphs whose edges are memorised: path-stars, grids, cycles and random connected graphs.

Sizes are as Noroozizadeh et al. (arXiv 2510.26745) and their code count them: a path of a
path-star of length l has l nodes with the centre, so that their star "4 x 5" has 4 * 4 + 1 = 17
nodes, and degree 10^4 with length 6 has 50,001.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from constructions.guards.errors import InputError
from constructions.guards.integers import whole


@dataclass(frozen=True, eq=False)
class Graph:
    """An undirected graph without loops, in which every node has a neighbour.

    Attributes:
        n_nodes: nodes are 0 to n_nodes - 1.
        edges: int64 (E, 2), each edge once, its smaller node first, in rising order.
        paths: int64 (P, l - 1): of a path-star, whose centre is node 0, the nodes of each path
            from the neighbour of the centre, its *first node*, to its leaf; (0, 0) of any other
            graph.
    """

    n_nodes: int
    edges: NDArray[np.int64]
    paths: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        n_nodes: int,
        edges: Iterable[tuple[int, int]],
        paths: NDArray[np.int64] | None = None,
    ) -> Graph:
        """The graph with these edges, in any order and direction; a repeated edge counts once.

        Raises:
            InputError: there is no edge, an edge leads from a node to itself or to no node, or a
                node has no neighbour.
        """
        both = np.array(list(edges), dtype=np.int64).reshape(-1, 2)
        if not len(both):
            raise InputError("a graph without edges has nothing to memorise")
        if both.min() < 0 or both.max() >= n_nodes:
            raise InputError(f"an edge names a node that is none of 0..{n_nodes - 1}")
        loops = both[both[:, 0] == both[:, 1]]
        if len(loops):
            raise InputError(f"an edge leads from node {int(loops[0, 0])} to itself")
        alone = np.setdiff1d(np.arange(n_nodes), both)
        if len(alone):
            raise InputError(f"node {int(alone[0])} has no neighbour, so nothing is learned of it")
        none = np.zeros((0, 0), dtype=np.int64)
        return cls(
            n_nodes,
            np.unique(np.sort(both, axis=1), axis=0),
            none if paths is None else paths,
        )

    @cached_property
    def adjacency(self) -> NDArray[np.bool_]:
        """bool (n, n), symmetric."""
        found = np.zeros((self.n_nodes, self.n_nodes), dtype=bool)
        found[self.edges[:, 0], self.edges[:, 1]] = True
        return found | found.T

    @cached_property
    def degrees(self) -> NDArray[np.int64]:
        """int64 (n,): how many neighbours each node has."""
        counted: NDArray[np.int64] = self.adjacency.sum(axis=1)
        return counted

    @property
    def leaves(self) -> NDArray[np.int64]:
        """int64 (P,): the last node of each path of a path-star."""
        return self.paths[:, -1]

    @property
    def first_nodes(self) -> NDArray[np.int64]:
        """int64 (P,): the neighbour of the centre on each path of a path-star."""
        return self.paths[:, 0]


def path_star(n_paths: int, length: int) -> Graph:
    """n_paths paths of `length` nodes each, the centre, node 0, counted, in which all begin."""
    n_paths, length = whole("n_paths", n_paths, 2), whole("length", length, 2)
    paths = 1 + np.arange(n_paths * (length - 1)).reshape(n_paths, length - 1)
    along = np.concatenate([np.zeros((n_paths, 1), dtype=np.int64), paths], axis=1)
    edges = np.stack([along[:, :-1].ravel(), along[:, 1:].ravel()], axis=1)
    return Graph.of(1 + paths.size, edges.tolist(), paths)


def grid(rows: int, columns: int) -> Graph:
    """A grid, its nodes numbered row by row."""
    import networkx

    rows, columns = whole("rows", rows, 1), whole("columns", columns, 2)
    found = networkx.grid_2d_graph(rows, columns)
    return Graph.of(
        rows * columns, ((columns * a + b, columns * c + d) for (a, b), (c, d) in found.edges)
    )


def cycle(n_nodes: int) -> Graph:
    """A cycle."""
    import networkx

    n_nodes = whole("n_nodes", n_nodes, 3)
    return Graph.of(n_nodes, networkx.cycle_graph(n_nodes).edges)


def irregular(n_nodes: int, n_edges: int, seed: int) -> Graph:
    """A random tree, each with the same probability, and further edges drawn at random until
    there are n_edges.

    Raises:
        InputError: so many edges are too few to connect the nodes, or more than there are pairs.
    """
    import networkx

    n_nodes = whole("n_nodes", n_nodes, 2)
    n_edges = whole("n_edges", n_edges, n_nodes - 1, n_nodes * (n_nodes - 1) // 2)
    random = np.random.default_rng(whole("seed", seed, 0))
    tree = networkx.random_labeled_tree(n_nodes, seed=random)
    others = np.array(list(networkx.complement(tree).edges), dtype=np.int64).reshape(-1, 2)
    more = random.permutation(len(others))[: n_edges - (n_nodes - 1)]
    return Graph.of(n_nodes, [*tree.edges, *map(tuple, others[more].tolist())])
