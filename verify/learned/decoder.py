"""What measures ask of a decoder: rows of subjects that may be exchanged, and logits.

Subjects are numbered 0 to N - 1, relations 0 to R - 1, answers 0 to A - 1: the columns of the
logits. A prompt is a subject's token and then the relation's tokens, several for a path of several
hops; the last position answers. Facts are an array `answers` (R, N): the column of the right
answer, -1 where none is asked for (`verify.learned.claimed`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_LOGITS_AT_ONCE = 2**23
"""So many are held at once where answers are read: 64 MB in float64."""
NO_ANSWER = -1


class Decoder(Protocol):
    """Anything that answers (subject, relation) with logits, linear in its last state."""

    @property
    def n_entities(self) -> int:
        """N: how many subjects there are."""

    @property
    def n_relations(self) -> int:
        """R: how many relations, or paths of relations, can be asked for."""

    @property
    def n_answers(self) -> int:
        """A: how many logits there are."""

    def rows(self) -> Floats:
        """The subjects' embeddings, float64 (N, d)."""

    def with_rows(self, rows: Floats) -> Decoder:
        """The same decoder with other embeddings of its subjects (N, d). All else stays as it is,
        an unembedding that was tied to them too.
        """

    def unembedding(self) -> Floats:
        """What reads the last state, float64 (A, d_state)."""

    def states(self, subjects: Ints, relations: Ints) -> Floats:
        """What the unembedding reads at the last position of queries (Q,): (Q, d_state)."""

    def logits(self, subjects: Ints, relations: Ints) -> Floats:
        """The logits (Q, A) at the last position of queries (Q,)."""


class Differentiable(Decoder, Protocol):
    """One whose logits can be differentiated by the rows of its subjects."""

    def logits_of(self, rows: Tensor, subjects: Ints, relations: Ints) -> Tensor:
        """The logits (Q, A) with these rows (N, d) in place of its own, with gradients."""


class Watched(Decoder, Protocol):
    """One whose hidden units and heads can be watched."""

    def units(self, subjects: Ints, relations: Ints) -> Floats:
        """Activations (Q, n_units) at the last position of all hidden layers, in the order of
        application.
        """

    def writes(self) -> Floats:
        """What each unit adds to the stream for each 1 of its activation, (n_units, d); NaN of
        those that another hidden layer reads.
        """

    def attention(self, subjects: Ints, relations: Ints) -> Floats:
        """Attention (Q, n_heads, L) from the last position to all, of all heads of all layers, in
        the order of application.
        """


def said(decoder: Decoder, subjects: Ints, relations: Ints) -> Ints:
    """The answers (Q,) to queries (Q,): the column whose logit is larger than all others.

    `NO_ANSWER`, which equals no fact, where two logits are largest or one is not a number.
    """
    found = np.full(len(subjects), NO_ANSWER, dtype=np.int64)
    for part in pieces(len(subjects), _LOGITS_AT_ONCE // decoder.n_answers):
        logits = decoder.logits(subjects[part], relations[part])
        largest = logits.max(axis=1)  # NaN if one of them is
        alone = (logits == largest[:, None]).sum(axis=1) == 1
        found[part] = np.where(alone, logits.argmax(axis=1), NO_ANSWER)
    return found


def table_of_answers(decoder: Decoder, relations: Ints | None = None) -> Ints:
    """What it says about all subjects: (R, N), or for some relations (len, N)."""
    asked = np.arange(decoder.n_relations) if relations is None else relations
    n = decoder.n_entities
    answers = said(decoder, np.tile(np.arange(n), len(asked)), np.repeat(asked, n))
    return answers.reshape(len(asked), n)


def pieces(total: int, at_once: int) -> Iterator[slice]:
    """0 to total - 1 in slices of at most `at_once`, at least one each; of none an empty one."""
    step = max(1, at_once)
    for start in range(0, max(total, 1), step):
        yield slice(start, min(start + step, total))
