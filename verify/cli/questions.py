"""What is asked for in words on the command line, and how an answer is shown."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from constructions.asking.readings import Reading, Readings
from constructions.facts.named import Names
from constructions.facts.set_table import SetTable
from constructions.facts.table import FactTable
from constructions.guards.errors import QuestionError
from constructions.guards.wording import brief, counted, printable

if TYPE_CHECKING:  # which imports torch
    from constructions.model.asked import Answered
    from constructions.model.asked_sets import AnsweredSet

SPECIAL = frozenset('"$`\\!')
"""What a shell does not leave as it is in double quotes."""


def text_of(words: Sequence[str]) -> str:
    """A question as one text: several words are its names, each as it stands; one may hold them
    all.
    """
    return words[0] if len(words) == 1 else "\t".join(words)


def question(facts: Names, words: Sequence[str], ids: bool = False) -> Reading:
    """What is asked for.

    Args:
        facts: whose names are used.
        words: see `text_of`.
        ids: whether numbers are taken too, where nothing has that name.

    Raises:
        QuestionError: it has no reading, or several.
    """
    return Readings(facts, text_of(words), ids).only()


def without_quotes(facts: Names, words: Sequence[str]) -> QuestionError | None:
    """What is said of the words of one question that were given as several: none of them can be
    read, and all of them together can. None where that is not so.
    """
    together = " ".join(words)
    if len(words) < 2 or any(Readings(facts, word).total for word in words):
        return None
    if not Readings(facts, together).total:
        return None
    in_quotes = shlex.quote(together) if set(together) & SPECIAL else f'"{together}"'
    return QuestionError(
        together,
        f"{counted(len(words), 'question')}, none of which can be read; did you mean"
        f" one, {brief(in_quotes, 200)}?",
    )


def one_with_an_answer(facts: FactTable | SetTable, hops: int) -> Reading:
    """The first query, along one path with several relations if there are any, that passes
    different entities and not the first of all, whose code may be all zeros; else the first that
    has an answer. Of sets the first of the largest.
    """
    if isinstance(facts, SetTable):
        letter, subject = divmod(int(facts.sizes.argmax()), facts.n_entities)
        return Reading(subject, (letter,) * hops)
    path = [facts.n_relations - 1 - i % facts.n_relations for i in range(hops)]
    prefixes = [path[: i + 1] for i in range(min(hops, 3))]
    answered = None
    for subject in range(min(facts.n_entities, 1000)):
        passed = [int(facts.answer(subject, prefix)) for prefix in prefixes]
        if min(passed) > 0 and len({subject, *passed}) == len(passed) + 1:
            return Reading(subject, tuple(path))
        if answered is None and int(facts.answer(subject, path)) >= 0:
            answered = subject
    return Reading(answered or 0, tuple(path))


def set_line(found: AnsweredSet) -> str:
    """A question that has one reading, and the set that the model writes, on one line."""
    wrong = "" if found.is_as_known else f" (its table has {_listed(found.known)})"
    asked = printable(" ".join([str(found.subject), *found.path]))
    return f"{asked} -> {_listed(found.answers or ())}{wrong}"


def _listed(names: Sequence[str]) -> str:
    """The names of a set."""
    return ", ".join(map(printable, names)) or "(no answer)"


def set_data(found: AnsweredSet) -> dict[str, Any]:
    """The same as data: subject, relation and answers by name."""
    return {
        "subject": found.subject,
        "relation": found.path[0],
        "answers": list(found.answers or ()),
    }


def answer_line(found: Answered, stored_only: bool) -> str:
    """A question that has one reading, and what the model says, on one line: the names, the
    entities that it has written on the way, and the answer.

    Args:
        found: of a question that the model takes.
        stored_only: whether the model claims stored facts alone.
    """
    asked = printable(" ".join([str(found.subject), *found.path]))
    said = " -> ".join([asked, *map(printable, found.written)])
    if found.answer is not None:
        wrong = "" if found.is_as_known else f" (its table has {_known(found)})"
        return f"{said} -> {printable(found.answer)}{wrong}"
    what = "not stored" if stored_only and not found.stored else "unknown"
    why = found.error.why if found.error else ""
    return f"{said} -> {what} ({why})"


def _known(found: Answered) -> str:
    """What the table has."""
    return "no such fact" if found.known is None else printable(found.known)


def answer_data(found: Answered, stored_only: bool) -> dict[str, Any]:
    """The same as data: subject and path by name, what was written on the way if anything was,
    the answer, null for none; and whether it is stored, where stored facts alone are claimed.
    """
    data: dict[str, Any] = {"subject": found.subject, "path": list(found.path)}
    if found.written:
        data["written"] = list(found.written)
    data["answer"] = found.answer
    return {**data, "stored": found.stored} if stored_only else data
