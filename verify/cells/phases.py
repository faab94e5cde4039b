"""The phases of a cell's verification, for those who watch it."""

from __future__ import annotations

from collections.abc import Callable

BUILDING, ASKING, COUNTING, PROVING = "building", "asking", "counting bits", "proving"
"""Weights are written; queries are run; sizes and bits are counted; the saved model is proven."""

Advance = Callable[[int], None]
"""Takes how much of a phase is done."""

Begin = Callable[[str, int | None], Advance]
"""Takes the name of the phase that begins, and how much there is to do, None where that is not
known.
"""


def unwatched(phase: str, total: int | None) -> Advance:
    """For those who do not watch."""
    return lambda done: None
