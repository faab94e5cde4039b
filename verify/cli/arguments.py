"""What the command line takes: commands, options, sizes, examples.

What the commands do is in `verify.cli.commands`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, NoReturn

from bounds.lower_bound import LARGEST_SIZE
from constructions.catalogue import CATALOGUE
from constructions.export import TOOLS
from constructions.files.outputs import require_apart
from verify.cli.output import complain, say_text
from verify.runner.grid import DTYPES, FACT_KINDS, FORM_NAMES

ATTACKS = ("flips", "flips-listed", "weights", "swaps", "facts", "forgeries")
"""The kinds of `verify.runner.attack`, which imports torch, as help does not."""

EXAMPLES = """examples:
  every construction on the default grid:
    {program} all
  what can be verified:
    {program} list
  one construction at one size:
    {program} selector -N 4096 -R 16
    {program} scalar_selector -N 100 -R 7 --facts partial --logits both
    {program} hybrid -N 64 -R 3 -k 3 --looked-up 2
  many hops, N R^k queries, intermediate entities included:
    {program} chain_of_thought -N 256 -R 4 -k 3
  write a real fact table to try, verify, ask and save it:
    {program} example unicode.tsv
    {program} facts unicode.tsv --ask U+0041 lowercase --save unicode-model
  prove a saved model right, from its files alone:
    {program} check unicode-model
  change a small saved model: the checker must refuse all that is wrong:
    {program} attack family-model -n 1000
  write a saved model for another tool, and ask it there (docs/export.md):
    {program} export family-model --to huggingface family-hf
  lower bounds and constructions; which construction fits; where chain-of-thought provably helps:
    {program} bound -N 65536 -R 16 -k 3 --plot plane.svg
    {program} plan -N 1e6 -R 50 -k 3 --max-d 4096
    {program} separation -R 4 -k 3

`geometric-recall` (once installed) and `python -m verify` are the same. In a folder that has a
verify.py or a constructions.py of its own, the second would run those: there use the first, or
`python -P -m verify`.
exit status: 0 every planned cell passed; 1 a check failed or has no verdict; 2 bad input;
130 interrupted
"""


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in printable characters, and how a name that begins with a
    dash is given.
    """

    def print_help(self, file: Any = None) -> None:
        """The help, on standard output; argparse would not say that it could not be written."""
        say_text(self.format_help().rstrip("\n"))

    def error(self, message: str) -> NoReturn:
        """The usage, one line with the message, and status 2."""
        if "--ask" in message or message.startswith("unrecognized arguments: "):
            message += (
                "; a name that begins with a dash is asked for in one quoted string: --ask='-x"
                " relation'"
            )
        self.print_usage(sys.stderr)
        complain(f"{self.prog}: error: {message}")
        raise SystemExit(2)


