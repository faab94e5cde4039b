"""`verify compare`: every memory on the same facts."""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, get_args

from constructions.facts.limits import require_path, require_runnable
from constructions.guards.wording import brief, joined
from verify.cells.sizes import grid
from verify.cli.commands.long_work import add_running, run
from verify.cli.commands.options import Commands, add_json, add_plot, add_rows, add_sizes
from verify.cli.commands.sweeping import check_files, look
from verify.cli.output import complain, complain_interrupted, folded, say, say_text
from verify.cli.status import BAD_INPUT, FAILED, PASSED
from verify.cli.values import count, seeds
from verify.cli.written_files import write_text
from verify.learned.experiments.points import REPORTED
from verify.rivals.limit import LEVELS, limit
from verify.rivals.work import Answers, Work

if TYPE_CHECKING:  # which takes seconds to import
    pass

MOST_WORKS = 100
"""Sizes that are compared by one command."""


def add_compare(commands: Commands) -> None:
    """The words of `verify compare`."""
    parser = commands.add_parser(
        "compare",
        help="every memory on the same facts: constructions, rivals, trained models",
        description=(
            "Searches, for every memory, the smallest size with which it recalls 100 %, 99 % and"
            " 90 % of the same random facts, and shows what it stores, in how many bits after the"
            " coarsest rounding that keeps the recall, beside the information limit, below which"
            " none may lie (docs/rivals.md). Exit status 0 if every memory that takes this work"
            " was measured; 1 if some were not, or one lies below the limit."
        ),
    )
    parser.add_argument(
        "memories",
        nargs="*",
        metavar="NAME",
        help="memories to compare, in place of all; the table has their names",
    )
    add_sizes(parser)
    parser.add_argument(
        "--answers",
        choices=get_args(Answers),
        default="shared",
        help=(
            "shared: each relation is a bijection of all entities; disjoint: each is a function"
            " onto entities of its own (default shared)"
        ),
    )
    parser.add_argument(
        "--noise-tokens",
        type=count,
        default=0,
        metavar="NUMBER",
        help="tokens of a prompt that say nothing, in any order with the others (default 0)",
    )
    parser.add_argument(
        "--seeds",
        type=seeds,
        default=REPORTED,
        metavar="A-B",
        help=f"of the facts, from A to B (default {REPORTED[0]}-{REPORTED[-1]})",
    )
    add_json(parser, "all that was found")
    add_rows(parser, "a row for each memory, seed and level")
    add_plot(parser, "it")
    add_running(parser)
    parser.set_defaults(run=_run_compare, own=[])


def _run_compare(options: argparse.Namespace) -> int:
    """Memories side by side."""
    sizes = grid(options.N, options.R, options.k, MOST_WORKS)
    for n, r, k in sizes:
        require_path(k, "-k")
        require_runnable(n * r**k)
    works = [
        Work(*size, options.answers, options.noise_tokens, options.seeds[0]) for size in sizes
    ]
    for work, level in itertools.product(works, LEVELS):
        limit(work, level)  # refuses what has none, before any work
    check_files(options)
    return _compare(works, options)


def _compare(works: Sequence[Work], options: argparse.Namespace) -> int:
    """The search, and what is shown and written of it."""
    from verify.cli.reports.compared import lines
    from verify.cli.reports.compared_files import COLUMNS, as_json, rows
    from verify.cli.reports.rows import write_rows
    from verify.rivals.all import ALL
    from verify.rivals.compared import compared
    from verify.rivals.searches import SEARCHES, searches

    unknown = [name for name in options.memories if name not in ALL]
    if unknown:
        wrong = f"error: no memory is called {brief(repr(unknown[0]))}; there are {'; '.join(ALL)}"
        for line in folded(wrong):
            complain(line)
        return BAD_INPUT
    memories = [ALL[name] for name in dict.fromkeys(options.memories or ALL)]
    jobs = searches(works, options.seeds, memories)
    started = time.perf_counter()
    finished = run(SEARCHES, jobs, options, "searches")
    found = [compared(work, options.seeds, memories, finished.results) for work in works]
    for one in found:
        say_text(joined(lines(one)))
    say(
        f"{len(finished.results)} of {finished.planned} searches, in"
        f" {time.perf_counter() - started:.0f} s"
    )
    write_text(options.json, lambda: as_json(found))
    write_rows(options.csv, COLUMNS, rows(found))
    if options.plot is not None:
        from verify.cli.reports.compared_picture import write

        write(found, options.plot, look(options))
        say(f"drawn: {options.plot}")
    if finished.interrupted:
        return complain_interrupted("searches that were not run are unknown")
    whole = len(finished.results) == finished.planned
    sound = not any(one.lost() or list(one.below()) for one in found)
    return PASSED if whole and sound else FAILED
