"""Locks on folders and files (`flock`): the kernel's, which end with the process that holds them,
so that they are seen across process namespaces (containers that share a volume), where process ids
mean nothing.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # no POSIX system: as on a file system without locks
    fcntl = None  # type: ignore[assignment]

Identity = tuple[int, int]
"""Device and inode: a folder, whatever its name is."""


def identity(of: Path | int) -> Identity | None:
    """Which folder has this name, or is open under this descriptor; None if there is none."""
    try:
        found = os.fstat(of) if isinstance(of, int) else os.lstat(of)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev, found.st_ino


def locked(path: Path, wait: bool) -> int | None:
    """A descriptor of the folder that has this name, locked. None if it is locked by another, or
    there is none.

    Raises:
        OSError: folders cannot be locked here.
    """
    while True:
        try:
            handle = os.open(
                path, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)
            )
        except FileNotFoundError:
            return None
        try:
            if fcntl is None:
                raise OSError(errno.ENOLCK, "no locks")
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            if identity(path) == identity(handle):
                return handle
        except BaseException as error:
            os.close(handle)
            if isinstance(error, BlockingIOError):
                return None
            raise
        released(handle)  # another folder has got the name while we waited


def held(handle: int) -> bool:
    """Lock an open file; False where files cannot be locked.

    Raises:
        BlockingIOError: another process holds it.
    """
    if fcntl is None:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        return False
    return True


def released(handle: int) -> None:
    """Unlock by word, and not by closing alone: a process that was forked meanwhile has the
    descriptor too.
    """
    with suppress(OSError):
        if fcntl is not None:
            fcntl.flock(handle, fcntl.LOCK_UN)
    os.close(handle)
