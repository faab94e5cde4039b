"""Commands that take long: their jobs, where these are run, and what is seen meanwhile."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic

from constructions.guards.errors import InputError
from verify.cli.output import complain
from verify.cli.values import count, memory, part
from verify.cli.watching import Watch, watched
from verify.runner.code_version import code_version, own_files
from verify.runner.job import Argument, Job, Kind, Result
from verify.runner.journal import Journal, opened
from verify.runner.outcome import Lost
from verify.runner.places import Place, here, usual_workers
from verify.runner.running import ORDERS, Outcome, ordered, run_jobs
from verify.runner.same_code import Meant, meant


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
        InputError: there is no such cluster, or a journal that cannot be read or written.
    """
    code, by = code_version(own_files(options.own)), meant(options.own)
    planned = {job.key: job for job in (Job(kind, one, code) for one in arguments)}
    which, of = options.part or (1, 1)
    jobs = list(planned.values())[which - 1 :: of]
    shown = _Shown(len(jobs), show)
    try:
        with (
            watched(jobs, ordered(jobs, options.order), unit) as (watch, show_progress),
            _journal(options, kind.name, planned, len(jobs), code) as journal,
        ):
            left = []
            for index, job in enumerate(jobs):
                done = None if journal is None else journal.found(job)
                if done is None:
                    left.append(index)
                else:
                    watch.known(index, done.seconds)
                    shown.add(index, done.result)
            if len(left) < len(jobs):
                done_before = f"{len(jobs) - len(left):,} of {len(jobs):,} {unit} are done"
                complain(f"{options.journal}: {done_before}")
            show_progress()
            with closing(_outcomes(jobs, left, options, watch, by)) as outcomes:
                for index, outcome in outcomes:
                    shown.add(index, _noted(jobs[index], outcome, journal))
                    show_progress()
    except KeyboardInterrupt:
        shown.interrupted = True
    return shown.end()


def _outcomes(
    jobs: Sequence[Job[Any, Any]],
    left: Sequence[int],
    options: argparse.Namespace,
    watch: Watch,
    code: Meant,
) -> Generator[tuple[int, Outcome]]:
    """The index of each job that is left, and what has become of it, as they finish."""
    with _place(options) as place:

        def begun(given: Sequence[int]) -> None:
            """Some were handed over, of which the first ones run; by their numbers among those
            that are left.
            """
            workers = place.workers()
            watch.begun([left[at] for at in given[:workers]], workers)

        waiting = [jobs[index] for index in left]
        for at, outcome in run_jobs(waiting, place, options.order, begun, code):
            watch.ended(left[at], None if isinstance(outcome, Lost) else outcome.seconds)
            yield left[at], outcome


def _noted(job: Job[Any, Result], outcome: Outcome, journal: Journal | None) -> Result:
    """Write what has become of a job into the journal; returns what stands in a table for it."""
    if isinstance(outcome, Lost):
        if journal is not None:
            journal.note_lost(job, outcome)
        return job.kind.lost(job.argument, outcome)
    if journal is not None:
        journal.note_done(job, outcome)
    result: Result = outcome.result
    return result


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


@contextmanager
def _journal(
    options: argparse.Namespace,
    kind: str,
    planned: Mapping[str, Job[Any, Any]],
    jobs: int,
    code: str,
) -> Iterator[Journal | None]:
    """The journal that is asked for, in which it says what this run is to do."""
    if options.journal is None:
        yield None
        return
    with opened(options.journal) as journal:
        for remark in journal.contents.remarks():
            complain(f"{options.journal}: {remark}")
        part = "" if options.part is None else "{}/{}".format(*options.part)
        journal.begin(options.words, kind, code, list(planned), jobs, options.own, part)
        yield journal


@contextmanager
def _place(options: argparse.Namespace) -> Iterator[Place]:
    """Where the jobs are run."""
    if options.dask is not None:
        from verify.runner.cluster import cluster

        if options.memory is not None:
            raise InputError(
                "--memory is about this machine; workers of Dask have limits of their own"
            )
        with cluster(options.dask) as place:
            if not place.n_workers:
                complain(f"--dask {options.dask}: no worker is there yet; jobs wait for the first")
            yield place
        return
    workers = usual_workers() if options.workers is None else options.workers
    with here(workers, options.memory) as place:
        yield place
