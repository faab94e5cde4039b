"""Whether a model is of what its builder was given. A proof is about the facts and paths of the
saved model, so that these must be the ones that were asked for.
"""

from __future__ import annotations

import torch
from torch import Tensor

from constructions.facts.table import FactTable
from constructions.model.fact_model import FactModel

AT_ONCE = 2**20
"""Numbers that are looked at together."""


def not_as_asked(
    model: FactModel, facts: FactTable, hops: int, dtype: torch.dtype, stored_only: bool = False
) -> str:
    """What a builder has done in place of what it was asked for; empty if nothing.

    Args:
        model: what it has built.
        facts, hops, dtype: what it was given.
        stored_only: whether the construction says that stored queries alone are claimed.
    """
    if model.facts != facts:
        return "has written other facts than it was given"
    lengths = model.path_lengths
    if hops not in lengths:
        answered = f"{lengths[0]}" if len(lengths) == 1 else f"{lengths[0]} to {lengths[-1]}"
        return f"was asked for paths of {hops} relations, and its model answers {answered}"
    for name, weight in model.named_parameters():
        if weight.dtype != dtype:
            return f"was asked for {dtype}, and {name} is {weight.dtype}"
        if not is_finite(weight):
            return f"has written a number into {name} that is not finite"
    if model.stored_only != stored_only:
        said = {True: "stored queries alone", False: "all queries"}
        return (
            f"makes a model that claims {said[model.stored_only]}, and its construction says"
            f" {said[stored_only]} (stored_only={stored_only})"
        )
    return ""


def is_finite(weight: Tensor) -> bool:
    """Whether all numbers of a tensor are finite; looked at some at a time, since what says so of
    each number takes as much memory as the tensor.
    """
    return all(
        bool(some.isfinite().all()) for some in torch.split(weight.detach().ravel(), AT_ONCE)
    )
