"""One step of a known mechanism: a head or a group of hidden units, where it is, what it reads and
writes.
"""

from __future__ import annotations

from dataclasses import dataclass

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
        acts: in another tool, its name of the tensor that holds the outcome of the head, heads one
            after the other, or the activations of the units; None in a module of ours.
        adds: its name of what is then added to the stream, of which this step is a part; None as
            well.
    """

    name: str
    layer: int
    head: int | None
    hidden_layer: int | None
    units: range | None
    attends_by: tuple[tuple[str, ...], tuple[str, ...]]
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    acts: str | None = None
    adds: str | None = None

    def __str__(self) -> str:
        queries, keys = (", ".join(slots) for slots in self.attends_by)
        how = ""
        if self.units is None:
            part = f"head {self.head}"
            how = f", selects {queries} = {keys}" if queries else ", attends to all alike"
        else:
            part = f"units {self.units.start} to {self.units.stop - 1}"
        if self.acts is not None:
            where = f"{self.adds}, {part} of {self.acts}"
        elif self.units is None:
            where = f"layer {self.layer}, {part}"
        else:
            where = f"layer {self.layer}, hidden layer {self.hidden_layer}, {part}"
        return f"{where}: {self.name}: {', '.join(self.reads)} -> {', '.join(self.writes)}{how}"


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
