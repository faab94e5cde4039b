"""Reading a folder that another program may replace meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from constructions.guards.errors import InputError

MOST_TRIES = 100

Found = TypeVar("Found")


def undisturbed(folder: Path, read: Callable[[], Found]) -> Found:
    """What `read` finds in a folder, all of it in one: it reads again if another has got the name.

    A folder that is exchanged, also there and back, has another time of change.

    Raises:
        InputError: it is replaced again and again. What `read` raises of a folder that stays.
    """

    def which() -> tuple[int, ...] | None:
        """Which folder has the name, and since when."""
        try:
            found = folder.stat()
        except (OSError, ValueError):
            return None
        return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_ctime_ns

    for _ in range(MOST_TRIES):
        before = which()
        try:
            found = read()
        except Exception:
            if which() == before:
                raise
        else:
            if which() == before:
                return found
    raise InputError(f"{folder}: is replaced again and again while it is read; read it later")
