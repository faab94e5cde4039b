"""A real fact table that every Python carries: the Unicode character database of the standard
library.
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Iterator, Sequence

from constructions.facts.table import FactTable

TOTAL = ("category", "bidirectional", "width", "combining")
PARTIAL = ("uppercase", "lowercase", "base")


def unicode_facts(
    limit: int = sys.maxunicode + 1, relations: Sequence[str] = TOTAL + PARTIAL
) -> FactTable:
    """Relations of all assigned characters below `limit`; values vary with the Python version.

    Total: category, bidirectional, width (east-asian), combining. Partial, and answered by
    characters, so that they can be followed: uppercase, lowercase, base (the first character of
    the canonical decomposition), and compatibility (of a compatibility decomposition).
    """
    return FactTable.from_triples(triple for triple in _triples(limit) if triple[1] in relations)


def _triples(limit: int) -> Iterator[tuple[str, str, str]]:
    """The facts about each character, those of compatibility included."""
    for point in range(limit):
        character = chr(point)
        category = unicodedata.category(character)
        if category in ("Cn", "Co", "Cs"):  # unassigned, private, surrogate
            continue
        subject = _name(character)
        yield subject, "category", f"category:{category}"
        yield (
            subject,
            "bidirectional",
            f"bidirectional:{unicodedata.bidirectional(character) or 'none'}",
        )
        yield subject, "width", f"width:{unicodedata.east_asian_width(character)}"
        yield subject, "combining", f"combining:{unicodedata.combining(character)}"
        for relation, other in (
            ("uppercase", character.upper()),
            ("lowercase", character.lower()),
        ):
            if len(other) == 1 and other != character:
                yield subject, relation, _name(other)
        decomposition = unicodedata.decomposition(character)
        if decomposition:
            tagged = decomposition.startswith("<")
            first = decomposition.split()[1 if tagged else 0]
            yield subject, "compatibility" if tagged else "base", _name(chr(int(first, 16)))


def _name(character: str) -> str:
    """How the standard writes a character: `U+0041`."""
    return f"U+{ord(character):04X}"
