"""Whether a process computes by the code that is meant: that of the program that hands out the
jobs, as it was when its run began.

Processes of a cluster may be older than a change, or belong to another machine; and files are
changed while a run goes on.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

from constructions.guards.user_code import is_reference
from verify.runner.code_version import INSTALLED, code_version, own_files


@dataclass(frozen=True)
class Meant:
    """The code that is meant.

    Attributes:
        ours: its version, see `verify.runner.code_version`, without files of a user's own.
        own: these files, and the SHA-256 of each.
    """

    ours: str
    own: tuple[tuple[str, str], ...] = ()


def meant(references: Iterable[str] = ()) -> Meant:
    """The code as it is now, with the user's own files on which the constructions of these names
    depend, once they have been loaded.
    """
    named = [one for one in references if is_reference(one)]
    files = {str(path): _digest(path) for path in own_files(named)}
    for one in named:  # where it is not whole, a path means another file for who works elsewhere
        where = one.rpartition(":")[0]
        if Path(where).is_file():
            files[where] = _digest(Path(where))
    return Meant(code_version(), tuple(files.items()))


def difference(code: Meant) -> str:
    """What this process has in place of the code that is meant, in words; "" if it has that.

    It is to be asked before anything of the user's is loaded: what a process has loaded stays as
    it was.
    """
    if (ours := _ours()) != code.ours:
        return (
            f"{platform.node()} has the code version {ours}, and this run began with {code.ours}"
        )
    for name, digest in code.own:
        here = _seen(name)
        if here is None and not any(part in INSTALLED for part in Path(name).parts):
            return f"{platform.node()} has no file {name}, which this run needs"
        if here not in (None, digest):
            return (
                f"{platform.node()} has, or had when it began, another {name} than this run;"
                " workers that go on from run to run are to be started anew"
            )
    return ""


@cache
def _ours() -> str:
    """The version of our code, as it was when this process did its first job."""
    return code_version()


@cache
def _seen(name: str) -> str | None:
    """The SHA-256 of a file as it was when this process was first asked for it; None if there was
    none.
    """
    try:
        return _digest(Path(name))
    except OSError:
        return None


def _digest(path: Path) -> str:
    """Of what a file holds."""
    return sha256(path.read_bytes()).hexdigest()
