"""A Dask cluster as a place for jobs: the extra `cluster`, `distributed`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future, InvalidStateError
from contextlib import contextmanager, suppress
from typing import Any

from constructions.guards.errors import InputError
from constructions.guards.extras import installing
from constructions.guards.wording import brief
from verify.runner.durations import about
from verify.runner.job import Cost
from verify.runner.outcome import Lost
from verify.runner.places import IDLE_MEMORY, Place
from verify.runner.same_code import Meant, difference, meant

SECONDS = 15
A_MOMENT = 5.0
"""Seconds for which what is known of the workers is believed."""
WITHOUT_WORKERS = 600.0
"""Seconds without any worker that can do a job, after which none is expected to come."""
AHEAD = 2
"""Jobs for each worker that the scheduler has at a time, so that none waits for us."""


class Cluster(Place):
    """The workers of a cluster, each a process with one thread. One with several, or with another
    code than is meant, is given no job, and that is reported; also of workers that come later.

    A worker that ends is noticed by the scheduler, which gives its job to another, three times.
    A job goes to workers whose limit of memory it does not exceed; where there is no such worker,
    to any. If all of those end, for the scheduler others that take their place are not the same
    ones, and it would wait for ever: the job is taken back. So are all jobs when there has been no
    worker for WITHOUT_WORKERS.
    """

    def __init__(
        self, client: Any, code: Meant, remark: Callable[[str], None] = lambda said: None
    ):
        """`client`: a `distributed.Client`; `code`: by which jobs are to be done; `remark` hears
        of workers that are given none.
        """
        self._client, self._code, self._remark = client, code, remark
        self._unfit: dict[str, str] = {}
        self._limits: dict[str, int] = {}
        self._asked = float("-inf")
        self._none_since: float | None = None
        self._deserted = ""
        self._executors: dict[tuple[str, ...], Executor] = {}
        self._handed: dict[Future[Any], tuple[str, ...]] = {}

    def submit(self, cost: Cost, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """See `Place`; where the scheduler has gone, that is what becomes of the call."""
        try:
            if self._is_closed():  # a client that is closed takes calls and drops them
                raise OSError("the connection is closed")
            return self._submitted(cost, function, *arguments)
        except Exception as error:  # of whatever kind: the client has a dozen
            refused: Future[Any] = Future()
            said = f"{type(error).__name__}: {brief(str(error), 200)}"
            refused.set_exception(Lost(f"the scheduler has not taken it: {said}", crashed=False))
            return refused

    def _submitted(self, cost: Cost, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Hand over a call, to workers that have the memory."""
        limits = self._memory_limits()
        large = [name for name, most in limits.items() if cost.memory + IDLE_MEMORY <= most]
        able = tuple(sorted(large or limits))
        chosen = () if len(able) == len(self._unfit) else able  # any of all that are known
        if chosen not in self._executors:
            where = {"workers": list(chosen)} if chosen else {}
            self._executors[chosen] = self._client.get_executor(pure=False, **where)
        future = self._executors[chosen].submit(function, *arguments)
        self._handed[future] = chosen
        return future

    def workers(self) -> int:
        """See `Place`: as many as there are at present."""
        return len(self._memory_limits())

    def require_workers(self, address: str) -> None:
        """Raise InputError if there are workers, and none of them is given a job."""
        if not self.workers() and self._unfit:
            name, why = next(iter(self._unfit.items()))
            raise InputError(f"--dask {address}: no worker can do a job; of {name}: {why}")

    def deserted(self) -> str:
        """See `Place`: there has been no worker, whenever it was looked, for WITHOUT_WORKERS. Once
        that was said it stays so, also if one comes.
        """
        since, now = self._none_since, time.monotonic()
        long = since is not None and now - since >= WITHOUT_WORKERS
        if long:
            self._asked = float("-inf")  # one may have come this moment
        if self._deserted or self.workers():
            self._none_since = None
        elif since is None:
            self._none_since = now
        elif long:
            unfit = (f"; {name} is given no job: {why}" for name, why in self._unfit.items())
            none = f"for {about(WITHOUT_WORKERS)} there was none{next(unfit, '')}"
            self._deserted = f"at least one worker was expected, and {none}"
        return self._deserted

    def slots(self) -> int:
        """See `Place`; at least one, since workers may come later."""
        return max(1, AHEAD * self.workers())

    def _memory_limits(self) -> dict[str, int]:
        """The limit of each worker, in bytes; 2^63 where it has none."""
        if time.monotonic() > self._asked + A_MOMENT:
            # nothing is known while there is no connection: then what was known is kept
            with suppress(Exception):
                known = self._client.scheduler_info(n_workers=-1)["workers"]
                self._look_at(known)
                self._limits = {
                    name: one["memory_limit"] or 2**63
                    for name, one in known.items()
                    if not self._unfit[name]
                }
            self._asked = time.monotonic()
            self._take_back()
        return self._limits

    def _look_at(self, known: Mapping[str, Any]) -> None:
        """Note of each worker that has come why it is given no job; "" of those that are."""
        came = [name for name in known if name not in self._unfit]
        said = self._client.run(difference, self._code, workers=came) if came else {}
        self._unfit = {name: why for name, why in self._unfit.items() if name in known}
        for name in came:
            if (threads := known[name]["nthreads"]) != 1:
                why = (
                    f"it has {threads} threads; start workers with --nthreads 1, one process for"
                    " each core"
                )
            else:
                why = said[name]
            self._unfit[name] = why
            if why:
                self._remark(f"the worker {name} is given no job: {why}")

    def _take_back(self) -> None:
        """Cancel the jobs of which all workers have ended to which they are bound; end all where
        the client has given up the scheduler.
        """
        self._handed = {one: chosen for one, chosen in self._handed.items() if not one.done()}
        for future, chosen in self._handed.items():
            if self._is_closed():
                with suppress(InvalidStateError):  # it has just ended
                    future.set_exception(Lost("the scheduler has gone", crashed=False))
            elif chosen and not self._limits.keys() & chosen:
                future.cancel()

    def _is_closed(self) -> bool:
        """Whether the client has given up the scheduler: it tries to find it again for a while."""
        return self._client.status not in ("running", "connecting")


