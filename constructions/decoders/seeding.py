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

What is trained afterwards forgets the facts in a few steps. `rest_size`, `closed` and the scales
change no answer and let them survive longer, `StandardModel.hold_construction`,
`slow_construction` and `draw_construction` much longer: see docs/seeding.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import overload

import torch

from constructions.decoders.block_writing import make_room, write_plan
from constructions.decoders.blocks import BlockPlan, plan_blocks
from constructions.decoders.fitting import map_into, shape_of
from constructions.decoders.identity_norms import make_norms_the_identity
from constructions.decoders.model_form import ModelForm, margin_to_begin_with
from constructions.decoders.rest_gains import gains_on_the_rest
from constructions.decoders.scaling import power_of_two, require_small_logits, scaled
from constructions.decoders.standard_decoder import (
    Norm,
    Placement,
    StandardDecoder,
    StandardShape,
)
from constructions.decoders.standard_model import StandardModel
from constructions.decoders.targets import require_construction, require_dtype, require_plain
from constructions.decoders.transformer_seeding import seed_transformer
from constructions.guards.errors import InputError, InternalError
from constructions.guards.integers import whole
from constructions.model.fact_model import FactModel
from constructions.model.margin import MarginClaim
from constructions.model.ordinary_tensors import of_ordinary_tensors
from constructions.model.transformer import Transformer


