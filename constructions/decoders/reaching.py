"""Which steps of a construction reach the logits of the decoder that it stands in.

A memory's last layer clears slots that nobody reads any more, and a chain of hidden layers does so
with the last one's units. By the zeros of the weights alone, from the unembedding backwards: a
column is read if the unembedding reads it, or a head or unit that writes a column which is read.
Norms read all columns.
"""

from __future__ import annotations

import torch
from torch import Tensor

from constructions.decoders.standard_decoder import Block
from constructions.decoders.standard_model import StandardModel
from constructions.model.step import Step


@torch.no_grad()
def steps_that_reach(decoder: StandardModel) -> list[Step]:
    """The steps of `StandardModel.steps`, without those on whose outcome no logit depends.

    Raises:
        InputError: as `StandardModel.steps`.
    """
    known, kept = decoder.steps(), []
    read = (decoder.unembedding.weight != 0).any(0)
    if decoder.norms():
        read[:] = True
    for index, block in reversed(list(enumerate(decoder.block_sequence()))):
        here = [step for step in known if step.layer == index]
        units = (block.mlp.matrix(1)[read] != 0).any(0) & (block.mlp.matrix(0) != 0).any(1)
        read = read | (block.mlp.matrix(0)[units] != 0).any(0)
        heads = _heads_that_reach(block, read)
        for step in reversed(here):
            if step.units is None:
                reaches = bool(heads[step.head])
            else:
                reaches = bool(units[step.units.start : step.units.stop].any())
            if reaches:
                kept.append(step)
        read = read | _read_by(block, heads)
    return kept[::-1]


def _heads_that_reach(block: Block, read: Tensor) -> Tensor:
    """Bool (heads,): which heads write something into a column (d_model,) that is read."""
    attention = block.attention
    written = (attention.output.weight[read] != 0).any(0) & (attention.value.weight != 0).any(1)
    return written.reshape(len(attention.heads), -1).any(1)


def _read_by(block: Block, heads: Tensor) -> Tensor:
    """Bool (d_model,): which columns these heads read, for queries, keys or values."""
    attention = block.attention
    rows = heads.repeat_interleave(attention.heads[0].d_v)
    found = [
        (part.weight[rows] != 0).any(0)
        for part in (attention.query, attention.key, attention.value)
    ]
    return found[0] | found[1] | found[2]
