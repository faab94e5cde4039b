"""A construction inside a standard decoder: written into a larger one that is then trained, or
into the smallest that fits.

    target = StandardDecoder(StandardShape(d_vocab=200, d_model=256, n_layers=4, n_heads=8,
    d_head=64, d_mlp=1024, ...))
    seeded = seed_into(target, selector(facts))      # the same modules; all facts are recalled
    model = standard(selector(facts), norm="rmsnorm", tied=True)

The construction gets the first tokens and positions, some columns of the stream, the first heads
and units of some blocks. Everything else of the target keeps its weights, unless it would write
into the construction's columns, or add to the logits, or read the slack of the norms: those
weights become 0. They are parameters like all others, so that training may use them. The norms no
longer normalize; in pre-norm their gain on the rest brings embedded tokens to a root mean square
of 1 if what is certified allows it, else the rest is read as it stands (`rest_gain`). A further
token has the logits of relation 0, which is never an answer.
"""

from __future__ import annotations

import math
from typing import overload

import numpy as np
import torch
from torch import Tensor

from constructions.decoders.blocks import Plan, PlannedHead, plan_blocks
from constructions.decoders.embedding_map import EmbeddingMap
from constructions.decoders.identity_norms import make_norms_the_identity
from constructions.decoders.model_form import ModelForm, margin_if_proven, seed_transformer
from constructions.decoders.plain import require_construction, require_dtype, require_plain
from constructions.decoders.standard_decoder import (
    Norm,
    Placement,
    StandardDecoder,
    StandardModel,
    StandardShape,
    StandardWriter,
)
from constructions.guards.errors import InputError
from constructions.guards.integers import whole
from constructions.model.answering import Writing
from constructions.model.fact_model import FactModel, MarginClaim
from constructions.model.ordinary_tensors import of_ordinary_tensors
from constructions.model.parts import Attention
from constructions.model.transformer import Transformer


@of_ordinary_tensors
def standard(
    model: FactModel,
    *,
    norm: Norm | None = None,
    placement: Placement = "pre",
    tied: bool = False,
    slack: int | None = None,
    proven: bool = True,
    dtype: torch.dtype | None = None,
) -> StandardModel:
    """Any construction as a standard decoder, the smallest that `seed_into` takes.

    Args:
        model: any construction.
        norm: "rmsnorm", "layernorm" or None.
        placement: "pre" or "post".
        tied: whether the token embedding is to be the unembedding.
        slack, proven: see `seed_into`.
        dtype: of the weights; by default the model's.

    Raises:
        InputError: the model is no construction, or not as it was built and is to be proven; or an
            option is not one of the above.
        DoesNotFit: see `seed_into`.
    """
    require_construction(model)
    require_dtype(model, dtype or model.embedding.weight.dtype)
    margin = _margin(model, proven)
    plan = plan_blocks(model, tied)
    shape = _shape_of(plan, norm, placement, tied)
    decoder = StandardDecoder(shape, dtype or model.embedding.weight.dtype).to(
        model.embedding.weight.device
    )
    decoder.reset_parameters(0)
    return _seed(decoder, model, plan, margin, slack, proven, 0)


def needed_shape(
    model: FactModel, norm: Norm | None = None, placement: Placement = "pre", tied: bool = False
) -> StandardShape:
    """The smallest standard decoder that the construction fits in. `d_head` is a power of 4: its
    root is a power of 2.
    """
    require_construction(model)
    return _shape_of(plan_blocks(model, tied), norm, placement, tied)


@overload
def seed_into(
    target: StandardDecoder,
    model: FactModel,
    *,
    slack: int | None = None,
    proven: bool = True,
    first_block: int = 0,
) -> StandardModel: ...


@overload
def seed_into(target: Transformer, model: FactModel, *, proven: bool = True) -> ModelForm: ...


