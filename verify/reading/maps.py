"""Files that are mapped: read without being held.

What is read of a map counts among what the process holds, until the system needs room. Whoever
reads a file that memory does not hold lets go of each piece when it has been looked at.
"""

from __future__ import annotations

import hashlib
import mmap
from typing import Any

import numpy as np

AT_ONCE = 2**24
"""Bytes that are hashed together."""
AROUND = 2**21
"""So many bytes about a place may come into memory when it is read: Linux maps what the cache
holds as one piece (a folio), which has no more.
"""
_DROP = getattr(mmap, "MADV_DONTNEED", None)


def let_go(array: np.ndarray) -> None:
    """Let the pages go that an array lies in, and those about it, if it is contiguous and of a
    file that is mapped for reading alone: who looks there again reads the file again. Of any other
    memory nothing is done.
    """
    owner: Any = array
    while isinstance(owner, np.ndarray | memoryview):
        owner = owner.base if isinstance(owner, np.ndarray) else owner.obj
    if _DROP is None or not isinstance(owner, mmap.mmap) or not array.flags.c_contiguous:
        return
    whole = np.frombuffer(owner, np.uint8)
    if whole.flags.writeable or not array.nbytes:  # what is written into a map would be lost
        return
    first = array.__array_interface__["data"][0] - whole.__array_interface__["data"][0]
    start = max(0, first // AROUND - 1) * AROUND  # of whole pages
    stop = min(len(whole), first + array.nbytes + AROUND)
    owner.madvise(_DROP, start, stop - start)


def sha256(raw: Any) -> str:
    """The SHA-256 of a file that is given as a bytes-like object, some of it at a time."""
    data, found = np.frombuffer(raw, np.uint8), hashlib.sha256()
    for start in range(0, len(data), AT_ONCE):
        some = data[start : start + AT_ONCE]
        found.update(some.data)
        let_go(some)
    return found.hexdigest()
