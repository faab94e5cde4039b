"""Executors with the interface of `concurrent.futures`: one that does everything itself, at once,
and one of worker processes that outlives each of them.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager, suppress
from multiprocessing import get_context, parent_process, resource_tracker
from multiprocessing.connection import Connection
from queue import Empty, SimpleQueue
from threading import Lock, Semaphore, Thread
from typing import Any, ParamSpec, TypeAlias, TypeVar

from verify.runner.outcome import Lost

P = ParamSpec("P")
T = TypeVar("T")
_Call: TypeAlias = "tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]"

ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
}
"""What libraries of linear algebra read when they are imported."""
SECONDS_UNTIL_KNOWN = 1.0
"""Seconds in which it is known how a process has ended."""


class Serial(Executor):
    """Calls in this process, each when it is submitted."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """A future that is done: with the result of the call, or the exception that it raised."""
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class Processes(Executor):
    """Worker processes, each with one thread of linear algebra.

    They are made by `spawn` when there is something to do and none is free, and end, whatever they
    are doing, where this process is killed. An interrupt from the keyboard, which all of them get,
    is heard here alone. The future of a call whose process ends has the exception `Lost`, which
    says how; another process takes its place, and the other calls go on.
    """

    def __init__(self, workers: int):
        """Up to `workers` processes, at least 1; none is made yet."""
        if workers < 1:
            raise ValueError(f"{workers} workers do nothing")
        self.workers = workers
        self._calls: SimpleQueue[tuple[Future[Any], _Call] | None] = SimpleQueue()
        self._threads: list[Thread] = []
        self._processes: list[_Worker] = []
        self._free = Semaphore(0)
        self._submitting, self._starting = Lock(), Lock()
        self._told_to_end = self._killed = False

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Hand over a call; function, arguments and result are pickled.

        Raises:
            RuntimeError: after `shutdown` or `kill_workers`.
        """
        with self._submitting:
            if self._told_to_end:
                raise RuntimeError("these workers were told to end")
            future: Future[T] = Future()
            self._calls.put((future, (fn, args, kwargs)))
            if not self._free.acquire(blocking=False) and len(self._threads) < self.workers:
                thread = Thread(target=self._serve, daemon=True)
                self._threads.append(thread)
                thread.start()
            return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the processes when what was handed over is done; with `cancel_futures`, when what
        they are doing is done.
        """
        with self._submitting:
            self._told_to_end = True
        if cancel_futures:
            self._cancel()
        for _ in self._threads:
            self._calls.put(None)
        if wait:
            for thread in self._threads:
                thread.join()

    def kill_workers(self) -> None:
        """End the processes at once, whatever they are doing, also those that are suspended."""
        with self._submitting:
            self._told_to_end = True
        self._cancel()
        with self._starting:
            self._killed = True
            for worker in self._processes:
                worker.process.kill()
        self.shutdown()

    def _cancel(self) -> None:
        """Cancel what no process has begun."""
        with suppress(Empty):
            while True:
                if taken := self._calls.get_nowait():
                    taken[0].cancel()

    def _serve(self) -> None:
        """What a thread does: call after call in a process of its own."""
        worker: _Worker | None = None
        while (taken := self._calls.get()) is not None:
            future, call = taken
            if not future.set_running_or_notify_cancel():
                self._free.release()
                continue
            try:
                if worker is None or worker.ended:
                    worker = self._started()
                result = worker.ask(call)
            except Exception as error:
                self._free.release()  # first: who hears of it may have another call at once
                future.set_exception(error)
            else:
                self._free.release()
                future.set_result(result)
        if worker is not None:
            worker.end()

    def _started(self) -> _Worker:
        """A new process; none after `kill_workers`."""
        with self._starting:
            if self._killed:
                raise Lost("it was not run, since the workers were told to end", crashed=False)
            worker = _Worker()
            self._processes = [one for one in self._processes if not one.ended] + [worker]
            return worker


class _Worker:
    """A process, and our end of the pipe to it."""

    def __init__(self) -> None:
        context = get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs,), daemon=True)
        self.ended = False
        with _shielded():
            self.process.start()
        theirs.close()  # so that the pipe ends with the process

    def ask(self, call: _Call) -> Any:
        """The result of a call.

        Raises:
            Lost: the process has ended.
            Exception: what the call has raised, or why it or its result cannot be pickled.
        """
        with suppress(OSError):  # that it has ended is noticed when it is listened to
            self.pipe.send(call)
        try:
            returned, said = self.pipe.recv()
        except (EOFError, OSError):
            raise self._fate() from None
        if not returned:
            raise said
        return said

    def end(self) -> None:
        """End the process when it has nothing to do."""
        self.pipe.close()
        self.process.join()
        self.ended = True

    def _fate(self) -> Lost:
        """How the process has ended."""
        self.process.join()
        self.pipe.close()
        self.ended = True
        since = time.monotonic()
        # another thread that starts a process may have been told, and is just writing it down
        while (
            code := self.process.exitcode
        ) is None and time.monotonic() < since + SECONDS_UNTIL_KNOWN:
            time.sleep(0.01)
        if code is None:  # the system tells nobody where SIGCHLD is ignored
            return Lost("its process has ended, and the system does not say how", crashed=False)
        if code >= 0:
            return Lost(f"its process ended with status {code}", crashed=True)
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        reported = ", as a system does that is out of memory" if name == "SIGKILL" else ""
        return Lost(
            f"its process was ended by {name}{reported}",
            crashed=name not in ("SIGKILL", "SIGTERM"),
        )


def _work(pipe: Connection) -> None:
    """What a worker does: call after call until the pipe ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its workers
    Thread(target=_end_with_parent, daemon=True).start()
    while True:
        try:
            function, args, kwargs = pipe.recv()
        except EOFError:
            return
        except Exception as error:  # what was sent cannot be read here
            answer: tuple[bool, Any] = False, error
        else:
            try:
                answer = True, function(*args, **kwargs)
            except Exception as error:
                answer = False, error
        try:
            pipe.send(answer)
        except OSError:  # the parent has gone
            return
        except Exception as error:  # a result, or an exception, that cannot be sent
            why = f"its result cannot be sent: {type(error).__name__}: {error}"
            pipe.send((False, Lost(why, crashed=True)))


def _end_with_parent() -> None:
    """Wait until the process that has started this one ends, and end at once: nobody wants what
    is being done.
    """
    if (parent := parent_process()) is not None:
        parent.join()
        os._exit(1)


@contextmanager
def _shielded() -> Iterator[None]:
    """Start processes that hear no interrupt, and import nothing from the current folder, before
    their code runs; and whose linear algebra has one thread.
    """
    changed = ONE_THREAD | {"PYTHONSAFEPATH": "1"}
    kept = {name: os.environ.get(name) for name in changed}
    os.environ.update(changed)
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
        for name, value in kept.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
