"""A folder that appears whole, or not at all: written beside its place, then moved in one step.

Under its name there is at every moment what was there before, or all that is new, also if the
process is killed.

Each writer holds a lock on the folder that it writes, and on the one that it replaces until that
is removed. What is not locked has no writer and is removed by the next one. Where the file system
has no locks nothing is swept.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from safetensors import SafetensorError

from constructions.files.flushing import flushed
from constructions.files.locks import Identity, identity, locked, released
from constructions.files.moves import Written, exchange, listed, remove
from constructions.files.outputs import require_outside_models
from constructions.files.undisturbed import MOST_TRIES, undisturbed
from constructions.guards.errors import InputError
from constructions.guards.wording import printable


@dataclass
class _Part:
    """A folder that is being written.

    Attributes:
        path: its name until it is in place; when it has replaced another one, that has this name.
        own: which folder it is.
        lock: a descriptor of it, locked; None where there are no locks.
        files: what has been written into it, when that is done.
        was_in_place: whether it had the name that it is for, so that others may have put something
            into it.
    """

    path: Path
    own: Identity | None
    lock: int | None
    files: dict[str, Written] = field(default_factory=dict)
    was_in_place: bool = False


@contextmanager
def new_folder(
    folder: str | os.PathLike[str],
    require_replaceable: Callable[[Path], None],
    require_left_over: Callable[[Path], None],
) -> Iterator[Path]:
    """An empty folder to write into, which takes the place of `folder` when the block ends, and
    else is removed.

    A link is followed. What writers that were killed have left of the same folder is removed
    first. Several writers of one folder come one after the other: each that returns has been in
    place whole.

    Args:
        folder: where the new folder is to be; its parent must exist.
        require_replaceable: raises InputError if the folder that is there, and is not empty, must
            stay. It is asked before anything is written, before folders are exchanged, and of the
            one that has been moved away, before that is removed. If it must stay after all, it is
            put back.
        require_left_over: raises InputError if a folder that a writer seems to have left must
            stay.

    Raises:
        InputError: the place lies in a saved model, something there must stay, something cannot be
            written, or folders cannot be exchanged here.

    Warns:
        UserWarning: the folder is in place, and something that is promised beside that does not
            hold: the file system does not say that it has been written to the disk, or the old one
            could not be removed.
    """
    require_outside_models(folder)
    target = _target(folder)
    doubts: list[str] = []
    try:
        _require_place(target, require_replaceable)
        _sweep(target, require_left_over)
        with _unfinished(target) as part:
            yield part.path
            for path in (*part.path.iterdir(), part.path):
                _sync(path, doubts)
            part.files = listed(part.path)
            _put_in_place(part, target, require_replaceable, doubts)
    except (OSError, SafetensorError) as error:
        raise InputError(
            f"{target}: cannot be written: {getattr(error, 'strerror', None) or error}"
        ) from None
    for doubt in dict.fromkeys(doubts):
        warnings.warn(printable(f"{target}: {doubt}"), UserWarning, stacklevel=4)


# -------------------------------------------------------------------- the place


def _target(folder: str | os.PathLike[str]) -> Path:
    """Where the folder will be, links followed. Raises InputError for what is no folder's name."""
    try:
        target = Path(os.path.realpath(folder))
    except (OSError, ValueError) as error:
        raise InputError(f"{folder!r} is no folder name: {error}") from None
    if not target.name:
        raise InputError(f"{target}: cannot be replaced; give the name of a folder in it")
    return target


def _require_place(target: Path, require_replaceable: Callable[[Path], None]) -> None:
    """Raise InputError unless there is a folder to write in, and what is there may be replaced."""
    if not target.parent.is_dir():
        raise InputError(f"{target}: there is no folder {target.parent}; make it first")
    if os.path.lexists(target) and not target.is_dir():
        raise InputError(
            f"{target}: is no folder, and stays as it is; give another name, or remove it"
        )

    def ask() -> None:
        """Ask while nobody replaces the folder."""
        lock = None
        # without locks it may be exchanged while it is read, and is read again then
        with suppress(OSError):
            lock = locked(target, wait=True)
        try:
            if target.is_dir() and any(target.iterdir()):
                require_replaceable(target)
        finally:
            if lock is not None:
                released(lock)

    undisturbed(target, ask)


