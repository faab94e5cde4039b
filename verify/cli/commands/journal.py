"""`verify journal`: what there is in the journals of long work, as a table too."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from constructions.files.whole_file import write_atomically
from constructions.guards.errors import InputError
from constructions.guards.user_code import is_reference
from verify.cli.commands import cells, saved
from verify.cli.commands.long_work import Finished
from verify.cli.commands.options import (
    CELL_COLUMNS,
    Commands,
    Paragraphs,
    add_json,
    add_own,
    add_rows,
    add_wide,
)
from verify.cli.commands.own import own_constructions
from verify.cli.commands.sweeping import check_files, is_written
from verify.cli.output import complain, is_wide, say, say_text, say_verdict
from verify.cli.reports import journals
from verify.cli.status import FAILED, PASSED
from verify.cli.written_files import check_writable
from verify.runner.code_version import code_version, own_files
from verify.runner.contents import Contents, read
from verify.runner.job import Argument, Kind, Result
from verify.runner.merged import Merged
from verify.runner.outcome import Lost
from verify.runner.stored import decode

if TYPE_CHECKING:  # which takes a second to import
    from verify.attacking.attack import Tally
    from verify.cells.results import CellResult

EXAMPLES = """examples:
  what is done, what is left, how long it took, and the digest of all results:
    %(prog)s all.journal
  the table, and the JSON, of a run that was never interrupted:
    %(prog)s all.journal --table
    %(prog)s all.journal --json all.json
  the journals of two machines (--part 1/2 and --part 2/2) as one:
    %(prog)s one.journal two.journal -o all.journal
"""
CELL, ATTACK = "cell", "attack"
"""The names of the kinds of jobs of which there is a table."""


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
        formatter_class=Paragraphs,
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
    add_rows(parser, "a row for each cell")
    parser.add_argument(
        "-o", dest="merged", type=Path, metavar="FILE", help="write all as one journal: a new file"
    )
    add_own(parser, "a construction of your own that took part; its file is run")
    parser.set_defaults(run=_run_journal)


def _run_journal(options: argparse.Namespace) -> int:
    """Sum up journals, show their results, or write them as one."""
    check_files(options)
    check_writable(options.merged)
    if options.merged is not None and options.merged.exists():
        raise InputError(f"{options.merged} exists, and is not overwritten; name a new file")
    merged = Merged([read_journal(path) for path in options.journals])
    count = journals.counted(merged)
    if merged.conflicts:
        say_text(journals.conflict_lines(merged))
        say_verdict(journals.verdict_line(count))
        return FAILED
    own_constructions(options.own)
    if options.table or is_written(options):
        _require_kinds(merged, options)
    if options.table:
        status = _say_tables(merged, options)
    else:
        present = code_version(own_files(options.own))
        say_text(journals.journal_lines(merged, present))
        say_verdict(journals.verdict_line(count))
        status = PASSED if count.verdict == "PASS" else FAILED
        if is_written(options):
            _write_cells(merged, options)
    if options.merged is not None:
        write_atomically(options.merged, merged.as_lines())
    return status


def read_journal(path: Path) -> Contents:
    """What there is in a journal; of what does not count it is said why."""
    found = read(path)
    for remark in found.remarks():
        complain(f"{path}: {remark}")
    return found


def cells_of_journal(path: Path, own: Sequence[str]) -> tuple[list[CellResult], int]:
    """What was found of the cells of a journal, and how many were planned.

    Raises:
        InputError: it is no journal, holds two results of one cell or no cells, or code of a
            user's took part that is not among `own`.
    """
    merged = Merged([read_journal(path)])
    if merged.conflicts:
        raise InputError(
            f"{path}: holds two results of one job, which are not equal: see `journal`"
        )
    if set(merged.planned.values()) != {CELL}:
        raise InputError(f"{path}: is the journal of other work than cells: see `journal`")
    own_constructions(own)
    _require_own(merged, own)
    return list(_cells(merged, own)), _n_planned(merged, CELL)


def _require_kinds(merged: Merged, options: argparse.Namespace) -> None:
    """Raise InputError where there is no table of what journals hold, or it takes code of a user's
    that he has not named.
    """
    for kind in dict.fromkeys(merged.planned.values()):
        if kind not in (CELL, ATTACK):
            raise InputError(
                f"there are jobs of the kind {kind!r}, of which this version of the program makes"
                " no table"
            )
    if is_written(options) and CELL not in merged.planned.values():
        word, what = ("--json", "JSON is") if options.json is not None else ("--csv", "rows are")
        raise InputError(
            f"there are no cells, and {what} written of cells alone; leave out {word}"
        )
    _require_own(merged, options.own)


def _require_own(merged: Merged, own: Sequence[str]) -> None:
    """Raise InputError unless all code of a user's that took part is named."""
    for plan in merged.plans:
        if plan.code == merged.code:
            for name in plan.own:
                _require_named(name, own)


