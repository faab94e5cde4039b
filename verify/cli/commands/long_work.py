"""Commands that take long: their jobs, where these are run, and what is seen meanwhile."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Generic

from verify.cli.values import count, memory, part
from verify.cli.watching import watched
from verify.runner.job import Argument, Kind, Result
from verify.runner.long_work import Settings, planned, work
from verify.runner.running import ORDERS, ordered


def add_running(parser: argparse.ArgumentParser) -> None:
    """Where jobs are run, and in which order."""
    group = parser.add_argument_group("long work (docs/scale.md)")
    where = group.add_mutually_exclusive_group()
    where.add_argument(
        "--workers",
        type=count,
        metavar="NUMBER",
        help=(
            "processes that work side by side, of one thread each (by default one a core, four at"
            " most); 0: all in this process"
        ),
    )
    where.add_argument(
        "--dask",
        metavar="ADDRESS",
        help=(
            "the scheduler of a Dask cluster, such as tcp://host:8786, whose workers have one"
            " thread each: the extra `cluster`"
        ),
    )
    group.add_argument(
        "--journal",
        type=Path,
        metavar="FILE",
        help=(
            "write each result there when it is done, and take from there what an earlier run of"
            " the same version has done; see the command `journal`"
        ),
    )
    group.add_argument(
        "--memory",
        type=memory,
        metavar="BYTES",
        help=(
            "that all processes together may take, such as 16GiB (by default nine tenths of this"
            " machine's): jobs that might take more do not run side by side"
        ),
    )
    group.add_argument(
        "--order",
        choices=ORDERS,
        default="listed",
        help="in which jobs begin: as they are listed, the cheapest or the longest first",
    )
    group.add_argument(
        "--part",
        type=part,
        default=(1, 1),
        metavar="I/N",
        help="of N machines this is the I-th: every N-th job; merge with `journal`",
    )


@dataclass(frozen=True)
class Finished(Generic[Result]):
    """A run that has come to its end.

    Attributes:
        results: what was found, in the order of the jobs, without those that were not run.
        planned: how many jobs there were.
        interrupted: whether it was, from the keyboard.
    """

    results: list[Result]
    planned: int
    interrupted: bool


def run(
    kind: Kind[Argument, Result],
    arguments: Sequence[Argument],
    options: argparse.Namespace,
    unit: str,
    show: Callable[[Result], None] = lambda result: None,
) -> Finished[Result]:
    """Do all that is to be done and no journal holds, and show each result when all before it have
    been shown.

    Args:
        kind: of the jobs.
        arguments: one for each job.
        options: of `add_running`.
        unit: what the jobs are called.
        show: prints a result.

    Raises:
        InputError: see `verify.runner.long_work.work`.
    """
    settings = Settings(
        options.workers,
        options.dask,
        options.memory,
        options.order,
        options.journal,
        options.part,
        options.own,
        options.words,
    )
    plan = planned(kind, arguments, settings)
    shown = _Shown(len(plan.jobs), show)
    try:
        with (
            watched(plan.jobs, ordered(plan.jobs, settings.order), unit) as (watch, progress),
            closing(work(plan, settings, watch)) as results,
        ):
            for index, result in results:
                shown.add(index, result)
                progress()
    except KeyboardInterrupt:
        shown.interrupted = True
    return shown.end()


class _Shown(Generic[Result]):
    """Results, each of which is shown when all before it have been."""

    def __init__(self, planned: int, show: Callable[[Result], None]):
        self.planned, self.show = planned, show
        self.found: dict[int, Result] = {}
        self.next = 0
        self.interrupted = False

    def add(self, index: int, result: Result) -> None:
        """One more result."""
        self.found[index] = result
        while self.next in self.found:
            self.show(self.found[self.next])
            self.next += 1

    def end(self) -> Finished[Result]:
        """Show those that waited for one that never came."""
        for index in sorted(index for index in self.found if index >= self.next):
            self.show(self.found[index])
        results = [self.found[index] for index in sorted(self.found)]
        return Finished(results, self.planned, self.interrupted)
