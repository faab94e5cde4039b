"""Commands that take long: their jobs, where these are run, and what is seen meanwhile."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic

from constructions.guards.errors import InputError
from verify.cli.progress import progress
from verify.cli.values import count, memory, part
from verify.runner.code_version import code_version
from verify.runner.job import Argument, Job, Kind, Result
from verify.runner.outcome import Lost
from verify.runner.places import Place, here, usual_workers
from verify.runner.running import ORDERS, run_jobs


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
class Found(Generic[Result]):
    """What has been found.

    Attributes:
        results: in the order of the jobs, without those that were not run.
        planned: how many jobs there were.
        interrupted: from the keyboard.
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
) -> Found[Result]:
    """Do all that is to be done, and show each result when all before it have been shown.

    Args:
        kind: of the jobs.
        arguments: one for each job.
        options: of `add_running`.
        unit: what the jobs are called.
        show: prints a result.

    Raises:
        InputError: there is no such cluster.
    """
    if options.part is not None:
        which, of = options.part
        arguments = arguments[which - 1 :: of]
    code = code_version()
    jobs = [Job(kind, argument, code) for argument in arguments]
    found: dict[int, Result] = {}
    n_shown, interrupted = 0, False
    try:
        with progress(unit) as begin, _place(options) as place:
            advance = begin("verifying", len(jobs))
            for index, outcome in run_jobs(jobs, place, options.order):
                if isinstance(outcome, Lost):
                    found[index] = kind.lost(arguments[index], outcome)
                else:
                    found[index] = outcome.result
                while n_shown in found:
                    show(found[n_shown])
                    n_shown += 1
                advance(len(found))
    except KeyboardInterrupt:
        interrupted = True
    results = [found[index] for index in sorted(found)]
    for result in results[n_shown:]:
        show(result)
    return Found(results, len(jobs), interrupted)


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
            yield place
        return
    workers = usual_workers() if options.workers is None else options.workers
    with here(workers, options.memory) as place:
        yield place
