"""How much memory there is, asked before it is used."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

try:
    import resource
except ImportError:  # not on every system
    resource = None  # type: ignore[assignment]

from constructions.guards.errors import DoesNotFit
from constructions.guards.wording import shortened


def memory_limit() -> int:
    """Bytes of memory this process may use: the machine's; the control group's or the process's
    own, where that is less.
    """
    if (
        resource is not None
        and (own := resource.getrlimit(resource.RLIMIT_AS)[0]) != resource.RLIM_INFINITY
    ):
        return min(own, _machine())
    return _machine()


@cache
def _machine() -> int:
    """Bytes of memory of the machine, or of the control group where that has less."""
    limits = (
        [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
        if hasattr(os, "sysconf")
        else [2**63]
    )
    for name in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            limits.append(int(Path(name).read_text()))
        except (OSError, ValueError):
            continue
    return min(limits)


def is_out_of_memory(error: Exception) -> bool:
    """Whether memory has run out: torch says so on a CPU by a RuntimeError that only its text
    tells from others.
    """
    return isinstance(error, MemoryError) or "allocate memory" in str(error)


def require_memory(needed: int, what: str) -> None:
    """Raise DoesNotFit, with both numbers of bytes, if `what` needs more than the machine has."""
    limit = memory_limit()
    if needed > limit:
        raise DoesNotFit(f"{what} need {shortened(needed)} bytes, and this machine has {limit:,}")
