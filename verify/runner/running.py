"""Jobs are run: in an order, as many at the same time as a place takes, and each is reported once.

A job that is lost through no fault of its own (its process was killed from outside, memory ran
out) is tried once more when all others are done, alone; what is lost then is reported as lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from typing import Any, Literal, TypeAlias, get_args

from verify.runner.job import Job
from verify.runner.outcome import Done, Lost
from verify.runner.performing import perform
from verify.runner.places import Place
from verify.runner.same_code import Meant, meant

Order = Literal["listed", "cheapest", "longest"]
"""As they stand; those of the least estimated time first; those of the most first."""
ORDERS: tuple[Order, ...] = get_args(Order)
Outcome: TypeAlias = "Done[Any] | Lost"
MOST_LOST = 8
"""When so many are lost one after another the rest is not run: something is wrong with all."""
A_WHILE = 5.0
"""Seconds after which a place is asked again how many jobs it takes."""


def run_jobs(
    jobs: Sequence[Job[Any, Any]],
    place: Place,
    order: Order = "listed",
    begun: Callable[[Sequence[int]], None] = lambda given: None,
    code: Meant | None = None,
) -> Iterator[tuple[int, Outcome]]:
    """The index of each job, and what has become of it, as they finish.

    Args:
        jobs: what is to be done.
        place: where.
        order: in which they begin. One that does not fit beside those that are running lets
            others pass.
        begun: hears the indices of the jobs that were handed over and have not ended, in the order
            in which they were, whenever that has changed.
        code: by which they are to be done; by default that which is there now, without files of a
            user's own.
    """
    run = _Run(jobs, place, order, code or meant())
    finished: set[Future[Outcome]] = set()
    try:
        while run.waiting or run.again or run.running:
            if run.begin() or finished:
                begun(list(run.running.values()))
            finished, _ = wait(run.running, A_WHILE, FIRST_COMPLETED)
            for future in finished:
                yield from run.finish(future)
            if run.lost_in_a_row >= MOST_LOST:
                yield from run.given_up()
            if run.running and (why := place.deserted()):
                yield from run.deserted(why)
    finally:
        for future in run.running:
            future.cancel()


class _Run:
    """Which jobs wait, run, and are to be tried again; by their indices."""

    def __init__(self, jobs: Sequence[Job[Any, Any]], place: Place, order: Order, code: Meant):
        self.jobs, self.place = jobs, place
        self.waiting = ordered(jobs, order)
        self.again: dict[int, Lost] = {}
        self.tried_again: set[int] = set()
        self.running: dict[Future[Outcome], int] = {}
        self.lost_in_a_row = 0
        self.code = code

    def begin(self) -> bool:
        """Hand over as many jobs as the place takes; returns whether there was one."""
        any_begun = False
        while (index := self._next()) is not None:
            job = self.jobs[index]
            future = self.place.submit(job.cost, perform, job.kind.run, job.argument, self.code)
            self.running[future] = index
            any_begun = True
        return any_begun

    def _next(self) -> int | None:
        """The first that waits and that the place takes now; else, where nothing waits or runs,
        one that is to be tried again.
        """
        if not self.waiting and not self.running and self.again:
            index = next(iter(self.again))
            del self.again[index]
            self.tried_again.add(index)
            return index
        if len(self.running) >= self.place.slots():
            return None
        costs = [self.jobs[index].cost for index in self.running.values()]
        for at, index in enumerate(self.waiting):
            if self.place.takes(self.jobs[index].cost, costs):
                return self.waiting.pop(at)
        return None

    def finish(self, future: Future[Outcome]) -> Iterator[tuple[int, Outcome]]:
        """What has become of a job that has finished; nothing if it will be tried again."""
        index, found = self.running.pop(future), _outcome(future)
        if not isinstance(found, Lost):
            self.lost_in_a_row = 0
            yield index, found
            return
        self.lost_in_a_row += 1
        if found.crashed or index in self.tried_again:
            yield index, found
        else:
            self.again[index] = found

    def given_up(self) -> Iterator[tuple[int, Outcome]]:
        """All that wait, as lost; those that were to be tried again by what has become of them."""
        why = f"it was not run, since {self.lost_in_a_row} others were lost one after another"
        not_run = dict.fromkeys(self.waiting, Lost(why, crashed=False))
        yield from sorted((not_run | self.again).items(), key=lambda one: one[0])
        self.waiting, self.again = [], {}

    def deserted(self, why: str) -> Iterator[tuple[int, Outcome]]:
        """All that is left, also what was handed over, as lost. A job that has ended meanwhile
        cannot be taken back any more, and is still finished.
        """
        taken_back = [future for future in self.running if future.cancel()]
        left = [*self.waiting, *self.again, *(self.running.pop(one) for one in taken_back)]
        self.waiting, self.again = [], {}
        for index in sorted(left):
            yield index, Lost(f"it was not done: {why}", crashed=False)


def ordered(jobs: Sequence[Job[Any, Any]], order: Order) -> list[int]:
    """The indices of all jobs, in the order in which they are to begin."""
    indices = list(range(len(jobs)))
    if order != "listed":
        indices.sort(key=lambda at: jobs[at].cost.seconds, reverse=order == "longest")
    return indices


def _outcome(future: Future[Outcome]) -> Outcome:
    """What a future holds; whatever has been raised in place of it, as a lost job."""
    try:
        return future.result()
    except Lost as lost:
        return lost
    except CancelledError:
        return Lost("it was dropped, since its workers have ended", crashed=False)
    except Exception as error:
        return Lost(f"the executor says {type(error).__name__}: {error}", crashed=False)
