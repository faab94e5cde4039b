"""What memorises the edges of a graph, beside Node2Vec: modules that answer `node, relation`.

The relation NEXT asks for a node's neighbours, FIRST, of a leaf, for the first node of its path.

* `linear`: a table E of nodes, a matrix W with a bias b, `logits = E (W E[u] + b)`: embedding and
  unembedding are one, relations are not read. The "single layer MLP" of the notebooks of
  Noroozizadeh et al., which has no ReLU either (github Shahriarnz14/Geometric_Memory,
  `models/lib.py`, `MLP_NeuralNet`); as there its table has 9 further rows for tokens that are
  never asked for, and all weights begin with one standard deviation.
* `one-layer`: `constructions.learning.OneLayer` with uniform attention, two relations.
* `transformer`: `constructions.StandardDecoder`, one layer, RMSNorm, over nodes and relations.

Where embeddings are frozen, so is the unembedding, tied or not.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from constructions.decoders.standard_decoder import StandardDecoder, StandardShape
from constructions.learning.one_layer import OneLayer, OneLayerShape
from verify.learned.geometry.on_graph import OnGraph

NEXT, FIRST = 0, 1
"""The relations."""
SPECIALS = 9
"""Rows of a linear memory's table beside the nodes."""
HEADS = 4


class Linear(nn.Module):
    """`logits = E (W E[u] + b)`; all weights Gaussian with standard deviation `scale`, b = 0."""

    def __init__(self, n_nodes: int, d_model: int, scale: float):
        super().__init__()
        self.table = nn.Parameter(scale * torch.randn(n_nodes + SPECIALS, d_model))
        self.matrix = nn.Parameter(scale * torch.randn(d_model, d_model))
        self.bias = nn.Parameter(torch.zeros(d_model))

    def forward(self, tokens: Tensor) -> Tensor:
        """Prompts `node, relation` (..., 2), int64, to logits (..., n + SPECIALS)."""
        return (self.table[tokens[..., 0]] @ self.matrix.mT + self.bias) @ self.table.mT


TABLES = {"linear": "table", "one-layer": "entities", "transformer": "embedding.weight"}
"""Which parameter holds the nodes' embeddings."""
UNEMBEDDINGS = {"one-layer": "answers", "transformer": "unembedding.weight"}
"""Which parameter is the unembedding where it is not tied."""


def memory(point: OnGraph, seed: int) -> nn.Module:
    """A memory with random weights, which its seed decides, not torch's own generator."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if point.memory == "linear":
            return Linear(point.n_nodes, point.d_model, point.initial_scale)
        if point.memory == "one-layer":
            return _scaled(_one_layer(point), point)
        return _scaled(_transformer(point), point)


def tables_of(point: OnGraph) -> tuple[str, ...]:
    """The parameters that are the embedding and the unembedding."""
    untied = () if point.tied else (UNEMBEDDINGS[point.memory],)
    return (TABLES[point.memory], *untied)


def _one_layer(point: OnGraph) -> OneLayer:
    """With the nodes as subjects and as answers."""
    n = point.n_nodes
    return OneLayer(OneLayerShape(n, 2, n, point.d_model, point.d_mlp, tied=point.tied))


def _transformer(point: OnGraph) -> StandardDecoder:
    """With tokens for the nodes and then the relations; matrices begin with 1 / sqrt(d)."""
    d = point.d_model
    decoder = StandardDecoder(
        StandardShape(
            point.n_nodes + 2,
            d,
            n_layers=1,
            n_heads=HEADS,
            d_head=max(1, d // HEADS),
            d_mlp=point.d_mlp,
            n_positions=2,
            norm="rmsnorm",
            tied=point.tied,
        )
    )
    decoder.reset_parameters(d**-0.5)
    return decoder


@torch.no_grad()
def _scaled(module: nn.Module, point: OnGraph) -> nn.Module:
    """The module with tables, whose entries were drawn with 1 / sqrt(d), at the initial scale."""
    parameters = dict(module.named_parameters())
    for name in tables_of(point):
        parameters[name].mul_(point.initial_scale * point.d_model**0.5)
    return module
