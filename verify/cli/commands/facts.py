"""`verify facts`: a construction is built from a fact table of yours, verified, asked and
saved.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from constructions.catalogue import CATALOGUE, construction, suggested, writing_tokens
from constructions.entry import Construction
from constructions.facts.answers import MISSING
from constructions.facts.table import FactTable
from constructions.facts.tsv import read_tsv
from constructions.guards.errors import InputError
from constructions.guards.wording import counted
from verify.cells.decided_by import proven_beside
from verify.cli.commands.cells import say_cell, say_way
from verify.cli.commands.options import Commands, add_checks
from verify.cli.commands.sweeping import check_files
from verify.cli.output import is_wide, say, say_verdict
from verify.cli.progress import progress
from verify.cli.questions import Question, question
from verify.cli.status import FAILED, PASSED
from verify.cli.values import size
from verify.cli.written_files import check_folder

if TYPE_CHECKING:  # which import torch, or take a second to import
    from constructions.model.fact_model import FactModel
    from verify.cells.results import CellResult

NOT_VERIFIED = (
    "not verified (--by none): the model was built, no query was run and nothing is proven; what"
    " follows is what the model says"
)
EXAMPLES = """examples:
  python -m verify facts family.tsv --ask "Alice mother mother" --save family-model
  python -m verify facts towns.tsv --construction sparse_selector --ask "Lima twin"
"""
NOT_STORED = "no such fact; this construction answers stored facts alone"


def add_facts(commands: Commands) -> None:
    """The words of `verify facts`."""
    parser = commands.add_parser(
        "facts",
        help="verify your own fact table and ask it",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "file", metavar="FILE", help="UTF-8 text, one subject<TAB>relation<TAB>object a line"
    )
    parser.add_argument(
        "--construction",
        metavar="NAME",
        help=(
            "as `list` names it, or path/file.py:name for one of your own; by default one that"
            " suits the table and the questions"
        ),
    )
    parser.add_argument(
        "--ask",
        nargs="+",
        action="append",
        default=[],
        metavar="NAME",
        help=(
            "a subject and one relation or more, as words or in one quoted string (between words a"
            " space, or TABs alone if names hold spaces; so too where a name begins with a dash:"
            " --ask='-x relation'); may be repeated. Where a construction claims stored facts"
            " alone, what is not stored is answered from the table"
        ),
    )
    parser.add_argument("-k", type=size, metavar="K", help="also verify all paths of K relations")
    add_checks(parser, "none")
    parser.set_defaults(run=_run_facts)


def _run_facts(options: argparse.Namespace) -> int:
    """Read the table, choose a construction, verify it for each length of paths, and answer."""
    if options.construction is not None:
        construction(options.construction)  # a missing one is reported before the table is read
    facts = _read(options.file)
    questions = [question(facts, words) for words in options.ask]
    lengths = sorted(
        {len(path) for _, path in questions} | ({options.k} if options.k else set())
    ) or [1]
    check_files(options)
    check_folder(options.save)
    entry = _chosen(options.construction, facts, lengths)
    if options.by == "none":
        model = _built(entry, facts, lengths, options)
        return _report([], questions, dict.fromkeys(lengths, model), facts, options)
    results, models = _verify(entry, facts, lengths, options)
    return _report(results, questions, models, facts, options)


def _read(file: str) -> FactTable:
    """Read a fact file, and say what it holds."""
    read = read_tsv(file)
    facts = FactTable.from_triples(read.rows)
    missing = facts.answers.size - facts.n_facts
    repeats = f", {read.repeats} repeated lines" if read.repeats else ""
    say(
        f"{file}: {facts.n_facts} facts, {facts.n_entities} entities,"
        f" {counted(facts.n_relations, 'relation')}, {missing} of {facts.answers.size} (entity,"
        f" relation) pairs without a fact{repeats}"
    )
    return facts


def _chosen(asked: str | None, facts: FactTable, lengths: list[int]) -> Construction:
    """The construction that is asked for, or one that suits the table; and say which.

    Raises:
        InputError: the questions have several lengths, and it answers one.
    """
    entry, why = (construction(asked), "as asked") if asked else suggested(facts, lengths)
    if len(lengths) > 1 and entry.longest_path is None:
        raise InputError(
            f"{entry.name} answers paths of one length, but the questions have"
            f" {' and '.join(map(str, lengths))} relations; ask them apart, or use"
            f" {' or '.join(entry.name for entry in writing_tokens())}"
        )
    claims = "; it claims stored facts alone" if entry.stored_only else ""
    say(f"construction: {entry.name} ({why}{claims})")
    if not asked and lengths == [1]:
        for line in _few_facts(facts):
            say(line)
    return entry


def _few_facts(facts: FactTable) -> list[str]:
    """Lines that say which constructions are made for tables like this, if no subject has facts in
    more than a quarter of the relations.
    """
    most = int((facts.answers != MISSING).sum(axis=0).max())
    if 4 * most > facts.n_relations:
        return []
    names = " or ".join(entry.name for entry in CATALOGUE.values() if entry.tables == "sparse")
    return [
        f"    at most {most} of {facts.n_relations} relations a subject: fewer dimensions may do,"
        " with --construction",
        f"    {names}",
    ]


def _options_of(entry: Construction, lengths: list[int]) -> dict[str, int]:
    """The builder's options: one model for all lengths, where there is such a one."""
    longest = entry.longest_path
    return {} if longest is None else {longest.name: lengths[-1]}


