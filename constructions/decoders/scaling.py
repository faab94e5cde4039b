"""A plan with larger numbers: all that the construction puts into the stream times a power of two,
and its unembedding times another.

**Claim.** The stream of the scaled plan is `stream` times the plan's, coordinate by coordinate and
position by position, its attention patterns are the plan's, and each logit is
`stream * unembedding` times the plan's. In floating point this holds bit for bit, as long as no
number overflows or falls below the smallest normal one.

*Proof.* Embeddings and positions are multiplied by c. Let the stream be c times the plan's before
a part. Queries are divided by `c^2` there, so that queries are `1 / c` and keys c times the
plan's, and scores are the plan's; the mixture of the values is c times the plan's. An MLP without
biases is positively homogeneous. So the stream is c times the plan's after the part, too. Products
with powers of two do not round, and neither do they change how a sum of such products rounds. ∎
"""

from __future__ import annotations

from dataclasses import replace

import torch

from constructions.decoders.blocks import BlockPlan
from constructions.decoders.embedding_map import EmbeddingMap
from constructions.decoders.standard_decoder import StandardDecoder
from constructions.decoders.vector_sizes import largest_vectors
from constructions.guards.errors import DoesNotFit, InputError
from constructions.guards.integers import whole

MOST = 2**20
"""No scale may be larger: what is divided by its square stays far from the smallest numbers."""


def power_of_two(name: str, value: object) -> int:
    """A scale as an integer.

    Raises:
        InputError: it is no power of two from 1 to `MOST`.
    """
    scale = whole(name, value, 1, MOST)
    if scale & (scale - 1):
        raise InputError(f"{name} must be a power of two, which rounds nothing; got {scale}")
    return scale


def scaled(plan: BlockPlan, stream: int, unembedding: int) -> BlockPlan:
    """The plan with these scales: see the top of this file.

    Raises:
        InputError: the weights are in a dtype in which small numbers may be lost.
    """
    if stream == unembedding == 1:
        return plan
    dtype = plan.embedding.dtype
    if dtype not in (torch.float32, torch.float64):
        raise InputError(f"scales are for float32 and float64; the construction is in {dtype}")
    blocks = tuple(
        replace(
            block,
            heads=tuple(replace(head, query=head.query / stream**2) for head in block.heads),
        )
        for block in plan.blocks
    )
    return replace(
        plan,
        embedding=plan.embedding * stream,
        positions=plan.positions * stream,
        blocks=blocks,
        unembedding=plan.unembedding * unembedding,
    )


def require_small_logits(
    target: StandardDecoder, plan: BlockPlan, embedding_map: EmbeddingMap, logit_scale: int
) -> None:
    """Raise DoesNotFit if a scale of the logits may make one overflow."""
    if logit_scale == 1:
        return
    weights = plan.unembedding.double().abs().sum(1).max().item()
    largest = largest_vectors(target, embedding_map).peak * weights
    most = torch.finfo(target.embedding.weight.dtype).max / 4
    if not largest < most:
        raise DoesNotFit(
            f"logits times {logit_scale} may reach {largest:.3g};"
            f" {target.embedding.weight.dtype} holds them up to {most:.3g}; use smaller scales"
        )
