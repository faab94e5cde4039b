"""Processes that run cells side by side."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST = 4
MOST_LOST = 8
"""When so many items have been lost the rest is not run: something is wrong with all of them."""


class Lost(Exception):
    """An item of which there is no result; the message says why.

    Attributes:
        crashed: whether the item itself did it: not if its process was killed from outside, or
            never run.
    """

    def __init__(self, why: str, crashed: bool):
        super().__init__(why, crashed)
        self.crashed = crashed

    def __str__(self) -> str:
        return str(self.args[0])


@contextmanager
def side_by_side(
    function: Callable[[Item], Result], items: Sequence[Item], lost: Callable[[Item, Lost], Result]
) -> Iterator[Iterator[Result]]:
    """The results in order, from one process for each core, four at most.

    Leaving the context, by an exception or an interrupt too, ends the processes at once; and they
    end by themselves where this process is killed. An interrupt from the keyboard, which all of
    them get, is heard here alone.

    Args:
        function: what is done with an item, in another process.
        items: what is to be done; each is sent when a process is free for it.
        lost: the result of an item if `function` raises, if its process ends, or if too many
            others were lost before it. A process that has ended is replaced, and the others go on.
    """
    pool = _Pool(function, items, lost)
    try:
        yield pool.results()
    finally:
        pool.end()


class _Worker:
    """A process, our end of the pipe to it, and the place of the item that it has."""

    def __init__(self, function: Callable[[Any], Any]):
        context = get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(function, theirs), daemon=True)
        self.place = -1
        with _shielded():
            self.process.start()
        theirs.close()  # so that the pipe ends with the process

    def fate(self) -> Lost:
        """How the process has ended."""
        self.process.join()
        code = self.process.exitcode or 0
        if code >= 0:
            return Lost(f"its process ended with status {code}", crashed=True)
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        reported = ", as a system does that is out of memory" if name == "SIGKILL" else ""
        return Lost(
            f"its process was ended by {name}{reported}",
            crashed=name not in ("SIGKILL", "SIGTERM"),
        )


class _Pool(Generic[Item, Result]):
    """The processes, what they have, and what was found."""

    def __init__(
        self,
        function: Callable[[Item], Result],
        items: Sequence[Item],
        lost: Callable[[Item, Lost], Result],
    ):
        self.function, self.items, self.lost = function, items, lost
        self.workers: list[_Worker] = []
        self.places = iter(range(len(items)))
        self.found: dict[int, Result] = {}
        self.n_lost = 0

    def results(self) -> Iterator[Result]:
        """All results, in the order of the items."""
        busy: list[_Worker] = []
        for place in range(len(self.items)):
            while place not in self.found:
                while (
                    len(busy) < min(MOST, os.cpu_count() or 1)
                    and (next_place := self.next_place()) >= 0
                ):
                    worker = _Worker(self.function)
                    self.workers.append(worker)
                    busy.append(worker)
                    self.send(worker, next_place)
                if not busy:  # the rest was given up just now, this place with it
                    continue
                ready = wait([worker.pipe for worker in busy])
                busy = [
                    worker for worker in busy if worker.pipe not in ready or self.receive(worker)
                ]
            yield self.found.pop(place)

    def next_place(self) -> int:
        """The next item that is to be run, -1 if there is none."""
        if self.n_lost >= MOST_LOST:
            why = Lost(f"it was not run, since {self.n_lost} others had been lost", crashed=False)
            self.found |= {place: self.lost(self.items[place], why) for place in self.places}
        return next(self.places, -1)

    def send(self, worker: _Worker, place: int) -> None:
        """Hand over an item. That the process has ended is noticed when it is listened to."""
        worker.place = place
        try:
            worker.pipe.send(self.items[place])
        except OSError:
            return

    def receive(self, worker: _Worker) -> bool:
        """Take what a process says, and hand it the next item; False if it has ended or there is
        nothing to do.
        """
        try:
            done, said = worker.pipe.recv()
        except (EOFError, OSError):
            self.note_lost(worker.place, worker.fate())
            return False
        if done:
            self.found[worker.place] = said
        else:
            self.note_lost(worker.place, Lost(said, crashed=True))
        place = self.next_place()
        if place < 0:
            return False
        self.send(worker, place)
        return True

    def note_lost(self, place: int, why: Lost) -> None:
        """The result of an item that has none."""
        self.n_lost += 1
        self.found[place] = self.lost(self.items[place], why)

    def end(self) -> None:
        """End the processes, whatever they are doing."""
        for worker in self.workers:
            worker.process.terminate()
        for worker in self.workers:
            worker.process.join()
            worker.pipe.close()


def _work(function: Callable[[Any], Any], pipe: Connection) -> None:
    """What a worker does: item after item until the pipe ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its workers
    while True:
        try:
            item = pipe.recv()
        except EOFError:
            return
        try:
            answer = True, function(item)
        except Exception as error:
            answer = False, f"it raised {type(error).__name__}: {error}"
        try:
            pipe.send(answer)
        except OSError:  # the parent has gone
            return
        except Exception as error:  # a result that cannot be sent
            pipe.send((False, f"its result cannot be sent: {type(error).__name__}: {error}"))


@contextmanager
def _shielded() -> Iterator[None]:
    """Start processes that hear no interrupt, and import nothing from the current folder, before
    their code runs.
    """
    kept = os.environ.get("PYTHONSAFEPATH")
    os.environ["PYTHONSAFEPATH"] = "1"
    masks = hasattr(signal, "pthread_sigmask")
    try:
        resource_tracker.ensure_running()  # which takes its own mask away again
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}) if masks else set()
        try:
            yield
        finally:
            if masks:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
    finally:
        if kept is None:
            del os.environ["PYTHONSAFEPATH"]
        else:
            os.environ["PYTHONSAFEPATH"] = kept
