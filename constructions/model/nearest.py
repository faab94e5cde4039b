"""The best token of a state, without reading every row of the unembedding.

Where the unembedding is as the readout declares, the token whose sign code is that of the state
has the largest logit of all with a code, and all others have one logit. So of a model whose
weights are mapped one row is read for an answer: that row must be as declared. That the others are
is not looked at here; `verify check` proves it.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from constructions.model.readout import Readout, SignField


def nearest(readout: Readout, weight: Tensor, states: Tensor) -> Tensor | None:
    """The token with the largest logit in each state (Q, d_model): int64 (Q,). None where the
    readout, the states or the rows of these tokens do not tell.

    Args:
        readout: that the unembedding is declared to have.
        weight: the unembedding, of which these rows are read.
        states: final ones.
    """
    if len(readout.fields) != 1 or not isinstance(field := readout.fields[0], SignField):
        return None
    x = states.double().numpy()
    seen = x @ field.read.matrix().T
    powers = 1 << np.arange(seen.shape[1], dtype=np.int64)
    known = (field.codes > 0) @ powers
    order = np.argsort(known)
    number = (seen > 0) @ powers
    place = order[np.minimum(np.searchsorted(known[order], number), len(order) - 1)]
    tokens = torch.from_numpy(field.tokens[place])
    rows, declared = weight[tokens].double().numpy(), field.rows(place)
    rest = 0 if readout.rest is None else x @ readout.rest.matrix()[0]
    sure = (seen != 0).all() and (known[place] == number).all() and (rows == declared).all()
    return tokens if sure and ((rows * x).sum(axis=1) > rest).all() else None
