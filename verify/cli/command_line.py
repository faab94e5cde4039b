"""One command is run, and what goes wrong is said in a sentence."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence

from constructions import __version__
from constructions.catalogue import CATALOGUE
from constructions.guards.errors import InputError
from constructions.guards.memory import is_out_of_memory
from constructions.guards.user_code import is_reference
from constructions.guards.wording import brief, close_names
from verify.cli.arguments import BEHIND, COMMANDS, DASH, parser
from verify.cli.output import complain, lead_nowhere, say
from verify.cli.status import BAD_INPUT, FAILED, PASSED
from verify.cli.written_files import require_places


def run(arguments: Sequence[str] | None, program: str) -> int:
    """Run one command; returns the exit status.

    Raises:
        SystemExit: help was asked for, or the words are no command (status 2), as argparse does.
        KeyboardInterrupt: from where it came.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # a name that the terminal cannot show is no failure
            stream.reconfigure(errors="backslashreplace")
    try:
        try:
            whole, options = _understood(arguments, program)
            if options.version:
                say(f"geometric-factual-recall {__version__}")
                status = PASSED
            elif options.command is None:
                whole.print_help()
                status = BAD_INPUT
                complain("error: no command was given; all of them are listed above")
            else:
                require_places(options)
                status = options.run(options)
        finally:
            sys.stdout.flush()
    except InputError as error:  # of a fact file, or of a user's code, in several lines
        for number, line in enumerate(str(error).split("\n")):
            complain(line if number else f"error: {line}")
        return BAD_INPUT
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        complain(f"error: out of memory: {error}")
        return BAD_INPUT
    except OSError as error:
        if error.filename is not None:  # a file or folder that was named, or one in it
            complain(f"error: {os.fsdecode(error.filename)}: {error.strerror}")
            return BAD_INPUT
        # the disk of our output is full; if its reader has gone, he knows
        if not isinstance(error, BrokenPipeError):
            complain(f"error: {error.strerror or error}")
        lead_nowhere(sys.stdout)
        return FAILED
    return status


def _understood(
    arguments: Sequence[str] | None, program: str
) -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    """The parser and what it makes of the words, which are kept as `words`.

    Raises:
        SystemExit: they are no command, or help was asked for.
        InputError: the first of them names a construction of the user's, and there is none.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    if " ".join(words[:2]) in COMMANDS:
        words[:2] = [" ".join(words[:2])]
    first = words[0] if words else ""
    if first.endswith(".py") and first not in COMMANDS:
        raise InputError(f"{first} names a file, and not what in it: give {first}:NAME")
    whole = parser(program, first if is_reference(first) else None)
    commands = [*COMMANDS, *CATALOGUE]
    if words and not (first.startswith("-") or is_reference(first) or first in commands):
        hint = close_names(first, commands) or f"; {program} --help lists them"
        whole.error(f"no command is named {brief(repr(first))}{hint}")
    options, unknown = whole.parse_known_args(words)
    if unknown:
        called = f"{program} {options.command or ''}".rstrip()
        hints = {"facts": DASH, "ask": BEHIND}
        hint = hints.get(options.command, f"; see {called} --help")
        whole.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
    for name, value in vars(options).items():
        # what argparse makes of --name=-- before Python 3.13
        lists = ("ask", "query", "question", "experiments", "memories", "inverse")
        several = ("own", "trained")
        if (value == [] and name not in (*lists, *several)) or (name in several and [] in value):
            called = "with" if name == "own" else name.replace("_", "-")
            whole.error(f"argument --{called}: '--' is no value")
    options.words = words
    return whole, options
