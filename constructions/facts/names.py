"""The names of entities and relations: what can be one, and which is meant."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Sequence
from functools import cached_property

from constructions.facts.closest import MOST_NAMES, ClosestNames
from constructions.guards.errors import InputError
from constructions.guards.wording import brief, did_you_mean


def name_defect(name: str) -> tuple[int, str] | None:
    """The first reason why `name` cannot name an entity or a relation, with its 0-based position;
    None if it can.
    """
    if not name:
        return 0, "an empty name"
    if name.isprintable() and " " not in (name[0], name[-1]):
        return None
    for position, character in enumerate(name):
        if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") or character == "\ufeff":
            label = unicodedata.name(character, "a control character")
            return position, f"U+{ord(character):04X} ({label})"
    if name[0].isspace():
        return 0, "a leading space"
    if name[-1].isspace():
        return len(name) - 1, "a trailing space"
    return None


def name_message(what: str, name: str, found: str) -> tuple[str, str]:
    """What is wrong with the name of a `what`, and what to do: for a message about its place. A
    long name is cut.
    """
    if not name:
        return f"the {what} is empty", "write its name, or delete the line"
    shown = f"{found} in the {what} {brief(name, 100)!r}"
    if "space" in found and "U+" not in found:
        return shown, "delete the space: it would be part of the name"
    return shown, "delete the character"


def checked_names(kind: str, names: Sequence[str], count: int) -> tuple[str, ...]:
    """The names of all entities, or of all relations.

    Args:
        kind: "entity" or "relation".
        names: distinct, and different in their Unicode normal form too.
        count: how many are needed.

    Raises:
        InputError: they are not as many, or one of them can be no name, or two are alike.
    """
    if len(names) != count:
        raise InputError(f"{count} {kind} names are needed, one for each {kind}; got {len(names)}")
    # what has letters and digits alone has neither spaces nor control characters
    plain = set(map(type, names)) <= {str} and all(map(str.isalnum, names))
    for name in () if plain else names:
        if not isinstance(name, str):
            raise InputError(f"a name must be a string; got {name!r} as {kind} name")
        if defect := name_defect(name):
            raise InputError(f"{kind} name {name!r} has {defect[1]} at character {defect[0] + 1}")
    if len(set(names)) < count:
        seen: set[str] = set()
        # what add returns, None, counts as not repeated
        repeated = next(name for name in names if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise InputError(f"{kind} names must be distinct; {repeated!r} names two of them")
    first: dict[str, str] = {}
    for name in () if all(map(str.isascii, names)) else names:
        other = first.setdefault(unicodedata.normalize("NFC", name), name)
        if other != name:
            raise InputError(
                f"{kind} names {other!r} ({other!a}) and {name!r} ({name!a})"
                " differ only by Unicode normalization; spell the name alike"
            )
    return tuple(names)


class NameIndex:
    """The ids of entities, or of relations, by name; those that are hidden have none."""

    def __init__(self, kind: str, names: tuple[str, ...], hidden: Collection[int] = ()):
        self.kind = kind
        self.by_name = {name: i for i, name in enumerate(names) if i not in hidden}

    @cached_property
    def by_normal_form(self) -> dict[str, int]:
        """The ids of names beyond ASCII, by what the Unicode normal form NFC makes of them."""
        names = ((name, i) for name, i in self.by_name.items() if not name.isascii())
        return {unicodedata.normalize("NFC", name): i for name, i in names}

    @cached_property
    def most_words(self) -> int:
        """How many words, with spaces of any kind between them, the longest name has."""
        return max(map(len, map(str.split, self.by_name)), default=0)

    @cached_property
    def _closest(self) -> ClosestNames | None:
        """What finds close names; None where there are too many names."""
        return ClosestNames(tuple(self.by_name)) if len(self.by_name) <= MOST_NAMES else None

    def closest(self, name: str, most: int = 3) -> list[tuple[float, str]]:
        """The names that are closest to one that is not there, at most so many, the closest first,
        each behind how close it is: at most 1.
        """
        return self._closest.find(name, most) if self._closest else []

    def get(self, name: str) -> int | None:
        """The id of a name, or of the one that is canonically equivalent; None where there is
        none.
        """
        if not isinstance(name, str):
            raise InputError(f"{self.kind} names are strings; got {name!r}")
        found = self.by_name.get(name)
        if found is None:
            normal = unicodedata.normalize("NFC", name)
            found = self.by_name.get(normal, self.by_normal_form.get(normal))
        return found

    def find(self, name: str) -> int:
        """The id of a name, or of the one that is canonically equivalent; InputError where there
        is none.
        """
        if (found := self.get(name)) is not None:
            return found
        count = f"among the {len(self.by_name)} of the table"
        close = [other for _, other in self.closest(name)]
        hint = did_you_mean(close)
        normal = unicodedata.normalize("NFC", name)
        nearest = unicodedata.normalize("NFC", close[0]) if close else normal
        if close and (difference := _difference(normal, nearest)):
            hint += f" ({difference})"
        raise InputError(f"no {self.kind} is named {brief(repr(name))} {count}{hint}")


def _difference(name: str, other: str) -> str | None:
    """Where two names that look alike differ first; None if the letters there show it."""
    shared = min(len(name), len(other))
    at = next((i for i in range(shared) if name[i] != other[i]), shared)
    here, there = name[at : at + 1], other[at : at + 1]
    if (here + there).isascii() and (" " not in (here, there) or not here):
        return None
    return f"character {at + 1} is {_described(there)} there, not {_described(here)}"


def _described(character: str) -> str:
    """A character by its number and its name in Unicode; nothing is "missing"."""
    if not character:
        return "missing"
    return f"U+{ord(character):04X} ({unicodedata.name(character, 'no name')})"