def parser(program: str) -> argparse.ArgumentParser:
    """All commands and their options; `command` names the one that was chosen, `program` the way
    the program was called.
    """
    whole = _Parser(
        prog=program,
        description=(
            "Builds transformer weights that recall facts, and checks every answer, size and"
            " margin."
        ),
        epilog=EXAMPLES.format(program=program),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    whole.set_defaults(program=program)
    whole.add_argument("--version", action="store_true", help="print the version and exit")
    commands = whole.add_subparsers(dest="command", metavar="COMMAND")

    everything = commands.add_parser("all", help="every construction on the default grid")
    everything.add_argument(
        "--json", type=Path, metavar="FILE", help="also write the result as JSON"
    )

    everything.add_argument(
        "--forms",
        action="store_true",
        help="then each of these cells in every other form too: hours (docs/forms.md)",
    )

    listing = commands.add_parser(
        "list", help="what can be verified: construction, theorem, claim"
    )
    listing.add_argument("--markdown", action="store_true", help="as the table of docs/README.md")
    listing.add_argument(
        "--limits",
        action="store_true",
        help="how sizes and bits grow as N -> oo, from the formulas",
    )

    for entry in CATALOGUE.values():
        one = commands.add_parser(entry.name, help=f"Theorem {entry.theorem}: {entry.claim}")
        one.add_argument("-N", type=_size, required=True, metavar="N", help="entities")
        one.add_argument("-R", type=_size, required=True, metavar="R", help="relations")
        if entry.multi_hop:
            one.add_argument("-k", type=_size, required=True, metavar="K", help="hops")
        for option in entry.options:
            one.add_argument(
                f"--{option.name.replace('_', '-')}",
                type=_option,
                metavar=option.symbol,
                help=option.help,
            )
        one.add_argument(
            "--facts",
            choices=FACT_KINDS,
            default="total",
            help="partial: a quarter of the facts missing",
        )
        one.add_argument(
            "--seed",
            type=_count,
            default=0,
            help="of the random fact table, at least 0 (default 0)",
        )
        one.add_argument(
            "--form",
            choices=FORM_NAMES,
            help=(
                "put it in another form and ask that: another basis, a wider model, a standard"
                " decoder, norms, ..."
            ),
        )
        _add_check_options(one)

    bound = commands.add_parser(
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
    _add_size_options(bound)
    bound.add_argument(
        "--embedding-bits",
        type=_count,
        metavar="B_e",
        help="the bounds at this B_e alone, with maximisers",
    )
    bound.add_argument(
        "--unembedding-bits", type=_count, metavar="B_u", help="with it: B_u (default B_e)"
    )
    bound.add_argument(
        "--plot", type=Path, metavar="FILE.svg", help="also draw the plane (needs matplotlib)"
    )
    bound.add_argument("--json", type=Path, metavar="FILE", help="also write the plane as JSON")

    plan = commands.add_parser(
        "plan",
        help="which constructions fit a budget, cheapest first, from the formulas alone",
        description=(
            "Lists the constructions that fit, those with the fewest bits first. Exit status 1 if"
            " nothing fits."
        ),
    )
    _add_size_options(plan)
    plan.add_argument(
        "--max-d", type=_budget, metavar="D", help="at most so many dimensions, d_model"
    )
    plan.add_argument(
        "--max-bits",
        type=_budget,
        metavar="BITS",
        help="at most so many bits in all tensors together",
    )
    plan.add_argument("--max-depth", type=_budget, metavar="LAYERS", help="at most so many layers")
    plan.add_argument(
        "--max-tokens", type=_budget, metavar="TOKENS", help="at most so many written tokens"
    )
    plan.add_argument(
        "--all",
        action="store_true",
        help="every choice of options, not just the one with the fewest bits",
    )

    separation = commands.add_parser(
        "separation",
        help=(
            "the fewest entities for which chain-of-thought takes fewer bits inside than Theorem"
            " 4.2 asks without"
        ),
        description=(
            "Finds the fewest entities N for which chain_of_thought has fewer bits inside than"
            " Theorem 4.2 asks of every model without chain-of-thought whose embeddings are as"
            " small. `bound` shows the factor at a given N."
        ),
    )
    separation.add_argument("-R", type=_size, required=True, metavar="R", help="relations")
    separation.add_argument("-k", type=_size, required=True, metavar="K", help="hops")
    separation.add_argument(
        "--hops-per-token", type=_size, default=1, metavar="j", help="of the chain (default 1)"
    )

    facts = commands.add_parser("facts", help="verify your own fact table and ask it")
    facts.add_argument(
        "file", metavar="FILE", help="UTF-8 text, one subject<TAB>relation<TAB>object a line"
    )
    facts.add_argument(
        "--construction",
        choices=list(CATALOGUE),
        help="default: by the table and the questions",
    )
    facts.add_argument(
        "--ask",
        nargs="+",
        action="append",
        default=[],
        metavar="NAME",
        help=(
            "a subject and one relation or more, as words or in one quoted string (between words a"
            " space, or TABs alone if names hold spaces; so too where a name begins with a dash:"
            " --ask='-x relation'); may be repeated"
        ),
    )
    facts.add_argument("-k", type=_size, metavar="K", help="also verify all paths of K relations")
    _add_check_options(facts)

    check = commands.add_parser(
        "check",
        help=(
            "prove a saved model right from its weights and facts alone, without torch and without"
            " the builders"
        ),
        description=(
            "Proves from a model folder alone that every query is answered right, in integers: a"
            " small checker reads each weight about once and re-proves the claims of"
            " certificate.json. See docs/certificates.md. Exit status 0 if proven, 1 if refuted or"
            " undecided."
        ),
    )
    check.add_argument(
        "folder",
        type=Path,
        metavar="FOLDER",
        help="as written by --save or by `save`",
    )
    check.add_argument("--json", type=Path, metavar="FILE", help="also write the result as JSON")

    attack = commands.add_parser(
        "attack",
        help=(
            "change a saved model in many ways: is every change that makes an answer wrong refused"
            " by the checker?"
        ),
        description=(
            "Flips bits, changes weights, swaps rows, alters facts and forges certificates of a"
            " saved model, in memory. What the checker accepts must answer every query right in"
            " the forward pass. Exit status 1 if the checker is fooled, or if a kind has generated"
            " nothing."
        ),
    )
    attack.add_argument(
        "folder",
        type=Path,
        metavar="FOLDER",
        help="a small model: what is accepted is run on all queries",
    )
    attack.add_argument(
        "-n",
        type=_size,
        default=1000,
        metavar="NUMBER",
        help="attacks of each kind (default 1000)",
    )
    attack.add_argument(
        "--kind",
        action="append",
        metavar="KIND",
        help=f"one of {', '.join(ATTACKS)}; may be repeated",
    )
    attack.add_argument(
        "--seed", type=_count, default=0, help="of the random choices, at least 0 (default 0)"
    )

    export = commands.add_parser(
        "export",
        help=(
            "write a saved model for TransformerLens, Hugging Face transformers or ONNX, and ask"
            " it there"
        ),
        description=(
            "Turns a saved model into a standard decoder with the same logits, writes it as the"
            " other tool\nreads it, and asks the other tool: all queries, or 4,096 drawn at random"
            " over all lengths. OUT appears\nwhole, if all answers are right by the margin asked"
            " for, in whatever order sums are\nadded, and no logit differs more than it may (by 0"
            " where all arithmetic is exact), or\nnot at all (exit status 1). The logits are the"
            " construction's times a power of two: see\n--margin. The tools are extras: pip"
            " install '.[transformerlens]', [huggingface],\n[onnx]. See docs/export.md."
        ),
        epilog=(
            "examples:\n"
            f"  {program} export family-model --to transformerlens family-lens\n"
            f"  {program} export family-model --to huggingface family-hf\n"
            f"  {program} export family-model --to onnx family-onnx --json result.json\n"
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    export.add_argument(
        "folder",
        type=Path,
        metavar="FOLDER",
        help="as written by --save or by `save`",
    )
    export.add_argument("--to", choices=list(TOOLS), required=True, help="the other tool")
    export.add_argument("out", type=Path, metavar="OUT", help="a new or an empty folder")
    export.add_argument(
        "--margin",
        type=_margin,
        metavar="NUMBER",
        help=(
            "the least logit margin in OUT: all logits are multiplied by a power of two. By"
            " default such that who samples at temperature 1 draws a wrong token less than once in"
            " a million; 0 for the logits as they are"
        ),
    )
    export.add_argument("--json", type=Path, metavar="FILE", help="also write the result as JSON")

    example = commands.add_parser(
        "example", help="write a real fact table: Unicode characters and their properties"
    )
    example.add_argument("file", type=Path, metavar="FILE", help="the tab-separated file to write")
    return whole


def require_places(options: argparse.Namespace) -> None:
    """Refuse, before any work, an output in a saved model, or in or over an input or another
    output.

    Raises:
        InputError: see `constructions.files.outputs.require_apart`.
    """
    given = vars(options)
    made = options.command == "example"
    read = {"FOLDER": given.get("folder"), "FILE": None if made else given.get("file")}
    written = {option: given.get(option.strip("-")) for option in ("--save", "--json", "--plot")}
    written |= {"OUT": given.get("out"), "FILE": given.get("file") if made else None}
    inputs, outputs = (
        {name: path and Path(path) for name, path in some.items()} for some in (read, written)
    )
    require_apart(inputs, outputs)


def _add_size_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-N", type=_size, required=True, metavar="N", help="entities")
    parser.add_argument("-R", type=_size, required=True, metavar="R", help="relations")
    parser.add_argument("-k", type=_size, default=1, metavar="K", help="hops (default 1)")


def _add_check_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--dtype",
        choices=DTYPES,
        default="auto",
        help="auto: float32, or float64 where exactness needs it",
    )
    parser.add_argument(
        "--logits",
        choices=("auto", "fast", "full", "both"),
        default="auto",
        help=(
            "decide by all logits (full), by the final state (fast), by both; auto: both where"
            " full is affordable"
        ),
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the result as JSON")
    parser.add_argument(
        "--save",
        type=Path,
        metavar="FOLDER",
        help=(
            "also save the model, for `check` and for Python; a saved model that is there is"
            " replaced"
        ),
    )


def _size(text: str) -> int:
    """An integer from 1 to 2^40, also as 1e6 or 65_536."""
    value = _integer(text)
    if not 1 <= value <= LARGEST_SIZE:
        raise argparse.ArgumentTypeError(f"{_shown(text)} is not an integer from 1 to 2^40")
    return value


def _budget(text: str) -> int:
    """A positive integer of any size, also as 1e15."""
    value = _integer(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{_shown(text)} is not a positive integer")
    return value


def _integer(text: str) -> int:
    """The integer that is written there, 0 if it is none."""
    try:
        return int(text)
    except ValueError:
        try:
            return int(float(text)) if float(text).is_integer() else 0
        except (ValueError, OverflowError):
            return 0


def _margin(text: str) -> float:
    """A finite number of at least 0."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of at least 0")
    return value


def _count(text: str) -> int:
    """A non-negative integer of any size that Python reads."""
    try:
        value = int(text) if text.isdecimal() else -1
    except ValueError:  # too many digits
        value = -1
    if value < 0:
        raise argparse.ArgumentTypeError(
            f"{_shown(text)} is not an integer of at least 0 and at most 4,300 digits"
        )
    return value


def _option(text: str) -> int:
    """A construction's option: an integer from 0 to 2^40."""
    value = _count(text)
    if value > LARGEST_SIZE:
        raise argparse.ArgumentTypeError(f"{_shown(text)} is not an integer from 0 to 2^40")
    return value


def _shown(text: str) -> str:
    """What was given, cut off where it is long."""
    return repr(text if len(text) <= 60 else f"{text[:57]}...")
