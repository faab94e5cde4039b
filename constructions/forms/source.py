"""What is known of a model that is to be re-written: its construction and basis, and the margin
where all weights are as the builder wrote them.
"""

from __future__ import annotations

import torch
from torch import Tensor

from constructions.catalogue import WITH_SETS
from constructions.decoders.model_form import ModelForm
from constructions.decoders.targets import require_construction, require_plain
from constructions.decoders.transformer_seeding import write_into, zeros
from constructions.guards.errors import InputError
from constructions.model.fact_model import FactModel
from constructions.model.margin import MarginClaim
from constructions.model.rebuild import planned
from constructions.model.recipe import Recipe
from constructions.model.transformer import Transformer
from constructions.writing.position_reading import SELECTED_GAP


def source_of(model: FactModel | ModelForm) -> tuple[FactModel, Tensor]:
    """The construction, and its basis in the model, whose parameters are those of its shape."""
    if not isinstance(model, ModelForm):
        require_construction(model)
    with torch.device("meta"):
        fresh = Transformer(model.shape)
    require_plain(model, fresh, finite=False)
    if any(
        layer.attention is not None and layer.attention.scaled for layer in model.layer_sequence()
    ):
        raise InputError(
            "the scores of an attention are scaled, which those of a construction are not"
        )
    if isinstance(model, ModelForm):
        return model.source, model.basis
    return model, torch.eye(model.shape.d_model, dtype=model.embedding.weight.dtype)


def is_of_catalogue(model: FactModel) -> bool:
    """Whether a builder of the catalogue has made the model, whose theorem holds of it."""
    recipe = getattr(model, "recipe", None)
    return isinstance(recipe, Recipe) and any(
        entry.builder_name == recipe.builder and entry.constructor() is recipe.build
        for entry in WITH_SETS.values()
    )


def selected_gap(model: FactModel) -> int | None:
    """By how much the score of the position that a head with queries selects is above all others,
    at a position that answers; None where no theorem of the catalogue says so: without positions,
    and of a user's own construction.
    """
    selects = model.positions is not None and is_of_catalogue(model)
    return SELECTED_GAP if selects else None


def margin_as_built(model: FactModel | ModelForm) -> MarginClaim:
    """The construction's margin, if all weights are those of the construction in their dtype, and
    0 where it has none.

    Raises:
        InputError: they are not.
    """
    given, _ = source_of(model)
    dtype = model.embedding.weight.dtype
    try:
        margin = given.margin_of_weights()
        if dtype != given.embedding.weight.dtype:
            given = planned(given.recipe, given.facts, given.codebooks, dtype).build()
            margin = given.margin_of_weights()
    except InputError as error:
        raise InputError(
            f"the proof by norms is about a construction as it was built: {error}; ask by"
            ' "queries"'
        ) from None
    if isinstance(model, FactModel):
        return margin
    clean = zeros(model.shape, dtype)
    write_into(clean, given)
    for name, weight in model.named_parameters():
        if not torch.equal(weight.cpu(), clean.get_parameter(name)):
            raise InputError(
                "the proof by norms is about a construction without noise, in its own basis;"
                f' {name} has changed: ask by "queries"'
            )
    return margin
