"""All words of the command line: the commands, and examples of them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from constructions.catalogue import CATALOGUE
from verify.cli.commands import (
    ask,
    bounds,
    cells,
    change,
    compare,
    facts,
    importing,
    journal,
    known_answers,
    learned,
    lists,
    pretrained,
    report,
    saved,
    separation,
    sets,
    show,
)
from verify.cli.commands.options import Commands, Paragraphs
from verify.cli.output import complain, say_text

EXAMPLES = """examples:
  every construction on the default grid; with all columns of the table:
    {program} all
    {program} all --wide
  the same, so that it goes on where it was interrupted; what the journal holds (docs/journals.md):
    {program} all --journal all.journal
    {program} journal all.journal
  the same as pages for a browser, with figures and the capacity plane (docs/report.md):
    {program} report out
    {program} report out --from all.journal
  what can be verified:
    {program} list
  one construction at one size:
    {program} selector -N 4096 -R 16
    {program} scalar_selector -N 100 -R 7 --facts partial --logits both
    {program} sparse_selector -N 1000 -R 100
    {program} hybrid -N 64 -R 3 -k 3 --looked-up 2
  many hops, N R^k queries, intermediate entities included:
    {program} chain_of_thought -N 256 -R 4 -k 3
  a construction or a bound of your own, from a file of yours (docs/add-a-construction.md):
    {program} path/file.py:mine -N 100 -R 4
    {program} bound -N 65536 -R 8 -k 3 --with path/file.py:mine
  write a real fact table to try, verify, ask and save it:
    {program} example unicode.tsv
    {program} facts unicode.tsv --ask U+0041 lowercase --save unicode-model
  a table of yours in CSV, JSON, RDF or Parquet, as a fact file (docs/your-table.md):
    {program} import countries.csv --subject name -o countries.tsv
  ask a saved model; from a file, or at a prompt (docs/your-table.md):
    {program} ask unicode-model "U+00C9 base"
    {program} ask unicode-model --questions questions.txt
  the same of a table in which a subject has several answers to a relation (docs/your-table.md):
    {program} sets family.tsv --ask "Alice child"
  what happens to one query, block by block of the residual stream; as a picture:
    {program} show chain_of_thought -k 2
    {program} show unicode-model "U+00C9 base" --plot mechanism.svg
  what gradient descent finds, with nulls and controls (docs/learned.md); one experiment, drawn:
    {program} learned
    {program} learned two-thresholds --plot two-thresholds.svg
  every memory on the same facts, ours, others' and trained ones (docs/rivals.md):
    {program} compare -N 64 -R 4 --seeds 100
  prove a saved model right, from its files alone:
    {program} check unicode-model
  change single facts of a saved model; which answers differ between two (docs/your-table.md):
    {program} update country-model changes.tsv -o country-model-2
    {program} diff country-model country-model-2 -k 3
  change a small saved model: the checker must refuse all that is wrong:
    {program} attack family-model -n 1000
  write a saved model for another tool, and ask it there (docs/export.md):
    {program} export family-model --to huggingface family-hf
  decoders whose structure is known, for probes and circuit finders (docs/known-answers.md):
    {program} known-answers pack
  lower bounds and constructions; which construction fits; where chain-of-thought provably helps:
    {program} bound -N 65536 -R 16 -k 3 --plot plane.svg
    {program} bound -N 4096 -R 4 -k 3 --wrong-share 0.01
    {program} plan -N 1e6 -R 50 -k 3 --max-d 4096
    {program} separation -R 4 -k 3
  many sizes at once, as a table in a file, and as a figure (docs/sweeps.md):
    {program} plan -N 2^10:2^20 -R 4,16 -k 1:3 --csv plans.csv --plot dimension.pdf

`geometric-recall` (once installed) and `python -m verify` are the same. In a folder that has a
verify.py or a constructions.py of its own, the second would run those: there use the first, or
`python -P -m verify`.
Tables of cells and plans have under 100 columns; with --wide, or where the terminal has 200, all
that is known.

exit status: 0 every planned cell passed; 1 a check failed or has no verdict; 2 bad input;
130 interrupted
"""


COMMANDS: dict[str, Callable[[Commands], None]] = {
    "all": cells.add_all,
    "journal": journal.add_journal,
    "report": report.add_report,
    "list": lists.add_list,
    "bound": bounds.add_bound,
    "plan": bounds.add_plan,
    "separation": separation.add_separation,
    "facts": facts.add_facts,
    "import": importing.add_import,
    "ask": ask.add_ask,
    "sets": sets.add_sets,
    "show": show.add_show,
    "learned": learned.add_learned,
    "learned pretrained": pretrained.add_pretrained,
    "compare": compare.add_compare,
    "check": saved.add_check,
    "update": change.add_update,
    "diff": change.add_diff,
    "attack": saved.add_attack,
    "export": saved.add_export,
    "known-answers": known_answers.add_known_answers,
    "example": lists.add_example,
}
"""What adds the words of each command, but for those that are named after a construction. A name
may have two words.
"""


DASH = "; a name that begins with a dash is asked for in one quoted string: --ask='-x relation'"
"""What to do where a name was taken for an option."""
BEHIND = "; questions stand right behind MODEL, each in quotes, and options behind them"
"""What to do where a question was not taken for one."""


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in printable characters, and how a name that begins with a
    dash is given.
    """

    def print_help(self, file: Any = None) -> None:
        """The help, on standard output; argparse would not say that it could not be written."""
        say_text(self.format_help().rstrip("\n"))

    def error(self, message: str) -> NoReturn:
        """The usage, one line with the message, and status 2."""
        if message.startswith("argument --ask"):
            message += DASH
        self.print_usage(sys.stderr)
        complain(f"{self.prog}: error: {message}")
        raise SystemExit(2)


def parser(program: str, own: str | None = None) -> argparse.ArgumentParser:
    """All commands and their options. `command` names the one that was chosen, `run` is the
    function that runs it, and `program` the way the program was called.

    Args:
        program: see above.
        own: a construction of the user's, `path/file.py:name`, that is a command as well.

    Raises:
        InputError: see `constructions.catalogue.construction`.
    """
    whole = _Parser(
        prog=program,
        description=(
            "Builds transformer weights that recall facts, and checks every answer, size and"
            " margin."
        ),
        epilog=EXAMPLES.format(program=program),
        formatter_class=Paragraphs,
    )
    whole.set_defaults(program=program)
    whole.add_argument("--version", action="store_true", help="print the version and exit")
    commands = whole.add_subparsers(dest="command", metavar="COMMAND")
    for name, add in COMMANDS.items():
        add(commands)
        if name == "list":  # which names them
            cells.add_constructions(commands, [*CATALOGUE, *([own] if own else [])])
    return whole
