"""`verify bound`, `plan` and `separation`: formulas and lower bounds, without any model."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from bounds.lower_bound import LowerBound
from constructions.catalogue import writing_tokens
from constructions.entry import Construction
from constructions.guards.errors import InputError
from verify.cells.held_bounds import GRID, check_bound
from verify.cli.commands.importing import add_reading, read
from verify.cli.commands.options import Commands, add_json, add_own, add_sizes, add_wide
from verify.cli.commands.own import own_constructions, own_of
from verify.cli.output import is_wide, say, say_text, say_verdict
from verify.cli.status import FAILED, PASSED
from verify.cli.values import budget, count, share, size
from verify.cli.written_files import check_writable, write_text

if TYPE_CHECKING:
    from bounds.plans import Budget

PLAN_EXAMPLES = """examples:
  python -m verify plan -N 1e6 -R 50 -k 3 --max-d 4000
  python -m verify plan family.tsv -k 2 --json plan.json
"""


def add_bound(commands: Commands) -> None:
    """The words of `verify bound`."""
    parser = commands.add_parser(
        "bound",
        help=(
            "Theorem 4.2: the lower bounds and all constructions, in bits of embedding and bits"
            " inside"
        ),
        description=(
            "What no model without chain-of-thought can beat, and what every construction takes:"
            " the capacity plane. All bounds but the last are for unembeddings that do"
            " not depend on the facts."
        ),
    )
    add_sizes(parser)
    parser.add_argument(
        "--embedding-bits",
        type=count,
        metavar="B_e",
        help="the bounds at this B_e alone, with maximisers",
    )
    parser.add_argument(
        "--unembedding-bits", type=count, metavar="B_u", help="with it: B_u (default B_e)"
    )
    parser.add_argument(
        "--wrong-share",
        type=share,
        metavar="SHARE",
        help=(
            "the bounds for imperfect recall alone: of models that answer up to this share of the"
            " queries wrong, such as 0.01"
        ),
    )
    parser.add_argument(
        "--plot", type=Path, metavar="FILE.svg", help="also draw the plane (needs matplotlib)"
    )
    add_own(
        parser,
        "a construction of your own, drawn as a point, or a bound of your own, drawn as a curve"
        " and held against every construction at many sizes",
    )
    add_json(parser, "the plane")
    parser.set_defaults(run=_run_bound)


def add_plan(commands: Commands) -> None:
    """The words of `verify plan`."""
    parser = commands.add_parser(
        "plan",
        help="which constructions fit a budget, cheapest first, from the formulas alone",
        description=(
            "Lists the constructions that fit, those with the fewest bits first; of a table in a"
            " file, those that take it, with their bytes and the seconds that are expected. Exit"
            " status 1 if nothing fits."
        ),
        epilog=PLAN_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "file",
        nargs="?",
        metavar="FILE",
        help="a table of any format that `import` reads, in place of -N and -R",
    )
    add_reading(parser, "first")
    add_sizes(parser, required=False)
    parser.add_argument(
        "--max-d", type=budget, metavar="D", help="at most so many dimensions, d_model"
    )
    parser.add_argument(
        "--max-bits",
        type=budget,
        metavar="BITS",
        help="at most so many bits in all tensors together",
    )
    parser.add_argument(
        "--max-depth", type=budget, metavar="LAYERS", help="at most so many layers"
    )
    parser.add_argument(
        "--max-tokens", type=budget, metavar="TOKENS", help="at most so many written tokens"
    )
    parser.add_argument(
        "--all",
        action="store_true",
        help="every choice of options, not just the one with the fewest bits",
    )
    add_own(parser, "a construction of your own that is planned as well")
    add_wide(parser, "the bits of facts")
    add_json(parser, "what is planned for FILE")
    parser.set_defaults(run=_run_plan)


def add_separation(commands: Commands) -> None:
    """The words of `verify separation`."""
    entry = writing_tokens()[0]
    parser = commands.add_parser(
        "separation",
        help=(
            "the fewest entities for which chain-of-thought takes fewer bits inside than Theorem"
            " 4.2 asks without"
        ),
        description=(
            f"Finds the fewest entities N for which {entry.name} has fewer bits inside than"
            " Theorem 4.2 asks of every model without chain-of-thought whose embeddings are as"
            " small. `bound` shows the factor at a given N."
        ),
    )
    parser.add_argument("-R", type=size, required=True, metavar="R", help="relations")
    parser.add_argument("-k", type=size, required=True, metavar="K", help="hops")
    for known in entry.options:
        if not known.longest_path:
            flag = f"--{known.name.replace('_', '-')}"
            parser.add_argument(flag, type=size, metavar=known.symbol, help=known.help)
    parser.set_defaults(run=_run_separation)


def _run_bound(options: argparse.Namespace) -> int:
    """The lower bounds and the constructions, at one point or over the plane."""
    from verify.cli.reports import plane, plane_picture, plane_tables

    sizes = (options.N, options.R, options.k)
    if options.wrong_share is not None:
        return _run_imperfect(options)
    constructions, bounds = own_of(options.own)
    if options.embedding_bits is not None:
        if options.plot or options.json:
            raise InputError(
                "--embedding-bits asks for one point; --plot and --json show the whole plane: give"
                " one of them"
            )
        b_u = (
            options.embedding_bits
            if options.unembedding_bits is None
            else options.unembedding_bits
        )
        say_text(plane_tables.bounds_at(*sizes, options.embedding_bits, b_u, bounds))
        return _hold(bounds, constructions, sizes)
    if options.unembedding_bits is not None:
        raise InputError("--unembedding-bits needs --embedding-bits: give both, or neither")
    for path in (options.plot, options.json):
        check_writable(path)
    if options.plot is not None:
        plane_picture.require_svg(options.plot)
        plane_picture.require_matplotlib()
    shown = plane.plane(*sizes, constructions, bounds)
    say_text(plane_tables.tables(shown))
    if options.plot is not None:
        plane_picture.draw(shown, options.plot)
        say(f"drawn: {options.plot}")
    write_text(
        options.json, lambda: json.dumps(plane.as_json(shown), indent=1, allow_nan=False) + "\n"
    )
    return _hold(bounds, constructions, sizes)


def _run_imperfect(options: argparse.Namespace) -> int:
    """The bounds for models that answer some queries wrong."""
    from verify.cli.reports import imperfect

    for given, words in (
        (options.own, "--with: constructions and bounds of your own"),
        (options.plot, "--plot: the constructions that are drawn"),
        (
            options.unembedding_bits is not None,
            "--unembedding-bits: the bounds for every unembedding",
        ),
    ):
        if given:
            raise InputError(f"{words} are of perfect recall; leave out --wrong-share, or this")
    check_writable(options.json)
    shown = imperfect.imperfect_recall(
        options.N, options.R, options.k, options.wrong_share, options.embedding_bits
    )
    say_text(imperfect.table(shown))
    write_text(
        options.json,
        lambda: json.dumps(imperfect.as_json(shown), indent=1, allow_nan=False) + "\n",
    )
    return PASSED


def _hold(
    bounds: list[LowerBound], constructions: list[Construction], size: tuple[int, int, int]
) -> int:
    """Hold the user's bounds against all constructions, at this size and many others."""
    status = PASSED
    for bound in bounds:
        found = check_bound(bound, constructions, list(dict.fromkeys([*GRID, size])))
        verdict, *why = str(found).split("\n")
        say_verdict(verdict)
        for line in why:
            say(line)
        if found.verdict != "PASS":
            status = FAILED
    return status


