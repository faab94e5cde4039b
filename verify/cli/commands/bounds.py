"""`verify bound` and `plan`: formulas and lower bounds, without any model."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from bounds.lower_bound import LowerBound
from constructions.entry import Construction
from constructions.guards.errors import InputError
from verify.cells.held_bounds import GRID, check_bound
from verify.cells.sizes import grid
from verify.cli.commands.importing import add_reading
from verify.cli.commands.options import (
    Commands,
    Paragraphs,
    add_json,
    add_only,
    add_own,
    add_plot,
    add_rows,
    add_sizes,
    add_wide,
)
from verify.cli.commands.own import own_constructions, own_of
from verify.cli.commands.planned_table import run_plan_of_a_table
from verify.cli.commands.sweeping import check_files, is_written, look, write
from verify.cli.output import is_wide, say, say_text, say_verdict
from verify.cli.status import FAILED, PASSED
from verify.cli.values import budget, count, points, share
from verify.cli.written_files import check_writable, write_text

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
    add_plot(parser, "the plane; of several sizes, B_T over the bound against N")
    parser.add_argument(
        "--points",
        type=points,
        metavar="NUMBER",
        help="of each curve of the plane (default 200)",
    )
    add_own(
        parser,
        "a construction of your own, drawn as a point, or a bound of your own, drawn as a curve"
        " and held against every construction at many sizes",
    )
    add_only(parser, "bounds and constructions")
    add_json(parser, "the plane")
    add_rows(parser, "a row for each size and bound, by B_e, or construction")
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
        formatter_class=Paragraphs,
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
    add_only(parser, "constructions")
    add_plot(parser, "what is needed against N, a panel for each R and k")
    parser.add_argument(
        "--figure",
        choices=("dimension", "bits"),
        default="dimension",
        help="what --plot draws: d_model, or all bits for each fact (default dimension)",
    )
    parser.add_argument(
        "--trained",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help=(
            "also draw the dimensions of trained models, from what `compare --csv FILE` has"
            " written; may be repeated"
        ),
    )
    add_wide(parser, "the bits of facts")
    add_json(parser, "the rows")
    add_rows(parser, "a row for each size and construction")
    parser.set_defaults(run=_run_plan)


def _run_bound(options: argparse.Namespace) -> int:
    """The lower bounds and the constructions: at one point, over the plane, or over many sizes."""
    from verify.cli.reports import plane, plane_picture, plane_tables, sweeps, sweeps_picture

    sizes = grid(options.N, options.R, options.k, sweeps.MOST_PLANES)
    if options.wrong_share is not None or options.embedding_bits is not None:
        _require_one(sizes, options)
    if options.wrong_share is not None:
        return _run_imperfect(options, sizes[0])
    constructions, bounds = own_of(options.own)
    if options.embedding_bits is not None:
        if options.plot or options.json or options.csv or options.only:
            raise InputError(
                "--embedding-bits asks for one point; --plot, --json, --csv and --only are of the"
                " whole plane: give one of them"
            )
        b_u = (
            options.embedding_bits
            if options.unembedding_bits is None
            else options.unembedding_bits
        )
        say_text(plane_tables.bounds_at(*sizes[0], options.embedding_bits, b_u, bounds))
        return _hold(bounds, constructions, sizes)
    if options.unembedding_bits is not None:
        raise InputError("--unembedding-bits needs --embedding-bits: give both, or neither")
    check_files(options)
    if options.points is not None and (options.plot is None or len(sizes) > 1):
        raise InputError("--points is of the curves of the plane: give --plot, and one size")
    if options.plot is not None and len(sizes) > 1:
        sweeps_picture.require_panels(options.R, options.k)
    axes = (options.N, options.R, options.k)
    rows = list[sweeps.BoundRow]()
    for shown in sweeps.planes(*axes, options.only, constructions, bounds):
        if is_written(options):
            rows += sweeps.rows_of(shown)
        if len(sizes) == 1 or not is_written(options):
            say_text(plane_tables.tables(shown))
    if options.plot is not None:
        if len(sizes) == 1:
            plane_picture.write(
                shown, options.plot, look(options), options.points or plane_picture.POINTS
            )
        else:
            sweeps_picture.write_panels(
                sweeps_picture.draw_ratio, rows, options.plot, look(options)
            )
        say(f"drawn: {options.plot}")
    whole = plane.as_json(shown) if options.json and len(sizes) == 1 else {}
    write(options, sweeps.BoundRow, rows, len(sizes), whole)
    return _hold(bounds, constructions, sizes)


def _require_one(sizes: Sequence[tuple[int, int, int]], options: argparse.Namespace) -> None:
    """Refuse several sizes where one is asked about."""
    word = "--embedding-bits" if options.wrong_share is None else "--wrong-share"
    if len(sizes) > 1:
        raise InputError(
            f"{word} is answered at one size; -N, -R and -k make {len(sizes):,}: give one of each"
        )


def _run_imperfect(options: argparse.Namespace, size: tuple[int, int, int]) -> int:
    """The bounds for models that answer some queries wrong."""
    from verify.cli.reports import imperfect

    for given, words in (
        (options.own, "--with: constructions and bounds of your own"),
        (options.plot, "--plot: the constructions that are drawn"),
        (options.style or options.size or options.points, "--style, --size, --points: pictures"),
        (options.csv, "--csv: the rows"),
        (options.only, "--only: what it names"),
        (
            options.unembedding_bits is not None,
            "--unembedding-bits: the bounds for every unembedding",
        ),
    ):
        if given:
            raise InputError(f"{words} are of perfect recall; leave out --wrong-share, or this")
    check_writable(options.json)
    shown = imperfect.imperfect_recall(*size, options.wrong_share, options.embedding_bits)
    say_text(imperfect.table(shown))
    write_text(
        options.json,
        lambda: json.dumps(imperfect.as_json(shown), indent=1, allow_nan=False) + "\n",
    )
    return PASSED


def _hold(
    bounds: list[LowerBound],
    constructions: list[Construction],
    sizes: Sequence[tuple[int, int, int]],
) -> int:
    """Hold the user's bounds against all constructions, at these sizes and many others."""
    status = PASSED
    for bound in bounds:
        found = check_bound(bound, constructions, list(dict.fromkeys([*GRID, *sizes])))
        verdict, *why = str(found).split("\n")
        say_verdict(verdict)
        for line in why:
            say(line)
        if found.verdict != "PASS":
            status = FAILED
    return status