def _require_named(name: str, own: Sequence[str]) -> None:
    """Raise InputError unless a user has named his own code: a journal alone has none run."""
    if is_reference(name) and name not in own:
        raise InputError(
            f"{name} took part, a construction of a user's own; its file is run only if you say"
            f" so: --with {name}"
        )


def _say_tables(merged: Merged, options: argparse.Namespace) -> int:
    """Print what the commands print that are not interrupted; returns the exit status."""
    statuses = []
    if CELL in merged.planned.values():
        from verify.cli.reports.cells import header

        results, wide = [], is_wide(options.wide)
        say(header(wide))
        for result in _cells(merged, options.own):
            results.append(result)
            cells.say_cell(result, wide)
        found = Finished(results, _n_planned(merged, CELL), interrupted=False)
        statuses.append(cells.conclude(found, merged.seconds, options))
    if ATTACK in merged.planned.values():
        tallies = Finished(list(_tallies(merged)), _n_planned(merged, ATTACK), interrupted=False)
        statuses.append(saved.conclude(tallies))
    if not statuses:  # nothing was planned
        say_verdict(journals.verdict_line(journals.counted(merged)))
    return PASSED if set(statuses) == {PASSED} else FAILED


def _write_cells(merged: Merged, options: argparse.Namespace) -> None:
    """Write the results of cells."""
    from verify.cli.reports.cells_json import write_cells

    results = list(_cells(merged, options.own))
    write_cells(options.json, options.csv, results, _n_planned(merged, CELL))


def _n_planned(merged: Merged, kind: str) -> int:
    """How many jobs of a kind were planned."""
    return list(merged.planned.values()).count(kind)


def _cells(merged: Merged, own: Sequence[str]) -> Iterator[CellResult]:
    """What was found of each cell that is done or lost, in the order of the plan."""
    from verify.cells import jobs

    for result in _results(merged, jobs.CELLS, jobs.described):
        _require_named(result.cell.construction, own)
        yield result


def _tallies(merged: Merged) -> Iterator[Tally]:
    """What became of each series of attacks that was made or lost, in the order of the plan."""
    from verify.attacking import jobs

    return _results(merged, jobs.SERIES_OF_ATTACKS, jobs.described)


def _results(
    merged: Merged,
    kind: Kind[Argument, Result],
    described: Callable[[dict[str, Any]], Argument],
) -> Iterator[Result]:
    """The results of all jobs of a kind, those that were lost included, in the order of the plan.

    Raises:
        InputError: a line is of no result of this kind.
    """
    for key, named in merged.planned.items():
        found = merged.done.get(key) or merged.lost.get(key)
        if found is None or named != kind.name:
            continue
        said, why = found.said(), found.entry.lost
        try:
            if why is None:
                yield decode(kind.result, said["result"])
            else:
                yield kind.lost(described(said["what"]), Lost(why, found.entry.crashed))
        except InputError as error:
            raise InputError(f"{found.in_words()}: {error}") from None
