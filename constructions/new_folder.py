"""A folder that appears whole, or not at all: written beside its place, then moved there in one step.

Under its name there is at every moment what was there before, or all that is new, also if the process is killed.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
import secrets
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from constructions.errors import InputError

_AT_FDCWD = -100
_SWAP = 2
"""The flag of Linux's renameat2 (RENAME_EXCHANGE) and of macOS's renamex_np (RENAME_SWAP): they are the same number."""


@contextmanager
def new_folder(folder: str | os.PathLike[str], require_replaceable: Callable[[Path], None]) -> Iterator[Path]:
    """An empty folder to write into, which takes the place of `folder` when the block ends, and else is removed.

    A link is followed. What dead processes have left of the same folder is removed first.

    Args:
        folder: where the new folder is to be; its parent must exist.
        require_replaceable: raises InputError if the folder that is there, and is not empty, must stay.

    Raises:
        InputError: something there must stay, something cannot be written, or folders cannot be exchanged here.
    """
    target = _target(folder)
    part = target.with_name(f".{target.name}.{os.getpid()}.{secrets.token_hex(4)}.part")
    try:
        _require_place(target, require_replaceable)
        _sweep(target)
        part.mkdir()
        yield part
        for path in (*part.iterdir(), part):
            _sync(path)
        if target.exists() and any(target.iterdir()):
            require_replaceable(target)
            _exchange(part, target)
        else:
            part.rename(target)  # refused by the system if something has come to be there in the meantime
        _sync(target.parent)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{target}: cannot be written: {getattr(error, 'strerror', None) or error}") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)  # what is there now is unfinished, or the folder that was replaced


def _target(folder: str | os.PathLike[str]) -> Path:
    try:
        target = Path(os.path.realpath(folder))
    except (OSError, ValueError) as error:
        raise InputError(f"{folder!r} is no folder name: {error}") from None
    if not target.name:
        raise InputError(f"{target}: cannot be replaced; give the name of a folder in it")
    return target


def _require_place(target: Path, require_replaceable: Callable[[Path], None]) -> None:
    if not target.parent.is_dir():
        raise InputError(f"{target}: there is no folder {target.parent}; make it first")
    if os.path.lexists(target):
        if not target.is_dir():
            raise InputError(f"{target}: is no folder, and stays as it is; give another name, or remove it")
        if any(target.iterdir()):
            require_replaceable(target)


def _sweep(target: Path) -> None:
    """Remove the unfinished folders of this target whose process no longer runs on this machine."""
    ours = re.compile(rf"\.{re.escape(target.name)}\.([1-9][0-9]{{0,9}})\.[0-9a-f]{{8}}\.part")
    for path in target.parent.iterdir():
        name = ours.fullmatch(path.name)
        if name and not path.is_symlink() and path.is_dir() and not _runs(int(name[1])):
            shutil.rmtree(path, ignore_errors=True)


def _runs(process: int) -> bool:
    if os.name != "posix":
        return True  # there, signal 0 would not be a question
    try:
        os.kill(process, 0)
    except OverflowError:
        return True
    except OSError as error:
        return error.errno != errno.ESRCH
    return True


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _exchange(one: Path, other: Path) -> None:
    """Swap two folders in one step of the file system."""
    libc = ctypes.CDLL(None, use_errno=True)
    paths = os.fsencode(one), os.fsencode(other)
    failed = True
    code = errno.ENOSYS
    if sys.platform == "darwin" and hasattr(libc, "renamex_np"):
        failed = libc.renamex_np(*paths, ctypes.c_uint(_SWAP)) != 0
        code = ctypes.get_errno()
    elif sys.platform != "darwin" and hasattr(libc, "renameat2"):
        failed = libc.renameat2(_AT_FDCWD, paths[0], _AT_FDCWD, paths[1], ctypes.c_uint(_SWAP)) != 0
        code = ctypes.get_errno()
    if failed and code in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP):
        raise InputError(f"{other}: folders cannot be exchanged in one step here; remove the old folder first")
    if failed:
        raise OSError(code, os.strerror(code))
