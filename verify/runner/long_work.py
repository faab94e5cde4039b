"""Long work, from its list of jobs to all results: what a journal holds is not done again, and
what is done is written there.

    settings = Settings(workers=2, journal=Path("cells.journal"))
    results = dict(work(planned(CELLS, cells, settings), settings))    # by the number of the job
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from os import PathLike
from typing import Any, Generic

from constructions.guards.errors import InputError
from verify.runner.code_version import code_version, own_files
from verify.runner.durations import about
from verify.runner.job import Argument, Job, Kind, Result
from verify.runner.journal import Journal, opened
from verify.runner.outcome import Lost
from verify.runner.places import Place, here, usual_workers
from verify.runner.running import Order, Outcome, run_jobs
from verify.runner.same_code import Meant, meant


@dataclass(frozen=True)
class Settings:
    """Where long work is done, in which order, and what is written down.

    Attributes:
        workers: how many processes; 0 for none but this one, None for the usual number.
        dask: the address of a Dask scheduler, in place of processes of this machine.
        memory: bytes that all processes of this machine together may take; None for most of it.
        order: in which jobs begin.
        journal: a file, see `verify.runner.journal`; None for none.
        part: (2, 3) for the second of three parts of the jobs.
        own: the constructions of a user's own that take part, `path/file.py:name`, once loaded.
        command: what the journal says has been asked for, in words.
    """

    workers: int | None = None
    dask: str | None = None
    memory: int | None = None
    order: Order = "listed"
    journal: str | PathLike[str] | None = None
    part: tuple[int, int] = (1, 1)
    own: Sequence[str] = ()
    command: Sequence[str] = ()


@dataclass(frozen=True)
class Planned(Generic[Argument, Result]):
    """Work that is planned.

    Attributes:
        kind: of the jobs.
        jobs: of the part that is to be done; each once.
        keys: the names of all, those of other parts included.
        code: the version of the code.
        meant: the same, for who does the jobs.
    """

    kind: Kind[Argument, Result]
    jobs: list[Job[Argument, Result]]
    keys: list[str]
    code: str
    meant: Meant


class Watcher:
    """Hears how the work goes; this one lets it pass."""

    def known(self, index: int, seconds: float) -> None:
        """An earlier run has done a job, in so many seconds."""

    def begun(self, running: Sequence[int], workers: int) -> None:
        """These jobs are running now, on so many workers."""

    def ended(self, index: int, seconds: float | None) -> None:
        """A job is done, in so many seconds; None if it was lost."""

    def remark(self, text: str) -> None:
        """Something that whoever waits should know."""


def planned(
    kind: Kind[Argument, Result], arguments: Sequence[Argument], settings: Settings
) -> Planned[Argument, Result]:
    """The jobs of these arguments, in their order; two that are the same are one."""
    # both at once: jobs are named after the code that does them, though a file changes meanwhile
    code, by = code_version(own_files(settings.own)), meant(settings.own)
    jobs = {job.key: job for job in (Job(kind, one, code) for one in arguments)}
    which, of = settings.part
    return Planned(kind, list(jobs.values())[which - 1 :: of], list(jobs), code, by)


def work(
    plan: Planned[Argument, Result], settings: Settings, watcher: Watcher | None = None
) -> Generator[tuple[int, Result], None, None]:
    """The number of each job and its result: at first those of the journal, in order, then the
    others, as they finish. Each stands in the journal when it is yielded.

    Closing the iterator ends the workers at once.

    Raises:
        InputError: there is no such cluster, or a journal that cannot be read or written.
    """
    watcher = watcher or Watcher()
    with _journal(plan, settings, watcher) as journal:
        left = []
        for index, job in enumerate(plan.jobs):
            done = None if journal is None else journal.found(job)
            if done is None:
                left.append(index)
            else:
                watcher.known(index, done.seconds)
                yield index, done.result
        if len(left) < len(plan.jobs):
            done_before = f"{len(plan.jobs) - len(left):,} of {len(plan.jobs):,} jobs are done"
            watcher.remark(f"{settings.journal}: {done_before}")
        with closing(_outcomes(plan, left, settings, watcher)) as outcomes:
            for index, outcome in outcomes:
                yield index, _noted(plan.jobs[index], outcome, journal)


def _outcomes(
    plan: Planned[Any, Any], left: Sequence[int], settings: Settings, watcher: Watcher
) -> Generator[tuple[int, Outcome], None, None]:
    """The number of each job that is left, and what has become of it, as they finish."""
    with _place(settings, plan.meant, watcher) as place:

        def begun(given: Sequence[int]) -> None:
            """Some were handed over, of which the first ones run; by their numbers among those
            that are left.
            """
            workers = max(1, place.workers())
            watcher.begun([left[at] for at in given[:workers]], workers)

        jobs, lost = [plan.jobs[index] for index in left], 0
        for at, outcome in run_jobs(jobs, place, settings.order, begun, plan.meant):
            lost += isinstance(outcome, Lost)
            watcher.ended(left[at], None if isinstance(outcome, Lost) else outcome.seconds)
            yield left[at], outcome
        if lost and (why := place.deserted()):
            watcher.remark(
                f"error: --dask {settings.dask}: {why}; {lost:,} of {len(plan.jobs):,} jobs are"
                f" not done. {_kept(settings)}"
            )


def _kept(settings: Settings) -> str:
    """How to go on with a run of which a part is not done."""
    if settings.journal is None:
        return "Start workers; with --journal FILE, what is done would not be done again"
    return f"{settings.journal} keeps what is done: start workers, and give the same command again"


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


@contextmanager
def _journal(
    plan: Planned[Any, Any], settings: Settings, watcher: Watcher
) -> Iterator[Journal | None]:
    """The journal that is asked for, in which it says what this run is to do."""
    if settings.journal is None:
        yield None
        return
    with opened(settings.journal) as journal:
        for remark in journal.contents.remarks():
            watcher.remark(f"{settings.journal}: {remark}")
        part = "" if settings.part == (1, 1) else "{}/{}".format(*settings.part)
        jobs = len(plan.jobs)
        journal.begin(
            settings.command, plan.kind.name, plan.code, plan.keys, jobs, settings.own, part
        )
        yield journal


@contextmanager
def _place(settings: Settings, code: Meant, watcher: Watcher) -> Iterator[Place]:
    """Where the jobs are run."""
    if settings.dask is None:
        workers = usual_workers() if settings.workers is None else settings.workers
        with here(workers, settings.memory) as place:
            if not place.memory:
                watcher.remark(
                    f"{workers} workers take all memory before they do anything: jobs run one at a"
                    " time; give fewer --workers or more --memory"
                )
            yield place
        return
    from verify.runner.cluster import WITHOUT_WORKERS, cluster

    if settings.memory is not None:
        raise InputError(
            "--memory is about this machine; workers of Dask have limits of their own"
        )
    with cluster(settings.dask, code, watcher.remark) as place:
        if not place.workers():
            watcher.remark(
                f"--dask {settings.dask}: no worker is there yet; jobs wait"
                f" {about(WITHOUT_WORKERS)} for the first"
            )
        yield place
