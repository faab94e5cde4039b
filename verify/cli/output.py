r"""Everything that is printed goes through here, line by line.

Names, paths and values come from files and may hold anything. So a line that is printed holds no
character that could begin another line or steer a terminal (they become escapes such as `\n`), and
only the program's own verdicts begin as a verdict does.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import IO

from constructions.guards.wording import printable

VERDICTS = ("PASS", "FAIL", "UNKNOWN")
NO_VERDICT = "not a verdict: "


def joined(lines: Iterable[str]) -> str:
    """Lines as one text, to be printed by `say_text`: what is in a line stays in it."""
    return "\n".join(map(printable, lines))


def say(line: str) -> None:
    """Print one line, at once. It begins with no verdict; one that would, with a name from a file,
    is marked.
    """
    _print(line, sys.stdout)


def say_text(text: str) -> None:
    """Print the lines of a text that `joined` made."""
    for line in text.split("\n"):
        say(line)


def say_verdict(line: str) -> None:
    """Print one line that begins with a verdict."""
    print(printable(line), flush=True)


def complain(line: str) -> None:
    """Print one line to standard error; nothing is lost where that cannot be written, since the
    exit status tells.
    """
    try:
        _print(line, sys.stderr)
    except OSError:
        lead_nowhere(sys.stderr)


def lead_nowhere(stream: IO[str]) -> None:
    """Let a stream whose reader has gone, or whose disk is full, take the rest and drop it."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    except (OSError, ValueError):  # it has no file
        return


def _print(line: str, stream: IO[str]) -> None:
    shown = printable(line)
    print(
        NO_VERDICT + shown if shown.lstrip().startswith(VERDICTS) else shown,
        file=stream,
        flush=True,
    )
