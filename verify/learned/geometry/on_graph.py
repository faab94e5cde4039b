"""The settings of memories of a graph, one for each seed. Without torch, so that they can be
listed at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from verify.learned.geometry.graphs import Graph, cycle, grid, irregular, path_star

GraphName = Literal["path-star", "grid", "cycle", "irregular", "given"]
MemoryName = Literal["node2vec", "linear", "one-layer", "transformer"]


@dataclass(frozen=True)
class OnGraph:
    """Memories of one shape of the edges of a graph; what they are is in `memories`.

    A seed decides the initial weights and the paths that are held out, and of an irregular graph
    the graph.

    Attributes:
        graph: its name; sizes: `path_star(paths, length)`, `grid(rows, columns)`, `cycle(nodes)`,
            `irregular(nodes, edges)`, or the number of nodes of a graph that is given.
        memory: what memorises the edges.
        d_model: d, the dimension of the nodes' embeddings; d_mlp: hidden units, where there are.
        tied: whether the embeddings are the unembedding.
        frozen: whether embeddings and unembedding stay as they were drawn.
        initial_scale: standard deviation of their entries at first.
        weight_decay, rate, warm_up, steps: of the optimizer.
        floor: the share of the rate that is left after the last step.
        held_out: the share of paths whose first hop is not trained on; 0.0 if none is asked for.
        edges: of a graph that is given.
        seeds: one memory each.
    """

    graph: GraphName
    sizes: tuple[int, ...]
    memory: MemoryName
    d_model: int
    d_mlp: int = 0
    tied: bool = True
    frozen: bool = False
    initial_scale: float = 0.02
    weight_decay: float = 0.0
    rate: float = 1e-2
    warm_up: int = 50
    floor: float = 0.0
    steps: int = 1000
    held_out: float = 0.0
    edges: tuple[tuple[int, int], ...] = ()
    seeds: tuple[int, ...] = ()

    def of_seed(self, seed: int) -> Graph:
        """The graph."""
        if self.graph == "path-star":
            return path_star(*self.sizes)
        if self.graph == "grid":
            return grid(*self.sizes)
        if self.graph == "cycle":
            return cycle(*self.sizes)
        if self.graph == "irregular":
            nodes, edges = self.sizes
            return irregular(nodes, edges, seed)
        return Graph.of(self.sizes[0], self.edges)

    @property
    def n_r_k(self) -> tuple[int, int, int]:
        """Nodes, one relation, one hop."""
        return self.n_nodes, 1, 1

    @property
    def n_nodes(self) -> int:
        """How many nodes there are."""
        if self.graph == "path-star":
            return 1 + self.sizes[0] * (self.sizes[1] - 1)
        if self.graph == "grid":
            return self.sizes[0] * self.sizes[1]
        return self.sizes[0]

    @property
    def queries(self) -> int:
        """How many directed edges there are."""
        if self.graph == "path-star":
            return 2 * (self.n_nodes - 1)
        if self.graph == "grid":
            rows, columns = self.sizes
            return 2 * (rows * (columns - 1) + columns * (rows - 1))
        if self.graph == "cycle":
            return 2 * self.n_nodes
        return 2 * (self.sizes[1] if self.graph == "irregular" else len(self.edges))

    @property
    def numbers(self) -> int:
        """How many numbers a step computes for all memories: logits and hidden units, roughly."""
        asked = self.n_nodes + (self.sizes[0] if self.held_out else 0)
        units = self.d_mlp * (self.d_model + 16) / 16
        return int(len(self.seeds) * asked * (self.n_nodes + units) * (1 + self.d_model / 64))
