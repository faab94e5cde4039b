"""`verify journal`: what there is in the journals of long work, as a table too."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from constructions.files.whole_file import write_atomically
from constructions.guards.errors import InputError
from constructions.guards.user_code import is_reference
from verify.cli.commands.cells import say_cells
from verify.cli.commands.options import CELL_COLUMNS, Commands, add_json, add_own, add_wide
from verify.cli.commands.own import own_constructions
from verify.cli.output import complain, say_text, say_verdict
from verify.cli.places import check_writable
from verify.cli.status import FAILED, PASSED
from verify.runner.code_version import code_version, own_files
from verify.runner.contents import read
from verify.runner.merged import Found, Merged
from verify.runner.stored import decode

if TYPE_CHECKING:  # which imports torch
    from verify.runner.job import Kind

EXAMPLES = """examples:
  what is done, what is left, how long it took, and the digest of all results:
    %(prog)s all.journal
  the table, and the JSON, of a run that was never interrupted:
    %(prog)s all.journal --table
    %(prog)s all.journal --json all.json
  the journals of two machines (--part 1/2 and --part 2/2) as one:
    %(prog)s one.journal two.journal -o all.journal
"""
CELLS, ATTACKS = "cell", "attack"
"""The kinds of jobs of which there is a table."""


def add_journal(commands: Commands) -> None:
    """The words of `verify journal`."""
    parser = commands.add_parser(
        "journal",
        help="what there is in the journal of long work: done, failed, left, time; as a table",
        description=(
            "Sums up what --journal of other commands has written: what was planned, done and\n"
            "lost, by which version of the code, when and where, and the digest of all\n"
            "results. Several journals count as one; two results of one job that are not\n"
            "equal are reported. See docs/journals.md. Exit status 0 if all that was planned\n"
            "has passed, 1 if something has failed, was lost or is left, 2 for bad input."
        ),
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "journals", type=Path, nargs="+", metavar="FILE", help="as written by --journal"
    )
    parser.add_argument(
        "--table",
        action="store_true",
        help="the table that the command itself prints where it is not interrupted",
    )
    add_wide(parser, CELL_COLUMNS)
    add_json(parser, "the results, as the command itself does,")
    parser.add_argument(
        "-o", dest="merged", type=Path, metavar="FILE", help="write all as one journal: a new file"
    )
    add_own(parser, "a construction of your own that took part; its file is run")
    parser.set_defaults(run=_run_journal)


def _run_journal(options: argparse.Namespace) -> int:
    """Sum up journals, show their results, or write them as one."""
    from verify.cli.reports import journals

    check_writable(options.json)
    check_writable(options.merged)
    if options.merged is not None and options.merged.exists():
        raise InputError(f"{options.merged} exists, and is not overwritten; name a new file")
    found = [read(path) for path in options.journals]
    for journal in found:
        for remark in journal.remarks():
            complain(f"{journal.path}: {remark}")
    merged = Merged(found)
    count = journals.counted(merged)
    if merged.conflicts:
        say_text(journals.conflict_lines(merged))
        say_verdict(journals.verdict_line(count))
        return FAILED
    own_constructions(options.own)
    passed = count.verdict == "PASS"
    if options.table or options.json is not None:
        results = _Results(merged, options.own)
        if options.json is not None:
            results.require_cells()
    if options.table:
        passed = results.say_tables(options.wide)
    else:
        present = code_version(own_files(options.own))
        say_text(journals.journal_lines(merged, present))
        say_verdict(journals.verdict_line(count))
    if options.json is not None:
        results.write_json(options.json)
    if options.merged is not None:
        write_atomically(options.merged, merged.as_lines())
    return PASSED if passed else FAILED
