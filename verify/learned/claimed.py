"""What a decoder should say, as columns of its logits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from constructions.facts.answers import MISSING
from constructions.facts.table import FactTable
from constructions.facts.words import all_words
from constructions.guards.errors import InputError
from constructions.model.answering import Answering
from verify.learned.decoder import Decoder


def answers_of(facts: FactTable, hops: int = 1) -> NDArray[np.int64]:
    """The stored facts, or the answers to all paths of so many hops in lexicographic order: int64
    (R^hops, N), -1 where none is stored.
    """
    words = all_words(facts.n_relations, hops)
    return facts.answer(np.arange(facts.n_entities), words[:, None, :])


def claimed_by(model: Answering) -> NDArray[np.int64]:
    """What a construction, a form of one, or a decoder in which one stands claims to answer: token
    ids (R^hops, N). *unknown* where a fact is missing, and -1 where nothing is claimed.
    """
    answers = answers_of(model.facts, model.hops)
    return answers if model.stored_only else model.vocabulary.answer_tokens(answers)


def require_answers(decoder: Decoder, answers: NDArray[np.int64]) -> None:
    """Raise InputError unless these are answers to the decoder's queries."""
    expected = decoder.n_relations, decoder.n_entities
    if answers.shape != expected or answers.dtype.kind != "i":
        raise InputError(
            f"answers must be integers (relations, subjects) {expected}; got {answers.dtype}"
            f" {answers.shape}"
        )
    least, most = int(answers.min()), int(answers.max())
    if least < MISSING or most >= decoder.n_answers:
        raise InputError(
            f"answers must be 0 to {decoder.n_answers - 1}, the columns of the logits, or -1 where"
            f" none is asked for; got {least} to {most}"
        )


def shuffled(answers: NDArray[np.int64], generator: np.random.Generator) -> NDArray[np.int64]:
    """The same answers, exchanged among the subjects that have one, relation by relation: as often
    each, and of no subject's own.
    """
    mixed = answers.copy()
    for row in mixed:
        there = row != MISSING
        row[there] = generator.permutation(row[there])
    return mixed
