"""What there is in a journal: read line by line, so that its size does not matter, and without a
result of it being kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from constructions.guards.errors import InputError
from verify.runner.lines import (
    MOST_BYTES,
    Damaged,
    Entry,
    OtherFormat,
    Plan,
    content_of,
    entry_of,
    plan_of,
)

BEGINNING = b'{"plan":{"format":'
"""So every journal begins."""
MOST_NAMED = 5
"""So many damaged lines are named."""


class Line(NamedTuple):
    """A line about a job, and where it stands.

    Attributes:
        number: of the line, from 1 on.
        at, size: its first byte, and how many there are.
        run: which plan stands before it, by its place among the plans; -1 if none does.
        entry: what it says.
    """

    number: int
    at: int
    size: int
    run: int
    entry: Entry


@dataclass
class Contents:
    """What was found in a file.

    Attributes:
        path: of the file.
        plans: one for each run.
        lines: one for each job that was done or lost, in order.
        damaged: the numbers of lines that do not count, and why not.
        unknown: the numbers of lines that are whole, and about something that this version of the
            program does not know.
        size: how many bytes the whole lines have.
        torn: how many bytes stand behind the last whole line: one that was not written to its end.
    """

    path: Path
    plans: list[Plan] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    damaged: list[tuple[int, str]] = field(default_factory=list)
    unknown: list[int] = field(default_factory=list)
    size: int = 0
    torn: int = 0

    def remarks(self) -> list[str]:
        """What is to be said of lines that do not count, in words."""
        said = [
            f"line {number} does not count: {why}" for number, why in self.damaged[:MOST_NAMED]
        ]
        if (more := len(self.damaged) - MOST_NAMED) > 0:
            said.append(f"{more:,} more lines do not count")
        if self.unknown:
            said.append(
                f"{len(self.unknown):,} lines, of which the first is line {self.unknown[0]}, say"
                " something that this version of the program does not know"
            )
        if self.torn:
            said.append(
                f"its last line has no end ({self.torn:,} bytes) and does not count: the run was"
                " ended while it wrote, or is just writing"
            )
        return said

    def raw(self, lines: Iterable[Line]) -> Iterator[bytes]:
        """These lines as they stand in the file.

        Raises:
            InputError: they do no longer stand there.
        """
        return (raw for raw, _ in self._again(lines))

    def said(self, lines: Iterable[Line]) -> Iterator[dict[str, Any]]:
        """All that these lines say, the results included.

        Raises:
            InputError: see `raw`.
        """
        return (content for _, content in self._again(lines))

    def _again(self, lines: Iterable[Line]) -> Iterator[tuple[bytes, dict[str, Any]]]:
        """These lines, and what they say; read once more."""
        with open(self.path, "rb") as file:
            for line in lines:
                file.seek(line.at)
                raw = file.read(line.size)
                try:
                    content = content_of(raw)
                    unchanged = entry_of(content) == line.entry
                except (Damaged, KeyError):
                    unchanged = False
                if not unchanged:
                    raise InputError(
                        f"{self.path}: line {line.number} was changed while the file was read;"
                        " read it again"
                    )
                yield raw, content


def read(path: Path) -> Contents:
    """What there is in a journal.

    Raises:
        InputError: there is no such file, it cannot be read, it is no journal, or one of another
            format.
    """
    try:
        if not path.is_file():
            kind = "is no regular file" if path.exists() else "there is no such file"
            raise InputError(f"{path}: {kind}; give a journal, as --journal writes it")
        with open(path, "rb") as file:
            return read_from(file, path)
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        why = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be read: {why}") from None


def read_from(file: BinaryIO, path: Path) -> Contents:
    """What there is in an open file, of which this is the name. An empty one is a journal of
    nothing.

    Raises:
        InputError: it is no journal, or one of another format.
        OSError: it cannot be read.
    """
    found, number = Contents(path), 0
    for number, (raw, size, ended) in enumerate(_raw_lines(file), 1):
        if not ended:
            found.torn = size
            break
        try:
            _add(found, number, raw)
        except Damaged as error:
            found.damaged.append((number, str(error)))
        except OtherFormat as error:
            raise InputError(f"{path}: line {number} {error}") from None
        found.size += size
    known = found.plans or found.lines or found.unknown
    if not known and number and not (number == 1 and raw[:18] == BEGINNING[: len(raw)]):
        raise InputError(
            f"{path}: is no journal: none of its lines is one that --journal writes; it stays as"
            " it is"
        )
    return found


def _raw_lines(file: BinaryIO) -> Iterator[tuple[bytes, int, bool]]:
    """The lines of a file, of one that is too long its beginning alone; how many bytes each has,
    and whether it ends with a newline.
    """
    while raw := file.readline(MOST_BYTES):
        size, last = len(raw), raw
        while not last.endswith(b"\n") and (last := file.readline(MOST_BYTES)):
            size += len(last)
        yield raw, size, last.endswith(b"\n")


def _add(found: Contents, number: int, raw: bytes) -> None:
    """Take one more line.

    Raises:
        Damaged: it does not count.
        OtherFormat: it is of another format.
    """
    content = content_of(raw)
    if "plan" in content:
        found.plans.append(plan_of(content))
    elif "done" in content or "lost" in content:
        run = len(found.plans) - 1
        found.lines.append(Line(number, found.size, len(raw), run, entry_of(content)))
    else:
        found.unknown.append(number)
