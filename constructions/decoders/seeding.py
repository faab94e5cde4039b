"""A construction inside a standard decoder: written into a larger one that is then trained, or
into the smallest that fits.

    shape = StandardShape(d_vocab=200, d_model=256, n_layers=4, n_heads=8, d_head=64, ...)
    target = StandardDecoder(shape)
    seeded = seed_into(target, selector(facts))  # the same modules; all facts are recalled
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

import torch

from constructions.decoders.block_writing import make_room, write_plan
from constructions.decoders.blocks import BlockPlan, plan_blocks
from constructions.decoders.fitting import map_into, shape_of
from constructions.decoders.identity_norms import make_norms_the_identity
from constructions.decoders.model_form import ModelForm, margin_to_begin_with
from constructions.decoders.standard_decoder import (
    Norm,
    Placement,
    StandardDecoder,
    StandardShape,
)
from constructions.decoders.standard_model import StandardModel
from constructions.decoders.targets import require_construction, require_dtype, require_plain
from constructions.decoders.transformer_seeding import seed_transformer
from constructions.guards.errors import InputError
from constructions.guards.integers import whole
from constructions.model.fact_model import FactModel
from constructions.model.margin import MarginClaim
from constructions.model.ordinary_tensors import of_ordinary_tensors
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
    margin = margin_to_begin_with(model, proven)
    plan = plan_blocks(model, tied)
    shape = shape_of(plan, norm, placement, tied)
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
    return shape_of(plan_blocks(model, tied), norm, placement, tied)


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
            decoder of its shape (`constructions.decoders.targets`).
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
        The target's own modules as a model that answers; in a standard decoder with its
        `embedding_map` and certified bounds.

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
    margin = margin_to_begin_with(model, proven)
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


@torch.no_grad()
def _seed(
    target: StandardDecoder,
    model: FactModel,
    plan: BlockPlan,
    margin: MarginClaim | None,
    slack: int | None,
    proven: bool,
    first_block: int,
    gain: float = 1,
) -> StandardModel:
    """Write the plan of a construction into the target, whose norms multiply the rest of the
    stream by `gain` more; as `seed_into`, but that an error leaves the target half written.
    """
    require_dtype(model, target.embedding.weight.dtype)
    first_block = whole("first_block", first_block)
    slack = None if slack is None else whole("slack", slack)
    embedding_map = map_into(target.shape, model, plan, first_block)
    make_room(target, embedding_map)
    for norm in target.norms():
        norm.weight.mul_(gain)
    write_plan(target, model, plan, embedding_map)
    seeded = StandardModel(target, model)
    seeded.embedding_map, seeded.rest_gain = embedding_map, gain
    seeded.slack, bounds = make_norms_the_identity(
        target, model, plan, embedding_map, margin, slack, proven
    )
    seeded.state(bounds)
    return seeded


def _size_of_tokens(target: StandardDecoder) -> float:
    """The root mean square of an embedded token's coordinates."""
    tables = target.embedding.weight, target.positions.weight
    return math.sqrt(sum(table.double().square().mean().item() for table in tables))
