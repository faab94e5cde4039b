"""Questions in words, answered by a model that writes sets of answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from constructions.asking.questions import Questions, SameLength, checked_texts
from constructions.facts.answers import MISSING
from constructions.facts.set_table import SetTable
from constructions.guards.errors import InputError, QuestionError

ONE_HOP = (
    "a set is one hop away: {relations} relations ask for what several sets lead to, which is a"
    " search of the graph and not a path (docs/theorems/sets_of_answers.md)"
)


class AskableForSets(Protocol):
    """What a model has that answers questions with sets: see `SetModel`."""

    facts: SetTable

    def written_sets(
        self, entities: NDArray[np.int64], relations: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """See `SetModel.written_sets`."""


@dataclass(frozen=True)
class AnsweredSet:
    """A question, and what became of it.

    Attributes:
        question: its text.
        subject, path: the names of its only reading; None and empty where it has none, or several.
        answers: the names that the model has written, in their order, () for none; None where it
            has not been asked, and `error` says why.
        known: what the table has for the set.
        error: why the question cannot be read, or is none for the model; None where it is
            answered.
    """

    question: str
    subject: str | None = None
    path: tuple[str, ...] = ()
    answers: tuple[str, ...] | None = None
    known: tuple[str, ...] = ()
    error: QuestionError | None = None

    @property
    def is_as_known(self) -> bool:
        """Whether the model says what the table has; a question that it was not asked is no
        matter.
        """
        return self.answers is None or self.answers == self.known


def sets_answered(model: AskableForSets, questions: Sequence[str]) -> list[AnsweredSet]:
    """What a model of sets says to questions in words, as `answers_to` has it.

    Raises:
        InputError: the questions are no texts, or the model writes no set, as its weights were
            changed.
    """
    texts = checked_texts(questions)
    read = Questions.read(model.facts, texts)
    found = {place: AnsweredSet(texts[place], error=error) for place, error in read.unread.items()}
    for group in read.by_length:
        found |= _of_length(model, group, texts)
    return [found[place] for place in range(len(texts))]


def named_sets(
    model: AskableForSets, question: str | Sequence[str]
) -> tuple[str, ...] | list[tuple[str, ...]]:
    """See `SetModel.ask`."""
    found = sets_answered(model, [question] if isinstance(question, str) else question)
    for one in found:
        if one.error is not None:
            raise one.error
    answers = [one.answers or () for one in found]
    return answers[0] if isinstance(question, str) else answers


def _of_length(
    model: AskableForSets, group: SameLength, texts: Sequence[str]
) -> dict[int, AnsweredSet]:
    """What becomes of questions whose paths have one length, by their places."""
    facts, hops = model.facts, group.paths.shape[1]
    places = group.places.tolist()
    if hops != 1:
        why = InputError(ONE_HOP.format(relations=hops))
        return {i: AnsweredSet(texts[i], error=QuestionError(texts[i], why)) for i in places}
    asked = group.subjects, group.paths[:, 0]
    written, known = model.written_sets(*asked), facts.answer_sets(*asked)
    return {
        place: AnsweredSet(
            texts[place],
            facts.entity_name(int(subject)),
            (facts.relation_name(int(letter)),),
            _names(facts, said),
            _names(facts, there),
        )
        for place, subject, letter, said, there in zip(places, *asked, written, known, strict=True)
    }


def _names(facts: SetTable, ids: NDArray[np.int64]) -> tuple[str, ...]:
    """The names of a set, up to the first -1."""
    return tuple(facts.entity_name(node) for node in ids[ids != MISSING].tolist())
