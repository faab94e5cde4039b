"""What several models are trained on, as tensors: the same tokens for all, or each its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import TensorDataset

from constructions.facts.table import FactTable
from constructions.guards.errors import InputError

Sequences = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Tokens (Q, L) and targets (Q, A), as `FactTable.dataset` makes them; where a target is -1 it
does not matter what is said, and a query has another.
"""
Data = FactTable | Sequences


@dataclass(frozen=True)
class Examples:
    """Training data of M models.

    Attributes:
        tokens: int64 (Q, L) where all models read the same, else (M, Q, L).
        targets: int64 (M, Q, A): what the last A positions are to say; -1 where that does not
            matter.
    """

    tokens: Tensor
    targets: Tensor

    @classmethod
    def of(cls, data: Data | Sequence[Data], models: int, device: torch.device) -> Examples:
        """Of one table, or of one for each model.

        Raises:
            InputError: there are not as many as models, they differ in their shapes, or hold no
                integers.
        """
        shared = not isinstance(data, Sequence) or isinstance(data, tuple | str)
        several: list[object] = [data] if shared else list(cast("Sequence[Data]", data))
        if not shared and len(several) != models:
            raise InputError(
                f"{len(several)} tables for {models} models: give one for all, or one for each"
            )
        pairs = [_pair(single) for single in several]
        shapes = {(tokens.shape, targets.shape) for tokens, targets in pairs}
        if len(shapes) > 1:
            raise InputError(
                "models that train together need as many queries each, of one length; got the"
                f" shapes {', '.join(map(str, sorted(shapes)))}"
            )
        first = pairs[0][0]
        tokens = (
            first
            if all(np.array_equal(tokens, first) for tokens, _ in pairs)
            else np.stack([tokens for tokens, _ in pairs])
        )
        targets = np.stack([targets for _, targets in pairs])
        return cls(
            torch.from_numpy(tokens).to(device),
            torch.from_numpy(targets).to(device).expand(models, -1, -1),
        )

    @cached_property
    def n_targets(self) -> Tensor:
        """How many targets of each model matter, int64 (M,)."""
        return (self.targets >= 0).sum((1, 2))

    @property
    def n_queries(self) -> int:
        """Q."""
        return self.targets.shape[1]

    def chosen(self, numbers: Tensor | slice) -> Examples:
        """Those queries, (B,) for all models alike, or (M, B)."""
        if isinstance(numbers, slice):
            return Examples(self.tokens[..., numbers, :], self.targets[:, numbers])
        model = torch.arange(len(self.targets), device=self.targets.device)[:, None]
        tokens = self.tokens[numbers] if self.tokens.dim() == 2 else self.tokens[model, numbers]
        return Examples(tokens, self.targets[model, numbers])


def torch_dataset(
    facts: FactTable, hops: int = 1, hops_per_token: int = 0, longest: int | None = None
) -> TensorDataset:
    """`facts.dataset(...)` for a `torch.utils.data.DataLoader`: each item is the tokens (L,) and
    the targets (A,) of a query.

    Raises:
        InputError: as `FactTable.dataset`.

    Example:
        >>> torch_dataset(facts)[0]  # entity 0, relation 0 (token 8), and the answer
        (tensor([0, 8]), tensor([2]))
    """
    return TensorDataset(*map(torch.from_numpy, facts.dataset(hops, hops_per_token, longest)))


def _pair(data: object) -> Sequences:
    """Tokens and targets of a table, or as they were given."""
    if isinstance(data, FactTable):
        return data.dataset()
    if not (
        isinstance(data, tuple)
        and len(data) == 2
        and all(isinstance(part, np.ndarray) for part in data)
    ):
        raise InputError(
            "facts must be a FactTable, tokens (Q, L) and targets (Q, A) as arrays, or a list of"
            f" such, one for each model; got {type(data).__name__}"
        )
    tokens: NDArray[np.int64] = data[0]
    targets: NDArray[np.int64] = data[1]
    if (
        {tokens.dtype.kind, targets.dtype.kind} - {"i", "u"}
        or (tokens.ndim, targets.ndim) != (2, 2)
        or not 0 < len(tokens) == len(targets)
        or not 0 < targets.shape[1] <= tokens.shape[1]
    ):
        raise InputError(
            "tokens must be integers (Q, L) and targets (Q, A) with A <= L; got"
            f" {tokens.dtype} {tokens.shape} and {targets.dtype} {targets.shape}"
        )
    if not (targets.min() >= -1 and (targets >= 0).any(axis=1).all()):
        raise InputError("a query has no target, or one below -1: tokens are numbered from 0")
    return tokens.astype(np.int64), targets.astype(np.int64)
