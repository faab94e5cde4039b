"""The command line: `python -m verify ...`, and `geometric-recall ...` where the project is
installed.

This file imports nothing that Python has not imported by itself, so that an interrupt is heard
from the first moment on. What the commands do is in `verify.cli.commands`,
one file for each group of them.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

INTERRUPTED = 130
MODULE, SCRIPT = "python -m verify", "geometric-recall"


def main(arguments: Sequence[str] | None = None, program: str = MODULE) -> int:
    """Run one command; returns the exit status.

    Args:
        arguments: the words after the name of the program; by default those of this process.
        program: how the program was called, as help and messages name it.

    Raises:
        SystemExit: help was asked for, or the words are no command (status 2), as argparse does.
    """
    try:
        from verify.cli.command_line import run

        return run(arguments, program)
    except KeyboardInterrupt:
        from verify.interrupts import ignore_further

        ignore_further()
        print("interrupted", file=sys.stderr)
        return INTERRUPTED


def process(program: str = MODULE) -> int:
    """Run the command of this process. An interrupt, at whatever moment, ends it with one line and
    status 130, and so do several.
    """
    try:
        from verify.interrupts import ignore_further, listen

        listen(_leave)
        _open_closed_streams()
        try:
            return main(None, program)
        finally:
            ignore_further()  # nothing is left but to end
    except KeyboardInterrupt:
        _leave()


def script() -> int:
    """The console script `geometric-recall`."""
    return process(SCRIPT)


def _leave() -> NoReturn:
    """End at once. Files are written so that this loses nothing, and workers end with us
    (`verify.runner.executors`).
    """
    try:
        os.write(2, b"interrupted\n")
    finally:
        os._exit(INTERRUPTED)


def _open_closed_streams() -> None:
    """Where standard streams are closed, let them lead nowhere, so that no file that is opened
    takes their place.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115  # open to the end


if __name__ == "__main__":
    sys.exit(process())
