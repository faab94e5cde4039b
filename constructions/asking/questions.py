"""Many questions, read at once: those of one length of path as arrays, as a model takes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from constructions.asking.readings import Readings
from constructions.facts.named import Names
from constructions.guards.errors import InputError, QuestionError


@dataclass(frozen=True)
class SameLength:
    """Questions whose paths have one length.

    Attributes:
        places: int64 (Q,), where they stand among all.
        subjects: entities, int64 (Q,).
        paths: relations, int64 (Q, k).
    """

    places: NDArray[np.int64]
    subjects: NDArray[np.int64]
    paths: NDArray[np.int64]


@dataclass(frozen=True)
class Questions:
    """What texts ask for.

    Attributes:
        by_length: those that have one reading, in the order of the lengths of their paths.
        unread: why each of the others has none, or several, by its place.
    """

    by_length: tuple[SameLength, ...]
    unread: dict[int, QuestionError]

    @classmethod
    def read(cls, facts: Names, texts: Sequence[str]) -> Questions:
        """Read texts: a subject and one relation or more each; see `Readings`.

        Raises:
            InputError: one of them is no text.
        """
        entities, relations = facts.entity_index, facts.relation_index
        one_word = max(entities.most_words, relations.most_words) <= 1
        subjects, letters = entities.by_name, relations.by_name
        found: dict[int, list[tuple[int, ...]]] = {}
        unread = {}
        for place, text in enumerate(texts):
            try:
                # the one reading there can be, by the names as they stand
                names = text.split("\t") if not one_word or "\t" in text else text.split()
                ids = (subjects[names[0]], *[letters[name] for name in names[1:]])
            except (AttributeError, IndexError, KeyError):
                ids = ()
            if len(ids) < 2:
                try:
                    reading = Readings(facts, text).only()
                except QuestionError as error:
                    unread[place] = error
                    continue
                ids = (reading.subject, *reading.path)
            found.setdefault(len(ids) - 1, []).append((place, *ids))
        rows = [np.array(found[length], dtype=np.int64) for length in sorted(found)]
        return cls(tuple(SameLength(row[:, 0], row[:, 1], row[:, 2:]) for row in rows), unread)


def checked_texts(questions: object) -> list[str]:
    """Questions as a list of texts.

    Raises:
        InputError: they are no sequence of texts.
    """
    texts = list(questions) if isinstance(questions, Sequence) else None
    if texts is None or not all(isinstance(text, str) for text in texts):
        raise InputError(
            "questions are a text, or a sequence of texts, such as 'France capital'; got"
            f" {type(questions).__name__}"
        )
    return texts
