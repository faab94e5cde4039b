"""Whether what a position remembers depends on its token alone: then later layers need not be run
for positions that are only attended to.
"""

from __future__ import annotations

import torch
from torch import Tensor

from constructions.following.largest import largest_number
from constructions.following.walk import Heads, Network, Rules, Units, follow, network_of
from constructions.model.transformer import Transformer


class _Written(Rules[Tensor]):
    """Which coordinates a layer has written, bool (d_model,): those whose rows are not 0."""

    def __init__(self) -> None:
        self.read = False

    def attended(self, x: Tensor, heads: Heads) -> Tensor:
        """Notes whether keys or values read what was written; queries may."""
        for matrix in (heads.key, heads.value):
            self.read |= bool((x & (matrix.weight != 0).any(0)).any())
        return (heads.output.weight != 0).any(1)

    def computed(self, x: Tensor, units: Units) -> Tensor:
        """The rows of the last matrix."""
        return (units.matrices[-1].weight != 0).any(1)

    def plus(self, x: Tensor, update: Tensor) -> Tensor:
        """Once written, always written."""
        return x | update


@torch.no_grad()
def attends_to_embeddings_alone(network: Network) -> bool:
    """Whether all keys and values depend on a token and its position alone: they read only
    coordinates that no earlier layer writes (rows of exact zeros).
    """
    rules, table = _Written(), network.embedding.weight
    follow(network, torch.zeros(table.shape[1], dtype=torch.bool, device=table.device), rules)
    return not rules.read


def prefix_is_static(model: Transformer) -> bool:
    """Whether later layers need not be run for positions that are only attended to: what a layer
    remembers of a position (`Transformer.remember`) depends on its token alone, and no number of
    a forward pass can overflow.
    """
    return (
        attends_to_embeddings_alone(network_of(model))
        and largest_number(model) < torch.finfo(model.embedding.weight.dtype).max / 4
    )
