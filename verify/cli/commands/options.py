"""Options that several commands take."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, TypeAlias

from verify.cells.cell import BY, DTYPES
from verify.cli.values import size
from verify.queries.answers import LOGITS

Commands: TypeAlias = "argparse._SubParsersAction[Any]"
"""What a command is added to."""


def add_json(parser: argparse.ArgumentParser, what: str = "the result") -> None:
    """Where the result is written as JSON."""
    parser.add_argument("--json", type=Path, metavar="FILE", help=f"also write {what} as JSON")


def add_wide(parser: argparse.ArgumentParser, what: str) -> None:
    """Whether tables have all columns."""
    parser.add_argument(
        "--wide",
        action="store_true",
        help=f"all columns: {what}; so it is where a terminal has 200 columns",
    )


def add_sizes(parser: argparse.ArgumentParser, required: bool = True) -> None:
    """N, R and k of a formula."""
    parser.add_argument("-N", type=size, required=required, metavar="N", help="entities")
    parser.add_argument("-R", type=size, required=required, metavar="R", help="relations")
    parser.add_argument("-k", type=size, default=1, metavar="K", help="hops (default 1)")


def add_own(parser: argparse.ArgumentParser, what: str) -> None:
    """What of the user's own is taken as well, `path/file.py:name`."""
    parser.add_argument(
        "--with",
        dest="own",
        action="append",
        default=[],
        metavar="FILE.py:NAME",
        help=f"{what} (or package.module:name); may be repeated",
    )


MADE_BY = "the construction of your own that has made the model"
"""What `--with` names beside a saved model."""


def add_checks(parser: argparse.ArgumentParser, *also: str) -> None:
    """How a model is built, decided and saved, and how its result is shown; `also` are further
    ways to decide.
    """
    parser.add_argument(
        "--by",
        choices=(*BY, *also),
        default="auto",
        help=(
            "what decides: the proof of the saved model and a sample of 256 queries (proof), all"
            " queries, run (queries), or both, which must agree; auto: all queries where queries x"
            " (internal weights + 5,000) is at most 2 * 10^10, which takes some seconds, with the"
            " proof beside them up to 50 million parameters; else the proof, and all queries where"
            " that leaves rounding open. A model that is not to be saved is proven in a temporary"
            " folder" + ("; none: nothing is verified, and that is said" if also else "")
        ),
    )
    parser.add_argument(
        "--dtype",
        choices=DTYPES,
        default="auto",
        help="auto: float32, or float64 where exactness needs it",
    )
    parser.add_argument(
        "--logits",
        choices=LOGITS,
        default="auto",
        help=(
            "decide by all logits (full), by the final state (fast), by both; auto: both where"
            " full is affordable"
        ),
    )
    add_wide(parser, CELL_COLUMNS)
    add_json(parser)
    parser.add_argument(
        "--save",
        type=Path,
        metavar="FOLDER",
        help=(
            "also save the model, for `check` and for Python, and prove what is saved; a saved"
            " model that is there is replaced"
        ),
    )


CELL_COLUMNS = "theorem, sizes, bits, bounds, proof"
"""What the wide table of cells has more."""
