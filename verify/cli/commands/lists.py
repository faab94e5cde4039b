"""`verify list` and `example`: what can be verified, and tables to try it with."""

from __future__ import annotations

import argparse
from pathlib import Path

from constructions.facts.paths import Paths
from constructions.facts.table import FactTable
from constructions.guards.errors import InputError
from verify.cli import examples
from verify.cli.commands.options import Commands, add_own
from verify.cli.commands.own import own_constructions
from verify.cli.output import say, say_text
from verify.cli.reports import catalogue
from verify.cli.status import PASSED
from verify.cli.values import count, size


def add_list(commands: Commands) -> None:
    """The words of `verify list`."""
    parser = commands.add_parser("list", help="what can be verified: construction, theorem, claim")
    parser.add_argument("--markdown", action="store_true", help="as the table of docs/README.md")
    parser.add_argument(
        "--latex",
        action="store_true",
        help="the sizes as a table in LaTeX, for a paper; with --limits, how they grow",
    )
    parser.add_argument(
        "--limits",
        action="store_true",
        help="how sizes and bits grow as N -> oo, from the formulas",
    )
    add_own(parser, "a construction of your own that is listed as well")
    parser.set_defaults(run=_run_list)


def add_example(commands: Commands) -> None:
    """The words of `verify example`."""
    parser = commands.add_parser(
        "example",
        help=(
            "write a fact table to try: Unicode characters and their properties, or the parents of"
            " a path-star graph"
        ),
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="the new tab-separated file")
    parser.add_argument(
        "--path-star",
        nargs=2,
        type=size,
        metavar=("DEGREE", "LENGTH"),
        help="so many paths, each of so many nodes with the centre, which all of them share",
    )
    parser.add_argument(
        "--seed", type=count, help="of the numbers of a path-star's nodes (default: 0)"
    )
    parser.set_defaults(run=_run_example)


def _run_list(options: argparse.Namespace) -> int:
    """The catalogue."""
    own = own_constructions(options.own)
    for given, word in ((options.markdown, "--markdown"), (options.latex, "--latex")):
        if own and given:
            raise InputError(f"{word} is the table of the catalogue; it takes no --with")
    if options.markdown and (options.latex or options.limits):
        raise InputError("--markdown is one table; give it without --latex and --limits")
    if options.latex:
        say_text(catalogue.latex_limits() if options.limits else catalogue.latex_table())
    elif options.limits:
        say_text(catalogue.limits_lines(own))
    else:
        lines = catalogue.catalogue_lines(own)
        say_text(catalogue.catalogue_table() if options.markdown else lines)
    return PASSED


def _run_example(options: argparse.Namespace) -> int:
    """Write a table of Unicode characters, or of a path-star graph."""
    if options.file.is_file():
        raise InputError(f"{options.file} exists, and is not overwritten; name a new file")
    if options.path_star is None:
        if options.seed is not None:
            raise InputError("--seed numbers the nodes of a path-star; it needs --path-star")
        facts, question = examples.unicode_facts(), "U+0041 lowercase"
    else:
        degree, length = options.path_star
        facts = FactTable.path_star(degree, length, options.seed or 0)
        leaf = facts.entity_name(int(Paths.of(facts.answers[0]).nodes[0, -1]))
        question = " ".join([leaf, *["parent"] * max(1, length - 2)])
    facts.to_tsv(options.file)
    say(
        f"{options.file}: {facts.n_facts} facts, {facts.n_entities} entities, {facts.n_relations}"
        f" relation{'s' if facts.n_relations > 1 else ''}"
    )
    say(f"try: {options.program} facts {options.file} --ask {question}")
    return PASSED
