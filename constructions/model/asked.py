"""Questions in words, answered by a model: read, run in one pass for each length of path, and
named.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from constructions.asking.questions import Questions, SameLength, checked_texts
from constructions.facts.answers import MISSING
from constructions.facts.table import FactTable
from constructions.guards.errors import InputError, MissingFact, QuestionError

Found = TypeVar("Found")
NOT_STORED = "stored facts alone are claimed"


class Askable(Protocol):
    """What a model has that answers questions: see `Answering`."""

    facts: FactTable
    stored_only: bool

    def require_length(self, hops: int) -> None:
        """Raise InputError unless it answers paths of so many relations."""

    def said_in_steps(
        self, entities: NDArray[np.int64], relations: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """See `Answering.said_in_steps`."""


@dataclass(frozen=True)
class Answered:
    """A question, and what became of it.

    Attributes:
        question: its text.
        subject, path: the names of its only reading; None and empty where it has none, or several.
        written: the entities that a chain of thought has written on the way, up to the first
            *unknown*; empty of any other model.
        answer: the name that the model has answered; None where it has not, and `error` says why.
        known: what the table has for an answer; None if a fact is missing there. A model that is
            not what it was built to be may say something else.
        stored: whether the table has all facts that the question meets.
        error: `MissingFact` where the model says *unknown*, or claims stored facts alone and was
            not asked; another `QuestionError` where the question cannot be read, or is too short
            or too long for the model; None where it is answered.
    """

    question: str
    subject: str | None = None
    path: tuple[str, ...] = ()
    written: tuple[str, ...] = ()
    answer: str | None = None
    known: str | None = None
    error: QuestionError | None = None

    @property
    def stored(self) -> bool:
        """See above."""
        return self.known is not None

    @property
    def is_as_known(self) -> bool:
        """Whether the model says what the table has, *unknown* included; a question that it was
        not asked is no matter.
        """
        return self.answer == self.known or (
            self.answer is None and not isinstance(self.error, MissingFact)
        )


class Answers(Protocol[Found]):
    """A model that says what becomes of questions: `Answering`, or `SetModel`."""

    def answered(self, questions: Sequence[str]) -> list[Found]:
        """See `answers_to`."""


def answers_to(model: Answers[Found], questions: Sequence[str]) -> list[Found]:
    """What a model says to questions in words, and what is wrong with those that it does not
    answer: nothing is raised for these.

    Args:
        model: any that `constructions` builds, loads or makes of these.
        questions: texts: a subject and one relation or more each, by their names; between names
            stand spaces, or TABs alone.

    Returns:
        One for each question, in their order: an `Answered`; an `AnsweredSet` of a model that
        writes sets.

    Raises:
        InputError: the questions are no texts.
    """
    return model.answered(questions)


def paths_answered(model: Askable, questions: Sequence[str]) -> list[Answered]:
    """As `answers_to`, of a model that answers paths."""
    texts = checked_texts(questions)
    facts, read = model.facts, Questions.read(model.facts, texts)
    found = {place: Answered(texts[place], error=error) for place, error in read.unread.items()}
    for group in read.by_length:
        said, known, refused = _answers(model, group, texts)
        for i, (place, subject) in enumerate(
            zip(group.places.tolist(), group.subjects.tolist(), strict=True)
        ):
            path = group.paths[i].tolist()
            *on_the_way, answer = said[i].tolist()
            unknown = [*on_the_way, MISSING].index(MISSING)
            found[place] = Answered(
                texts[place],
                facts.entity_name(subject),
                tuple(map(facts.relation_name, path)),
                tuple(map(facts.entity_name, on_the_way[:unknown])),
                None if answer == MISSING else facts.entity_name(answer),
                None if known[i] == MISSING else facts.entity_name(int(known[i])),
                refused.get(place),
            )
    return [found[place] for place in range(len(texts))]


def named_answers(model: Askable, question: str | Sequence[str]) -> str | list[str]:
    """See `Answering.ask`."""
    texts = checked_texts([question] if isinstance(question, str) else question)
    read = Questions.read(model.facts, texts)
    errors, answers = dict(read.unread), np.empty(len(texts), dtype=np.int64)
    for group in read.by_length:
        said, _, refused = _answers(model, group, texts)
        errors |= refused
        answers[group.places] = said[:, -1]
    if errors:
        raise errors[min(errors)]
    names = model.facts.entity_names
    found = [names[answer] for answer in answers.tolist()]
    return found[0] if isinstance(question, str) else found


def _answers(
    model: Askable, group: SameLength, texts: Sequence[str]
) -> tuple[NDArray[np.int64], NDArray[np.int64], dict[int, QuestionError]]:
    """What a model says to questions of one length, (Q, steps), -1 for nothing; what the table
    has, (Q,); and why some are not answered, by their places.
    """
    facts, paths = model.facts, group.paths
    known = facts.answer(group.subjects, paths)
    nothing = np.full((len(known), 1), MISSING)
    try:
        model.require_length(paths.shape[1])
    except InputError as error:
        return (
            nothing,
            known,
            {place: QuestionError(texts[place], error) for place in group.places.tolist()},
        )
    asked = (known != MISSING) | (not model.stored_only)
    said = nothing
    if asked.any():
        some = model.said_in_steps(group.subjects[asked], paths[asked])
        said = np.full((len(known), some.shape[1]), MISSING)
        said[asked] = some
    refused: dict[int, QuestionError] = {}
    for i in np.flatnonzero(said[:, -1] == MISSING).tolist():
        place = int(group.places[i])
        why = _why_unknown(facts, int(group.subjects[i]), paths[i].tolist())
        if not asked[i]:
            why += f"; {NOT_STORED}"
        refused[place] = MissingFact(texts[place], why)
    return said, known, refused


def _why_unknown(facts: FactTable, subject: int, path: list[int]) -> str:
    """Which fact of the table a question misses; that there is none, if the model is wrong."""
    for relation in path:
        reached = int(facts.answer(subject, [relation]))
        if reached == MISSING:
            name, asked = facts.entity_name(subject), facts.relation_name(relation)
            return f"no such fact: {name!r} has no {asked!r}"
        subject = reached
    return "the model says unknown, but all facts are stored"
