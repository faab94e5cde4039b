"""A construction inside a transformer of its own architecture that is larger, or stands in another
basis.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from itertools import zip_longest
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from constructions.decoders.plain import require_dtype, require_plain
from constructions.following.largest import largest_number
from constructions.guards.errors import DoesNotFit, InputError
from constructions.model.answering import Answering, Writing
from constructions.model.fact_model import FactModel, MarginClaim
from constructions.model.stated import Stated, Stating, require_arithmetic
from constructions.model.transformer import (
    TRANSFORMER,
    Layer,
    LayerShape,
    Transformer,
    TransformerShape,
)


class _Claims(NamedTuple):
    margin: MarginClaim | None
    logit_error: float | None


class ModelForm(Stating, Transformer, Answering):
    """A construction inside a transformer of its own architecture, at least as large, in a basis
    of its own.

    Attributes:
        source: the construction as it was built, with its slots; it shares no weights with this
            module.
        basis: (d_model, source's d_model), orthonormal columns: what the source's stream is in
            this one; by default its first coordinates.
    """

    source: FactModel
    basis: Tensor
    _stated: Stated[_Claims] | None = None
    may_raise: ClassVar = frozenset({"margin", "logit_error"})

    def __init__(self, transformer: Transformer, source: FactModel, basis: Tensor | None = None):
        nn.Module.__init__(self)
        self.shape = transformer.shape
        for name, module in transformer.named_children():
            self.add_module(name, module)
        self.positions = transformer.positions
        self.keep_source(source)
        identity = torch.eye(self.shape.d_model, source.shape.d_model).to(self.embedding.weight)
        self.register_buffer("basis", identity if basis is None else basis, persistent=False)
        self.construction = source.construction
        self.vocabulary, self.facts, self.hops = source.vocabulary, source.facts, source.hops

    @property
    def margin(self) -> MarginClaim | None:
        """What is proven of the logits, for the weights, the dtype and the arithmetic at hand;
        None where nothing is.

        What `widen` and `seed_into` make of a construction as it was built has the construction's
        margin; in another basis it is smaller by twice the `logit_error`; with noise there is
        none.

        Raises:
            InputError: the module has changed since, or torch does not compute in its dtype here;
                what has changed is named.
        """
        claim = self.margin_of_weights()
        require_arithmetic(self, "the margin", TRANSFORMER)
        return claim

    def margin_of_weights(self) -> MarginClaim | None:
        """As `margin`, whatever arithmetic the caller is in: what proofs about the weights begin
        with.
        """
        return None if self._stated is None else self._stated.of(self, "the margin").margin

    @property
    def logit_error(self) -> float | None:
        """What `change_basis` has proven of the weights that it returned, in their dtype: how far
        a logit may be, where it answers, from that of the model that it was given, in real
        arithmetic. None if it has not.

        Raises:
            InputError: as `margin`.
        """
        error = (
            None
            if self._stated is None
            else self._stated.of(self, "the error of the logits").logit_error
        )
        require_arithmetic(self, "the error of the logits", TRANSFORMER)
        return error

    def state(self, margin: MarginClaim | None = None, logit_error: float | None = None) -> None:
        """State what is proven of the module as it is now: `margin` and `logit_error`."""
        self._stated = Stated(self, _Claims(margin, logit_error))

    def change(self) -> str | None:
        """What has changed since something was stated of the module, in words; None if nothing
        has.
        """
        return (
            "nothing was stated of it"
            if self._stated is None
            else self._stated.fingerprint.change(self)
        )

    def keep_source(self, source: FactModel) -> None:
        """Keep the construction, but not as a part of this module: its weights are not to be
        trained or moved.
        """
        object.__setattr__(self, "source", source)

    def slot_state(self, states: Tensor, slot: str) -> Tensor:
        """What a slot of the construction holds in states (..., d_model): (..., *slot shape), as
        `FactModel.slot_state`.
        """
        return self.source.slot_state(states @ self.basis, slot)

    def set_slot(self, states: Tensor, slot: str, value: Tensor | float) -> Tensor:
        """The same states with another value in a slot, the rest of the stream as it is: as
        `FactModel.set_slot`.
        """
        held = states @ self.basis
        return states + (self.source.set_slot(held, slot, value) - held) @ self.basis.mT


class ModelFormWriter(Writing, ModelForm):
    """A chain of thought in another form."""

    def __init__(self, transformer: Transformer, source: FactModel, basis: Tensor | None = None):
        super().__init__(transformer, source, basis)
        if not isinstance(source, Writing):
            raise InputError(
                f"{source.construction} is no chain of thought, so that no form of it writes"
                " tokens"
            )
        self.hops_per_token = source.hops_per_token


def as_form(
    transformer: Transformer,
    source: FactModel,
    basis: Tensor | None = None,
    margin: MarginClaim | None = None,
    logit_error: float | None = None,
) -> ModelForm:
    """The transformer as a form of the construction, of which a copy is kept; with what is
    proven.
    """
    kind = ModelFormWriter if isinstance(source, Writing) else ModelForm
    made = kind(transformer, copy.deepcopy(source), basis)
    made.state(margin, logit_error)
    return made


def margin_if_proven(model: FactModel | ModelForm) -> MarginClaim | None:
    """The margin of the weights at hand; None where nothing is proven of them."""
    try:
        return model.margin_of_weights()
    except InputError:
        return None


@torch.no_grad()
def write_into(wide: Transformer, model: Transformer) -> None:
    """Write the weights of a model into the first rows and columns of a larger one's; heads may be
    wider there.
    """
    for name, weight, rows, columns in _blocks(wide, model):
        wide.get_parameter(name)[rows[:, None], columns] = weight.to(wide.embedding.weight)


def _blocks(wide: Transformer, model: Transformer) -> Iterator[tuple[str, Tensor, Tensor, Tensor]]:
    """For each weight of a model its rows and columns in a larger one."""
    for name, weight in model.named_parameters():
        rows, columns = (torch.arange(n) for n in weight.shape)
        layer, found, part = name.partition(".attention.")
        if found:
            index = int(layer.removeprefix("layers."))
            channels = _channels(
                wide.shape.layers[index],
                model.shape.layers[index],
                part in ("query.weight", "key.weight"),
            )
            rows, columns = (rows, channels) if part == "output.weight" else (channels, columns)
        yield name, weight, rows, columns


def _channels(wide: LayerShape, narrow: LayerShape, scores: bool) -> Tensor:
    """Where the channels of a layer's heads lie in a layer with more or wider heads."""
    widths = [
        [head.d_qk if scores else head.d_v for head in layer.heads] for layer in (wide, narrow)
    ]
    starts = np.cumsum([0, *widths[0]])
    parts = [starts[h] + np.arange(width) for h, width in enumerate(widths[1])]
    return torch.from_numpy(np.concatenate([np.zeros(0, np.int64), *parts]))


@torch.no_grad()
def seed_transformer(target: Transformer, model: FactModel, proven: bool = True) -> ModelForm:
    """`constructions.decoders.seeding.seed_into` for transformers of ours: the construction gets
    the first tokens, positions and coordinates, the first layers, and in them the first heads and
    hidden units.

    Raises:
        InputError: the target is too small, or of another kind; both sides are named; or it is to
            be proven that all facts survive, and the construction is not as it was built. The
            target is not changed then.
        DoesNotFit: the target's own weights are so large that a number of the forward pass may
            overflow.
    """
    if model is target:
        raise InputError("the construction cannot be seeded into itself")
    with torch.device("meta"):
        fresh = Transformer(target.shape)
    require_plain(target, fresh)
    margin = model.margin_of_weights() if proven else margin_if_proven(model)
    _require_room(target.shape, model.shape, model.hops)
    narrow = target.embedding.weight.dtype
    require_dtype(model, narrow)
    before = {name: weight.clone() for name, weight in target.named_parameters()}
    try:
        _write_seed(target, model)
        largest, most = largest_number(target), torch.finfo(narrow).max / 4
        if not largest < most:
            raise DoesNotFit(
                f"numbers of a forward pass may reach {largest:.3g} in the target; {narrow} holds"
                f" them up to {most:.3g} with room to add; use a wider dtype, or smaller weights"
                " in the target"
            )
    except BaseException:
        for name, weight in target.named_parameters():
            weight.copy_(before[name])
        raise
    return as_form(target, model, margin=margin)


def _write_seed(target: Transformer, model: FactModel) -> None:
    """Make room in the target, and write the construction there."""
    own, relation_0 = slice(model.shape.d_model), model.vocabulary.n_entities
    target.unembedding.weight.zero_()
    for table in (target.embedding, target.positions):
        if table is not None:
            table.weight[:, own] = 0
    for module, shape in zip_longest(target.layers, model.shape.layers, fillvalue=LayerShape()):
        if not isinstance(module, Layer):
            raise InputError(
                f"a layer of the target is a {type(module).__name__}; a Layer is expected"
            )
        if module.attention is not None:
            heads = module.attention.heads[: len(shape.heads)]
            scored, read = sum(head.d_qk for head in heads), sum(head.d_v for head in heads)
            for weight, width in zip(
                ("query", "key", "value"), (scored, scored, read), strict=True
            ):
                getattr(module.attention, weight).weight[:width] = 0
            module.attention.output.weight[own] = 0
        if module.mlp is not None:
            for index, width in enumerate(shape.d_mlp):
                module.mlp.matrix(index)[:width] = 0
            module.mlp.matrix(-1)[own] = 0
    write_into(target, model)
    # a relation is never an answer
    never = model.unembedding.weight[relation_0].to(target.unembedding.weight)
    target.unembedding.weight[len(model.vocabulary) :, own] = never


def _require_room(wide: TransformerShape, narrow: TransformerShape, hops: int) -> None:
    """Raise InputError unless a shape has room for another."""
    layers = list(zip(wide.layers, narrow.layers, strict=False))
    sizes = [
        ("tokens", narrow.d_vocab, wide.d_vocab),
        ("coordinates", narrow.d_model, wide.d_model),
        ("layers", len(narrow.layers), len(wide.layers)),
        (
            "positions",
            narrow.n_positions or hops + 1,
            wide.n_positions or (0 if narrow.n_positions else hops + 1),
        ),
        *(("heads of a layer", len(mine.heads), len(its.heads)) for its, mine in layers),
        *(("hidden layers", len(mine.d_mlp), len(its.d_mlp)) for its, mine in layers),
    ]
    for its, mine in layers:
        for head, other in zip(its.heads, mine.heads, strict=False):
            sizes += [
                ("channels of a head", other.d_qk, head.d_qk),
                ("channels of a head", other.d_v, head.d_v),
            ]
        sizes += [
            ("hidden units", need, has) for has, need in zip(its.d_mlp, mine.d_mlp, strict=False)
        ]
    short = {f"{need:,} {what} (it has {has:,})": None for what, need, has in sizes if need > has}
    if short:
        raise InputError(f"the construction needs {', '.join(short)}; use a larger transformer")
    deep = [
        (len(its.d_mlp), len(mine.d_mlp))
        for its, mine in layers
        if mine.d_mlp and len(its.d_mlp) != len(mine.d_mlp)
    ]
    if deep or wide.repeats != narrow.repeats:
        found = f"{[its for its, _ in deep]} hidden layers, applied {wide.repeats} times"
        raise InputError(
            f"the construction has layers with {[mine for _, mine in deep]} hidden layers, applied"
            f" {narrow.repeats} times; the transformer has {found}"
        )
