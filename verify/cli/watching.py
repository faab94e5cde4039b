"""What a person sees of many jobs: how many are done, how many run, and how much time is left.

On a terminal that is a bar. Elsewhere a run of more than five minutes says on standard error where
it stands, at each twentieth of its work and after each quarter of an hour: a log of hours has it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import Any

from verify.cli.output import complain
from verify.runner.durations import about
from verify.runner.job import Job
from verify.runner.long_work import Watcher
from verify.runner.remaining import Estimate, Remaining

STEPS = 20
"""A line at each such part of the estimated work."""
FIRST, LONG = 60.0, 300.0
"""Seconds before the first line; and those that a run takes in all of which there is any."""
QUIET = 900.0
"""Seconds after a line, or the beginning, after which there is another one in any case."""
REDRAWN = 4
"""Times a second that the bar is drawn, from a thread of its own."""


class Watch(Watcher):
    """Hears what becomes of the jobs, from one thread; is asked what to show, from another."""

    def __init__(
        self,
        jobs: Sequence[Job[Any, Any]],
        order: Sequence[int],
        unit: str,
        clock: Callable[[], float] = time.monotonic,
    ):
        """`order`: in which the jobs begin; `unit`: what they are called."""
        costs = [job.cost.seconds for job in jobs]
        groups = [job.kind.group(job.argument) for job in jobs]
        self.remaining = Remaining(costs, groups, order)
        self.n_jobs, self.unit, self.clock = len(jobs), unit, clock
        self.n_done, self.n_running, self.workers = 0, 0, 1
        self.since = self.last_line = clock()
        self.step = 0
        self.lock = Lock()

    def known(self, index: int, seconds: float) -> None:
        """An earlier run has done a job, in so many seconds."""
        self._ended(index, seconds)
        self.step = int(STEPS * self.remaining.share_done)

    def begun(self, running: Sequence[int], workers: int) -> None:
        """These jobs are running now, and so many can at the same time."""
        with self.lock:
            self.n_running, self.workers = len(running), workers
            self.remaining.begun(running, self.clock())

    def ended(self, index: int, seconds: float | None) -> None:
        """A job is done, in so many seconds; None if it was lost."""
        self._ended(index, seconds)
        self.n_running = max(0, self.n_running - 1)

    def remark(self, text: str) -> None:
        """A line on standard error."""
        complain(text)

    def in_words(self) -> str:
        """Where the run stands."""
        said = [f"{self.n_done:,} of {self.n_jobs:,} {self.unit}"]
        if self.n_running:
            said.append(f"{self.n_running} running")
        if (left := self.left()) is not None:
            said.append(str(left))
        return ", ".join(said)

    def left(self) -> Estimate | None:
        """The time left; None while there is nothing to say, or all is done."""
        if self.n_done == self.n_jobs:
            return None
        with self.lock:
            return self.remaining.left(self.workers, self.clock())

    def line(self) -> str:
        """What a log gets now, mostly nothing: see above."""
        now, share = self.clock(), self.remaining.share_done
        passed, step = now - self.since, int(STEPS * share)
        if passed < FIRST or (step <= self.step and now - self.last_line < QUIET):
            return ""
        left = self.left()
        if left is None or passed + left.seconds < LONG:
            return ""
        self.step, self.last_line = step, now
        return f"{int(100 * share)} % of the work after {about(passed)}: {self.in_words()}"

    def _ended(self, job: int, seconds: float | None) -> None:
        """A job will not run any more."""
        with self.lock:
            self.n_done += 1
            if seconds is None:
                self.remaining.lost(job)
            else:
                self.remaining.done(job, seconds)


@contextmanager
def watched(
    jobs: Sequence[Job[Any, Any]], order: Sequence[int], unit: str
) -> Iterator[tuple[Watch, Callable[[], None]]]:
    """Show where a run stands; yields who hears of it, and what is called when a job has ended."""
    watch = Watch(jobs, order, unit)
    if not sys.stdout.isatty():

        def log() -> None:
            """Write into the log."""
            if line := watch.line():
                complain(line)

        yield watch, log
        return
    from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
    from rich.progress import TimeElapsedColumn as Elapsed
    from rich.text import Text

    class Words(ProgressColumn):
        """Where the run stands, in words."""

        def render(self, task: Task) -> Text:
            """As of now: the time left goes on while no job ends."""
            return Text(watch.in_words(), no_wrap=True, overflow="ellipsis")

    columns = (TextColumn("{task.description}"), BarColumn(20), Words(), Elapsed())
    with Progress(*columns, transient=True, refresh_per_second=REDRAWN) as bar:
        shown = bar.add_task("verifying", total=len(jobs))
        yield watch, lambda: bar.update(shown, completed=watch.n_done)
