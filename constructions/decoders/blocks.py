"""A construction as a sequence of standard blocks: what `constructions.decoders.seeding` then
writes into a standard decoder.

The same function, in these steps:

* layers that are applied several times are written out;
* an MLP of h hidden layers takes h blocks. The first writes `ReLU(W_0 x)` into the slot `scratch`
  of the stream. Each next one reads it (it is >= 0, so that ReLU leaves it), takes it away and
  writes the following hidden layer there, the last one `W_h` of it into the stream;
* with a tied unembedding a token's row is `[E_t | U_t]`, the second part in the slot `answer`. One
  more block at the end clears the answer slot (`ReLU(x)`, `ReLU(-x)`), moves the coordinates that
  the unembedding reads into it and clears the stream, so that `<row_t, x> = <U_t, x>`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor

from constructions.model.fact_model import FactModel
from constructions.model.parts import MLP, Attention
from constructions.model.step import Step, recorded_steps
from constructions.model.stream import Slot, Space

SCRATCH = "scratch"
"""The slot that holds hidden layers on their way from block to block."""


@dataclass(frozen=True)
class PlannedHead:
    """A head on the coordinates of the plan: query, key (d_qk, width), value (d_v, width), output
    (width, d_v).
    """

    name: str
    query: Tensor
    key: Tensor
    value: Tensor
    output: Tensor


@dataclass(frozen=True)
class PlannedBlock:
    """One standard block: heads, and an MLP by its matrices `read` (units, width) and `write`
    (width, units).

    Attributes:
        steps: what each head and each group of units does; their layer is this block's number.
    """

    heads: tuple[PlannedHead, ...]
    read: Tensor
    write: Tensor
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class BlockPlan:
    """A construction in standard blocks.

    Attributes:
        space: the coordinates: slot `stream` is the construction's own stream, `scratch` holds
            hidden layers on their way, `answer` is what a tied unembedding reads; the last two may
            be empty.
        embedding: (tokens, width).
        positions: (positions, width), with a row for every position that a query needs.
        blocks: in order.
        unembedding: (tokens, width).
        reads: the slot that the unembedding reads.
    """

    space: Space
    embedding: Tensor
    positions: Tensor
    blocks: tuple[PlannedBlock, ...]
    unembedding: Tensor
    reads: Slot


@torch.no_grad()
def plan_blocks(model: FactModel, tied: bool = False) -> BlockPlan:
    """The plan of a construction, in the dtype of its weights."""
    unembedding = model.unembedding.weight
    read_out = (
        (unembedding != 0).any(0).nonzero().ravel()
        if tied
        else unembedding.new_empty(0, dtype=torch.int64)
    )
    hidden = [layer.d_mlp[:-1] for layer in model.shape.layers]
    space = Space(
        stream=(model.shape.d_model,),
        scratch=(max((width for widths in hidden for width in widths), default=0),),
        answer=(len(read_out),),
    )
    stream, scratch, answer = space["stream"], space["scratch"], space["answer"]
    blocks: list[PlannedBlock] = []
    recorded = recorded_steps(model)
    for index, layer in enumerate(model.layer_sequence()):
        names = tuple(head.name for head in model.record.applied(index).heads)
        heads = _heads(layer.attention, names, stream) if layer.attention is not None else ()
        steps = (
            _mlp_steps(layer.mlp, stream, scratch)
            if layer.mlp is not None
            else [_no_units(stream, unembedding)]
        )
        own = [step for step in recorded if step.layer == index]
        for part, (read, write) in enumerate(steps):
            known = _steps(own, part, len(steps), len(blocks), len(read))
            blocks.append(PlannedBlock(() if part else heads, read, write, known))
    if tied:
        slots = (*model.stream.slots, answer.name)
        blocks.append(_move_to_answer(stream, answer, read_out, unembedding, slots, len(blocks)))
    n_positions = max(model.shape.n_positions, model.hops + 1)
    positions = unembedding.new_zeros(n_positions, space.width)
    if model.positions is not None:
        positions[:, stream.columns] = model.positions.weight
    return BlockPlan(
        space,
        _lift(model.embedding.weight, stream),
        positions,
        tuple(blocks),
        _lift(unembedding[:, read_out], answer) if tied else _lift(unembedding, stream),
        answer if tied else stream,
    )


def _lift(matrix: Tensor, slot: Slot) -> Tensor:
    """(n, slot.size) that reads a slot to (n, width) that reads the space."""
    lifted = matrix.new_zeros(len(matrix), slot.space.width)
    lifted[:, slot.columns.ravel()[: matrix.shape[1]]] = matrix
    return lifted


def _heads(attention: Attention, names: tuple[str, ...], stream: Slot) -> tuple[PlannedHead, ...]:
    """The heads of a layer, lifted from the construction's stream to the plan's coordinates."""
    d_qk = [head.d_qk for head in attention.heads]
    d_v = [head.d_v for head in attention.heads]
    parts = zip(
        torch.split(_lift(attention.query.weight, stream), d_qk),
        torch.split(_lift(attention.key.weight, stream), d_qk),
        torch.split(_lift(attention.value.weight, stream), d_v),
        torch.split(_lift(attention.output.weight.T, stream), d_v),
        strict=True,
    )
    return tuple(
        PlannedHead(name, q, k, v, o.T) for name, (q, k, v, o) in zip(names, parts, strict=True)
    )


def _mlp_steps(mlp: MLP, stream: Slot, scratch: Slot) -> list[tuple[Tensor, Tensor]]:
    """(read, write) of each block that the MLP takes."""
    steps = []
    old = 0  # how many coordinates of the scratch the previous block has filled
    weights = [mlp.matrix(index) for index in range(len(mlp.weights))]
    for step, (read, following) in enumerate(pairwise(weights)):
        last = step == len(weights) - 2
        units = read.shape[0]
        clear = torch.eye(old, dtype=read.dtype, device=read.device)
        reading = torch.cat([_lift(read, scratch if step else stream), _lift(clear, scratch)])
        # hidden layers between the first and the last matrix are handed on as they are
        out = following.T if last else torch.eye(units, dtype=read.dtype, device=read.device)
        writing = torch.cat([_lift(out, stream if last else scratch), _lift(-clear, scratch)])
        steps.append((reading, writing.T))
        old = 0 if last else units
    return steps


def _steps(
    recorded: list[Step], part: int, parts: int, block: int, units: int
) -> tuple[Step, ...]:
    """What a block does that computes one hidden layer of an MLP: its part of the steps of the
    layer, and, where the scratch is full, that it clears it.

    Args:
        recorded: the steps of the layer.
        part: the hidden layer.
        parts: how many blocks the MLP takes.
        block: the number of this one.
        units: how many it has.
    """
    steps = [
        replace(step, layer=block) for step in recorded if step.head is not None and part == 0
    ]
    own = 0
    for step in recorded:
        if step.units is not None and step.hidden_layer == part:
            reads = step.reads if part == 0 else (SCRATCH,)
            writes = step.writes if part == parts - 1 else (SCRATCH,)
            steps.append(replace(step, layer=block, hidden_layer=0, reads=reads, writes=writes))
            own = max(own, step.units.stop)
    if part:
        steps.append(_clearing("clear the hidden layer before", block, range(own, units)))
    return tuple(steps)


def _clearing(name: str, block: int, units: range, slots: tuple[str, ...] = (SCRATCH,)) -> Step:
    """A step that takes away what slots hold."""
    return Step(name, block, None, 0, units, ((), ()), slots, slots)


def _no_units(stream: Slot, like: Tensor) -> tuple[Tensor, Tensor]:
    """(read, write) of an MLP without units."""
    return like.new_zeros(0, stream.space.width), like.new_zeros(stream.space.width, 0)


def _move_to_answer(
    stream: Slot,
    answer: Slot,
    read_out: Tensor,
    like: Tensor,
    slots: tuple[str, ...],
    block: int,
) -> PlannedBlock:
    """Clear stream and answer, and add to the answer what the stream held in the columns
    `read_out`: in the block of this number, which reads and writes all slots.
    """
    width = stream.space.width
    every = torch.eye(width, dtype=like.dtype, device=like.device)[
        [*stream.columns, *answer.columns]
    ]
    write = -every.T.clone()
    write[answer.columns, stream.columns[read_out.cpu().numpy()]] += 1
    read = torch.cat([every, -every])
    step = _clearing("move to the answer", block, range(len(read)), slots)
    return PlannedBlock((), read, torch.cat([write, -write], 1), (step,))
