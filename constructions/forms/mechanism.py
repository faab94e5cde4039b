"""The known mechanism of a construction, step by step: what is to be found by whoever interprets
it.

    for step in mechanism(selector(facts)):
        print(step)

Each head and each group of hidden units does one step of the proof, between named slots of the
residual stream. The list is read off the weights and the names that the builder gave;
`docs/certificates.md` says how the same is proven. Use it as the ground truth that probes,
patching or circuit finding are scored against; `Transformer.trace` watches and edits the stream.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from constructions.decoders.model_form import ModelForm
from constructions.guards.errors import InputError
from constructions.model.fact_model import FactModel
from constructions.model.parts import MLP, Attention
from constructions.model.stream import Space


@dataclass(frozen=True)
class Step:
    """What does one step.

    Attributes:
        name: as the builder calls it, e.g. "read the entity".
        layer: counted in the order of application, from 0, as in `Trace`; a layer that is applied
            again is listed again.
        head: which head of the layer, from 0; None for hidden units.
        hidden_layer: of the MLP, from 0; None for a head.
        units: their numbers in that hidden layer, a range; None for a head.
        attends_by: for a head, the slots that make its queries and its keys; both empty if it
            attends to all alike.
        reads: the slots of the stream, or the groups of units of the hidden layer before, that it
            reads.
        writes: the slots of the stream that it adds to, or the groups of units of the next hidden
            layer that read it.
    """

    name: str
    layer: int
    head: int | None
    hidden_layer: int | None
    units: range | None
    attends_by: tuple[tuple[str, ...], tuple[str, ...]]
    reads: tuple[str, ...]
    writes: tuple[str, ...]

    def __str__(self) -> str:
        if self.units is None:
            queries, keys = (", ".join(slots) for slots in self.attends_by)
            where = f"head {self.head}"
            how = f", selects {queries} = {keys}" if queries else ", attends to all alike"
        else:
            where, how = (
                (
                    f"hidden layer {self.hidden_layer}, units {self.units.start} to"
                    f" {self.units.stop - 1}"
                ),
                "",
            )
        return (
            f"layer {self.layer}, {where}: {self.name}: {', '.join(self.reads)} ->"
            f" {', '.join(self.writes)}{how}"
        )


def mechanism(model: FactModel | ModelForm) -> list[Step]:
    """All steps in the order in which they happen; heads and units have the same numbers in
    `widen`ed and turned forms, and where there is noise beside them.

    Raises:
        InputError: neither a construction nor a form of one; or its weights are no longer those
            that the builder, or the function that made the form, has written: what such a model
            does is not known.
    """
    source = model.source if isinstance(model, ModelForm) else model
    if not isinstance(source, FactModel):
        raise InputError(
            f"steps are known of constructions and their forms; got a {type(model).__name__}"
            " (seeded decoders have `embedding_map`)"
        )
    if isinstance(model, ModelForm) and (change := model.change()) is not None:
        raise InputError(
            f"what a form does is known of the weights that it was made with: {change}; ask of its"
            " source"
        )
    source.margin_of_weights()
    return steps_of_weights(source)


def steps_of_weights(source: FactModel) -> list[Step]:
    """The heads and groups of units as the weights at hand have them, edited or not: what
    `mechanism` lists where these are still the builder's.
    """
    steps = []
    for index, layer in enumerate(source.layer_sequence()):
        stored = index % len(source.layers)
        if layer.attention is not None:
            steps += _heads(source, layer.attention, index, source.head_names[stored])
        if layer.mlp is not None:
            steps += _units(source, layer.mlp, index, source.units[stored])
    return steps


def _heads(
    model: FactModel, attention: Attention, layer: int, names: tuple[str, ...]
) -> list[Step]:
    """The steps of a layer's heads, by the slots that their matrices have entries for."""
    steps, at_qk, at_v = [], 0, 0
    for head, (name, shape) in enumerate(zip(names, attention.heads, strict=True)):
        scored, read = slice(at_qk, at_qk + shape.d_qk), slice(at_v, at_v + shape.d_v)
        queries, keys, values = (
            _read(model.stream, weight.weight[rows])
            for weight, rows in (
                (attention.query, scored),
                (attention.key, scored),
                (attention.value, read),
            )
        )
        writes = _read(model.stream, attention.output.weight[:, read].T)
        steps.append(Step(name, layer, head, None, None, (queries, keys), values, writes))
        at_qk, at_v = scored.stop, read.stop
    return steps


def _units(model: FactModel, mlp: MLP, layer: int, spaces: tuple[Space, ...]) -> list[Step]:
    """The steps of a layer's groups of hidden units, one hidden layer after the other."""
    steps, around = [], (model.stream, *spaces, model.stream)
    for depth, space in enumerate(spaces):
        for name, slot in space.slots.items():
            units = range(int(slot.columns.min()), int(slot.columns.max()) + 1)
            rows = slice(units.start, units.stop)
            reads = _read(around[depth], mlp.matrix(depth)[rows])
            writes = _read(around[depth + 2], mlp.matrix(depth + 1)[:, rows].T)
            steps.append(Step(name, layer, None, depth, units, ((), ()), reads, writes))
    return steps


def _read(space: Space, matrix: Tensor) -> tuple[str, ...]:
    """The slots in whose columns a matrix (n, width) has entries."""
    used = torch.any(matrix.detach() != 0, 0).cpu().numpy()
    return tuple(name for name, slot in space.slots.items() if used[slot.columns].any())
