"""A construction inside a larger transformer of its own architecture: the first rows and columns
of each weight are the construction's.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest

import numpy as np
import torch
from torch import Tensor

from constructions.decoders.model_form import ModelForm, as_form, margin_to_begin_with
from constructions.decoders.targets import require_dtype, require_plain
from constructions.following.largest import largest_number
from constructions.guards.errors import DoesNotFit, InputError
from constructions.guards.memory import require_memory
from constructions.model.fact_model import FactModel
from constructions.model.parts import Layer
from constructions.model.shapes import LayerShape, TransformerShape
from constructions.model.transformer import Transformer


def zeros(shape: TransformerShape, dtype: torch.dtype) -> Transformer:
    """A transformer whose weights are all 0.

    Raises:
        DoesNotFit: they need more memory than there is.
    """
    require_memory(
        shape.n_parameters() * dtype.itemsize, f"{shape.n_parameters():,} weights in {dtype}"
    )
    return Transformer(shape, dtype)


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
    margin = margin_to_begin_with(model, proven)
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
