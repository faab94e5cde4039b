"""Steps of the file system on whole folders: what is in one, removing it, swapping two."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from constructions.guards.errors import InputError

_AT_FDCWD = -100
_SWAP = 2
"""The flag of Linux's renameat2 (RENAME_EXCHANGE) and of macOS's renamex_np (RENAME_SWAP): they
are the same number.
"""


class Written(NamedTuple):
    """Which file has a name, and how it was written last."""

    device: int
    inode: int
    bytes: int
    written: int
    changed: int


def listed(folder: Path) -> dict[str, Written]:
    """What there is in a folder."""
    found = {}
    for path in folder.iterdir():
        status = os.lstat(path)
        stamps = status.st_size, status.st_mtime_ns, status.st_ctime_ns
        found[path.name] = Written(status.st_dev, status.st_ino, *stamps)
    return found


def remove(folder: Path, files: dict[str, Written]) -> bool:
    """Remove a folder, if nothing is in it but these files, as they were; what else there is
    stays, and the folder with it.

    `manifest.json` goes first: what is left, if the process is killed then, is what an unfinished
    save leaves.
    """
    with suppress(OSError):
        for name in sorted(files, key=lambda name: name != "manifest.json"):
            if listed(folder).get(name) == files[name]:
                (folder / name).unlink()
        folder.rmdir()
    return not os.path.lexists(folder)


def exchange(one: Path, other: Path) -> None:
    """Swap two folders in one step of the file system.

    Raises:
        InputError: this file system has no such step.
        OSError: it does not do it.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    paths = os.fsencode(one), os.fsencode(other)
    failed = True
    code = errno.ENOSYS
    if sys.platform == "darwin" and hasattr(libc, "renamex_np"):
        failed = libc.renamex_np(*paths, ctypes.c_uint(_SWAP)) != 0
        code = ctypes.get_errno()
    elif sys.platform != "darwin" and hasattr(libc, "renameat2"):
        failed = (
            libc.renameat2(_AT_FDCWD, paths[0], _AT_FDCWD, paths[1], ctypes.c_uint(_SWAP)) != 0
        )
        code = ctypes.get_errno()
    if failed and code in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP):
        raise InputError(
            f"{other}: folders cannot be exchanged in one step here; remove the old folder first"
        )
    if failed:
        raise OSError(code, os.strerror(code))
