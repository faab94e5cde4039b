"""The errors a user can cause, and the one that only a bug can.

Each message states the identity that was violated, both sides of it, and what to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from constructions.guards.wording import brief, counted, printable


class InputError(ValueError):
    """Something that was given cannot be used as it stands; the message says what, why and what to
    do.

    The message may quote names, paths and values of any kind: it is one line of printable
    characters (`printable`).
    """

    def __init__(self, message: object):
        super().__init__(printable(message))


class FactFileError(InputError):
    """A fact file has defects. `defects` holds one message each, in the order of the file; `total`
    counts them all, and `summary` has lines that sum them up, if there are any.

    The message has these lines, and one for each defect.
    """

    def __init__(self, defects: list[str], total: int | None = None, summary: Sequence[str] = ()):
        self.defects = [printable(defect) for defect in defects]
        self.total = len(defects) if total is None else total
        self.summary = [printable(line) for line in summary]
        more = self.total - len(defects)
        super().__init__("")
        last = [f"... and {more} more"] if more else []
        self.args = ("\n".join([*self.summary, *self.defects, *last]),)

    def __reduce__(self) -> tuple[Any, ...]:
        """How another process makes it again: from its defects, not from its message."""
        return type(self), (self.defects, self.total, self.summary), self.__dict__


class UserCodeError(InputError):
    """Code that a user has named has raised an error. `lines` says what was done, which error it
    was, and where in his code.

    The message has all lines.
    """

    def __init__(self, lines: list[str]):
        self.lines = [printable(line) for line in lines]
        super().__init__("")
        self.args = ("\n".join(self.lines),)

    @property
    def places(self) -> str:
        """Where it was, a line for each place."""
        return "\n".join(self.lines[1:])

    def __reduce__(self) -> tuple[Any, ...]:
        """How another process makes it again: from its lines, not from its message."""
        return type(self), (self.lines,), self.__dict__


MOST_READINGS = 10**6
"""Readings of a question that are counted."""


class QuestionError(InputError):
    """A question cannot be read, or not be answered. `question` is its text."""

    def __init__(self, question: str, why: object):
        self.question, self.why = question, printable(why)
        super().__init__(f"{brief(repr(question))}: {why}")

    def __reduce__(self) -> tuple[Any, ...]:
        """How another process makes it again: from its parts, not from its message."""
        return type(self), (self.question, self.why), self.__dict__


class AmbiguousQuestion(QuestionError):
    """A question has several readings as a subject and relations, so that none is answered.

    `readings` holds the first ones, the names with `<TAB>` between them; `total` counts them all,
    up to `MOST_READINGS`. The message has a line for each.
    """

    def __init__(self, question: str, readings: list[str], total: int):
        self.readings, self.total = [printable(reading) for reading in readings], total
        least = "at least " * (total >= MOST_READINGS)
        readings_are = f"{least}{counted(total, 'reading')}; put TABs between the names"
        super().__init__(question, readings_are)
        more = total - len(readings)
        lines = [*self.readings, *([f"... and {more:,} more"] if more else [])]
        self.args = ("\n".join([str(self), *(f"    {line}" for line in lines)]),)

    def __reduce__(self) -> tuple[Any, ...]:
        """How another process makes it again: from its parts, not from its message."""
        return type(self), (self.question, self.readings, self.total), self.__dict__


class MissingFact(QuestionError):
    """A question meets a fact that the table does not have, and so has no answer."""


class InternalError(RuntimeError):
    """The program has broken a rule of its own that proofs lean on: a bug, whatever was given; the
    message says which.

    It is raised, never asserted, so that it is there under `python -O` too.
    """


class DoesNotFit(InputError):
    """The construction exists, but not in this dtype or not in this memory; the message gives the
    two numbers.
    """