@dataclass(frozen=True)
class _Options:
    """How a plan is written: as `seed_into` has them."""

    slack: int | None = None
    proven: bool = True
    first_block: int = 0
    closed: bool = False
    stream_scale: int = 1
    unembedding_scale: int = 1

    @property
    def logit_scale(self) -> int:
        """What each logit is multiplied by."""
        return self.stream_scale * self.unembedding_scale


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

    Example:
        >>> standard(selector(facts), norm='rmsnorm').shape.norm
        'rmsnorm'
    """
    require_construction(model)
    require_dtype(model, dtype or model.embedding.weight.dtype)
    margin = margin_to_begin_with(model, proven)
    plan = plan_blocks(model, tied)
    shape = shape_of(plan, norm, placement, tied)
    decoder = StandardDecoder(shape, dtype or model.embedding.weight.dtype, scale=0).to(
        model.embedding.weight.device
    )
    asked = None if slack is None else whole("slack", slack)
    return _seed(decoder, model, plan, margin, _Options(asked, proven))


def needed_shape(
    model: FactModel, norm: Norm | None = None, placement: Placement = "pre", tied: bool = False
) -> StandardShape:
    """The smallest standard decoder that the construction fits in. `d_head` is a power of 4: its
    root is a power of 2.

    Example:
        >>> needed_shape(selector(facts)).d_model
        7
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
    rest_size: float | None = None,
    closed: bool = False,
    stream_scale: int = 1,
    unembedding_scale: int = 1,
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
    rest_size: float | None = None,
    closed: bool = False,
    stream_scale: int = 1,
    unembedding_scale: int = 1,
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
        rest_size: the root mean square at which the rest of an embedded token is read, where norms
            stand before each part. By default 1 if what is certified allows it, else the rest is
            read as it stands. But for `logit_error` no logit of the construction's own tokens
            depends on it.
        closed: whether what the target's own heads and units read of the construction's columns
            becomes 0 too. Then nothing but the construction depends on these columns, until
            training makes it so.
        stream_scale, unembedding_scale: powers of two, by which all that the construction writes
            into the stream, and its rows of the unembedding, are multiplied. Each of its logits
            is then their product times what it was, bit for bit where nothing rounds, and so is
            its margin (`constructions.decoders.scaling`).

    Returns:
        The target's own modules as a model that answers; in a standard decoder with its
        `embedding_map` and certified bounds.

    Raises:
        InputError: the target is too small, or of another kind, both sides are named; or an option
            is of another kind; or it is to be proven that all facts survive, and the construction
            is not as it was built.
        DoesNotFit: the norms cannot be the identity as closely as the margin needs, in this dtype
            and with this slack and size of the rest, for all that can be proven.

    Example:
        >>> model = selector(facts)
        >>> target = StandardDecoder(needed_shape(model))
        >>> seeded = seed_into(target, model)
        >>> bool(seeded.answer(3, [1]) == facts.answer(3, [1]))
        True
    """
    require_construction(model)
    if isinstance(target, Transformer):
        given = (slack, first_block, rest_size, closed, stream_scale, unembedding_scale)
        if given != (None, 0, None, False, 1, 1):
            raise InputError(
                "slack, first_block, rest_size, closed and scales are for standard decoders"
            )
        return seed_transformer(target, model, proven)
    if not isinstance(target, StandardDecoder):
        raise InputError(
            f"the target must be a StandardDecoder or a Transformer; got a {type(target).__name__}"
        )
    options = _Options(
        None if slack is None else whole("slack", slack),
        proven,
        whole("first_block", first_block),
        _truth("closed", closed),
        power_of_two("stream_scale", stream_scale),
        power_of_two("unembedding_scale", unembedding_scale),
    )
    with torch.device("meta"):
        fresh = StandardDecoder(target.shape)
    require_plain(target, fresh)
    margin = margin_to_begin_with(model, proven)
    before = {name: value.clone() for name, value in target.state_dict().items()}
    for gain in gains_on_the_rest(target, rest_size):
        try:
            plan = plan_blocks(model, target.shape.tied)
            return _seed(target, model, plan, margin, options, gain)
        except BaseException as error:
            target.load_state_dict(before)
            if not isinstance(error, InputError):
                raise
            refusal = error
    raise refusal


@of_ordinary_tensors
@torch.no_grad()
def seeded_again(
    target: StandardDecoder,
    model: FactModel,
    *,
    slack: int | None,
    first_block: int,
    stream_scale: int,
    logit_scale: int,
    rest_gain: float,
) -> StandardModel:
    """Write a construction into the weights that `seed_into` or `standard` has made of it, at the
    same place: a weight that changes was another. What is proven is proven of the result.

    Args:
        target: with those weights; may be left half written where an error is raised.
        model: the construction.
        slack, first_block, stream_scale, logit_scale, rest_gain: as the `StandardModel` had them.

    Raises:
        InputError: the target is too small, or a number is none that `seed_into` takes.
        DoesNotFit: numbers may overflow.
    """
    before = {name: value.clone() for name, value in target.state_dict().items()}
    given = (
        whole("first_block", first_block),
        False,
        power_of_two("stream_scale", stream_scale),
        power_of_two("logit_scale / stream_scale", logit_scale // stream_scale),
    )
    for proven in (True, False):
        try:
            margin = margin_to_begin_with(model, proven)
            for norm in target.norms():
                norm.weight.mul_(2.0 ** -(slack or 0))
            plan = plan_blocks(model, target.shape.tied)
            options = _Options(slack, proven, *given)
            return _seed(target, model, plan, margin, options, was=rest_gain)
        except InputError:
            if not proven:
                raise
            target.load_state_dict(before)
    raise InternalError("a construction was neither written nor refused")


@torch.no_grad()
def _seed(
    target: StandardDecoder,
    model: FactModel,
    plan: BlockPlan,
    margin: MarginClaim | None,
    options: _Options,
    gain: float = 1,
    was: float | None = None,
) -> StandardModel:
    """Write the plan of a construction into the target, whose norms multiply the rest of the
    stream by `gain` more, or have been multiplied so before; as `seed_into`, but that an error
    leaves the target half written.
    """
    require_dtype(model, target.embedding.weight.dtype)
    plan = scaled(plan, options.stream_scale, options.unembedding_scale)
    embedding_map = map_into(target.shape, model, plan, options.first_block)
    make_room(target, embedding_map, options.closed)
    for norm in target.norms():
        norm.weight.mul_(gain)
    write_plan(target, model, plan, embedding_map)
    seeded = StandardModel(target, model)
    known = embedding_map if margin is not None else replace(embedding_map, steps=None)
    seeded.embedding_map, seeded.rest_gain = known, gain if was is None else was
    seeded.stream_scale, seeded.logit_scale = options.stream_scale, options.logit_scale
    require_small_logits(target, plan, embedding_map, options.logit_scale)
    seeded.slack, bounds = make_norms_the_identity(
        target,
        model,
        plan,
        embedding_map,
        None if margin is None else margin.times(options.logit_scale),
        options.slack,
        options.proven,
    )
    seeded.state(bounds)
    return seeded


def _truth(name: str, value: object) -> bool:
    """The value, which must be True or False."""
    if not isinstance(value, bool):
        raise InputError(f"{name} must be True or False; got {value!r}")
    return value
