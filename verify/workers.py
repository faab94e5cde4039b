"""Processes that run cells side by side."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import active_children, get_context
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST = 4


@contextmanager
def side_by_side(function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Iterator[Result]]:
    """The results in order, from one process for each core, four at most, with a thread each.

    An exception in the context, an interrupt too, ends the processes at once.
    """
    count = min(MOST, os.cpu_count() or 1)
    with ProcessPoolExecutor(count, get_context("spawn"), initializer=_start) as workers:
        futures = [workers.submit(function, item) for item in items]
        try:
            yield (future.result() for future in futures)
        except BaseException:
            for process in active_children():  # and nothing is cancelled, which a broken pool does not survive
                process.terminate()
            raise


def _start() -> None:
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its workers
    torch.set_num_threads(1)