@contextmanager
def cluster(
    address: str, code: Meant | None = None, remark: Callable[[str], None] = lambda said: None
) -> Iterator[Cluster]:
    """The cluster whose scheduler has this address. Leaving the context drops what is not done.

    Args:
        address: such as tcp://host:8786.
        code: by which jobs are to be done; by default that which is there now.
        remark: hears of workers that are given no job.

    Raises:
        InputError: `distributed` is not installed, there is no scheduler, or all workers that are
            there are unfit.
    """
    try:
        from distributed import Client
    except ImportError:
        raise InputError(
            f"--dask needs the package distributed: {installing('cluster')}"
        ) from None
    try:
        # a client that finds nothing would take half a minute to end, or hang
        asyncio.run(_greeted(address))
        client = Client(address, timeout=SECONDS, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        why = brief(str(error), 200) or f"nothing was heard for {SECONDS} seconds"
        raise InputError(f"--dask {address}: no scheduler has answered there: {why}") from None
    try:
        place = Cluster(client, code or meant(), remark)
        place.require_workers(address)
        yield place
    finally:
        client.close()


async def _greeted(address: str) -> None:
    """Connect with what is at an address, ask what it is, and part.

    Raises:
        OSError: there is nothing, or it is no part of a Dask cluster, or a worker of one.
        ValueError: this is no address.
    """
    from distributed import rpc
    from distributed.comm import connect

    connection = await asyncio.wait_for(connect(address, timeout=SECONDS), SECONDS)
    await connection.close()
    async with rpc(address) as there:
        said = await asyncio.wait_for(there.identity(), SECONDS)
    if said.get("type") in ("Nanny", "Worker"):
        raise OSError("this is a worker; give the address that it was given itself")
