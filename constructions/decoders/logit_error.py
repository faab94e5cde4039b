"""How far the logits of a decoder may be from those of the construction that stands in it.

A bound on each coordinate's error is followed, over all tokens, through the blocks of the plan:
norms add theirs (`NormError`), a matrix W makes `|W| e` of errors e and rounds by
`(n + 1) u |W| |x|`, ReLU is 1-Lipschitz.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from constructions.decoders.blocks import BlockPlan, PlannedBlock
from constructions.decoders.embedding_map import EmbeddingMap
from constructions.decoders.network import network_of_decoder
from constructions.decoders.standard_decoder import StandardDecoder
from constructions.following.largest import largest_embedded
from constructions.following.sizes import Size, Sizes
from constructions.following.walk import Heads, Matrix, Network, Norm, Units, follow
from constructions.model.fact_model import FactModel
from constructions.model.rounding import largest_of_columns, up
from constructions.model.shapes import HeadShape
from constructions.writing.position_reading import GAIN

_READERS = frozenset({"query", "key", "value", "read", "unembedding"})
"""The names here of the matrices that read the stream."""


@dataclass(frozen=True)
class NormError:
    """What a norm makes of a coordinate x as it is read: within `ratio |x| + absolute` of x; it
    enters sums with up to `shift` more, which then cancels.
    """

    ratio: float = 0
    absolute: float = 0
    shift: float = 0


@torch.no_grad()
def logit_error(
    decoder: StandardDecoder,
    model: FactModel,
    plan: BlockPlan,
    embedding_map: EmbeddingMap,
    norm: NormError,
    slack: int | None,
    exact: bool,
) -> float:
    """How far a logit may be from the construction's. If that is exact, its heads that select a
    position select no other; else nothing is taken from it but its weights.
    """
    network = _planned(network_of_decoder(decoder), plan, embedding_map)
    n_positions = max(model.shape.n_positions, model.hops + 1)
    dtype, mirrored = decoder.embedding.weight.dtype, len(embedding_map.mirror) > 0
    rules = _Errors(dtype, norm, slack or 0, n_positions, mirrored, exact)
    largest = largest_embedded(network)
    if decoder.shape.tied:
        largest = largest + largest_of_columns(plan.unembedding)
    error = torch.zeros_like(largest) if exact else rules.stored(largest)
    states = follow(network, Size(largest, error), rules)
    return rules.through(network.unembedding, states).error.max().item()


class _Errors(Sizes):
    """What norms and rounding in a dtype add to errors.

    Args:
        slack: k: a norm divides by 2^k, and then multiplies.
        n_positions: the longest sequence.
        mirrored: whether coordinates of the stream are there twice, as x and -x.
        exact: whether the construction's own numbers are exact.
    """

    def __init__(
        self,
        dtype: torch.dtype,
        norm: NormError,
        slack: int,
        n_positions: int,
        mirrored: bool,
        exact: bool,
    ):
        floats = torch.finfo(dtype)
        self.unit, self.flushed = floats.eps / 2, floats.smallest_normal  # less may be lost
        self.norm, self.gain = norm, 2.0**slack
        self.exponentials = (n_positions + 8) * self.unit
        self.mirrored, self.exact = mirrored, exact

    def stored(self, largest: Tensor) -> Tensor:
        """By how much weights are off that were rounded once."""
        return up(self.unit * largest + 2 * self.flushed)

    def normed(self, x: Size, norm: Norm) -> Size:
        """The identity, but for the error of norms."""
        lost = self.norm.absolute + 2 * self.flushed * self.gain
        error = up(x.error + self.norm.ratio * (x.largest + x.error) + lost)
        return replace(x, error=error, shift=self.norm.shift)

    def rounded(self, name: str, size: Tensor, total: Tensor) -> Tensor:
        """Of mirrored coordinates there are twice as many products as the plan has."""
        doubled = 2 if self.mirrored and name in _READERS else 1
        terms = doubled * (size != 0).sum(1) + 2
        products = terms * (self.unit * (size @ total) + 2 * self.flushed)
        return products + self.flushed * (size.sum(1) + total.sum())

    def rounded_sum(self, total: Tensor) -> Tensor:
        """By half a unit in the last place."""
        return self.unit * total

    def moved_mixture(self, query: Size, key: Size) -> float:
        """Heads of constructions that do not round either have no queries, or select: their scores
        are at least `2 GAIN - 1` apart, and exp underflows beyond 745. So their softmax stays
        exactly one-hot while a score moves by at most `GAIN / 2`.
        """
        if not len(query.largest):
            return self.exponentials
        rounded = 1 + (len(query.largest) + 4) * self.unit
        moved = up(query.total @ key.total * rounded - query.largest @ key.largest).item()
        if self.exact and moved <= GAIN / 2:
            return 0
        changed = math.expm1(min(2 * moved, 600)) * (1 + self.exponentials)
        return min(changed, 2) + self.exponentials


def _planned(network: Network, plan: BlockPlan, embedding_map: EmbeddingMap) -> Network:
    """The network with the plan's parts in place of the decoder's, on the plan's coordinates."""
    parts = []
    for index, part in enumerate(network.parts):
        block = index // 2
        planned = (
            plan.blocks[block - embedding_map.first_block]
            if block in embedding_map.blocks
            else None
        )
        adds = None if planned is None else _heads(planned) if index % 2 == 0 else _units(planned)
        parts.append(replace(part, adds=adds))
    return replace(
        network,
        embedding=Matrix("embedding", plan.embedding),
        positions=Matrix("positions", plan.positions),
        parts=tuple(parts),
        unembedding=Matrix("unembedding", plan.unembedding),
    )


def _heads(planned: PlannedBlock) -> Heads | None:
    """All heads of a block together; None for none."""
    if not planned.heads:
        return None
    query, key, value = (
        Matrix(name, torch.cat([getattr(head, name) for head in planned.heads]))
        for name in ("query", "key", "value")
    )
    output = Matrix("output", torch.cat([head.output for head in planned.heads], 1))
    shapes = tuple(HeadShape(len(head.query), len(head.value)) for head in planned.heads)
    return Heads(query, key, value, output, shapes, scaled=False)


def _units(planned: PlannedBlock) -> Units | None:
    """The two matrices of a block's MLP; None for no unit."""
    if not len(planned.read):
        return None
    return Units((Matrix("read", planned.read), Matrix("write", planned.write)))
