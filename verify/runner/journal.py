"""The journal of long work: a file with a line for each job that is done, from which a run goes on
that was killed.

    with opened(Path("all.journal")) as journal:
        journal.begin(command, kind, code, keys, len(jobs))
        for job in jobs:
            if (done := journal.found(job)) is None:
                journal.note_done(job, compute(job))

A line counts once it is on the disk. What a run that was killed has not written to its end is cut
off by the next one. One process at a time writes a journal.
"""

from __future__ import annotations

import os
import platform
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from constructions.files.flushing import flushed
from constructions.files.locks import held, identity, released
from constructions.files.outputs import require_outside_models
from constructions.guards.errors import InputError
from verify.runner.code_version import versions
from verify.runner.contents import Contents, read_from
from verify.runner.job import Job
from verify.runner.lines import MOST_BYTES, Plan, line_of, now, plan_content
from verify.runner.merged import Merged
from verify.runner.outcome import Done, Lost
from verify.runner.stored import decode, encode

Result = TypeVar("Result")


class Journal:
    """A journal that is open for writing; see `opened`.

    Attributes:
        contents: what was found in it.
        saved: how many results are in it.
    """

    def __init__(self, contents: Contents, handle: int, locked: bool):
        self.contents, self._handle, self._locked = contents, handle, locked
        self._size = contents.size
        self._broken = ""
        self._merged = Merged([contents])
        self.saved = len(self._merged.done)
        if self._merged.conflicts:
            one, other = self._merged.conflicts[0]
            raise InputError(
                f"two results of one job are not equal: {one.in_words()}, and {other.in_words()};"
                " `verify journal` shows both"
            )

    def begin(
        self,
        command: Sequence[str],
        kind: str,
        code: str,
        keys: Sequence[str],
        jobs: int,
        own: Sequence[str] = (),
        part: str = "",
    ) -> None:
        """Say what is to be done: the line at the beginning of a run.

        Args:
            command: its words.
            kind: the name of the kind of all jobs.
            code: the version of the code.
            keys: of all jobs, those of other parts included, in the order of the table.
            jobs: how many of them this run is to do, those that are done already included.
            own: the constructions of a user's own that take part.
            part: which of the jobs this run does, in words; empty for all of them.

        Raises:
            InputError: it cannot be written.
        """
        plan = Plan(
            command=tuple(command),
            kind=kind,
            code=code,
            versions=versions(),
            own=tuple(own),
            part=part,
            host=platform.node(),
            when=now(),
            jobs=jobs,
            keys=tuple(keys),
        )
        self._write(plan_content(plan))

    def found(self, job: Job[Any, Result]) -> Done[Result] | None:
        """The result of a job that an earlier run has left; None if there is none.

        Raises:
            InputError: what is there is no result of this kind.
        """
        found = self._merged.done.get(job.key)
        if found is None:
            return None
        said, entry = found.said(), found.entry
        try:
            result = decode(job.kind.result, said["result"])
        except InputError as error:
            raise InputError(f"{found.in_words()}: {error}") from None
        return Done(result, entry.seconds, entry.memory, entry.where)

    def note_done(self, job: Job[Any, Result], done: Done[Result]) -> None:
        """Write a result, which is on the disk when this returns.

        Raises:
            InputError: it cannot be written, or stored; the message says what is in the journal.
        """
        self._write(
            {
                "done": job.key,
                "kind": job.kind.name,
                "what": job.what,
                "code": job.code,
                "verdict": getattr(done.result, "verdict", None),
                "result": encode(done.result),
                "seconds": float(done.seconds),
                "memory": done.memory,
                "where": done.where,
                "when": now(),
            }
        )
        self.saved += 1

    def note_lost(self, job: Job[Any, Any], lost: Lost) -> None:
        """Write that a job was lost, and why; the next run does it again.

        Raises:
            InputError: it cannot be written.
        """
        self._write(
            {
                "lost": job.key,
                "kind": job.kind.name,
                "what": job.what,
                "code": job.code,
                "why": str(lost),
                "crashed": lost.crashed,
                "where": platform.node(),
                "when": now(),
            }
        )

    def _write(self, content: dict[str, Any]) -> None:
        """Append a line; if that fails, what there was before is left."""
        line = line_of(content)
        if len(line) >= MOST_BYTES:
            raise InputError(f"a line of {len(line):,} bytes is too long for a journal")
        if not self._broken and identity(self.contents.path) != identity(self._handle):
            self._broken = "another file has got its name, or it was removed"
        if not self._broken and self._locked and os.fstat(self._handle).st_size != self._size:
            self._broken = "another program has changed it meanwhile"
        if self._broken:
            raise self._lost_line()
        try:
            written = 0
            while written < len(line):  # once, unless the system takes less
                written += os.write(self._handle, line[written:])
            flushed(self._handle)
        except OSError as error:
            self._broken = error.strerror or str(error)
            if self._locked:  # else it may be another's line that is cut
                with suppress(OSError):
                    os.ftruncate(self._handle, self._size)
            raise self._lost_line() from None
        self._size += len(line)

    def _lost_line(self) -> InputError:
        """Why no line can be written, and what is saved."""
        n = self.saved
        return InputError(
            f"{self.contents.path}: cannot be written: {self._broken}; {n:,}"
            f" result{'s are' if n != 1 else ' is'} in it, and the same command goes on from there"
        )


@contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[Journal]:
    """A journal to go on with; a new one where there is none. A line that was not written to its
    end is cut off. A link is followed.

    Raises:
        InputError: it cannot be written, another process writes it, it is no journal, or one that
            contradicts itself.
    """
    require_outside_models(path)
    try:
        place = Path(os.path.realpath(path))
        handle = os.open(place, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
    except (OSError, ValueError) as error:
        raise _refused(path, error) from None
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise InputError(f"{path}: is no regular file; give another name for the journal")
        try:
            locked = held(handle)
        except BlockingIOError:
            raise InputError(
                f"{path}: another process writes this journal; wait for its end, or give another"
                " name: `verify journal` merges them"
            ) from None
        try:
            with open(os.dup(handle), "rb") as file:
                contents = read_from(file, place)
            if contents.torn:
                os.ftruncate(handle, contents.size)
            if not contents.size:  # it may be new: its name must be on the disk, too
                _flush_folder(place.parent)
        except OSError as error:
            raise _refused(path, error) from None
        yield Journal(contents, handle, locked)
    finally:
        released(handle)


def _refused(path: str | os.PathLike[str], error: Exception) -> InputError:
    """A journal that cannot be opened."""
    why = getattr(error, "strerror", None) or error
    return InputError(f"{os.fspath(path)}: cannot be written: {why}; give another name for it")


def _flush_folder(folder: Path) -> None:
    """See that the name of a new file is on the disk."""
    with suppress(OSError):  # there are systems that do not open folders
        handle = os.open(folder, os.O_RDONLY)
        try:
            flushed(handle)
        finally:
            os.close(handle)
