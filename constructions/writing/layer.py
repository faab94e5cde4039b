"""One layer as it is drafted: what its heads copy, what its units compute, which letters it takes
and what it keeps.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from constructions.guards.integers import whole
from constructions.guards.memory import require_memory
from constructions.model.parts import MLP, Attention
from constructions.model.record import RecordedHead, RecordedLayer, RecordedUnits
from constructions.model.shapes import HeadShape, LayerShape
from constructions.model.stream import Form, Slot, Space, nothing
from constructions.writing.claims import Holds


@dataclass(frozen=True)
class _Head:
    """A head: what is compared to score a position, and what is copied where."""

    name: str
    query: Form
    key: Form
    copy: Form
    to: Slot

    def recorded(self) -> RecordedHead:
        """The head by the names of its slots."""
        written = self.to.space.names(self.to.columns)
        return RecordedHead(
            self.name, self.query.reads(), self.key.reads(), self.copy.reads(), written
        )


@dataclass(frozen=True)
class Taken:
    """The letters that a layer takes when it is applied, and what it keeps; see `Pass`."""

    letters: tuple[int, ...]
    keeps: tuple[Holds, ...] | None


class LayerDraft:
    """One layer under construction: heads and groups of hidden units, in the order in which they
    are added.
    """

    def __init__(self, stream: Space, hidden_layers: int):
        self.stream = stream
        self.heads: list[_Head] = []
        self.units = [Space() for _ in range(hidden_layers)]
        self.taken: list[Taken] = []
        self._inputs: list[tuple[Slot, Form]] = []
        self._outputs: list[tuple[Slot, Form]] = []

    def head(
        self, name: str, copy: Form, to: Slot, query: Form | None = None, key: Form | None = None
    ) -> None:
        """A head that adds the form `copy` of the attended token to the slot `to` of the attending
        one, broadcast to its shape: what is written to several coordinates is copied once.

        The score of a pair of positions is `<query at the attending one, key at the attended
        one>`, the two forms of one shape. Without them every score is 0: attention is uniform over
        the positions so far.
        """
        query, key = query or nothing(self.stream), key or nothing(self.stream)
        fits = len(copy.shape) == len(to.shape) and all(
            size in (1, wanted) for size, wanted in zip(copy.shape, to.shape, strict=True)
        )
        if query.shape != key.shape or not fits:
            raise ValueError(
                f"head {name!r}: query {query.shape} = key {key.shape}, copy {copy.shape} = to"
                f" {to.shape}?"
            )
        self._require_room(copy.size, f"head {name!r}")
        self.heads.append(_Head(name, query, key, copy, to))

    def relu(self, name: str, form: Form) -> Slot:
        """A group of hidden units `ReLU(form)`, one for each entry; returns their slot in the
        space of units.

        A form on the stream makes units of the first hidden layer, a form on those makes units of
        the second.
        """
        depth = 0 if form.space is self.stream else self.units.index(form.space) + 1
        self._require_room(form.size, f"the {form.size:,} units {name!r}")
        slot = self.units[depth].declare(name, form.shape)
        self._inputs.append((slot, form))
        return slot

    def _require_room(self, rows: int, what: str) -> None:
        """Refuse rows as wide as the stream, at two bytes an entry or more, before they are
        planned.
        """
        require_memory(2 * rows * self.stream.width, f"the weights that {what} read and write")

    def carry(self, name: str, form: Form) -> Slot:
        """Units `ReLU(form)` of the first hidden layer that reach the last one unchanged."""
        units = self.relu(name, form)
        while units.space is not self.units[-1]:
            units = self.relu(name, units)
        return units

    def add(self, form: Form, to: Slot) -> None:
        """Let the MLP add a form on its last hidden layer to a slot of the stream."""
        if form.shape != to.shape:
            raise ValueError(f"a form of shape {form.shape} cannot be added to {to}")
        self._outputs.append((to, form))

    def takes(self, letters: Iterable[int], keeps: Sequence[Holds] | None = None) -> None:
        """Record which letters of the path the layer takes, by their places from 1, and which
        slots are functions of the node after them; by default it leaves nothing but what the
        unembedding reads.

        Said once for each time that the layer is applied. Letters are counted within a step of a
        chain of thought; where a path has no further letters, those that it has are taken.
        """
        places = tuple(whole("a letter", letter, 1) for letter in letters)
        self.taken.append(Taken(places, None if keeps is None else tuple(keeps)))

    # -------------------------------------------------------------------- what follows

    def shape(self) -> LayerShape:
        """The sizes of the layer as drafted so far."""
        heads = tuple(HeadShape(head.query.size, head.copy.size) for head in self.heads)
        return LayerShape(heads, tuple(space.width for space in self.units if space.width))

    def recorded(self) -> RecordedLayer:
        """The heads, and the groups of units, by the names of what they read and write; without
        groups of no unit.
        """
        reads = [(slot, form.space, form.reads()) for slot, form in self._inputs]
        readers = [(slot.name, space, groups) for slot, space, groups in reads]
        for to, form in self._outputs:
            readers += [(name, form.space, part.reads()) for name, part in _by_slot(to, form)]
        units = []
        for depth, (space, following) in enumerate(
            zip(self.units, (*self.units[1:], self.stream), strict=True)
        ):
            for slot, _, read in reads:
                if slot.space is space and slot.size:
                    of = {
                        name for name, at, groups in readers if at is space and slot.name in groups
                    }
                    numbers = range(int(slot.columns.min()), int(slot.columns.max()) + 1)
                    writes = tuple(name for name in following.slots if name in of)
                    units.append(RecordedUnits(slot.name, depth, numbers, read, writes))
        return RecordedLayer(tuple(head.recorded() for head in self.heads), tuple(units))

    def write_attention(self, attention: Attention) -> None:
        """Write the drafted heads into zero weights."""
        at_qk = at_v = 0
        for head in self.heads:
            next_qk, next_v = at_qk + head.query.size, at_v + head.copy.size
            _put(attention.query.weight, np.arange(at_qk, next_qk), head.query)
            _put(attention.key.weight, np.arange(at_qk, next_qk), head.key)
            _put(attention.value.weight, np.arange(at_v, next_v), head.copy)
            copied = np.arange(at_v, next_v).reshape(head.copy.shape) + 0 * head.to.columns
            attention.output.weight[
                torch.from_numpy(head.to.columns.ravel()), torch.from_numpy(copied.ravel())
            ] = 1
            at_qk, at_v = next_qk, next_v

    def write_mlp(self, mlp: MLP) -> None:
        """Write the drafted units into zero weights."""
        for slot, form in self._inputs:
            depth = self.units.index(slot.space)
            _put(mlp.matrix(depth), slot.columns.ravel(), form)
        for slot, form in self._outputs:
            if form.space is not self.units[-1]:
                raise ValueError(
                    f"what the MLP adds to {slot} must be read from its last hidden layer"
                )
            _put(mlp.matrix(-1), slot.columns.ravel(), form)


def _by_slot(to: Slot, form: Form) -> Iterator[tuple[str, Form]]:
    """What is added to each of the slots that `to` spans."""
    names = to.space.names(to.columns)
    if len(names) == 1:
        yield names[0], form
        return
    for name in names:
        yield name, form[np.nonzero(np.isin(to.columns, to.space[name].columns))]


def _put(weight: Tensor, rows: np.ndarray, form: Form) -> None:
    """Add the forms' coefficients to the given rows of a weight matrix."""
    if form.size:
        for first, some in form.matrices():
            here = torch.from_numpy(rows[first : first + len(some)])
            weight[here] += torch.from_numpy(some).to(weight.dtype)
