"""A planned model: everything about it is known, and no weight is allocated yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

import torch
from torch import Tensor

from constructions.facts.codes import Codebook
from constructions.facts.table import FactTable
from constructions.guards.errors import InputError
from constructions.guards.memory import require_memory
from constructions.model.fact_model import FactModel
from constructions.model.margin import MarginClaim
from constructions.model.ordinary_tensors import ordinary_tensors
from constructions.model.readout import Readout
from constructions.model.recipe import Recipe
from constructions.model.shapes import TransformerShape
from constructions.writing.position_reading import with_leaks

Model = TypeVar("Model", bound=FactModel)


@dataclass(frozen=True)
class Plan(Generic[Model]):
    """What a builder makes of its facts before it takes memory for weights.

    Attributes:
        construction: the name in the catalogue.
        shape: all sizes of the model.
        dtype: of all weights.
        claim: the construction's margin; where heads select positions, for the case without a
            leak.
        codebooks: what gives the nodes their codes.
        allocate: makes the model, with weights that are all zero.
        write: writes all weights, those that hold facts included.
        write_inside: writes all but the embedding and the unembedding.
        tables: makes these two, by their names, in rows (n, d_model) that follow each other; a
            table is not to be held whole.
        readout: makes what the unembedding is written from.
        settled: options that the builder has found of the facts where none were given, by name.
        recipe: left in the model; see `constructions.model.recipe.recorded`.
        installed: facts that are installed in the model once it is built; None for none.
    """

    construction: str
    shape: TransformerShape
    dtype: torch.dtype
    claim: MarginClaim
    codebooks: tuple[Codebook, ...]
    allocate: Callable[[], Model]
    write: Callable[[FactModel], None]
    write_inside: Callable[[FactModel], None]
    tables: Callable[[], dict[str, Iterator[Tensor]]]
    readout: Callable[[], Readout]
    settled: Mapping[str, int | bool | None] = field(default_factory=dict)
    recipe: Recipe | None = None
    installed: FactTable | None = None

    def made_by(self, recipe: Recipe) -> Plan[Model]:
        """The same plan, which leaves this recipe in the model, with the options that were found
        of the facts.
        """
        options = recipe.options | dict(self.settled)
        return replace(self, recipe=replace(recipe, options=options))

    def then_install(self, facts: FactTable) -> Plan[Model]:
        """The same plan, which at last installs these facts in the model."""
        return replace(self, installed=facts)

    def build(self) -> Model:
        """Allocate the model and write all its weights.

        It is made of ordinary tensors on the CPU, outside of inference mode, so that it can be
        changed and trained afterwards; then it is moved to torch's default device, as any module
        would be made there.

        Raises:
            DoesNotFit: the weights need more memory than the machine has; nothing has been
                allocated then.
            InputError: the default device is `meta`, whose tensors hold nothing.
        """
        device = torch.get_default_device()
        if device.type == "meta":
            builder = self.construction if self.recipe is None else self.recipe.builder
            raise InputError(
                f"{builder} writes facts into weights, and torch's default device is meta,"
                " where tensors hold nothing; build it on another device (with"
                " torch.device('cpu'): ...)"
            )
        count = self.shape.n_parameters()
        require_memory(
            count * self.dtype.itemsize,
            f"the weights of {self.construction} ({count:,} parameters in {self.dtype})",
        )
        with ordinary_tensors(), torch.no_grad():
            model = self.allocate()
            self.write(model)
            self._state(model, self.claim)
            if self.installed is not None:
                claim = model.margin_of_weights()
                model.install(self.installed)
                self._state(model, claim)  # without a leak it is about any facts
            if self.recipe is not None:
                model.recipe = self.recipe
            return model if device.type == "cpu" else model.to(device)

    def without_tables(self) -> Model:
        """The model with all weights but the embedding and the unembedding, which take no memory:
        they are on torch's device `meta`. It says what is claimed, and answers nothing.

        Raises:
            DoesNotFit: the weights that it has need more memory than the machine has.
        """
        inside = self.shape.n_parameters() - 2 * self.shape.d_vocab * self.shape.d_model
        require_memory(
            inside * self.dtype.itemsize,
            f"the internal weights of {self.construction} ({inside:,} in {self.dtype})",
        )
        with ordinary_tensors(), torch.no_grad():
            with torch.device("meta"):
                model = self.allocate()
            for part in (model.layers, model.positions):
                if part is not None:
                    part.to_empty(device="cpu")
                    for weight in part.parameters():
                        weight.zero_()
            self.write_inside(model)
        model.readout = self.readout()
        if self.recipe is not None:
            model.recipe = self.recipe
        return model

    def _state(self, model: FactModel, claim: MarginClaim) -> None:
        """State a claim of the model as it is; where it has positions, which its heads select,
        less what their softmax leaks.
        """
        model.margin = claim
        if model.positions is not None:
            model.margin = with_leaks(model)
