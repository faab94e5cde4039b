"""A construction inside a transformer of its own architecture that is larger, or stands in another
basis.
"""

from __future__ import annotations

import copy
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from constructions.guards.errors import InputError
from constructions.model.answering import Answering
from constructions.model.fact_model import FactModel
from constructions.model.margin import MarginClaim
from constructions.model.stated import Stated, Stating, require_arithmetic
from constructions.model.transformer import TRANSFORMER, Transformer


class _Claims(NamedTuple):
    """What is proven of a form; None for nothing."""

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
        self.vocabulary, self.facts = source.vocabulary, source.facts
        self.hops, self.hops_per_token = source.hops, source.hops_per_token
        self.stored_only = source.stored_only

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
    made = ModelForm(transformer, copy.deepcopy(source), basis)
    made.state(margin, logit_error)
    return made


def margin_to_begin_with(model: FactModel, proven: bool) -> MarginClaim | None:
    """The margin of the weights at hand, as `margin_of_weights`; if nothing is to be proven, None
    where nothing is known of them.
    """
    return model.margin_of_weights() if proven else margin_if_proven(model)


def margin_if_proven(model: FactModel | ModelForm) -> MarginClaim | None:
    """The margin of the weights at hand; None where nothing is proven of them."""
    try:
        return model.margin_of_weights()
    except InputError:
        return None
