"""Which standard decoder a plan fits in, and where in it the construction lies."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from constructions.decoders.blocks import BlockPlan
from constructions.decoders.embedding_map import EmbeddingMap
from constructions.decoders.standard_decoder import Norm, Placement, StandardShape
from constructions.guards.errors import InputError
from constructions.model.fact_model import FactModel


def shape_of(
    plan: BlockPlan, norm: Norm | None, placement: Placement, tied: bool
) -> StandardShape:
    """The smallest standard decoder that a plan fits in. `d_head` is a power of 4: its root is a
    power of 2.
    """
    d_head = 1
    while d_head < _widest_head(plan):
        d_head *= 4
    return StandardShape(
        d_vocab=len(plan.embedding),
        # 4: the slack
        d_model=(plan.space.width + (4 if norm else 0)) * (2 if norm == "layernorm" else 1),
        n_layers=len(plan.blocks),
        n_heads=max(1, *(len(block.heads) for block in plan.blocks)),
        d_head=d_head,
        d_mlp=max(1, *(len(block.read) for block in plan.blocks)),
        n_positions=len(plan.positions),
        norm=norm,
        placement=placement,
        tied=tied,
    )


def _widest_head(plan: BlockPlan) -> int:
    """The most channels of queries or values of a head; 0 where there is none."""
    return max(
        (
            len(part)
            for block in plan.blocks
            for head in block.heads
            for part in (head.query, head.value)
        ),
        default=0,
    )


def map_into(
    shape: StandardShape, model: FactModel, plan: BlockPlan, first_block: int
) -> EmbeddingMap:
    """The first columns, heads, units and tokens; refused if there are too few of any."""
    needed = shape_of(plan, shape.norm, shape.placement, shape.tied)
    sizes = [
        ("tokens", needed.d_vocab, shape.d_vocab),
        ("columns of the stream", needed.d_model, shape.d_model),
        (f"blocks from block {first_block} on", needed.n_layers, shape.n_layers - first_block),
        ("heads", needed.n_heads, shape.n_heads),
        ("channels of a head", _widest_head(plan), shape.d_head),
        ("hidden units", needed.d_mlp, shape.d_mlp),
        ("positions", needed.n_positions, shape.n_positions),
    ]
    short = [f"{need:,} {what} (it has {has:,})" for what, need, has in sizes if need > has]
    if short or first_block < 0:
        raise InputError(
            f"{model.construction} needs {', '.join(short) or 'a block to begin with'}; use a"
            " larger decoder"
        )
    if shape.norm == "layernorm" and shape.d_model % 2:
        raise InputError(
            "LayerNorm as the identity needs an even d_model, half for negatives; got"
            f" {shape.d_model}"
        )
    width, mirrored = plan.space.width, shape.norm == "layernorm"
    columns = np.arange(needed.d_model)
    return EmbeddingMap(
        space=plan.space,
        stream=model.stream,
        columns=columns[:width],
        mirror=columns[width : 2 * width if mirrored else width],
        slack=columns[2 * width if mirrored else width :],
        d_model=shape.d_model,
        first_block=first_block,
        heads=tuple(tuple(head.name for head in block.heads) for block in plan.blocks),
        units=tuple(len(block.read) for block in plan.blocks),
        d_vocab=needed.d_vocab,
        steps=tuple(
            replace(step, layer=first_block + step.layer)
            for block in plan.blocks
            for step in block.steps
        ),
    )
