"""What is asked for in words: a subject and a path of relations."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from constructions.facts.named import Names
from constructions.guards.errors import InputError

Question = tuple[int, list[int]]
"""A subject and a path of relations."""


def question(
    facts: Names, words: Sequence[str], option: str = "--ask", ids: bool = False
) -> Question:
    """The ids of what is asked for.

    Args:
        facts: whose names are used.
        words: a subject and one relation or more, each a word; or one string that holds all of
            them, between TABs if there are any, else between spaces.
        option: how the command line calls these words, for messages.
        ids: whether numbers are taken too, where nothing has that name.

    Raises:
        InputError: there are fewer than two words, or nothing has such a name.
    """
    if len(words) == 1:
        # all the words of one quoted string, if any
        words = words[0].split("\t" if "\t" in words[0] else None)
    if len(words) < 2:
        got = f"1 name: {words[0]}" if words else "no name"
        raise InputError(f"{option} takes a subject and one relation or more; got {got}")
    try:
        subject = _id(facts.entity_id, words[0], facts.n_entities if ids else 0)
    except InputError as error:
        raise InputError(
            f"{error}; give names with spaces as words of their own, each in quotes"
        ) from None
    most = facts.n_relations if ids else 0
    return subject, [_id(facts.relation_id, word, most) for word in words[1:]]


def _id(id_of: Callable[[str], int], word: str, numbers: int) -> int:
    """The id of a name, or the number itself where it is below `numbers` and no name."""
    try:
        return id_of(word)
    except InputError:
        if word.isdecimal() and word.isascii() and len(word) < 20 and int(word) < numbers:
            return int(word)
        raise
