"""All readings of a question in words: a subject and one relation or more, by their names.

A question is a text, its names in a row: the subject first, then the relations in the order in
which they are followed. Between names stand TABs if there are any; then there is one reading at
most. Else spaces of any kind stand between them, and as names may hold spaces themselves, a text
may be read in several ways: `Ann Lee born in` is about `Ann Lee` and `born in`, but also about
`Ann` and `Lee born in` if these are names. All readings are found:

    readings(i) = sum of readings(j) over all relations that are the words i to j
    total       = sum of readings(j) over all subjects that are the words 0 to j

for words counted from 0 and readings(n) = 1 at the end. Names are looked up, never gone through:
the work grows with the words of the question and of the longest name, not with the table.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from constructions.facts.named import Names
from constructions.facts.names import NameIndex
from constructions.guards.errors import (
    MOST_READINGS,
    AmbiguousQuestion,
    InputError,
    QuestionError,
)
from constructions.guards.wording import brief

MOST_LISTED = 10
"""Readings of a question that are listed."""
SHAPE = "a question is a subject and one relation or more"


@dataclass(frozen=True)
class Reading:
    """What a question asks for, by number.

    Attributes:
        subject: an entity.
        path: the relations, at least one, the first to be followed first.
    """

    subject: int
    path: tuple[int, ...]


class Readings:
    """A text and its readings.

    Args:
        facts: whose names are used.
        text: what is asked.
        ids: whether a word that is a number is taken for the entity, or the relation, of that
            number; where some reading is by names alone, numbers are not.

    Attributes:
        total: how many there are, up to `MOST_READINGS`.

    Raises:
        InputError: it is no text.
    """

    def __init__(self, facts: Names, text: str, ids: bool = False):
        if not isinstance(text, str):
            raise InputError(f"a question is a text: {SHAPE}; got {brief(repr(text))}")
        self.facts, self.text, self.ids = facts, text, False
        self.has_tabs = "\t" in text
        pattern = r"(?:^|(?<=\t))[^\t]*" if self.has_tabs else r"\S+"
        self.spans = [found.span() for found in re.finditer(pattern, text)]
        self._look_up()
        if ids and not self.total:
            self.ids = True
            self._look_up()

    def _look_up(self) -> None:
        """Find all names in the text, and count the readings."""
        self.subjects = list(self._names_at(0, self.facts.entity_index))
        self.relations: list[list[tuple[int, int]]] = []
        self.ways = [0] * len(self.spans) + [1]
        for start in range(len(self.spans)):
            self.relations.append(list(self._names_at(start, self.facts.relation_index)))
        for start in range(len(self.spans) - 1, 0, -1):
            ways = sum(self.ways[end] for end, _ in self.relations[start])
            self.ways[start] = min(ways, MOST_READINGS)
        there = sum(self.ways[end] for end, _ in self.subjects if end < len(self.spans))
        self.total = min(there, MOST_READINGS)

    def _names_at(self, start: int, index: NameIndex) -> Iterator[tuple[int, int]]:
        """The names that begin with a word, the longest first: where each ends, and its id."""
        longest = 1 if self.has_tabs else index.most_words
        for end in range(min(len(self.spans), start + longest), start, -1):
            name = self.between(start, end)
            found = index.get(name)
            if found is None and self.ids and end == start + 1:
                found = _number(name, len(index.by_name))
            if found is not None:
                yield end, found

    def between(self, start: int, end: int) -> str:
        """The text from one word to before another."""
        return self.text[self.spans[start][0] : self.spans[end - 1][1]].strip()

    def __iter__(self) -> Iterator[Reading]:
        """All readings, those with a long subject first, then those with a long first relation."""
        yield from (reading for reading, _ in self._found())

    def _found(self) -> Iterator[tuple[Reading, list[int]]]:
        """The readings, and where their names end."""
        for first, subject in self.subjects:
            if first == len(self.spans) or not self.ways[first]:
                continue
            branches = [iter(self.relations[first])]
            ends, path = [first], list[int]()
            while branches:
                end, relation = next(branches[-1], (0, 0))
                if not end:
                    branches.pop()
                    ends.pop()
                    del path[-1:]
                elif end == len(self.spans):
                    yield Reading(subject, (*path, relation)), [*ends, end]
                elif self.ways[end]:
                    branches.append(iter(self.relations[end]))
                    ends.append(end)
                    path.append(relation)

    def only(self) -> Reading:
        """The one reading.

        Raises:
            AmbiguousQuestion: there are several.
            QuestionError: there is none; the message says which part of the text is no name, and
                which names are closest to it.
        """
        if self.total == 1:
            return next(iter(self))
        if self.total:
            raise AmbiguousQuestion(self.text, self.listed(), self.total)
        raise QuestionError(self.text, self._why_none())

    def listed(self, most: int = MOST_LISTED) -> list[str]:
        """The first readings, as they are written with TABs between the names."""
        return [
            " <TAB> ".join(
                self.between(start, end) for start, end in zip([0, *ends], ends, strict=False)
            )
            for _, ends in islice(self._found(), most)
        ]

    def _why_none(self) -> str:
        """Which part of the text is the name of nothing, in words."""
        words = len(self.spans)
        if words < 2 or any(end == words for end, _ in self.subjects):
            got = f"1 name: {brief(self.text.strip())}" if words else "no name"
            return f"{SHAPE}; got {got}"
        start, end, index = self._unknown()
        try:
            index.find(self.between(start, end))
        except InputError as error:
            return str(error)
        return f"{self.between(start, end)!r} is no {index.kind} here"

    def _unknown(self) -> tuple[int, int, NameIndex]:
        """The part that is most likely meant for a name: from which word to before which, and of
        what. As much as possible is read from the left, and then from the right.
        """
        entities, relations = self.facts.entity_index, self.facts.relation_index
        if self.has_tabs:
            known = [bool(self.subjects), *map(bool, self.relations[1:])]
            at = known.index(False)
            return at, at + 1, relations if at else entities
        read = [i for i in range(1, len(self.spans)) if self.ways[i]]  # the rest is relations
        reached = {end for end, _ in self.subjects}
        for start in range(1, len(self.spans)):
            if start in reached:
                reached |= {end for end, _ in self.relations[start]}
        subjects = [(0, end, entities) for end in read[:1]]
        if reached:
            start = max(reached)
            likely = [(start, min([i for i in read if i > start] + [len(self.spans)]), relations)]
            likely += subjects
        elif subjects:
            likely = subjects
        else:
            longest = min(len(self.spans) - 1, entities.most_words)
            likely = [(0, end, entities) for end in range(1, longest + 1)]
        if len(likely) == 1:
            return likely[0]
        return max(likely, key=self._likeness)

    def _likeness(self, part: tuple[int, int, NameIndex]) -> float:
        """How close the closest name is to a part of the text."""
        start, end, index = part
        return max((ratio for ratio, _ in index.closest(self.between(start, end), 1)), default=0.0)


def _number(word: str, count: int) -> int | None:
    """The number that a word is, if there are more than so many; else None."""
    is_number = word.isdecimal() and word.isascii() and len(word) < 20
    return int(word) if is_number and int(word) < count else None
