"""The known mechanism of a construction, step by step: what is to be found by whoever interprets
it.

    for step in mechanism(selector(facts)):
        print(step)

Each head and each group of hidden units does one step of the proof, between named slots of the
residual stream. The list is the record that the builder has left in the model;
`docs/certificates.md` says how the same is proven. Use it as the ground truth that probes,
patching or circuit finding are scored against; `Transformer.trace` watches and edits the stream.
"""

from __future__ import annotations

from dataclasses import dataclass

from constructions.decoders.model_form import ModelForm
from constructions.guards.errors import InputError
from constructions.model.fact_model import FactModel


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

    Example:
        >>> [step.name for step in mechanism(selector(facts))]
        ['read the subject', 'close']
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
    return recorded_steps(source)


def recorded_steps(source: FactModel) -> list[Step]:
    """All steps as the builder has recorded them, whatever has become of the weights since."""
    steps = []
    for index in range(source.shape.depth):
        layer = source.record.applied(index)
        for number, head in enumerate(layer.heads):
            by = head.queries, head.keys
            steps.append(Step(head.name, index, number, None, None, by, head.reads, head.writes))
        for group in layer.units:
            at = group.hidden_layer, group.numbers
            steps.append(Step(group.name, index, None, *at, ((), ()), group.reads, group.writes))
    return steps
