"""Processes that run cells side by side."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import active_children, get_context

MOST = 4


@contextmanager
def worker_processes() -> Iterator[Executor]:
    """One process for each core, four at most, with a thread each; an exception, an interrupt too, ends them at once."""
    count = min(MOST, os.cpu_count() or 1)
    with ProcessPoolExecutor(count, get_context("spawn"), initializer=_start) as workers:
        try:
            yield workers
        except BaseException:
            workers.shutdown(wait=False, cancel_futures=True)
            for process in active_children():
                process.terminate()
            raise


def _start() -> None:
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its workers
    torch.set_num_threads(1)
