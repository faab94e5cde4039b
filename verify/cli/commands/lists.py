"""`verify list` and `example`: what can be verified, and a table to try it with."""

from __future__ import annotations

import argparse
from pathlib import Path

from constructions.guards.errors import InputError
from verify.cli import examples
from verify.cli.commands.options import Commands, add_own
from verify.cli.commands.own import own_constructions
from verify.cli.output import say, say_text
from verify.cli.reports import catalogue
from verify.cli.status import PASSED


def add_list(commands: Commands) -> None:
    """The words of `verify list`."""
    parser = commands.add_parser("list", help="what can be verified: construction, theorem, claim")
    parser.add_argument("--markdown", action="store_true", help="as the table of docs/README.md")
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
        "example", help="write a real fact table: Unicode characters and their properties"
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="the new tab-separated file")
    parser.set_defaults(run=_run_example)


def _run_list(options: argparse.Namespace) -> int:
    """The catalogue."""
    own = own_constructions(options.own)
    if own and options.markdown:
        raise InputError("--markdown is the table of the catalogue; it takes no --with")
    if options.limits:
        say_text(catalogue.limits_lines(own))
    else:
        lines = catalogue.catalogue_lines(own)
        say_text(catalogue.catalogue_table() if options.markdown else lines)
    return PASSED


def _run_example(options: argparse.Namespace) -> int:
    """Write a table of Unicode characters."""
    if options.file.is_file():
        raise InputError(f"{options.file} exists, and is not overwritten; name a new file")
    facts = examples.unicode_facts()
    facts.to_tsv(options.file)
    say(
        f"{options.file}: {facts.n_facts} facts, {facts.n_entities} entities, {facts.n_relations}"
        " relations"
    )
    say(f"try: {options.program} facts {options.file} --ask U+0041 lowercase")
    return PASSED
