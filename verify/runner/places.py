"""Where jobs are run: in this process, in worker processes of this machine, or on a cluster; and
how many at the same time.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from constructions.guards.memory import memory_limit
from verify.runner.executors import Processes, Serial
from verify.runner.job import Cost

USUAL_WORKERS = 4
"""At most so many, on a machine of more cores, where no number is asked for."""
IDLE_MEMORY = 3 * 10**8
"""Bytes of a worker process that has imported torch and has nothing to do."""
KEPT_FREE = 0.1
"""The share of the machine's memory that is left to others."""


class Place(ABC):
    """Where jobs are run."""

    @abstractmethod
    def submit(self, cost: Cost, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Hand over a call of this cost."""

    @abstractmethod
    def workers(self) -> int:
        """How many jobs run at the same time, at present."""

    def slots(self) -> int:
        """How many jobs it is given at the same time: those that run, and those that wait there in
        the order in which they were handed over.
        """
        return self.workers()

    def deserted(self) -> str:
        """Why no job that it has been given, or would be, can be expected to end; "" if it can."""
        return ""

    def takes(self, cost: Cost, running: Sequence[Cost]) -> bool:
        """Whether a job of this cost may begin now, beside the ones that are running, of which
        there are fewer than `slots`.
        """
        return True


class Here(Place):
    """This machine.

    Jobs that together might take more memory than there is do not run at the same time; one that
    might take more by itself runs alone.
    """

    def __init__(self, executor: Serial | Processes, workers: int, memory: int):
        """`memory`: bytes that all jobs together may take, beside those of idle workers."""
        self.executor, self.memory = executor, memory
        self._workers = workers

    def submit(self, cost: Cost, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """See `Place`."""
        return self.executor.submit(function, *arguments)

    def workers(self) -> int:
        """See `Place`."""
        return self._workers

    def takes(self, cost: Cost, running: Sequence[Cost]) -> bool:
        """See `Place`."""
        taken = sum(other.memory for other in running)
        return not running or taken + cost.memory <= self.memory


def usual_workers() -> int:
    """One worker for each core that this process may use, four at most."""
    known = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if known else os.cpu_count() or 1
    return max(1, min(USUAL_WORKERS, cores))


@contextmanager
def here(workers: int, memory: int | None = None) -> Iterator[Here]:
    """This machine. Leaving the context, by an exception or an interrupt too, ends the workers at
    once.

    Args:
        workers: how many processes; 0 for none but this one.
        memory: bytes that workers and jobs together may take; without it, nine tenths of those
            that the machine, the control group or the process is limited to.
    """
    most = int((1 - KEPT_FREE) * memory_limit()) if memory is None else memory
    for_jobs = max(0, most - max(1, workers) * IDLE_MEMORY)
    if workers == 0:
        yield Here(Serial(), 1, for_jobs)
        return
    executor = Processes(workers)
    try:
        yield Here(executor, workers, for_jobs)
    finally:
        executor.kill_workers()
