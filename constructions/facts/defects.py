"""The defects of a file: all are found, the first twenty are shown, the rest is counted."""

from __future__ import annotations

from collections.abc import Callable

from constructions.guards.errors import FactFileError

MAX_DEFECTS_SHOWN = 20

Place = tuple[int, int]
"""By which defects are sorted: line and column, or record and field."""


class Defects:
    """What is wrong with a file.

    Attributes:
        summary: lines that are shown before the first of them.
    """

    def __init__(self) -> None:
        self.noted: list[tuple[Place, str | Callable[[], str]]] = []
        self.summary: list[str] = []

    def __len__(self) -> int:
        return len(self.noted)

    def note(self, place: Place, message: str | Callable[[], str]) -> None:
        """Note a defect: where it stands among the others, and its message, or what makes it."""
        self.noted.append((place, message))

    def require_none(self) -> None:
        """Raise FactFileError, with the first in the order of the file, if there is one."""
        if self.noted:
            shown = sorted(self.noted, key=lambda defect: defect[0])[:MAX_DEFECTS_SHOWN]
            texts = [text if isinstance(text, str) else text() for _, text in shown]
            raise FactFileError(texts, len(self.noted), self.summary)
