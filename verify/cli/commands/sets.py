"""`verify sets`: a table of sets of answers becomes a model, which is proven, asked and saved."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from constructions.facts.set_table import SetTable
from constructions.guards.errors import InputError
from constructions.guards.wording import counted, shortened
from constructions.model.asked_sets import ONE_HOP
from verify.cells.cell import DTYPES
from verify.cli.commands.importing import add_reading, read
from verify.cli.commands.options import Commands, Paragraphs, add_json
from verify.cli.output import say, say_verdict
from verify.cli.questions import question, set_data, set_line, text_of
from verify.cli.status import FAILED, PASSED
from verify.cli.values import count, size
from verify.cli.written_files import check_folder, check_writable, write_text

if TYPE_CHECKING:  # which import torch
    from constructions.model.set_model import SetModel
    from verify.queries.sets_found import SetsFound

EXAMPLES = """examples:
  python -m verify sets family.tsv --ask "Alice child" --save family-sets
  python -m verify sets -N 64 -R 3 -w 5
"""


def add_sets(commands: Commands) -> None:
    """The words of `verify sets`."""
    parser = commands.add_parser(
        "sets",
        help="verify a table in which a subject has several answers to a relation, and ask it",
        description=(
            "Builds a model that writes all answers to a subject and a relation, in the order in\n"
            "which the table has them first, then END; proves from the saved weights that every\n"
            "set is written right; and compares sizes and bits with the formulas and the bound.\n"
            "See docs/your-table.md."
        ),
        epilog=EXAMPLES,
        formatter_class=Paragraphs,
    )
    parser.add_argument(
        "file",
        nargs="?",
        metavar="FILE",
        help=(
            "a table of any format that `import` reads; a subject may have several objects for one"
            " relation. Without it a random table is made"
        ),
    )
    add_reading(parser, "set", fixed=True)
    parser.add_argument(
        "-N", type=size, metavar="N", help="entities of a random table (default 8)"
    )
    parser.add_argument("-R", type=size, metavar="R", help="its relations (default 3)")
    parser.add_argument(
        "-w", type=size, metavar="W", help="its largest number of answers (default 3)"
    )
    parser.add_argument("--seed", type=count, help="of the random table (default 0)")
    parser.add_argument(
        "--ask",
        nargs="+",
        action="append",
        default=[],
        metavar="NAME",
        help=(
            "a subject and a relation, each a word, or both in one quoted string; names may hold"
            " spaces; may be repeated"
        ),
    )
    parser.add_argument(
        "--dtype",
        choices=DTYPES,
        default="auto",
        help="of the weights; auto: float32",
    )
    add_json(parser)
    parser.add_argument(
        "--save",
        type=Path,
        metavar="FOLDER",
        help="also save the model, for `check` and for Python; a saved model there is replaced",
    )
    parser.set_defaults(run=_run_sets)


def _run_sets(options: argparse.Namespace) -> int:
    """Read or make the table, build, prove and ask."""
    facts = _table(options)
    questions = [_asked(facts, words) for words in options.ask]
    check_writable(options.json)
    check_folder(options.save)
    import torch

    from verify.queries.sets_found import build_and_prove

    dtype = torch.float32 if options.dtype == "auto" else getattr(torch, options.dtype)
    model, found = build_and_prove(facts, dtype, options.save)
    for line in _lines(facts, model, found):
        say(line)
    reason = next(iter([*found.faults(), *found.doubts()]), "")
    say_verdict(
        f"{found.verdict}: {shortened(facts.n_queries())} sets, {shortened(facts.n_facts)} answers"
        " in all" + (reason and f": {reason}")
    )
    answers = _answers(model, questions)
    write_text(options.json, lambda: json.dumps(_as_json(facts, found, answers), indent=1) + "\n")
    return PASSED if found.verdict == "PASS" else FAILED


def _table(options: argparse.Namespace) -> SetTable:
    """The table of the file, or a random one; and say what it holds."""
    sizes = {"-N": options.N, "-R": options.R, "-w": options.w, "--seed": options.seed}
    if options.file is not None:
        if given := [option for option, value in sizes.items() if value is not None]:
            raise InputError(
                f"{options.file} has its sizes; {', '.join(given)} is for a random table, without"
                " a file"
            )
        return read(options).sets()
    facts = SetTable.random(options.N or 8, options.R or 3, options.w or 3, options.seed or 0)
    empty, pairs = int((facts.sizes == 0).sum()), facts.n_queries()
    say(
        f"random: {counted(facts.n_facts, 'fact')}, {facts.n_entities} entities,"
        f" {counted(facts.n_relations, 'relation')}, {empty} of {pairs} (entity, relation) pairs"
        " without a fact"
    )
    return facts


def _asked(facts: SetTable, words: list[str]) -> str:
    """A question, which has one reading, of one relation.

    Raises:
        InputError: see `question`; or there are several relations.
    """
    asked = question(facts, words)
    if len(asked.path) != 1:
        raise InputError(ONE_HOP.format(relations=len(asked.path)))
    return text_of(words)


def _lines(facts: SetTable, model: SetModel, found: SetsFound) -> list[str]:
    """What was built, and what was found."""
    from verify.cli.reports.checks import margin_line, proof_line

    shape, widest = model.shape, int(facts.most.argmax())
    others = int((facts.most == facts.most[widest]).sum()) - 1
    also = f" and {counted(others, 'more relation')}" if others else ""
    lines = [
        f"    at most {counted(int(facts.most[widest]), 'answer')}"
        f" ({facts.relation_name(widest)}{also});"
        f" {facts.places} places in all",
        f"    d_model {shape.d_model}, d_mlp {shape.d_mlp}, 1 layer, {shape.n_heads} heads,"
        f" {shape.n_positions} positions, {shape.n_parameters():,} parameters",
        f"    proof: {proof_line(found.proven)}",
    ]
    if found.proven.verdict == "PASS":
        lines.append(f"    {margin_line(found.proven)}")
    if found.sample is not None:
        lines.append(f"    {found.sample.in_words()}")
    return [
        *lines,
        f"    bits: {found.fact_bits:,} of facts in the embeddings; {found.table_bits:,.1f} name a"
        " table with sets of these sizes and answers",
    ]


def _answers(model: SetModel, questions: list[str]) -> list[dict[str, object]]:
    """Ask a model, print what it writes, and return it as data."""
    found = model.answered(questions)
    for one in found:
        say(set_line(one))
    return [set_data(one) for one in found]


def _as_json(
    facts: SetTable, found: SetsFound, answers: list[dict[str, object]]
) -> dict[str, Any]:
    """The same as numbers."""
    return {
        "entities": facts.n_entities,
        "relations": facts.n_relations,
        "facts": facts.n_facts,
        "places": facts.places,
        "most": facts.most.tolist(),
        "d_model": found.d_model,
        "parameters": found.parameters,
        "fact_bits": found.fact_bits,
        "table_bits": found.table_bits,
        "internal_bits": found.sizing.internal_bits,
        "bound_bits": found.bound.bits,
        "margin": str(found.proven.real_margin),
        "exact": found.proven.exact,
        "verdict": found.verdict,
        "reasons": [*found.faults(), *found.doubts()],
        "answers": answers,
    }
