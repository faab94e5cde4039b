"""JSON of a folder that is read without trust: integers alone for numbers, and no key twice."""

from __future__ import annotations

import json
import os
from typing import NoReturn

from constructions.guards.errors import InputError
from constructions.guards.wording import brief

_MOST_SHOWN = 60


def parse_json(raw: bytes, where: str | os.PathLike[str]) -> object:
    """The value that a text in UTF-8 writes.

    Args:
        raw: the text.
        where: what an error calls it.

    Raises:
        InputError: it is no JSON, or has a fraction, an exponent, a minus zero or NaN, or an
            object that has a key twice.
    """

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        """An object, if no key stands twice in it."""
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in found if names.count(name) > 1)
            raise ValueError(f"an object has the key {shown(twice)} twice")
        return found

    def refuse(number: str) -> NoReturn:
        """Raise ValueError for a number that is no integer."""
        raise ValueError(f"{brief(number, _MOST_SHOWN)} is no integer")

    def integer(text: str) -> int:
        """The integer that is written; of `-0` some readers make a fraction, so it is refused."""
        return int(text) if text != "-0" else refuse(text)

    try:
        return json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=once,
            parse_float=refuse,
            parse_int=integer,
            parse_constant=refuse,
        )
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: cannot be read as JSON: {error}") from None


def is_count(value: object) -> bool:
    """Whether a value is a count below 10^60: of that size products of a few can still be
    computed, and reported in an error.
    """
    return type(value) is int and 0 <= value < 10**60


def shown(value: object) -> str:
    """A value as an error shows it: its beginning, where it is long."""
    return brief(repr(value), _MOST_SHOWN)