def _built(
    entry: Construction, facts: FactTable, lengths: list[int], options: argparse.Namespace
) -> FactModel:
    """Build the model, and save it where that is asked for; nothing is verified."""
    from constructions.saved.folder import save
    from verify.cells.verifying import build

    given = _options_of(entry, lengths)
    model = build(entry, facts, lengths[-1], given, options.dtype)
    if options.save is not None:
        save(model, options.save)
    return model


def _verify(
    entry: Construction, facts: FactTable, lengths: list[int], options: argparse.Namespace
) -> tuple[list[CellResult], dict[int, FactModel]]:
    """Verify a model for each length, the longest first, which is saved if that is asked for.
    Where its proof decides, it is about the shorter ones too, and there is one cell.
    """
    from verify.cells.verifying import verify_facts

    given = _options_of(entry, lengths)
    results, models = [], {}
    with progress("queries") as begin:
        for hops in reversed(lengths):
            result, model = verify_facts(
                entry,
                facts,
                hops,
                given,
                options.dtype,
                options.logits,
                begin,
                proven_beside(options.by),
                options.save if hops == lengths[-1] else None,
                options.by,
                say,
            )
            results.append(result)
            models[hops] = model
            if result.by_proof_alone:
                return results, dict.fromkeys(lengths, model)
    return results[::-1], models


def _answered(model: FactModel, subject: int, path: Sequence[int]) -> dict[str, object]:
    """Ask a model, print what it says, and return it as data. Where it claims stored facts alone,
    and there is none, it is not asked, as what it says would mean nothing.
    """
    facts = model.facts
    stored = int(facts.answer(subject, list(path))) != MISSING
    names = [facts.relation_name(relation) for relation in path]
    asked: dict[str, object] = {"subject": facts.entity_name(subject), "path": names}
    if model.stored_only and not stored:
        say(f"{facts.query_text(subject, path)} -> not stored ({NOT_STORED})")
        return {**asked, "answer": None, "stored": False}
    answer = int(model.answer(subject, list(path)))
    known = facts.entity_name(answer) if answer >= 0 else None
    said = "unknown (no such fact)" if known is None else known
    say(f"{facts.query_text(subject, path)} -> {said}")
    return {**asked, "answer": known, **({"stored": True} if model.stored_only else {})}


def _report(
    results: list[CellResult],
    questions: list[Question],
    models: dict[int, FactModel],
    facts: FactTable,
    options: argparse.Namespace,
) -> int:
    """Print the table, the verdict and the answers, and write them."""
    from verify.cli.reports.cells import header
    from verify.cli.reports.cells_json import write_cells
    from verify.cli.reports.summaries import count, summary

    wide = is_wide(options.wide)
    if results:
        say(header(wide))
    for result in results:
        say_cell(result, wide)
    if results:
        say_way(results[-1], options.save)
        say_verdict(summary(results, len(results), sum(result.seconds for result in results)))
    else:
        say(NOT_VERIFIED)
    answers: list[dict[str, object]] = []
    for subject, path in questions:
        answers.append(_answered(models[len(path)], subject, path))
    write_cells(options.json, options.csv, results, len(results), answers)
    unverified = options.by == "none"  # as asked
    return PASSED if unverified or count(results, len(results))["verdict"] == "PASS" else FAILED
