"""What a construction is known to have planted: the units that select, and for which relations.

Known from the record that its builder has left (`constructions.forms.mechanism`), of constructions
in which every relation has a block of the stream and units close those of all others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from constructions.decoders.model_form import ModelForm
from constructions.forms.mechanism import mechanism
from constructions.guards.errors import InputError
from constructions.model.fact_model import FactModel


@dataclass(frozen=True)
class PlantedUnits:
    """Units that select.

    Attributes:
        units: their numbers (n,) among all hidden units.
        on: bool (R, n): for which relations each is on.
    """

    units: NDArray[np.int64]
    on: NDArray[np.bool_]


def planted_units(model: FactModel | ModelForm) -> PlantedUnits:
    """The units that close blocks: each is on for all relations but that of its own block.

    Raises:
        InputError: there are none, or nothing is known of the model's weights.
    """
    source = model.source if isinstance(model, ModelForm) else model
    n_relations = source.vocabulary.n_relations
    for step in mechanism(model):
        if step.units is None or step.layer or step.hidden_layer or step.reads != step.writes:
            continue
        shape = source.stream[step.reads[0]].shape
        if shape[0] == n_relations and np.prod(shape) == len(step.units):
            units = np.arange(step.units.start, step.units.stop)
            own = np.repeat(np.arange(n_relations), len(units) // n_relations)
            return PlantedUnits(units, own != np.arange(n_relations)[:, None])
    raise InputError(f"no units of {source.construction} close the blocks of relations")
