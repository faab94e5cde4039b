"""`verify separation`: where a chain of thought provably needs fewer bits."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from constructions.catalogue import writing_tokens
from constructions.guards.errors import InputError
from verify.cli.commands.options import SEVERAL, Commands, add_json, add_plot, add_rows
from verify.cli.commands.sweeping import check_files, is_written, look, write
from verify.cli.output import say, say_text
from verify.cli.status import PASSED
from verify.cli.values import size, sizes


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
    parser.add_argument(
        "-R", type=sizes, required=True, metavar="R", help=f"relations{SEVERAL} (docs/sweeps.md)"
    )
    parser.add_argument("-k", type=sizes, required=True, metavar="K", help="hops, likewise")
    for known in entry.options:
        if not known.longest_path:
            flag = f"--{known.name.replace('_', '-')}"
            parser.add_argument(flag, type=size, metavar=known.symbol, help=known.help)
    add_plot(parser, "the fewest entities against k")
    add_json(parser, "the rows")
    add_rows(parser, "a row for each R, k and kind of unembedding")
    parser.set_defaults(run=_run_separation)


def _run_separation(options: argparse.Namespace) -> int:
    """The fewest entities for which a chain of thought needs fewer bits than any model without."""
    from bounds.plans import require_listable
    from bounds.sizes import predicted_for_bijections
    from verify.cells.sizes import grid
    from verify.cli.reports import sweeps, sweeps_picture
    from verify.cli.reports.plans import separation_lines

    entry = writing_tokens()[0]
    given = {
        known.name: value
        for known in entry.options
        if not known.longest_path and (value := getattr(options, known.name)) is not None
    }
    sizes = grid(1, options.R, options.k, sweeps.MOST_SEPARATIONS)
    check_files(options)
    for _, r, k in sizes:
        require_listable(r, k)
        some = {one.name: k for one in entry.options if one.longest_path} | given
        written = predicted_for_bijections(entry, 2, r, k, some).written_tokens
        if written < 2:
            raise InputError(
                f"a chain of thought writes entities before its answer; {entry.name} of {k} hops"
                f" with {_in_words(some)} writes its answer alone: it needs fewer hops for each"
                " token than hops"
            )
    rows = sweeps.separation_rows(options.R, options.k, entry, given)
    if len(sizes) == 1 and rows[0].N is None:
        raise InputError(rows[0].why)
    if len(sizes) == 1 or not is_written(options):
        say_text(separation_lines(rows))
    write(options, sweeps.SeparationRow, rows, len(sizes))
    if options.plot is not None:
        sweeps_picture.write_separation(rows, options.plot, look(options))
        say(f"drawn: {options.plot}")
    return PASSED


def _in_words(given: Mapping[str, int]) -> str:
    """Options and their values."""
    return ", ".join(f"{name} = {value:,}" for name, value in given.items())