@of_ordinary_tensors
def seed_into(
    target: StandardDecoder | Transformer,
    model: FactModel,
    *,
    slack: int | None = None,
    proven: bool = True,
    first_block: int = 0,
) -> StandardModel | ModelForm:
    """Write a construction into a decoder that is at least as large; all facts are recalled then.

    Args:
        target: a standard decoder, or a transformer of ours (which takes no slack and has one
            place); is changed, unless an error is raised. Its parameters must be those of a new
            decoder of its shape (`constructions.decoders.plain`).
        model: any construction.
        slack: k, where the target has norms: they act on vectors with a slack of 2^k and are the
            identity up to what `distortion` and `logit_error` of the result state. By default
            large enough that RMSNorm is the identity bit for bit, and the best for LayerNorm.
        proven: refuse unless it is proven that all facts survive: the construction is as it was
            built, and the bounds leave its margin. They are far from tight for LayerNorm and deep
            memories; without proof, `logit_error` may exceed the margin, and running all queries
            decides. A construction that was trained or edited is taken without proof only;
            `logit_error` is then a bound on the distance from its own logits.
        first_block: where in the target the construction begins.

    Returns:
        The target's own modules as a model that answers; in a standard decoder with `places` and
        certified bounds.

    Raises:
        InputError: the target is too small, or of another kind, both sides are named; or an option
            is of another kind; or it is to be proven that all facts survive, and the construction
            is not as it was built.
        DoesNotFit: the norms cannot be the identity as closely as the margin needs, in this dtype
            and with this slack, for all that can be proven.
    """
    require_construction(model)
    if isinstance(target, Transformer):
        if (slack, first_block) != (None, 0):
            raise InputError("slack and first_block are for standard decoders")
        return seed_transformer(target, model, proven)
    if not isinstance(target, StandardDecoder):
        raise InputError(
            f"the target must be a StandardDecoder or a Transformer; got a {type(target).__name__}"
        )
    with torch.device("meta"):
        fresh = StandardDecoder(target.shape)
    require_plain(target, fresh)
    margin = _margin(model, proven)
    before = {name: value.clone() for name, value in target.state_dict().items()}
    size = _size_of_tokens(target)
    for gain in (
        (1 / size, 1.0)
        if target.shape.norm and target.shape.placement == "pre" and size
        else (1.0,)
    ):
        try:
            return _seed(
                target,
                model,
                plan_blocks(model, target.shape.tied),
                margin,
                slack,
                proven,
                first_block,
                gain,
            )
        except BaseException as error:
            target.load_state_dict(before)
            if not isinstance(error, InputError):
                raise
            refusal = error
    raise refusal


def _margin(model: FactModel, proven: bool) -> MarginClaim | None:
    """The margin of the weights at hand; None where nothing is proven of them, and nothing is to
    be.
    """
    return model.margin_of_weights() if proven else margin_if_proven(model)


@torch.no_grad()
def _seed(
    target: StandardDecoder,
    model: FactModel,
    plan: Plan,
    margin: MarginClaim | None,
    slack: int | None,
    proven: bool,
    first_block: int,
    gain: float = 1,
) -> StandardModel:
    require_dtype(model, target.embedding.weight.dtype)
    first_block = whole("first_block", first_block)
    slack = None if slack is None else whole("slack", slack)
    places = _places(target.shape, model, plan, first_block)
    _make_room(target, places)
    for norm in target.norms():
        norm.weight.mul_(gain)
    _write(target, model, plan, places)
    seeded = (StandardWriter if isinstance(model, Writing) else StandardModel)(target, model)
    seeded.places, seeded.rest_gain = places, gain
    seeded.slack, bounds = make_norms_the_identity(
        target, model, plan, places, margin, slack, proven
    )
    seeded.state(bounds)
    return seeded


def _shape_of(plan: Plan, norm: Norm | None, placement: Placement, tied: bool) -> StandardShape:
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


