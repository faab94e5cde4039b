"""What a person sees while long work is done: which phase it is in, and how far that has come."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from verify.cells.phases import Advance, Begin, unwatched

if TYPE_CHECKING:
    from rich.progress import Progress

_LARGEST = 2**53
"""rich divides as floating point; what is larger has no end that it could show."""


@contextmanager
def progress(unit: str) -> Iterator[Begin]:
    """A bar on a terminal, silent otherwise; yields what is called at the beginning of each phase.

    A phase of which it is known how much there is to do shows how much is done; any other shows
    that time passes.

    Args:
        unit: what is counted.
    """
    if not sys.stdout.isatty():
        yield unwatched
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    amount = TextColumn("{task.fields[amount]}")
    columns = (TextColumn("{task.description}"), BarColumn(), amount, TimeElapsedColumn())
    with Progress(*columns, transient=True) as bar:
        yield _Phases(bar, unit).begin


class _Phases:
    """One line of a display, which shows one phase after the other."""

    def __init__(self, bar: Progress, unit: str):
        self.bar, self.unit = bar, unit

    def begin(self, phase: str, total: int | None) -> Advance:
        """Show another phase; returns what takes how much of it is done."""
        for task in self.bar.task_ids:
            self.bar.remove_task(task)
        end = total if total is not None and total < _LARGEST else None
        of = "" if total is None else f" of {total:,}"

        def amount(done: int) -> str:
            """So much, in words."""
            return f"{done:,}{of} {self.unit}"

        # the first picture is drawn at once
        shown = self.bar.add_task(phase, total=end, amount="" if total is None else amount(0))

        def advance(done: int) -> None:
            """Show that so much is done."""
            self.bar.update(shown, completed=done, amount=amount(done))

        return advance
