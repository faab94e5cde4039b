"""A model of facts with every tensor rounded to b bits.

Each tensor is rounded to a uniform grid of 2^b levels (`verify.learned.tensor_grids`) that covers
a share of its range. The shares are searched: one for all tensors, those of least squared error,
and then tensor by tensor, keeping what recalls most, of equals what has the least cross-entropy.
Fine-tuning goes on from there with a straight-through estimator.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from constructions.facts.table import FactTable
from constructions.guards.integers import whole
from verify.learned.answered import Answered, Prompts, Score
from verify.learned.straight_through import tuned
from verify.learned.tensor_grids import TensorGrid, grids_for, squared_error

MOST_BITS = 16
BITS_OF_B = 5
"""What names b, 1 to 16 or none."""
_Grids = dict[str, TensorGrid]
SCALES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3)
"""The shares of a tensor's range that levels may cover."""


@dataclass(frozen=True)
class Quantised:
    """A model whose tensors are rounded.

    Attributes:
        model: with the rounded weights.
        bits: b.
        grids: by the names of tensors.
        score: how many queries it answers right, and its cross-entropy.
        weights: of the model before it was rounded.
    """

    model: nn.Module
    bits: int
    grids: Mapping[str, TensorGrid]
    score: Score
    weights: Mapping[str, Tensor]

    @property
    def total_bits(self) -> int:
        """All tensors, their grids, and b."""
        return BITS_OF_B + sum(grid.bits for grid in self.grids.values())

    def tuned(self, facts: FactTable | Prompts, steps: int) -> Quantised:
        """The same after fine-tuning on its grids: the best of what is seen in so many steps."""
        answered = Answered(self.model, facts)
        rounded = tuned(answered, self.weights, self.grids, whole("steps", steps, 0))
        model, score = _with(self.model, rounded), answered.score(rounded)
        return replace(self, model=model, score=score)


def quantise(
    model: nn.Module,
    facts: FactTable | Prompts,
    bits: int,
    *,
    tensor_by_tensor: bool = True,
) -> Quantised:
    """The model with every tensor on a grid of 2^bits levels.

    Args:
        model: any that gives logits for the tokens of `facts.dataset()`: trained or built.
        facts: a table, of which one hop is asked; or other prompts.
        bits: b, 1 to 16.
        tensor_by_tensor: whether scales are also searched for each tensor by itself, which takes
            eight passes over all queries for each.

    Raises:
        InputError: an argument is out of range, or a weight is not a finite number.
    """
    bits = whole("bits", bits, 1, MOST_BITS)
    answered = Answered(model, facts)
    weights = {name: value.detach() for name, value in model.named_parameters()}
    choices = {name: grids_for(value, bits, SCALES) for name, value in weights.items()}

    def score(grids: Mapping[str, TensorGrid]) -> Score:
        """Of the model with its tensors on these grids."""
        return answered.score({name: grids[name].nearest(weights[name]) for name in weights})

    found = _best([], _alike(weights, choices), score)
    if tensor_by_tensor:
        for name, possible in choices.items():
            found = _best([found], [found[1] | {name: grid} for grid in possible], score)
    best, grids = found
    rounded = {name: grids[name].nearest(weights[name]) for name in weights}
    return Quantised(_with(model, rounded), bits, grids, best, weights)


def _alike(
    weights: Mapping[str, Tensor], choices: Mapping[str, list[TensorGrid]]
) -> list[dict[str, TensorGrid]]:
    """One scale for all tensors, each of them; and for each tensor that of least squared error."""
    least = {
        name: min(possible, key=lambda grid, name=name: squared_error(weights[name], grid))  # type: ignore[misc]
        for name, possible in choices.items()
    }
    places = range(len(SCALES))
    return [least, *({name: choices[name][place] for name in choices} for place in places)]


def _best(
    known: list[tuple[Score, _Grids]],
    several: list[_Grids],
    score: Callable[[Mapping[str, TensorGrid]], Score],
) -> tuple[Score, _Grids]:
    """Those with which most is recalled, and how much; each is scored once."""
    scored = list(known)
    for grids in several:
        if all(grids != others for _, others in scored):
            scored.append((score(grids), grids))
    return max(scored, key=lambda one: one[0])


def _with(model: nn.Module, weights: Mapping[str, Tensor]) -> nn.Module:
    """A copy with these weights."""
    other = copy.deepcopy(model)
    with torch.no_grad():
        for name, parameter in other.named_parameters():
            parameter.copy_(weights[name])
    return other


def least_bits(
    model: nn.Module,
    facts: FactTable,
    *,
    tensor_by_tensor: bool = True,
    tuning_steps: int = 0,
) -> Quantised | None:
    """The model in the fewest bits a tensor with which it answers every query right; None if it
    does not even unrounded, or if 16 are too few.

    Args, raises: as `quantise` and `Quantised.tuned`.
    """
    answered = Answered(model, facts)
    if answered.score({}).right < answered.n_queries:
        return None
    for bits in range(1, MOST_BITS + 1):
        found = quantise(model, facts, bits, tensor_by_tensor=tensor_by_tensor)
        if tuning_steps and found.score.right < answered.n_queries:
            found = found.tuned(facts, tuning_steps)
        if found.score.right == answered.n_queries:
            return found
    return None
