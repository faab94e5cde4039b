"""A model made again from its recipe, its facts and its codebooks."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Protocol, TypeVar, cast

import numpy as np
import torch
from torch import nn

from constructions.facts.answers import MISSING
from constructions.facts.codes import Codebook
from constructions.facts.table import FactTable
from constructions.guards.errors import DoesNotFit, InputError
from constructions.model.margin import MarginClaim
from constructions.model.recipe import Planned, Recipe, codebooks_argument, option_names
from constructions.model.stated import Fingerprint


class Recorded(Protocol):
    """What is asked of a model that is to be made again, beside being a module: see
    `constructions.model.fact_model.FactModel`.
    """

    construction: str
    recipe: Recipe
    facts: FactTable
    codebooks: tuple[Codebook, ...]
    embedding: nn.Embedding

    def margin_of_weights(self) -> MarginClaim:
        """What is proven of the logits of these weights."""


Model = TypeVar("Model", bound=Recorded)


def same_codebooks(some: Sequence[Codebook], others: Sequence[Codebook]) -> bool:
    """Whether the two give codes to the same tokens, book by book."""
    return len(some) == len(others) and all(
        map(np.array_equal, *([b.tokens for b in books] for books in (some, others)))
    )


def planned(
    recipe: Recipe, facts: FactTable, books: Sequence[Codebook] | None, dtype: torch.dtype
) -> Planned[Any]:
    """The plan of the model that the recipe makes: its sizes are known, no weight is allocated.

    A builder that takes no codebook makes those that its model needs. Its model has others only if
    it was built for facts some of which were missing, and total ones were installed since; so this
    is done again.

    Args:
        recipe, facts, dtype: of the model.
        books: the model's codebooks; None for those that the builder makes of the facts.

    Raises:
        InputError: the builder has other options or no such codebooks, or what it raises.
    """
    build, names = recipe.build, option_names(recipe.build)
    if recipe.options.keys() != set(names):
        raise InputError(
            f"{recipe.builder} has the options {sorted(names)}; got {sorted(recipe.options)}"
        )
    argument, several = codebooks_argument(build)
    if books is None:
        return build.plan(facts, **recipe.options, dtype=dtype)
    if several:
        return build.plan(facts, **recipe.options, **{str(argument): list(books)}, dtype=dtype)
    if argument is not None:
        _require_count(recipe, books, 1)
        return build.plan(facts, **recipe.options, **{argument: books[0]}, dtype=dtype)
    plan = build.plan(facts, **recipe.options, dtype=dtype)
    _require_count(recipe, books, len(plan.codebooks))
    if same_codebooks(books, plan.codebooks):
        return plan
    answers = facts.answers.copy()
    answers[0, 0] = MISSING
    partial = FactTable(answers, facts.entity_names, facts.relation_names)
    plan = build.plan(partial, **recipe.options, dtype=dtype)
    if not same_codebooks(books, plan.codebooks):
        raise InputError(
            f"{recipe.builder} takes no codebook, and gives codes to other tokens than the"
            " codebook that the model is to have"
        )
    return plan.then_install(facts)


def _require_count(recipe: Recipe, books: Sequence[Codebook], expected: int) -> None:
    """Raise InputError unless there are as many codebooks as expected."""
    if len(books) != expected:
        raise InputError(
            f"the number of codebooks is {len(books)}, and a model of {recipe.builder} has"
            f" {expected}"
        )


def as_built(model: Model) -> Model:
    """The model made again from its recipe, its facts and its codebooks, in the dtype of its
    weights: if the two are the same, bit for bit, whatever a builder proves of its model holds for
    this one.

    So a conversion to another dtype keeps what is proven just if the builder takes that dtype, and
    makes the weights that the conversion made. On a GPU that is so for claims without rounding:
    integers whose sums are exact in any order.

    Returns:
        The new model, on the CPU.

    Raises:
        InputError: the model has no recipe, or is not what the recipe makes; what differs is
            named.
        DoesNotFit: the construction does not exist in this dtype.
    """
    if not hasattr(model, "recipe"):
        raise InputError(f"{model.construction} has no recipe: nothing is known of its weights")
    weight = model.embedding.weight
    try:
        again: Model = planned(model.recipe, model.facts, model.codebooks, weight.dtype).build()
    except DoesNotFit as error:
        raise DoesNotFit(
            f"nothing is proven of these weights in {weight.dtype}: {error}"
        ) from None
    module = cast("nn.Module", model)
    change = Fingerprint(cast("nn.Module", again)).change(
        module if weight.device.type in ("cpu", "meta") else copy.deepcopy(module).cpu()
    )
    if change is None and weight.device.type not in ("cpu", "cuda"):
        change = f"on {weight.device.type} no arithmetic is known to be exact"
    elif change is None and weight.device.type != "cpu" and again.margin_of_weights().rounds:
        change = (
            f"its margin has room for the rounding of a CPU, and it is on {weight.device.type}"
        )
    if change is not None:
        raise InputError(
            f"{model.construction} is not as it was built: {change}. Nothing is proven of it as it"
            " is now; build it again, load the weights of then, or run all queries"
            " (verify.queries.recall, or verify.learned.proven.prove_recall for a proof)"
        )
    return again
