"""The best token of a state, without reading every row of the unembedding.

Where the unembedding is as the readout declares, the token whose sign code, or whose numbers, are
those of the state has the largest logit of all with a code, and all others have one logit. So of a
model whose weights are mapped one row is read for an answer: that row must be as declared. That
the others are is not looked at here; `verify check` proves it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from constructions.model.readout import NumberField, Readout, SignField


class _Keys(NamedTuple):
    """A number for each code, by which it is found.

    Attributes:
        tokens: int64 (n,), of the field's tokens.
        states: int64 (Q,), of the codes that the states hold.
        valid: bool (Q,), whether a state holds one.
    """

    tokens: NDArray[np.int64]
    states: NDArray[np.int64]
    valid: NDArray[np.bool_]


@torch.no_grad()
@np.errstate(invalid="ignore", over="ignore")  # such states hold no code
def nearest(readout: Readout, weight: Tensor, states: Tensor) -> Tensor | None:
    """The token with the largest logit in each state (Q, d_model): int64 (Q,). None where the
    readout, the states or the rows of these tokens do not tell.

    Args:
        readout: that the unembedding is declared to have.
        weight: the unembedding, of which these rows are read.
        states: final ones.
    """
    x = states.double().numpy()
    if len(readout.fields) != 1 or (keys := _keys(field := readout.fields[0], x)) is None:
        return None
    order = np.argsort(keys.tokens, kind="stable")  # mostly they are in order
    found = np.searchsorted(keys.tokens, keys.states, sorter=order)
    place = order[np.minimum(found, len(order) - 1)]
    tokens = torch.from_numpy(field.tokens[place])
    rows, declared = weight[tokens].double().numpy(), field.rows(place)
    rest = 0 if readout.rest is None else x @ readout.rest.matrix()[0]
    held = keys.valid.all() and (keys.tokens[place] == keys.states).all()
    sure = held and (rows == declared).all() and ((rows * x).sum(axis=1) > rest).all()
    return tokens if sure else None


def _keys(field: object, x: NDArray[np.float64]) -> _Keys | None:
    """Of a field and final states (Q, d_model); None if it has none in 63 bits."""
    if isinstance(field, SignField):
        seen = x @ field.read.matrix().T
        powers = 1 << np.arange(seen.shape[1], dtype=np.int64)
        return _Keys((field.codes > 0) @ powers, (seen > 0) @ powers, (seen != 0).all(axis=1))
    if not isinstance(field, NumberField):
        return None
    numbers = field.numbers.reshape(len(field.numbers), -1)
    low, high = numbers.min(axis=0), numbers.max(axis=0)
    spans = [last - first + 1 for first, last in zip(low.tolist(), high.tolist(), strict=True)]
    if math.prod(spans) >= 2**63:
        return None
    powers = np.array([math.prod(spans[:place]) for place in range(len(spans))], np.int64)
    seen, one = x @ field.read.matrix().T, x @ field.one.matrix().T
    whole = np.floor(np.divide(seen, one, out=np.full_like(seen, np.nan), where=one > 0))
    valid = ((whole * one == seen) & (whole >= low) & (whole <= high)).all(axis=1)
    digits = np.where(valid[:, None], whole, low).astype(np.int64)
    return _Keys((numbers - low) @ powers, (digits - low) @ powers, valid)
