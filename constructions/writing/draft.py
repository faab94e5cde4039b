"""From a plan to weights: declare the stream, say what the tokens' embeddings hold, what each head
copies, what each unit computes and what each layer keeps; then plan the model.

    draft = Draft("selector", vocabulary, stream)
    draft.entities(Holds(attributes, words=1, code=Bits(codebook)))
    close_other_blocks(draft, attributes, 1)
    draft.relations(one, 1)
    layer = draft.layer()
    layer.head("read the subject", copy=2 * attributes, to=attributes)
    closed = layer.relu("close", -attributes)
    layer.add(closed, to=attributes)
    layer.takes([1])
    return draft.plan(...)

Each of these is said once. The draft writes weights and embeddings from it, and leaves a record
in the model, from which its certificate follows and its known mechanism.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from constructions.facts.codes import Codebook
from constructions.facts.limits import require_path
from constructions.facts.set_table import SetTable
from constructions.facts.table import FactTable
from constructions.facts.vocabulary import WRITING, Vocabulary
from constructions.guards.errors import DoesNotFit, InputError, InternalError
from constructions.guards.integers import whole
from constructions.guards.memory import require_memory
from constructions.model.fact_model import FactModel
from constructions.model.installing import require_claim
from constructions.model.margin import MarginClaim
from constructions.model.readout import Readout
from constructions.model.record import Pass, Record
from constructions.model.shapes import TransformerShape
from constructions.model.stream import Slot, Space
from constructions.writing.claims import Holds, Made, books_of
from constructions.writing.layer import LayerDraft
from constructions.writing.plan import Plan
from constructions.writing.token_rows import TokenRows, write_rows


class Draft:
    """A whole model under construction."""

    def __init__(self, construction: str, vocabulary: Vocabulary, stream: Space):
        rows = vocabulary.n_relations
        require_memory(
            8 * rows * stream.width,
            f"the embeddings of relations, {rows:,} rows of {stream.width:,} integers,",
        )
        self.construction = construction
        self.vocabulary = vocabulary
        self.stream = stream
        self.layers: list[LayerDraft] = []
        self.n_positions = 0
        self._positional: list[tuple[Slot, np.ndarray]] = []
        self._holds: list[Holds] = []
        self._made: list[Made] = []
        self._constants: list[tuple[Slot, ArrayLike]] = []
        self._relations: list[tuple[Slot, ArrayLike]] = []

    def entities(self, *holds: Holds) -> None:
        """Let the embedding of every entity hold the codes of the nodes that words lead to from
        it, whatever the facts; in a chain of thought that of *unknown*, too, which leads to itself
        alone.
        """
        self._holds += holds

    def entities_made(self, *made: Made) -> None:
        """Let the embedding of every entity hold numbers that are made of all facts at once."""
        self._made += made

    def every_entity(self, slot: Slot, values: ArrayLike) -> None:
        """Let the embeddings of entities hold in a slot what no fact changes: values of shape (N,
        slot.size), or what broadcasts to it.
        """
        self._constants.append((slot, values))

    def relations(self, slot: Slot, values: ArrayLike) -> None:
        """Let the embeddings of relations hold in a slot: values of shape (R, slot.size), or what
        broadcasts to it.
        """
        self._relations.append((slot, values))

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
        facts: FactTable | SetTable,
        readout: Readout | Callable[[FactTable], Readout],
        margin: MarginClaim,
        dtype: torch.dtype,
        *,
        hops: int = 1,
        repeats: int = 1,
        hops_per_token: int = 0,
        stored_only: bool = False,
        facts_inside: bool = False,
        settled: Mapping[str, int | bool | None] | None = None,
        model: type[FactModel] = FactModel,
    ) -> Plan[Any]:
        """The drafted model, of which no weight is allocated yet.

        Args:
            facts: what the model is to answer; also the source of the names.
            readout: from which the unembedding is written; a function, if it depends on the facts.
            margin: the construction's claim; where heads select positions, for the case without a
                leak.
            dtype: of all weights.
            hops: the length of the paths; of a chain of thought that of the longest.
            repeats: how often the drafted layers are applied.
            hops_per_token: of a chain of thought, how many hops each written token makes.
            stored_only: whether the answers to those queries alone are claimed whose path meets
                no missing fact. Columns that `entities` gives to missing facts are 0 then, and
                *unknown* needs no code.
            facts_inside: whether internal weights hold facts, so that none can be installed.
            settled: options of the builder that it has found of the facts where none were given;
                the recipe has them, so that the model can be made again.
            model: the class of the model.

        Raises:
            ValueError: what was recorded cannot be: see `Holds` and `LayerDraft.takes`.
            InputError: stored facts alone are claimed, and there is none.
        """
        model.require_table(facts)
        require_claim(self.construction, facts, stored_only)
        hops, hops_per_token = whole("hops", hops, 1), whole("hops_per_token", hops_per_token, 0)
        shape = TransformerShape(
            d_vocab=len(self.vocabulary),
            d_model=self.stream.width,
            layers=tuple(layer.shape() for layer in self.layers),
            n_positions=self.n_positions,
            repeats=repeats,
        )
        if hops_per_token and self.vocabulary.specials != WRITING:
            raise ValueError(
                f"{self.construction} writes tokens, so that its special tokens are {WRITING}; got"
                f" {self.vocabulary.specials}"
            )
        made, always = (readout, None) if callable(readout) else (None, readout)
        fact_tables = {"embedding.weight"} | (
            {"unembedding.weight"} if made is not None else set()
        )
        writer = TokenRows(
            tuple(self._holds),
            tuple(self._made),
            tuple(self._constants),
            tuple(self._relations),
            unknown_is_read=hops_per_token > 0,
            stored_only=stored_only,
            readout=made,
        )
        books = self._books()
        allocate = partial(
            model,
            self.construction,
            shape,
            dtype,
            self.vocabulary,
            self.stream,
            self._record(facts.functions.n_relations, repeats, hops_per_token or hops),
            writer,
            cast("FactTable", facts),  # of sets, where the class of the model takes these
            hops=hops,
            hops_per_token=hops_per_token,
            stored_only=stored_only,
            fact_tables=None if facts_inside else frozenset(fact_tables),
            codebooks=books,
        )

        def write(built: FactModel) -> None:
            """Write everything into zero weights: the draft, the unembedding, the facts."""
            self._write_internal_weights(built)
            if always is not None:
                built.write_readout(always)
            writer(built, facts)

        def readout_of_facts() -> Readout:
            """What the unembedding is written from."""
            return made(facts.functions) if made is not None else cast("Readout", always)

        def tables() -> dict[str, Iterator[Tensor]]:
            """The rows of both tables, from what writes them in memory."""
            rows = writer.checked(self.vocabulary, facts.functions)
            return {
                "embedding.weight": rows.blocks(shape.d_model, dtype),
                "unembedding.weight": readout_of_facts().blocks(
                    shape.d_vocab, shape.d_model, dtype
                ),
            }

        return Plan(
            self.construction,
            shape,
            dtype,
            margin,
            books,
            allocate,
            write,
            self._write_internal_weights,
            tables,
            readout_of_facts,
            dict(settled or {}),
        )

    def _books(self) -> tuple[Codebook, ...]:
        """The codebooks of all claims."""
        return books_of([*self._holds, *self._kept()], self._made)

    def _kept(self) -> list[Holds]:
        """What all layers keep, each time that they are applied."""
        taken = [one for layer in self.layers for one in layer.taken]
        return [holds for one in taken for holds in one.keeps or ()]

    def _record(self, n_relations: int, repeats: int, n_letters: int) -> Record:
        """What was said of embeddings and layers, by names and columns."""
        books = self._books()
        passes = []
        if any(layer.taken for layer in self.layers):
            for layer in self.layers:
                if len(layer.taken) != repeats:
                    raise ValueError(
                        f"a layer of {self.construction} takes letters {len(layer.taken)} times,"
                        f" and is applied {repeats} times"
                    )
            applied = [layer.taken[i] for i in range(repeats) for layer in self.layers]
            letters = [letter for one in applied for letter in one.letters]
            if letters != list(range(1, n_letters + 1)):
                raise ValueError(
                    f"the layers of {self.construction} take the letters {letters}, of"
                    f" {n_letters}: each is taken once, in order"
                )
            for one in applied:
                kept = [held.block(n_relations, books) for held in one.keeps or ()]
                passes.append(Pass(one.letters, None if one.keeps is None else tuple(kept)))
        held = [one.block(n_relations, books) for one in self._holds]
        subject = (*held, *(one.block(books) for one in self._made))
        return Record(subject, tuple(layer.recorded() for layer in self.layers), tuple(passes))

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