def _widest_head(plan: Plan) -> int:
    return max(
        (
            len(part)
            for block in plan.blocks
            for head in block.heads
            for part in (head.query, head.value)
        ),
        default=0,
    )


def _places(shape: StandardShape, model: FactModel, plan: Plan, first_block: int) -> EmbeddingMap:
    """The first columns, heads, units and tokens; refused if there are too few of any."""
    needed = _shape_of(plan, shape.norm, shape.placement, shape.tied)
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
    )


def _make_room(target: StandardDecoder, places: EmbeddingMap) -> None:
    """Nothing writes into the construction's columns, adds to the logits or reads the slack."""
    own, slack = torch.from_numpy(places.own), torch.from_numpy(places.slack)
    target.unembedding.weight.zero_()  # tied: the rest of the stream must not add to the logits
    for table in (target.embedding, target.positions):
        table.weight[:, own] = 0
    for block in target.block_sequence():
        for written in (block.attention.output.weight, block.mlp.matrix(1)):
            written[own] = 0
    for read in target.readers():
        read[:, slack] = 0


def _size_of_tokens(target: StandardDecoder) -> float:
    """The root mean square of an embedded token's coordinates."""
    tables = target.embedding.weight, target.positions.weight
    return math.sqrt(sum(table.double().square().mean().item() for table in tables))


def _write(target: StandardDecoder, model: FactModel, plan: Plan, places: EmbeddingMap) -> None:
    """All weights of the construction, into the room made for it."""
    target.embedding.weight[: places.d_vocab] += _writing(plan.embedding.T, places).T.to(
        target.embedding.weight
    )
    target.positions.weight[: len(plan.positions)] += _writing(plan.positions.T, places).T.to(
        target.positions.weight
    )
    for block, planned in zip(
        target.block_sequence()[places.first_block :], plan.blocks, strict=False
    ):
        _write_heads(block.attention, planned.heads, places)
        units, read, write = len(planned.read), block.mlp.matrix(0), block.mlp.matrix(1)
        read[:units] = _reading(planned.read, places).to(read)
        write[:, :units] = _writing(planned.write, places).to(write)
    rows = _reading(plan.unembedding, places).to(target.unembedding.weight)
    target.unembedding.weight[: places.d_vocab] += rows
    # relation 0, never an answer
    target.unembedding.weight[places.d_vocab :] += rows[model.vocabulary.n_entities]


def _write_heads(
    attention: Attention, heads: tuple[PlannedHead, ...], places: EmbeddingMap
) -> None:
    d_head = attention.heads[0].d_v
    for place, head in enumerate(heads):
        start = place * d_head
        channels = slice(start, start + d_head)
        for weight, matrix in (
            (attention.query.weight, head.query * math.sqrt(d_head)),
            (attention.key.weight, head.key),
            (attention.value.weight, head.value),
        ):
            weight[channels] = 0
            weight[start : start + len(matrix)] = _reading(matrix, places).to(weight)
        attention.output.weight[:, channels] = 0
        attention.output.weight[:, start : start + len(head.value)] = _writing(
            head.output, places
        ).to(weight)


def _reading(matrix: Tensor, places: EmbeddingMap) -> Tensor:
    """(n, width) on the construction's coordinates to (n, d_model): of mirrored coordinates half
    of x minus half of -x.
    """
    wide = matrix.new_zeros(len(matrix), places.d_model)
    if len(places.mirror):
        matrix = matrix / 2
        wide[:, places.mirror] = -matrix
    wide[:, places.columns] = matrix
    return wide


def _writing(matrix: Tensor, places: EmbeddingMap) -> Tensor:
    """(width, n) on the construction's coordinates to (d_model, n); what is written is also
    written as its negative.
    """
    tall = matrix.new_zeros(places.d_model, matrix.shape[1])
    tall[places.columns] = matrix
    if len(places.mirror):
        tall[places.mirror] = -matrix
    return tall
