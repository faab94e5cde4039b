r"""Everything that is printed goes through here, line by line.

Names, paths and values come from files and may hold anything. So a line that is printed holds no
character that could begin another line or steer a terminal (they become escapes such as `\n`), and
only the program's own verdicts begin as a verdict does.
"""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from typing import IO

from constructions.guards.wording import printable
from verify.cli.status import INTERRUPTED
from verify.interrupts import ignore_further

VERDICTS = ("PASS", "FAIL", "UNKNOWN")
NO_VERDICT = "not a verdict: "
COLOURS = {"PASS": "32", "FAIL": "31", "UNKNOWN": "33"}
"""Green, red and yellow, on a terminal alone."""
COLUMNS = 99
"""Of lines that are long because of what they say, and no tables."""
WIDE = 200
"""A terminal of so many columns has room for the wide tables."""


def is_wide(asked: bool) -> bool:
    """Whether tables are wide: where that is asked for, or on a terminal that has the room."""
    return asked or (sys.stdout.isatty() and shutil.get_terminal_size().columns >= WIDE)


def say(line: str) -> None:
    """Print one line, at once. It begins with no verdict; one that would, with a name from a file,
    is marked.
    """
    _print(line, sys.stdout)


def say_text(text: str) -> None:
    """Print the lines of a text that `constructions.guards.wording.joined` made."""
    for line in text.split("\n"):
        say(line)


def say_verdict(line: str) -> None:
    """Print one line that begins with a verdict, which has its colour on a terminal."""
    shown = printable(line)
    word = next((word for word in VERDICTS if shown.startswith(word)), "")
    print(_coloured(word) + shown[len(word) :], flush=True)


def folded(line: str) -> list[str]:
    """A line as one or several of at most `COLUMNS` columns, the further ones indented."""
    shown = printable(line)
    if len(shown) <= COLUMNS:
        return [shown]
    return textwrap.wrap(shown, COLUMNS, subsequent_indent="    ", break_on_hyphens=False)


def say_row(line: str, verdict: str) -> None:
    """Print one row of a table; the verdict, the last such word in it, has its colour on a
    terminal.
    """
    before, word, after = printable(line).rpartition(verdict)
    _print_marked(before, _coloured(word) + after, sys.stdout)


def complain(line: str) -> None:
    """Print one line to standard error; nothing is lost where that cannot be written, since the
    exit status tells.
    """
    try:
        _print(line, sys.stderr)
    except OSError:
        lead_nowhere(sys.stderr)


def complain_interrupted(unknown: str) -> int:
    """Say once, as the last thing, that a run was interrupted, and what is unknown; returns the
    exit status.
    """
    ignore_further()
    complain(f"interrupted: {unknown}")
    return INTERRUPTED


def lead_nowhere(stream: IO[str]) -> None:
    """Let a stream whose reader has gone, or whose disk is full, take the rest and drop it."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    except (OSError, ValueError):  # it has no file
        return


def _coloured(verdict: str) -> str:
    """A verdict as it is printed. What is written to a file or a pipe holds no colour, nor does
    anything where NO_COLOR is set.
    """
    plain = not sys.stdout.isatty() or os.environ.get("NO_COLOR") or not verdict
    plain = plain or os.environ.get("TERM") == "dumb"
    return verdict if plain else f"\x1b[{COLOURS[verdict]}m{verdict}\x1b[0m"


def _print(line: str, stream: IO[str]) -> None:
    """Print what is printable of a line."""
    _print_marked(printable(line), "", stream)


def _print_marked(shown: str, rest: str, stream: IO[str]) -> None:
    """Print a line in two parts, marked if its beginning reads as a verdict."""
    if shown.lstrip().startswith(VERDICTS):
        shown = NO_VERDICT + shown
    print(shown + rest, file=stream, flush=True)
