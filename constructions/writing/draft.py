"""From a plan to weights: declare the stream, say what each head copies and each unit computes,
then plan the model.

    draft = Draft("selector", vocabulary, stream)
    layer = draft.layer()
    layer.head("read the subject", copy=2 * attributes, to=attributes)
    mask = layer.relu("mask", attributes - relation[:, None])
    layer.add(-mask, to=attributes)
    return draft.plan(...)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from constructions.facts.codes import Codebook
from constructions.facts.limits import require_path
from constructions.facts.table import FactTable
from constructions.facts.vocabulary import Vocabulary
from constructions.guards.errors import DoesNotFit, InputError, InternalError
from constructions.guards.integers import whole
from constructions.guards.memory import require_memory
from constructions.model.fact_model import EMBEDDING_ONLY, FactModel, FactWriter
from constructions.model.margin import MarginClaim
from constructions.model.parts import MLP, Attention
from constructions.model.readout import Readout
from constructions.model.shapes import HeadShape, LayerShape, TransformerShape
from constructions.model.stream import Form, Slot, Space, nothing
from constructions.writing.plan import Model, Plan


@dataclass(frozen=True)
class _Head:
    """A head: what is compared to score a position, and what is copied where."""

    name: str
    query: Form
    key: Form
    copy: Form
    to: Slot


class LayerDraft:
    """One layer under construction: heads and groups of hidden units, in the order in which they
    are added.
    """

    def __init__(self, stream: Space, hidden_layers: int):
        self.stream = stream
        self.heads: list[_Head] = []
        self.units = [Space() for _ in range(hidden_layers)]
        self._inputs: list[tuple[Slot, Form]] = []
        self._outputs: list[tuple[Slot, Form]] = []

    def head(
        self, name: str, copy: Form, to: Slot, query: Form | None = None, key: Form | None = None
    ) -> None:
        """A head that adds the form `copy` of the attended token to the slot `to` of the attending
        one.

        The score of a pair of positions is `<query at the attending one, key at the attended
        one>`, the two forms of one shape. Without them every score is 0: attention is uniform over
        the positions so far.
        """
        query, key = query or nothing(self.stream), key or nothing(self.stream)
        if query.shape != key.shape or copy.shape != to.shape:
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

    def shape(self) -> LayerShape:
        """The sizes of the layer as drafted so far."""
        heads = tuple(HeadShape(head.query.size, head.copy.size) for head in self.heads)
        return LayerShape(heads, tuple(space.width for space in self.units if space.width))

    def write_attention(self, attention: Attention) -> None:
        """Write the drafted heads into zero weights."""
        at_qk = at_v = 0
        for head in self.heads:
            next_qk, next_v = at_qk + head.query.size, at_v + head.copy.size
            _put(attention.query.weight, np.arange(at_qk, next_qk), head.query)
            _put(attention.key.weight, np.arange(at_qk, next_qk), head.key)
            _put(attention.value.weight, np.arange(at_v, next_v), head.copy)
            attention.output.weight[
                torch.from_numpy(head.to.columns.ravel()), torch.arange(at_v, next_v)
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


class Draft:
    """A whole model under construction."""

    def __init__(self, construction: str, vocabulary: Vocabulary, stream: Space):
        rows = 2 * len(vocabulary)
        require_memory(
            2 * rows * stream.width,
            f"embedding and unembedding, {rows:,} rows of {stream.width:,} entries,",
        )
        self.construction = construction
        self.vocabulary = vocabulary
        self.stream = stream
        self.layers: list[LayerDraft] = []
        self.n_positions = 0
        self._positional: list[tuple[Slot, np.ndarray]] = []

    def position(self, slot: Slot, values: np.ndarray) -> None:
        """Give every position a vector in a slot: values of shape (positions, slot.size)."""
        self.n_positions = max(self.n_positions, len(values))
        self._positional.append((slot, values))

    def layer(self, hidden_layers: int = 1) -> LayerDraft:
        """Add a layer on top; its MLP has this many hidden layers, or is left out if it gets no
        units.
        """
        self.layers.append(LayerDraft(self.stream, hidden_layers))
        return self.layers[-1]

    def plan(
        self,
        facts: FactTable,
        readout: Readout,
        writer: FactWriter,
        margin: MarginClaim,
        dtype: torch.dtype,
        *,
        codebooks: tuple[Codebook, ...],
        hops: int = 1,
        repeats: int = 1,
        fact_tables: frozenset[str] | None = EMBEDDING_ONLY,
        kind: Callable[..., Model] = FactModel,  # type: ignore[assignment]  # the default of Model
    ) -> Plan[Model]:
        """The drafted model, of which no weight is allocated yet.

        Args:
            facts: what the model is to answer; also the source of the names.
            readout: from which the unembedding is written.
            writer: writes the facts into the token embedding.
            margin: the construction's claim; where heads select positions, for the case without a
                leak.
            dtype: of all weights.
            codebooks: see `FactModel`.
            hops: the length of the paths.
            repeats: how often the drafted layers are applied.
            fact_tables: see `FactModel`.
            kind: the class of the model.
        """
        shape = TransformerShape(
            d_vocab=len(self.vocabulary),
            d_model=self.stream.width,
            layers=tuple(layer.shape() for layer in self.layers),
            n_positions=self.n_positions,
            repeats=repeats,
        )
        allocate = partial(
            kind,
            self.construction,
            shape,
            dtype,
            self.vocabulary,
            self.stream,
            units=tuple(
                tuple(space for space in layer.units if space.width) for layer in self.layers
            ),
            head_names=tuple(tuple(head.name for head in layer.heads) for layer in self.layers),
            readout=readout,
            writer=writer,
            facts=facts,
            hops=hops,
            fact_tables=fact_tables,
            codebooks=codebooks,
        )

        def write(model: FactModel) -> None:
            """Write everything into zero weights: the draft, the unembedding, the facts."""
            self._write_internal_weights(model)
            model.write_readout(readout)
            writer(model, facts)

        return Plan(self.construction, shape, dtype, margin, allocate, write)

    def _write_internal_weights(self, model: FactModel) -> None:
        """Write the drafted layers and position vectors into zero weights."""
        for drafted, built in zip(self.layers, model.layer_sequence(), strict=False):
            if built.attention is not None:
                drafted.write_attention(built.attention)
            if built.mlp is not None:
                drafted.write_mlp(built.mlp)
        for slot, values in self._positional:
            if model.positions is None:
                raise InternalError(
                    f"{model.construction} was drafted with position vectors, but built without"
                    " positions"
                )
            write_rows(model.positions.weight, np.arange(len(values)), slot, values)


def require_hops(hops: int, name: str = "hops") -> None:
    """Raise InputError unless the number of hops is a positive integer; see also
    `require_path`.
    """
    require_path(whole(name, hops, 1), name)


def require_exact(largest_sum: int, dtype: torch.dtype, what: str) -> None:
    """Raise DoesNotFit unless all integers up to `largest_sum` are exact in dtype; it bounds every
    partial sum of w x.
    """
    if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
        raise InputError(
            f"dtype must be a floating torch.dtype such as torch.float32; got {dtype!r}"
        )
    exact = int(2 / torch.finfo(dtype).eps)
    if largest_sum > exact:
        wider = "use a wider dtype" if dtype != torch.float64 else "use another construction"
        raise DoesNotFit(
            f"{what}: sums reach {largest_sum:,}, and {dtype} holds integers exactly up to"
            f" {exact:,}; {wider}"
        )


def write_rows(weight: Tensor, tokens: np.ndarray, slot: Slot, values: ArrayLike) -> None:
    """Set `weight[tokens, slot]`; values have the shape (len(tokens), slot.size) or broadcast to
    it.
    """
    rows, columns = tokens[:, None], slot.columns.ravel()[None, :]
    whole = np.broadcast_to(np.asarray(values), np.broadcast_shapes(rows.shape, columns.shape))
    at = slice(tokens[0], tokens[-1] + 1), slice(columns[0, 0], columns[0, -1] + 1)
    new = torch.tensor(whole, dtype=weight.dtype, device=weight.device)
    # contiguous on both sides, as is usual
    if whole.shape == (at[0].stop - at[0].start, at[1].stop - at[1].start):
        weight[at] = new
    else:
        weight[torch.from_numpy(rows), torch.from_numpy(columns)] = new


def _put(weight: Tensor, rows: np.ndarray, form: Form) -> None:
    """Add the forms' coefficients to the given rows of a weight matrix."""
    if form.size:
        weight[torch.from_numpy(rows)] += torch.from_numpy(form.matrix()).to(weight.dtype)
