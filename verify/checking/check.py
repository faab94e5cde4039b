"""Check a model folder: that it is what its manifest says, and that its model answers every query
right.

Files are mapped, not loaded. What is said comes from a checker of `CHECKERS`: each has its own
proof, and all read one certificate.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from verify import symbolic
from verify.checking import described
from verify.kernel import proof as kernel
from verify.kernel.verdict import Refuted, Undecided, Verdict
from verify.reading.wording import escaped

CHECKERS: dict[str, Callable[[Mapping[str, Any], Any], Verdict]] = {
    "symbolic": symbolic.prove,
    "kernel": kernel.prove,
}
"""By name: from the files and the manifest to a verdict, or Refuted or Undecided is raised."""
CHOICES = ("auto", *CHECKERS)
MOST_TRIES = 100  # to map a folder that does not change meanwhile
MOST_TOLD = 2000  # characters of a reason


def check(folder: str | os.PathLike[str], by: str = "auto") -> Verdict:
    """Check a model folder. What is no model folder is a FAIL."""
    for _ in range(MOST_TRIES):
        before, reported = _which(folder), ""
        try:
            paths = {path.name: path for path in sorted(Path(folder).iterdir())}
            files = {
                name: np.memmap(p, np.uint8, "r") if p.stat().st_size else b""
                for name, p in paths.items()
            }
        except (OSError, ValueError) as error:
            reported = f"{folder}: cannot be read: {getattr(error, 'strerror', None) or error}"
        # else another folder has got the name meanwhile, and files are of both
        if _which(folder) == before:
            return Verdict("FAIL", escaped(reported)) if reported else check_files(files, by)
    return Verdict("UNKNOWN", escaped(f"{folder}: is replaced again and again while it is read"))


def _which(folder: str | os.PathLike[str]) -> tuple[int, ...] | None:
    """Which folder has a name, and since when: a saved model may be replaced by another one at any
    moment.
    """
    try:
        found = os.stat(folder)
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_ctime_ns


def check_files(files: Mapping[str, Any], by: str = "auto") -> Verdict:
    """Check the files of a folder, given by name as bytes-like objects."""
    names = ("symbolic",) if by == "auto" else (by,)
    return _stopped(lambda: _checked(files, names))


def _checked(files: Mapping[str, Any], names: tuple[str, ...]) -> Verdict:
    """What the checkers of these names say of a folder that is what its manifest says."""
    manifest = described.read_manifest(files)
    with ThreadPoolExecutor(1) as beside:
        agreement = beside.submit(described.require_agreement, files, manifest)
        try:
            (proven,) = (_proven(name, files, manifest) for name in names)
        finally:
            agreement.result()  # first of all, the folder is what its manifest says
    return proven


def _proven(name: str, files: Mapping[str, Any], manifest: Any) -> Verdict:
    """What one checker says."""
    return replace(_stopped(lambda: CHECKERS[name](files, manifest)), by=name)


def _stopped(prove: Callable[[], Verdict]) -> Verdict:
    """A verdict, also where a proof stops."""
    try:
        return prove()
    except Refuted as error:
        return Verdict("FAIL", escaped(_brief(str(error))))
    except Undecided as error:
        return Verdict("UNKNOWN", escaped(_brief(str(error))))
    except Exception as error:  # what is not foreseen is not proven
        reported = f"the checker stopped: {type(error).__name__}: {error}"
        return Verdict("UNKNOWN", escaped(_brief(reported)))


def _brief(reason: str) -> str:
    """The beginning of what is reported, which may hold all that a file holds."""
    if len(reason) <= MOST_TOLD:
        return reason
    return f"{reason[:MOST_TOLD]}... ({len(reason)} characters)"