def _run_plan(options: argparse.Namespace) -> int:
    """The constructions that fit a budget."""
    from bounds.plans import Budget
    from verify.cli.reports.plans import plan_table

    budget = Budget(options.max_d, options.max_bits, options.max_depth, options.max_tokens)
    if options.file is not None:
        return _run_plan_of_a_table(options, budget)
    if options.N is None or options.R is None or options.json is not None:
        raise InputError(
            "plan takes a fact file, with --json if wished, or both -N and -R: give one of these"
        )
    wide = is_wide(options.wide)
    own = own_constructions(options.own)
    table, fits = plan_table(options.N, options.R, options.k, budget, options.all, wide, own)
    say_text(table)
    return PASSED if fits else FAILED


def _run_plan_of_a_table(options: argparse.Namespace, budget: Budget) -> int:
    """What a table takes: of the file what it holds, of each construction what it would be."""
    from time import perf_counter

    from verify.cells.expected import expected
    from verify.cli.reports import table_plan

    given = {"-N": options.N, "-R": options.R, "--all": options.all, "--with": options.own}
    for flag, value in given.items():
        if value:
            raise InputError(f"{flag} is of a plan without a table; leave out {flag}, or the file")
    check_writable(options.json)
    if options.many == "set":
        raise InputError(
            f"sets of answers have one construction, of another command: sets {options.file}"
        )
    found_there = read(options)
    facts = found_there.table()
    for line in table_plan.table_lines(facts, found_there.conflicts):
        say(line)
    started = perf_counter()
    found = list(expected(facts, options.k, budget))
    say_text("\n".join(table_plan.plan_lines(found, perf_counter() - started)))
    write_text(
        options.json,
        lambda: table_plan.as_json(options.file, facts, found_there.conflicts, options.k, found),
    )
    return PASSED if table_plan.fitting(found) else FAILED


def _run_separation(options: argparse.Namespace) -> int:
    """The fewest entities for which a chain of thought needs fewer bits than any model without."""
    from bounds.plans import require_listable
    from bounds.separation import smallest_separation
    from bounds.sizes import predicted_for_bijections
    from verify.cli.reports.plans import separation_line

    entry = writing_tokens()[0]
    given = {
        known.name: value
        for known in entry.options
        if (value := options.k if known.longest_path else getattr(options, known.name)) is not None
    }
    require_listable(options.R, options.k)
    written = predicted_for_bijections(entry, 2, options.R, options.k, given).written_tokens
    if written < 2:
        raise InputError(
            f"a chain of thought writes entities before its answer; {entry.name} of {options.k}"
            f" hops with {_in_words(given)} writes its answer alone: it needs fewer hops for each"
            " token than hops"
        )
    fixed = smallest_separation(options.R, options.k, given)
    say(
        f"R = {options.R:,}, k = {options.k:,}: {entry.name} against all models without, with"
        " embeddings as small"
    )
    say(separation_line(fixed))
    try:
        say(separation_line(smallest_separation(options.R, options.k, given, "every")))
    except InputError as error:
        say(f"any unembedding: {error}")
    return PASSED


def _in_words(given: Mapping[str, int]) -> str:
    """Options and their values."""
    return ", ".join(f"{name} = {value:,}" for name, value in given.items())
