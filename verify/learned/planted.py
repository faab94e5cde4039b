"""What a construction is known to have planted: where rows hold each relation's answers, and which
units select it.

Known from the record that its builder has left, of constructions whose subjects hold a block for
each relation (paths of several hops count as relations). Units are known where they close the
blocks of all relations but one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from constructions.decoders.model_form import ModelForm
from constructions.decoders.standard_model import StandardModel
from constructions.facts.words import all_words
from constructions.forms.mechanism import mechanism
from constructions.guards.errors import InputError
from constructions.model.fact_model import FactModel
from verify.learned.decoder import Floats
from verify.learned.structure import Structure


@dataclass(frozen=True)
class PlantedUnits:
    """Units that select.

    Attributes:
        units: their numbers (n,) among all hidden units.
        on: bool (R, n): for which relations each is on.
    """

    units: NDArray[np.int64]
    on: NDArray[np.bool_]

    @property
    def pairs(self) -> frozenset[tuple[int, int]]:
        """(unit, relation that it is off for)."""
        return frozenset(zip(self.units.tolist(), self.on.argmin(axis=0).tolist(), strict=True))


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


def planted_subspaces(source: FactModel, basis: Floats | None = None) -> dict[int, Floats]:
    """For each relation, or path of `hops` relations, orthonormal rows (k, d) that span what the
    subjects' embeddings differ by in its block.

    Args:
        source: a construction as it was built.
        basis: (d, d_source): what the source's stream is in another one; None for its own.
    """
    rows = source.embedding.weight.detach().double().cpu().numpy()
    rows = rows[: source.vocabulary.n_entities]
    placed = np.eye(rows.shape[1]) if basis is None else basis
    words = all_words(source.vocabulary.n_relations, source.hops)
    found = {}
    for block in source.record.subject:
        if block.words != source.hops:
            continue
        inside = np.flatnonzero((words[:, -1] >= block.last[0]) & (words[:, -1] < block.last[1]))
        for word, columns in zip(
            inside.tolist(), np.array_split(np.arange(*block.columns), len(inside)), strict=True
        ):
            held = (rows[:, columns] - rows[:, columns].mean(axis=0)) @ placed[:, columns].T
            _, lengths, axes = np.linalg.svd(held, full_matrices=False)
            if (kept := lengths > 1e-6 * max(lengths[0], 1e-300)).any() and lengths[0] > 0:
                found[word] = axes[kept]
    return found


def basis_of(model: ModelForm | StandardModel) -> Floats:
    """(d, d_source): what the stream of the construction is in that of a form or of a standard
    decoder; with LayerNorm, less a coordinate's mirror.
    """
    if isinstance(model, ModelForm):
        basis: Floats = model.basis.double().cpu().numpy()
        return basis
    places = model.embedding_map
    own = np.arange(places.stream.width)
    basis = np.zeros((places.d_model, len(own)))
    basis[places.columns[own], own] = 1
    if len(places.mirror):
        basis[places.mirror[own], own] = -1
    return basis


def planted(source: FactModel, model: ModelForm | StandardModel | None = None) -> Structure:
    """What a construction has planted in itself, in a form, or in a standard decoder, where units
    are counted through all blocks. Units are None where they close no blocks.
    """
    subspaces = planted_subspaces(source, None if model is None else basis_of(model))
    try:
        pairs = planted_units(source).pairs
    except InputError:
        return Structure(subspaces)
    start = 0
    if isinstance(model, StandardModel):
        start = model.embedding_map.first_block * model.shape.d_mlp
    return Structure(subspaces, frozenset((start + unit, r) for unit, r in pairs))
