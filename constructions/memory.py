"""How much memory there is, asked before it is used."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from constructions.errors import DoesNotFit


@cache
def memory_limit() -> int:
    """Bytes of memory this process may use: the machine's, or the control group's where that is less."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")] if hasattr(os, "sysconf") else [2**63]
    for name in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            limits.append(int(Path(name).read_text()))
        except (OSError, ValueError):
            continue
    return min(limits)


def require_memory(needed: int, what: str) -> None:
    """Raise DoesNotFit, with both numbers of bytes, if `what` needs more than the machine has."""
    limit = memory_limit()
    if needed > limit:
        raise DoesNotFit(f"{what} need {needed:,} bytes, and this machine has {limit:,}")
