"""What memories of a graph are asked while they are trained: every node's neighbours, and, where
first hops are asked for, the first node of the path to some leaves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from verify.learned.geometry.graphs import Graph
from verify.learned.geometry.memories import FIRST, NEXT
from verify.learned.geometry.on_graph import OnGraph

UNSEEN = 3 * 10**6
"""Added to a seed, that of the choice of paths that are held out."""


@dataclass(frozen=True)
class Questions:
    """The training examples of several memories, and what is held out.

    Attributes:
        graphs: of each memory.
        tokens: int64 (Q, 2), the prompts of all: `node, relation` for each node, then for each
            leaf; relations are numbered after the nodes.
        weights: float32 (M, Q, n): how much each answer to each prompt counts in the loss; each
            directed edge, and each first hop that is trained on, the same, 1 in the whole.
        held_out: bool (M, P): the paths whose first hop is not trained on; (M, 0) if first hops
            are not asked for.
    """

    graphs: tuple[Graph, ...]
    tokens: Tensor
    weights: Tensor
    held_out: NDArray[np.bool_]

    @classmethod
    def of(cls, point: OnGraph) -> Questions:
        """Of the memories of a point."""
        graphs = tuple(point.of_seed(seed) for seed in point.seeds)
        n = point.n_nodes
        leaves = graphs[0].leaves if point.held_out else np.zeros(0, dtype=np.int64)
        nodes = np.concatenate([np.arange(n), leaves])
        relations = np.repeat([NEXT, FIRST], [n, len(leaves)])
        held_out = _held_out(point, len(leaves))
        weights = np.zeros((len(graphs), len(nodes), n), dtype=np.float32)
        for of_one, graph, held in zip(weights, graphs, held_out, strict=True):
            of_one[:n] = graph.adjacency
            trained = np.flatnonzero(~held)
            of_one[n + trained, graph.first_nodes[trained] if len(leaves) else 0] = 1
        weights /= weights.sum((1, 2), keepdims=True)
        return cls(
            graphs,
            torch.from_numpy(np.stack([nodes, n + relations], axis=1)),
            torch.from_numpy(weights),
            held_out,
        )

    def losses(self, logits: Tensor) -> Tensor:
        """The mean cross-entropy (M,) of logits (M, Q, V), in nats."""
        answers = self.weights.shape[-1]
        return -(self.weights * logits.log_softmax(-1)[..., :answers]).sum((1, 2))


def _held_out(point: OnGraph, n_leaves: int) -> NDArray[np.bool_]:
    """Which paths each seed holds out."""
    found = np.zeros((len(point.seeds), n_leaves), dtype=bool)
    for of_one, seed in zip(found, point.seeds, strict=True):
        shuffled = np.random.default_rng(UNSEEN + seed).permutation(n_leaves)
        of_one[shuffled[: round(point.held_out * n_leaves)]] = True
    return found
