"""Where the nodes of a tree of paths stand: paths that share their first node, the centre, as in a
path-star graph, where all are of one length.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from constructions.facts.answers import MISSING
from constructions.guards.errors import InputError


@dataclass(frozen=True, eq=False)
class Paths:
    """The centre, and the path and the depth of every node.

    Attributes:
        centre: the node that all paths start from.
        path: int64 (N,): the number of the node's path; paths are numbered in the order of the
            numbers of their first nodes. -1 for the centre.
        depth: int64 (N,): how many edges lead from the centre to the node.
    """

    centre: int
    path: NDArray[np.int64]
    depth: NDArray[np.int64]

    @classmethod
    def of(cls, parents: NDArray[np.int64]) -> Paths:
        """The paths of a relation `parent`.

        Args:
            parents: int64 (N,): the parent of every node; of the centre -1, or the centre itself.

        Raises:
            InputError: there is not just one centre, another node has two children, or the
                parents of a node never lead to the centre; or there is no node but the centre.
        """
        n_nodes = len(parents)
        nodes = np.arange(n_nodes)
        roots = np.flatnonzero((parents == MISSING) | (parents == nodes))
        if len(roots) != 1 or n_nodes == 1:
            raise InputError(
                "a tree of paths has one node without a parent (or that is its own), its centre,"
                f" and others; here are {len(roots):,} of {n_nodes:,} nodes"
            )
        centre = int(roots[0])
        others = nodes[nodes != centre]
        inner = others[parents[others] != centre]
        child = np.full(n_nodes, MISSING, dtype=np.int64)
        child[parents[inner]] = inner
        for node in inner[child[parents[inner]] != inner][:1]:
            at = parents[node]
            raise InputError(
                f"node {at} has two children, {node} and {child[at]}; in a tree of paths only the"
                " centre has several"
            )
        path, depth = np.full(n_nodes, -1, dtype=np.int64), np.zeros(n_nodes, dtype=np.int64)
        numbers, front = np.arange(len(others) - len(inner)), others[parents[others] == centre]
        for step in range(1, n_nodes):
            path[front], depth[front] = numbers, step
            going = child[front] != MISSING
            numbers, front = numbers[going], child[front][going]
            if not len(front):
                break
        for node in others[depth[others] == 0][:1]:
            raise InputError(
                f"the parents of node {node} never lead to the centre, node {centre}: they go in"
                " a circle"
            )
        return cls(centre, path, depth)

    @property
    def n_paths(self) -> int:
        """How many paths there are: the degree of the centre."""
        return int(self.path.max()) + 1

    @property
    def length(self) -> int:
        """How many nodes the longest path has, the centre included."""
        return int(self.depth.max()) + 1

    @cached_property
    def nodes(self) -> NDArray[np.int64]:
        """int64 (n_paths, length): the node of each path at each depth; -1 beyond its end."""
        table = np.full((self.n_paths, self.length), MISSING, dtype=np.int64)
        table[:, 0] = self.centre
        others = np.flatnonzero(self.depth)
        table[self.path[others], self.depth[others]] = others
        return table

    def relation(self, depths: NDArray[np.int64]) -> NDArray[np.int64]:
        """The relation that leads from each node to the node of its own path at another depth:
        int64 (N,), -1 where there is none.

        Args:
            depths: int64 (length,): the other depth, by the node's own; -1 for none. From the
                centre it leads to the centre or nowhere.
        """
        target = depths[self.depth]
        found = np.where(target == 0, self.centre, self.nodes[self.path, target])
        found[target == MISSING] = MISSING
        found[self.centre] = self.centre if depths[0] == 0 else MISSING
        return found

    def on_depths(self, answers: NDArray[np.int64]) -> NDArray[np.int64]:
        """The map of depths that a relation is: what `relation` makes that relation of.

        Args:
            answers: int64 (N,): where the relation leads from each node, or -1.

        Raises:
            InputError: it does not lead from each node to the node of its own path at a depth that
                the node's depth determines.
        """
        found = np.full(self.length, MISSING, dtype=np.int64)
        found[self.depth] = np.where(answers == MISSING, MISSING, self.depth[answers])
        expected = self.relation(found)
        for node in np.flatnonzero(expected != answers)[:1]:
            raise InputError(
                f"a relation leads from node {node} to {answers[node]}, and not to"
                f" {expected[node]}, as from other nodes of its depth: it does not lead to a depth"
                " of the node's own path that the node's depth determines"
            )
        return found
