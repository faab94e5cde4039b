"""Node2Vec of one hop, as dynamics in closed form.

One table V (n, d) of embeddings predicts the neighbours of a node by `P = softmax(V V^T)`, row by
row. With `T = D^-1 A`, the walk that takes each neighbour alike, the loss is the cross-entropy
summed over the nodes, `-sum_uv T_uv log P_uv`. A step of gradient descent with rate eta is

    V <- V + eta C V,    C = (T - P) + (T - P)^T

since the logits are symmetric in V (Noroozizadeh et al., arXiv 2510.26745, Section 4, `dV = eta C
V`; github Shahriarnz14/Geometric_Memory, `tiny_graphs_notebooks/notebook_utils/
node2vec_notebook_helpers.py`, `_train_node2vec_tied`: full softmax, plain gradient descent, rate
0.01). At first P is nearly uniform where V is small, and C is `T + T^T - 2/n`: its leading
eigenvectors are those of the graph, and grow first.
"""

from __future__ import annotations

import torch
from torch import Tensor


def coefficients(table: Tensor, walk: Tensor) -> Tensor:
    """C (..., n, n) of embeddings V (..., n, d) and of the walk T (..., n, n)."""
    difference = walk - (table @ table.mT).softmax(-1)
    return difference + difference.mT


def step(table: Tensor, walk: Tensor, rate: float) -> Tensor:
    """V (..., n, d) after a step of gradient descent."""
    return table + rate * (coefficients(table, walk) @ table)


def loss(table: Tensor, walk: Tensor) -> Tensor:
    """The cross-entropy (...), summed over nodes, in nats, whose gradient is -C V."""
    return -(walk * (table @ table.mT).log_softmax(-1)).sum((-2, -1))


def walk_of(adjacency: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """T of adjacency matrices bool (..., n, n) without rows of zeros."""
    return adjacency.to(dtype) / adjacency.sum(-1, keepdim=True)
