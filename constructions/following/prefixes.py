"""Token sequences that begin alike: what is known of a position depends on the tokens up to it
alone, so that each prefix is followed once.

The N R^k queries of k hops have N (1 + R + ... + R^k) prefixes, and k + 1 positions each.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from constructions.following.mixtures import Visible


@dataclass(frozen=True, eq=False)
class Prefixes:
    """The distinct prefixes, P of them, of token sequences (..., L).

    Attributes:
        at: int64 (..., L), the number of the prefix that ends at each position.
        first: int64 (P,), a place where each prefix ends, among all entries of `at` in a row.
        position: int64 (P,), the position where it ends.
    """

    at: Tensor
    first: Tensor
    position: Tensor

    @property
    def n_positions(self) -> int:
        """L."""
        return self.at.shape[-1]

    @cached_property
    def sees(self) -> Visible:
        """What the last position of each prefix attends to: the prefixes that it begins with, and
        itself.
        """
        places = torch.arange(self.n_positions)
        own, hidden = self.position[:, None], places > self.position[:, None]
        at = self.at.reshape(-1, self.n_positions)[self.first // self.n_positions]
        return Visible(at.gather(1, places.expand_as(at).minimum(own)), hidden)


def prefixes_of(tokens: Tensor) -> Prefixes:
    """Those of token sequences (..., L), int64."""
    columns = tokens.reshape(-1, tokens.shape[-1]).numpy().T
    n_positions, most = len(columns), int(columns.max(initial=0)) + 1
    number, count = np.zeros(columns.shape[1], dtype=np.int64), 0
    at, first, position = [], [], []
    for place, column in enumerate(columns):
        _, where, number = np.unique(
            number * most + column, return_index=True, return_inverse=True
        )
        at.append(count + number)
        first.append(where * n_positions + place)
        position.append(np.full(len(where), place))
        count += len(where)
    return Prefixes(
        torch.from_numpy(np.stack(at, -1)).reshape(tokens.shape),
        *(torch.from_numpy(np.concatenate(found)) for found in (first, position)),
    )


def one_for_each(n_positions: int) -> Prefixes:
    """Those of a single sequence of this length."""
    places = torch.arange(n_positions)
    return Prefixes(places, places, places)


def without_sharing(tokens: Tensor) -> Prefixes:
    """Those of token sequences (Q, L), each counted by itself, though several begin alike."""
    count, length = tokens.shape
    places = torch.arange(count * length)
    return Prefixes(places.view(count, length), places, places % length)
