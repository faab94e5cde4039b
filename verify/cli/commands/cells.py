"""`verify all`, and one construction at one size: cells are run, and shown in a table."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from constructions.catalogue import CATALOGUE, construction
from constructions.guards.errors import InputError
from verify.cells.cell import FACT_KINDS, FORM_NAMES, Cell
from verify.cells.decided_by import proven_beside
from verify.cells.grid import default_grid, forms_grid
from verify.cells.sizes import grid
from verify.cli.commands.long_work import Finished, add_running, run
from verify.cli.commands.noise_tokens import run_among_noise
from verify.cli.commands.options import (
    CELL_COLUMNS,
    SEVERAL,
    Commands,
    add_checks,
    add_json,
    add_own,
    add_rows,
    add_wide,
)
from verify.cli.commands.own import own_constructions
from verify.cli.commands.sweeping import check_files
from verify.cli.output import (
    complain,
    complain_interrupted,
    is_wide,
    say,
    say_row,
    say_text,
    say_verdict,
)
from verify.cli.progress import progress
from verify.cli.status import FAILED, PASSED
from verify.cli.values import count, option, size, sizes
from verify.cli.written_files import check_folder

if TYPE_CHECKING:  # which takes a second to import
    from verify.cells.results import CellResult

MOST_CELLS = 1000
"""Sizes that a construction is run at by one command."""


def add_all(commands: Commands) -> None:
    """The words of `verify all`."""
    parser = commands.add_parser("all", help="every construction on the default grid")
    add_json(parser)
    add_rows(parser, "a row for each cell")
    parser.add_argument(
        "--forms",
        action="store_true",
        help=(
            "then each of these cells in every other form too; large ones are proven and not run:"
            " an hour or two (docs/scale.md)"
        ),
    )
    add_own(parser, "a construction of your own that is verified as well")
    add_wide(parser, CELL_COLUMNS)
    add_running(parser)
    parser.set_defaults(run=_run_all)


def add_constructions(commands: Commands, names: Iterable[str]) -> None:
    """The words of one command for each construction: of the catalogue, or a user's own."""
    for name in names:
        entry = construction(name)
        where = f"Theorem {entry.theorem}" if name in CATALOGUE else "your own construction"
        said = f"{where}: {entry.claim}".replace("%", "%%")
        one = commands.add_parser(name, help=said, description=said)
        one.add_argument("-N", type=sizes, required=True, metavar="N", help=f"entities{SEVERAL}")
        one.add_argument("-R", type=sizes, required=True, metavar="R", help="relations, likewise")
        if entry.multi_hop:
            one.add_argument("-k", type=sizes, required=True, metavar="K", help="hops, likewise")
        for known in entry.options:
            one.add_argument(
                f"--{known.name.replace('_', '-')}",
                type=option,
                metavar=known.symbol,
                help=known.help.replace("%", "%%"),
            )
        one.add_argument(
            "--facts",
            choices=FACT_KINDS,
            default="total",
            help="partial: a quarter of the facts missing",
        )
        one.add_argument(
            "--seed",
            type=count,
            default=0,
            help="of the random fact table, at least 0 (default 0)",
        )
        one.add_argument(
            "--form",
            choices=FORM_NAMES,
            help=(
                "put it in another form and verify that: another basis, a wider model, a standard"
                " decoder, norms, ..."
            ),
        )
        if not entry.multi_hop:
            one.add_argument(
                "--noise-tokens",
                type=size,
                metavar="n",
                help=(
                    "prove it for prompts of n + 3 tokens instead: subject and relation anywhere"
                    " among n noise tokens, the end token last"
                ),
            )
        add_checks(one)
        one.set_defaults(run=_run_construction, noise_tokens=None)


def _run_all(options: argparse.Namespace) -> int:
    """`verify all`: the default grid, side by side."""
    own_constructions(options.own)  # said before any cell is run
    cells = default_grid(*options.own) + (forms_grid(*options.own) if options.forms else [])
    check_files(options)
    return _run_side_by_side(cells, options)[1]


