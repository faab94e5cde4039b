"""Spare entities: room for names that a table does not have yet.

A spare entity has an id, a reserved name and no fact. The certificate of a model covers it as any
entity without facts; questions and lists of close names do not find it. When a new name comes
(`constructions.facts.changes`), it takes the place of a spare one, and no id moves.

| name | for |
|---|---|
| `<spare-1>`, `<spare-2>`, ... | a new subject |
| `<spare-answer-1>`, ... | a new subject or a new answer: the codes of answers have room for it |
"""

from __future__ import annotations

import re
from collections.abc import Sequence

SPARE, SPARE_ANSWER = "<spare-{}>", "<spare-answer-{}>"
_BEGINNING = "<spare-"
_NAME = re.compile(r"<spare-(answer-)?([1-9][0-9]*)>")


def is_reserved(name: str) -> bool:
    """Whether a name is of the kind that spare entities have."""
    return name.startswith(_BEGINNING) and _NAME.fullmatch(name) is not None


def reserved(names: Sequence[str]) -> list[int]:
    """The places of the names of this kind."""
    if _BEGINNING not in "".join(names):  # of a million, soon seen
        return []
    return [place for place, name in enumerate(names) if is_reserved(name)]


def is_for_answers(name: str) -> bool:
    """Whether a reserved name is that of a spare entity which may become an answer."""
    return name.startswith(SPARE_ANSWER.partition("{")[0])


def spare_names(entities: int, answers: int, taken: Sequence[str]) -> list[str]:
    """Names for so many spare entities, those that may become answers last.

    Args:
        entities: how many in all.
        answers: how many of them may become answers.
        taken: the names that there are; reserved ones among them are counted on from.
    """
    numbers = {SPARE: 0, SPARE_ANSWER: 0}
    for name in taken:
        if is_reserved(name):
            kind = SPARE_ANSWER if is_for_answers(name) else SPARE
            digits = name.rpartition("-")[2][:-1]
            numbers[kind] = max(numbers[kind], int(digits) if len(digits) < 19 else 10**18)
    counts = {SPARE: entities - answers, SPARE_ANSWER: answers}
    return [
        kind.format(numbers[kind] + 1 + i) for kind, count in counts.items() for i in range(count)
    ]
