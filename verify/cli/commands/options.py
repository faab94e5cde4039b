"""Options that several commands take."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, TypeAlias

from verify.cells.cell import BY, DTYPES
from verify.cli.values import inches, names, sizes
from verify.queries.answers import LOGITS

Commands: TypeAlias = "argparse._SubParsersAction[Any]"
"""What a command is added to."""


class Paragraphs(argparse.RawDescriptionHelpFormatter):
    """What stands before and behind the options of a command: paragraphs are wrapped to the
    terminal, and those with indented lines, which are examples, stand as they are.
    """

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        """The text in lines."""
        return "\n\n".join(
            super(Paragraphs, self)._fill_text(part, width, indent)
            if "\n " in part
            else argparse.HelpFormatter._fill_text(self, part, width, indent)
            for part in text.strip("\n").split("\n\n")
        )


def add_json(parser: argparse.ArgumentParser, what: str = "the result") -> None:
    """Where the result is written as JSON."""
    parser.add_argument("--json", type=Path, metavar="FILE", help=f"also write {what} as JSON")


def add_rows(parser: argparse.ArgumentParser, what: str) -> None:
    """Where results are written as rows in long format."""
    parser.add_argument(
        "--csv",
        type=Path,
        metavar="FILE",
        help=(
            f"also write {what} as CSV; as Parquet where the name ends in .parquet, which needs"
            " pyarrow (docs/sweeps.md)"
        ),
    )


def add_wide(parser: argparse.ArgumentParser, what: str) -> None:
    """Whether tables have all columns."""
    parser.add_argument(
        "--wide",
        action="store_true",
        help=f"all columns: {what}; so it is where a terminal has 200 columns",
    )


SEVERAL = "; several as 4,16 or 2^10:2^20, which doubles, or 1:3 or 10:100:30"
"""Of an option that takes several sizes."""


def add_sizes(parser: argparse.ArgumentParser, required: bool = True) -> None:
    """N, R and k of a formula, of which each may have several values."""
    parser.add_argument(
        "-N",
        type=sizes,
        required=required,
        metavar="N",
        help=f"entities{SEVERAL} (docs/sweeps.md)",
    )
    parser.add_argument(
        "-R", type=sizes, required=required, metavar="R", help="relations, likewise"
    )
    parser.add_argument(
        "-k", type=sizes, default=(1,), metavar="K", help="hops, likewise (default 1)"
    )


def add_plot(parser: argparse.ArgumentParser, what: str) -> None:
    """The picture, and how it looks."""
    parser.add_argument(
        "--plot",
        type=Path,
        metavar="FILE",
        help=f"also draw {what}, as FILE.svg, FILE.pdf or FILE.png (needs matplotlib)",
    )
    parser.add_argument(
        "--style", type=Path, metavar="FILE.mplstyle", help="of the picture: a style of matplotlib"
    )
    parser.add_argument(
        "--size",
        type=inches,
        metavar="WxH",
        help="of the picture, in inches, such as 4x3",
    )


def add_only(parser: argparse.ArgumentParser, what: str) -> None:
    """Which rows and curves there are."""
    parser.add_argument(
        "--only",
        type=names,
        default=(),
        metavar="NAME,NAME",
        help=f"of these {what} alone",
    )


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
            " (internal weights + 5,000) is at most 2 * 10^10, of another form 5 * 10^8, which"
            " takes some seconds, with the proof beside them up to 50 million parameters; else the"
            " proof, and all queries where that leaves rounding open. A model that is not to be"
            " saved is proven in a temporary folder"
            + ("; none: nothing is verified, and that is said" if also else "")
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
    add_rows(parser, "a row for each cell")
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
