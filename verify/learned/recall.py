"""Recall: the share of facts that a decoder answers right."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from constructions.facts.answers import MISSING
from verify.learned.claimed import require_answers, shuffled
from verify.learned.decoder import Decoder, table_of_answers
from verify.learned.measure import Measure


def recall(decoder: Decoder, answers: NDArray[np.int64], seed: int = 0) -> Measure:
    """The share of right answers among all facts, exact.

    Null: what it says, held against facts that are shuffled among the subjects. Control: the rows
    of the subjects are exchanged, each gets another's; what a decoder still recalls then, it does
    not read in the subject. There is no null where shuffling changes nothing, as each relation has
    one answer alone, and no control of one subject: neither could fail.

    Args:
        decoder: any.
        answers: int64 (R, N), columns of its logits, -1 where none is asked for.
        seed: of the exchanges.

    Raises:
        InputError: these are no answers to its queries.
    """
    require_answers(decoder, answers)
    generator = np.random.default_rng(seed)
    found = table_of_answers(decoder)
    others = decoder.with_rows(decoder.rows()[derangement(decoder.n_entities, generator)])
    mixed = shuffled(answers, generator)
    null = right(found, mixed) if _several(answers) else None
    control = right(table_of_answers(others), answers) if decoder.n_entities > 1 else None
    return Measure.of_counts("recall", right(found, answers), null, control)


def _several(answers: NDArray[np.int64]) -> bool:
    """Whether a relation has several answers, so that shuffled facts may be others."""
    return any(len(np.unique(row[row != MISSING])) > 1 for row in answers)


def right(found: NDArray[np.int64], answers: NDArray[np.int64]) -> tuple[int, int]:
    """How many of the facts are answered right, of how many."""
    asked = answers != MISSING
    return int((asked & (found == answers)).sum()), int(asked.sum())


def derangement(n: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """A permutation (n,) that leaves nothing in its place, for n >= 2: one cycle through all in
    random order.
    """
    order = generator.permutation(n)
    exchanged = np.empty(n, dtype=np.int64)
    exchanged[order] = np.roll(order, 1)
    return exchanged
