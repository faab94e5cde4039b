"""A transformer that knows which facts it answers: what every constructor returns."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from constructions.facts.changes import Change, changed_table
from constructions.facts.codes import Codebook
from constructions.facts.set_table import FUNCTIONS_ALONE, SetTable
from constructions.facts.table import FactTable
from constructions.facts.vocabulary import Vocabulary
from constructions.guards.errors import InputError
from constructions.model.answering import Answering
from constructions.model.installing import installing, require_changeable, require_claim
from constructions.model.margin import MarginClaim
from constructions.model.nearest import nearest
from constructions.model.readout import Readout
from constructions.model.rebuild import as_built
from constructions.model.recipe import Recipe
from constructions.model.record import Record
from constructions.model.shapes import TransformerShape
from constructions.model.stated import Stated, Stating, require_arithmetic
from constructions.model.stream import Space
from constructions.model.transformer import TRANSFORMER, Transformer
from constructions.model.updating import Update, updated


class FactWriter(Protocol):
    """Writes facts into the token embedding (and what else is in `fact_tables`), after checking
    everything.
    """

    def __call__(self, model: FactModel, facts: FactTable | SetTable) -> None:
        """Write all rows."""

    def update(self, model: FactModel, facts: FactTable) -> dict[str, int]:
        """Write the rows that differ from those for the facts that the model has; returns how many
        of each parameter.
        """


class FactModel(Stating, Transformer, Answering):
    """A transformer with the plan of its construction: which slot of the stream holds what, and
    how answers are read.

    Attributes:
        construction: the name in the catalogue.
        vocabulary: the token ids.
        stream: the residual stream's named slots.
        record: what embeddings, heads, units and layers do, as the builder has said it.
        readout: how the unembedding reads the final state.
        hops: how many relations a path has; of a chain of thought, the longest one.
        stored_only: whether it claims the answers to stored queries alone (see `Answering`).
        fact_tables: the parameters that hold facts and that `install` may write; None if internal
            weights hold facts.
        codebooks: what gives the answers, or the states of a path, their codes.
        built_dtype: the dtype that the weights were written in.
        recipe: the builder and its options; set by every public builder.
        is_mapped: whether the weights are a file that is mapped; then an answer is looked for by
            the readout, and its row alone is read (`constructions.model.nearest`).
    """

    recipe: Recipe
    readout: Readout
    is_mapped = False
    _margin: Stated[MarginClaim] | None = None
    may_raise: ClassVar = frozenset({"margin"})

    def __init__(
        self,
        construction: str,
        shape: TransformerShape,
        dtype: torch.dtype,
        vocabulary: Vocabulary,
        stream: Space,
        record: Record,
        writer: FactWriter,
        facts: FactTable,
        *,
        hops: int,
        hops_per_token: int,
        stored_only: bool,
        fact_tables: frozenset[str] | None,
        codebooks: tuple[Codebook, ...],
    ):
        super().__init__(shape, dtype)
        self.construction = construction
        self.vocabulary = vocabulary
        self.stream = stream
        self.record = record
        self.hops, self.hops_per_token, self.stored_only = hops, hops_per_token, stored_only
        self.fact_tables = fact_tables
        self.codebooks = codebooks
        self.built_dtype = dtype
        self._write_facts = writer
        self.facts = facts

    @classmethod
    def require_table(cls, facts: object) -> None:
        """Raise InputError unless these are facts that such a model may hold: functions."""
        if isinstance(facts, SetTable):
            raise InputError(FUNCTIONS_ALONE)

    @property
    def claimed(self) -> str:
        """Which queries it claims to answer, as certificate and manifest have it: `all`, the
        `stored` ones, or `sets`.
        """
        return "stored" if self.stored_only else "all"

    @property
    def margin(self) -> MarginClaim:
        """What is proven of the logits, for the weights, the dtype and the arithmetic at hand.

        Setting it states that the claim is proven of the weights as they are then. A model that
        has changed since, or that has other facts or another dtype, is made again from its recipe
        (see `constructions.model.rebuild.as_built`): if these are its weights, bit for bit, the
        claim is the new one's.

        Raises:
            InputError: the weights are others, or torch does not compute in their dtype here; what
                has changed is named.
            DoesNotFit: the construction does not exist in the dtype of the weights.
        """
        claim = self.margin_of_weights()
        require_arithmetic(self, "the margin", TRANSFORMER)
        return claim

    @margin.setter
    def margin(self, claim: MarginClaim) -> None:
        self._margin = Stated(self, claim)

    def margin_of_weights(self) -> MarginClaim:
        """As `margin`, whatever arithmetic the caller is in: what proofs about the weights begin
        with.
        """
        stated = self._margin
        if stated is None:
            raise InputError(
                f"{self.construction} states no margin; set it when all weights are written"
            )
        if not hasattr(self, "recipe"):
            return stated.of(self, "the margin")
        if stated.fingerprint.change(self) is None:
            return stated.value
        claim = as_built(self).margin_of_weights()
        self.margin = claim
        return claim

    @torch.no_grad()
    def install(self, facts: FactTable) -> None:
        """Put other facts in place of the present ones: only the tables that name tokens are
        written.

        The paper's freeze-and-swap transfer without a gradient step. All internal weights
        (attention, MLPs, positions) stay bit-identical, and so does the unembedding unless it is
        in `fact_tables`; torch's version counters are asked whether that is so. `answer` then
        takes the names of the new table.

        Raises:
            InputError: the facts are no functions, internal weights hold facts, the sizes differ,
                an answer has no code in this model (see `Codebook.of`), stored facts alone are
                claimed and there is none, or a parameter is an inference tensor, which cannot be
                changed.
        """
        self.require_table(facts)
        if self.fact_tables is None:
            raise InputError(
                f"{self.construction} keeps facts in its internal weights, so that facts cannot be"
                " exchanged by rewriting embeddings; build a new model"
            )
        sizes = (facts.n_entities, facts.n_relations)
        expected = (self.vocabulary.n_entities, self.vocabulary.n_relations)
        if sizes != expected:
            raise InputError(
                f"this model has {expected} entities and relations; the facts have {sizes}"
            )
        require_claim(self.construction, facts, self.stored_only)
        require_changeable(self)
        with installing(self, self.fact_tables):
            self._write_facts(self, facts)
        self.facts = facts

    @torch.no_grad()
    def update(self, changes: Iterable[Change]) -> Update:
        """Change single facts, by name: `model.update([("France", "capital", "Lyon")])`.

        Every id stays. A name that is new takes the place of a spare entity, and an entity that no
        fact mentions any more stays an entity. The weights are then those that the builder writes
        for the changed table and the codebooks of this model, bit for bit, if they were so before.
        Where no internal weight holds facts only the rows concerned are written; else the internal
        weights are built again, in place.

        Args:
            changes: triples (subject, relation, object); None as object removes the fact.

        Returns:
            What has changed.

        Raises:
            InputError: see `constructions.facts.changes.changed_table`; a new answer has no code,
                or the construction does not take the changed table in its present sizes; or
                internal weights hold facts and are not as they were built. Nothing is changed
                then.
        """
        return updated(self, changed_table(self.facts, changes))

    @torch.no_grad()
    def write_readout(self, readout: Readout) -> None:
        """Write the unembedding that the readout declares, and declare it."""
        weight, start = self.unembedding.weight, 0
        for rows in readout.blocks(len(weight), weight.shape[1], weight.dtype):
            weight[start : start + len(rows)] = rows.to(weight.device)
            start += len(rows)
        self.readout = readout

    def _best_tokens(self, states: Tensor) -> Tensor:
        """The tokens of the largest logits in final states (Q, d_model)."""
        found = None
        if self.is_mapped:
            found = nearest(self.readout, self.unembedding.weight, states)
        return super()._best_tokens(states) if found is None else found

    def slot_state(self, states: Tensor, slot: str) -> Tensor:
        """The named slot of residual-stream states: (..., d_model) to (..., *slot shape)."""
        columns = self.stream[slot].columns
        return states[..., torch.from_numpy(columns).to(states.device)]

    def set_slot(self, states: Tensor, slot: str, value: Tensor | float) -> Tensor:
        """The same states (..., d_model) with another value (..., *slot shape) in the named slot:
        for `trace`'s edits.
        """
        changed = states.clone()
        changed[..., torch.from_numpy(self.stream[slot].columns).to(states.device)] = (
            torch.as_tensor(value, device=states.device).to(states)
        )
        return changed