def _sweep(target: Path, require_left_over: Callable[[Path], None]) -> None:
    """Remove what writers of this target have left that were killed: whole old folders, and
    unfinished new ones.
    """
    ours = re.compile(rf"\.{re.escape(target.name)}\.[0-9a-f]{{16}}\.part")
    for path in target.parent.iterdir():
        if not ours.fullmatch(path.name) or path.is_symlink() or not path.is_dir():
            continue
        # there are no locks here, so that its writer may live; or it must stay
        with suppress(OSError, InputError):
            lock = locked(path, wait=False)
            if lock is not None:
                try:
                    files = listed(path)
                    require_left_over(path)
                    remove(path, files)
                finally:
                    released(lock)


@contextmanager
def _unfinished(target: Path) -> Iterator[_Part]:
    """A new folder beside the target; if that is what still has its name at the end, it is
    removed.
    """
    lock = None
    while lock is None:
        path = target.with_name(f".{target.name}.{secrets.token_hex(8)}.part")
        path.mkdir()
        part = _Part(path, identity(path), None)
        try:
            # None: another writer has found it unlocked, and removes it
            lock = part.lock = locked(path, wait=False)
        except OSError:
            break
    try:
        yield part
    finally:
        if identity(part.path) == part.own:
            if part.was_in_place:  # and put back: others may have written into it
                remove(part.path, part.files)
            else:
                shutil.rmtree(part.path, ignore_errors=True)
        if part.lock is not None:
            released(part.lock)


# -------------------------------------------------------------------- moving it there


def _sync(path: Path, doubts: list[str]) -> None:
    """Flush a file or a folder to the disk; where the file system cannot, that is a doubt."""
    handle = os.open(path, os.O_RDONLY)
    try:
        if why := flushed(handle):
            doubts.append(
                "is written and in place, but this file system cannot flush a"
                f" {'folder' if path.is_dir() else 'file'} to the disk ({why}): should the machine"
                " stop within seconds, it may be lost or not whole; load it then"
            )
    finally:
        os.close(handle)


def _put_in_place(
    part: _Part, target: Path, require_replaceable: Callable[[Path], None], doubts: list[str]
) -> None:
    """Give the finished folder its name, see that it has it whole, and remove what had the name
    before.
    """
    old_lock: int | None = None
    try:
        for _ in range(MOST_TRIES):
            if part.lock is not None:
                old_lock = locked(target, wait=True)
            if target.is_dir() and any(target.iterdir()):
                require_replaceable(target)
                exchange(part.path, target)
                break
            try:
                # refused by the system if something has come to be there in the meantime
                part.path.rename(target)
                break
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
            if old_lock is not None:
                released(old_lock)
                old_lock = None
        else:
            raise InputError(
                f"{target}: other programs put something there again and again; save elsewhere"
            )
        part.was_in_place = True
        _require_in_place(part, target)
        if os.path.lexists(part.path):
            _remove_old(part, target, require_replaceable, doubts)
        try:
            _sync(target.parent, doubts)
        except OSError as error:  # it is in place all the same
            doubts.append(
                f"is written and in place, but the system does not confirm that: {error.strerror}"
            )
    finally:
        if old_lock is not None:
            released(old_lock)


def _require_in_place(part: _Part, target: Path) -> None:
    """The commit point: under the target's name there is a folder with all the files that were
    written into it.

    Names and sizes decide: on some file systems a folder gets another inode when it is moved.
    """
    there: dict[str, Written] = {}
    with suppress(OSError):
        there = listed(target)
    if any(
        name not in there or there[name].bytes != wrote.bytes for name, wrote in part.files.items()
    ):
        raise InputError(
            f"{target}: was written and put in place, and is not there whole any more: another"
            " program has moved or changed it; see what is there, and save again"
        )


def _remove_old(
    part: _Part, target: Path, require_replaceable: Callable[[Path], None], doubts: list[str]
) -> None:
    """Remove the folder that was replaced, which has the part's name now; or put it back if it
    must stay after all.
    """
    files = listed(part.path)
    try:
        require_replaceable(part.path)
    except InputError as error:
        try:
            exchange(part.path, target)
        except (OSError, InputError):
            raise InputError(
                f"{target}: something has come to be in it while it was replaced, so the old"
                f" folder is kept, as {part.path}"
            ) from None
        raise InputError(str(error).replace(str(part.path), str(target))) from None
    if not remove(part.path, files):
        doubts.append(
            "is written and in place; the folder that it has replaced could not be removed: see"
            f" {part.path}"
        )