def run_default_grid(options: argparse.Namespace) -> tuple[Finished[CellResult], int]:
    """Run the default grid and print what is found; with the exit status of that."""
    return _run_side_by_side(default_grid(*options.own), options)


def _run_side_by_side(
    cells: Sequence[Cell], options: argparse.Namespace
) -> tuple[Finished[CellResult], int]:
    """Run cells and print what is found; with the exit status of that."""
    from verify.cells.jobs import CELLS
    from verify.cli.reports.cells import header

    started, wide = time.perf_counter(), is_wide(options.wide)
    say(header(wide))
    found = run(CELLS, cells, options, "cells", lambda result: say_cell(result, wide))
    return found, conclude(found, time.perf_counter() - started, options)


def _run_construction(options: argparse.Namespace) -> int:
    """One construction at one size."""
    entry = construction(options.command)
    asked = [(known.name, getattr(options, known.name)) for known in entry.options]
    cells = [
        Cell(
            construction=options.command,
            entities=n,
            relations=r,
            hops=k,
            options=tuple((name, value) for name, value in asked if value is not None),
            facts=options.facts,
            seed=options.seed,
            dtype=options.dtype,
            logits=options.logits,
            form=options.form or "",
        )
        for n, r, k in grid(options.N, options.R, options.k if entry.multi_hop else 1, MOST_CELLS)
    ]
    cell = cells[0]
    for given, word in ((options.save, "--save"), (options.noise_tokens, "--noise-tokens")):
        if len(cells) > 1 and given is not None:
            raise InputError(f"{word} takes one size; -N, -R and -k make {len(cells):,}")
    if options.noise_tokens is not None:
        return run_among_noise(cell, options.noise_tokens, options)
    if cell.form and options.save is not None:
        raise InputError(
            "a certificate is about a construction as it is built; --save takes no --form"
            f" {cell.form}"
        )
    return _run_here(cells, options)


def _run_here(cells: Sequence[Cell], options: argparse.Namespace) -> int:
    """Cells one after the other in this process, each of which is shown as in a run of its own."""
    check_files(options)
    check_folder(options.save)
    from verify.cells.verifying import run_cell
    from verify.cli.reports.cells import header

    started, wide = time.perf_counter(), is_wide(options.wide)
    results, interrupted = [], False
    say(header(wide))
    try:
        for cell in cells:
            with progress("queries") as begin:
                proven = proven_beside(options.by)
                results.append(run_cell(cell, begin, proven, options.save, options.by, say))
            say_cell(results[-1], wide)
            say_way(results[-1], options.save)
    except KeyboardInterrupt:
        interrupted = True
    found = Finished(results, len(cells), interrupted)
    return conclude(found, time.perf_counter() - started, options)


def conclude(found: Finished[CellResult], seconds: float, options: argparse.Namespace) -> int:
    """Print what all cells amount to, and write the results; returns the exit status."""
    from verify.cli.reports import summaries
    from verify.cli.reports.cells_json import write_cells

    results, planned = found.results, found.planned
    if any(result.bounds is not None for result in results):
        say(summaries.bounds_summary(results))
    if any(result.cell.form for result in results):
        say(summaries.forms_summary(results))
    say_verdict(summaries.summary(results, planned, seconds))
    write_cells(options.json, options.csv, results, planned)
    if found.interrupted:
        return complain_interrupted("the cells that were not run are unknown")
    return PASSED if summaries.count(results, planned)["verdict"] == "PASS" else FAILED


def say_cell(result: CellResult, wide: bool) -> None:
    """Print the line of a cell and what is to be said of it; and, to standard error, where a
    crashed one came to its end.
    """
    from verify.cli.reports.cells import line, notes

    if result.ended is not None:
        for reported in result.ended.traceback.splitlines():
            complain(reported)
    say_row(line(result, wide), result.verdict)
    if said := notes(result):
        say_text(said)


def say_way(result: CellResult, save: Path | None) -> None:
    """Say what has decided a cell that was run alone, and perhaps saved."""
    from verify.cli.reports.cells import way

    if said := way(result, save is not None):
        say_text(said)
