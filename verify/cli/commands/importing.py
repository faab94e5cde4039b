"""`verify import`: a table of any format as a fact file; and how other commands read one."""

from __future__ import annotations

import argparse
from pathlib import Path

from constructions.facts.conflicts import MANY
from constructions.guards.wording import counted
from constructions.importing.asked import NAMES, Asked
from constructions.importing.columns import COLUMNS
from constructions.importing.formats import FORMATS
from constructions.importing.inverse import inverse_of
from constructions.importing.table import Imported, imported
from verify.cli.commands.options import Commands, Paragraphs
from verify.cli.output import folded, say
from verify.cli.status import PASSED
from verify.cli.written_files import check_writable

EXAMPLES = """examples:
  python -m verify import countries.csv -o countries.tsv
  python -m verify import towns.json --inverse parts=parent --many number -o towns.tsv
  python -m verify import triples.txt --many first -o triples.tsv
"""


def add_import(commands: Commands) -> None:
    """The words of `verify import`."""
    parser = commands.add_parser(
        "import",
        help="read a table in CSV, JSON, RDF or Parquet, and write it as a fact file",
        description=(
            "Reads a table whole, says what it holds, and writes its facts, one"
            " subject<TAB>relation<TAB>object a line. Every defect is reported, the first 20 in"
            " full, and nothing is written then. `verify facts` reads the same formats."
        ),
        epilog=EXAMPLES,
        formatter_class=Paragraphs,
    )
    parser.add_argument("file", metavar="FILE", help="the table")
    parser.add_argument(
        "-o", dest="written", type=Path, required=True, metavar="FILE", help="the new fact file"
    )
    add_reading(parser)
    parser.set_defaults(run=_run_import)


def add_reading(parser: argparse.ArgumentParser, many: str = MANY[0], fixed: bool = False) -> None:
    """How a table in a file is read.

    Args:
        parser: gets the options.
        many: the default of `--many`.
        fixed: whether that is not an option.
    """
    parser.add_argument(
        "--format",
        choices=tuple(FORMATS),
        help=(
            "by default what the ending says: .csv, .json, .jsonl, .ndjson, .nt, .ttl, .parquet;"
            " else a fact file, or with --columns or --subject fields between TABs (tsv)"
        ),
    )
    parser.add_argument(
        "--columns",
        choices=COLUMNS,
        help=(
            "what a row is: a triple of subject, relation and object; or a subject and a value of"
            " each relation. By default as the titles say"
        ),
    )
    parser.add_argument(
        "--subject",
        metavar="TITLE",
        help="the column, or field of the records, of the subjects (default: the first)",
    )
    if fixed:
        parser.set_defaults(many=many)
    else:
        parser.add_argument(
            "--many",
            choices=MANY,
            default=many,
            help=(
                "where a subject and relation have several objects: refuse the table (error), keep"
                " the first (first) or none (drop), make relations `child 1`, `child 2`, ... of"
                " `child` (number), or keep all, as a set of answers for the command `sets` (set);"
                f" by default {many}"
            ),
        )
    parser.add_argument(
        "--names",
        choices=NAMES,
        default=NAMES[0],
        help=(
            "where a name holds what no fact file can: refuse the table (error), cut white space"
            " off its ends (trim), leave out its facts (drop)"
        ),
    )
    parser.add_argument(
        "--inverse",
        action="append",
        default=[],
        metavar="CHILD=PARENT",
        help="add the relation CHILD, the inverse of PARENT; may be repeated",
    )


def read(options: argparse.Namespace) -> Imported:
    """Read the table that is named, and say what it holds."""
    asked = Asked(
        options.format,
        options.columns,
        options.subject,
        options.many,
        options.names,
        inverse_of(options.inverse),
    )
    found = imported(options.file, asked)
    repeats = f", {found.repeats} repeated facts" if found.repeats else ""
    say(f"{options.file}: {found.sizes()}{repeats}")
    missing = f"; {counted(found.missing, 'empty value')}" if found.missing else ""
    for line in [*([found.said + missing] if found.said else []), *found.changes]:
        for part in folded(line):
            say(f"    {part}")
    return found


def _run_import(options: argparse.Namespace) -> int:
    """Read a table, and write its facts."""
    check_writable(options.written)
    read(options).to_tsv(options.written)
    say(f"written: {options.written}")
    return PASSED
