"""How many threads torch uses for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """Run with this many threads (None: as many as torch was given), and restore.

    Small products gain nothing from more than one, and lose much where another process has the
    other core.
    """
    given = torch.get_num_threads()
    torch.set_num_threads(count or given)
    try:
        yield
    finally:
        torch.set_num_threads(given)