def _drawing(options: argparse.Namespace) -> Callable[..., object]:
    """What draws a panel of the picture of a plan, with the trained models that are named.

    Raises:
        InputError: no panel has a place for them.
    """
    from verify.cli.reports import sweeps_picture
    from verify.cli.reports.trained_rows import read_trained

    draw: Callable[..., object] = sweeps_picture.FIGURES[options.figure]
    if not options.trained:
        return draw
    if options.plot is None or draw is not sweeps_picture.draw_dimension:
        raise InputError("--trained is of the picture of dimensions: give --plot, and no --figure")
    trained = read_trained(options.trained)
    there = sorted({(one.R, one.k) for one in trained})
    if not any(r in options.R and k in options.k for r, k in there):
        raise InputError(
            "--trained has models of (R, k) ="
            f" {', '.join(map(str, there))}; the picture has no panel of these: give -R and -k"
        )
    return partial(draw, trained=trained)


def _run_plan(options: argparse.Namespace) -> int:
    """The constructions that fit a budget, at every size."""
    from bounds.plans import Budget
    from verify.cli.reports import sweeps, sweeps_picture
    from verify.cli.reports.plans import plan_table

    budget = Budget(options.max_d, options.max_bits, options.max_depth, options.max_tokens)
    if options.file is not None:
        return run_plan_of_a_table(options, budget)
    if options.N is None or options.R is None:
        raise InputError("plan takes a table in a file, or both -N and -R: give one of these")
    wide, axes = is_wide(options.wide), (options.N, options.R, options.k)
    own = own_constructions(options.own)
    check_files(options)
    if options.plot is not None:
        sweeps_picture.require_panels(options.R, options.k)
    draw = _drawing(options)
    found = list(sweeps.fitted(*axes, budget, options.all, options.only, own))
    for (n, r, k), some in found if len(found) == 1 or not is_written(options) else ():
        if len(found) > 1:
            say(f"N = {n:,}, R = {r:,}, k = {k:,}")
        say_text(plan_table(some, wide, own))
    fit = sum(any(not exceeded for _, exceeded in some) for _, some in found)
    if is_written(options):
        rows = sweeps.rows_of_plans(found)
        write(options, sweeps.PlanRow, rows, len(found))
        if options.plot is not None:
            sweeps_picture.write_panels(draw, rows, options.plot, look(options))
            say(f"drawn: {options.plot}")
    if fit < len(found) > 1:
        say(f"nothing fits at {len(found) - fit:,} of {len(found):,} sizes")
    return PASSED if fit == len(found) else FAILED
