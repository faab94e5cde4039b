"""A file that is written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from constructions.files.flushing import flushed
from constructions.guards.errors import InputError


def write_atomically(path: str | os.PathLike[str], chunks: Iterable[str | bytes]) -> None:
    """Write text, as UTF-8, or bytes so that `path` holds either what it held before or all that
    is new, also after a crash.

    A link is followed. What is no regular file, such as a terminal or a pipe, is written to as it
    is; so is the file that standard output or standard error goes to, which holds what was
    printed.
    """
    try:
        target = Path(os.path.realpath(path))
    except ValueError as error:
        raise InputError(f"{path!r} is no file name: {error}") from None
    place: Path | int | None = _own_stream(path)
    if place is None and os.path.exists(path) and not os.path.isfile(path):
        place = Path(path)  # as it was given: what /dev/stdout leads to may have no name
    if place is not None:
        try:
            with open(place, "wb") as file:
                file.writelines(map(_encoded, chunks))
        except OSError as error:
            raise InputError(f"{path}: cannot be written: {error.strerror}") from None
        return
    try:
        handle, temporary = tempfile.mkstemp(
            prefix=f".{target.name}.", suffix=".part", dir=target.parent
        )
    except OSError as error:
        raise InputError(f"{target}: cannot be written: {error.strerror}") from None
    try:
        with os.fdopen(handle, "wb") as file:
            file.writelines(map(_encoded, chunks))
            file.flush()
            flushed(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, target)
    except BaseException as error:
        os.unlink(temporary)
        if isinstance(error, OSError):
            raise InputError(f"{target}: cannot be written: {error.strerror}") from None
        raise


def _encoded(chunk: str | bytes) -> bytes:
    """A piece of a file as bytes."""
    return chunk.encode() if isinstance(chunk, str) else chunk


def _own_stream(path: str | os.PathLike[str]) -> int | None:
    """A new descriptor of standard output or standard error, if `path` is the file that it goes
    to.
    """
    for number in (1, 2):
        try:
            if os.path.samestat(os.stat(path), os.fstat(number)):
                return os.dup(number)
        except OSError:
            continue
    return None
