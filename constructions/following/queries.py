"""All queries that a model claims to answer, and the two ways to cover them with boxes.

* `norms`: one box, all tokens at every position. Here heads select because the theorem says so: at
  a position that answers, the gap of their scores is at least that of Theorems 4.3 and 4.4, which
  the intervals do not show where layers are shared.
* `queries`: a box for each query, which is a point. Here nothing is taken from the construction:
  that the answer wins is decided from the intervals of the logits themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from constructions.facts.limits import require_runnable
from constructions.following.boxes import Box
from constructions.following.follower import bytes_held
from constructions.guards.errors import InputError
from constructions.model.answering import Answering, Widths

By = Literal["norms", "queries"]
WAYS: tuple[By, ...] = get_args(By)

_MEMORY = 256 * 2**20
_NUMBERS = 2**21
"""So many numbers of the widest vectors are followed together: caches hold them, and the memory
that they take is used again.
"""
_A_FEW = 128
"""Queries of a length."""
_GOLDEN = (5**0.5 - 1) / 2
"""Multiples of it are spread evenly between whole numbers, and in step with no relation."""


def lead(logits: Box, answers: Tensor) -> Tensor:
    """By how much each of the queries, with logits (Q, A, d_vocab) and answers (Q, A), is answered
    right at least, (Q,): it is certain to be if that is positive. NaN where nothing is known.

    Each end is one rounded sum, and rounding is monotone: where the rounded ends differ, so do the
    ends, in the same order.
    """
    at = answers[..., None]
    own = logits.low.gather(-1, at) - logits.error.gather(-1, at)
    others = (logits.high + logits.error).scatter_(-1, at, -torch.inf).amax(-1)
    return (own[..., 0] - others).amin(-1)


def is_wrong(logits: Box, answers: Tensor) -> Tensor:
    """Which of the queries, as those of `lead`, are certain to be answered wrong, bool (Q,):
    another logit is at least as high as the right one.
    """
    at = answers[..., None]
    own = (logits.high + logits.error).gather(-1, at)[..., 0]
    others = (logits.low - logits.error).scatter_(-1, at, -torch.inf).amax(-1)
    # the next number below: rounded ends that are equal decide nothing
    below = torch.nextafter(others, torch.full_like(others, -torch.inf))
    return (below >= own).any(-1)


def sequences(model: Answering) -> Iterator[tuple[Tensor, Tensor]]:
    """All of them, streamed in batches whose bounds need little memory: see
    `Answering.training_examples`.

    Raises:
        InputError: there are more than can be run, which is said before any is asked for.
    """
    require_runnable(model.n_all_queries())
    return _batches(model)


def _batches(model: Answering) -> Iterator[tuple[Tensor, Tensor]]:
    """The batches of `sequences`."""
    at_once = sequences_at_once(model, positions_of(model))
    for hops in model.path_lengths:
        total = model.n_queries(hops)
        for start in range(0, total, at_once):
            tokens, answers = model.training_examples(
                *model.queries(np.arange(start, min(start + at_once, total)), hops)
            )
            yield tokens.cpu(), answers.cpu()


def spread(model: Answering) -> Iterator[tuple[Tensor, Tensor]]:
    """A few queries of each length that are spread over all, as `sequences`."""
    for hops in model.path_lengths:
        total = model.n_queries(hops)
        few = np.unique((np.arange(_A_FEW) * _GOLDEN % 1 * total).astype(np.int64))[:total]
        tokens, answers = model.training_examples(*model.queries(few, hops))
        yield tokens.cpu(), answers.cpu()


def sequences_at_once(model: Answering, n_positions: int) -> int:
    """How many sequences of this length are followed together, with little memory."""
    return max(1, _MEMORY // bytes_held(model.shape, n_positions))


def parts(shape: Widths, tokens: Tensor) -> Iterator[slice]:
    """Which of the sequences (Q, L) are followed together by a network of this shape: as many as
    is fast. What is found of a sequence does not depend on others.
    """
    count, n_positions = tokens.shape
    widest = max(shape.d_model, shape.widest_layer, shape.d_vocab)
    at_once = max(1, _NUMBERS // (n_positions * widest))
    return (slice(start, start + at_once) for start in range(0, count, at_once))


def positions_of(model: Answering) -> int:
    """The longest sequence."""
    return model.shape.n_positions or model.hops + 1


def require_way(by: object, *others: None) -> None:
    """Raise InputError unless it is one of the ways, or of the others."""
    if not isinstance(by, str | None) or by not in (*WAYS, *others):
        raise InputError(f"by must be one of {', '.join(map(str, (*WAYS, *others)))}; got {by!r}")
