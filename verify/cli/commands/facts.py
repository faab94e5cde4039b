"""`verify facts`: a construction is built from a fact table of yours, verified, asked and
saved.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from constructions.asking.readings import Reading
from constructions.catalogue import CATALOGUE, construction, suggested, writing_tokens
from constructions.entry import Construction
from constructions.facts.answers import MISSING
from constructions.facts.table import FactTable
from constructions.guards.errors import InputError
from constructions.guards.wording import counted, printable
from verify.cells.decided_by import proven_beside
from verify.cli.commands.cells import say_cell, say_way
from verify.cli.commands.importing import add_reading, read
from verify.cli.commands.options import Commands, Paragraphs, add_checks
from verify.cli.commands.sweeping import check_files
from verify.cli.output import is_wide, say, say_verdict
from verify.cli.progress import progress
from verify.cli.questions import answer_data, answer_line, question, text_of
from verify.cli.status import FAILED, PASSED
from verify.cli.values import count, memory, size
from verify.cli.written_files import check_folder

if TYPE_CHECKING:  # which import torch, or take a second to import
    from constructions.model.fact_model import FactModel
    from verify.cells.results import CellResult

NOT_VERIFIED = (
    "not verified (--by none): the model was built, no query was run and nothing is proven"
)
EXAMPLES = """examples:
  python -m verify facts family.tsv --ask "Alice mother mother" --save family-model
  python -m verify facts countries.csv --subject name --ask "France capital"
  python -m verify facts towns.tsv --construction sparse_selector --ask "Lima twin"
"""
Asked = tuple[str, Reading]
"""A question, and what it asks for."""


def add_facts(commands: Commands) -> None:
    """The words of `verify facts`."""
    parser = commands.add_parser(
        "facts",
        help="verify your own fact table and ask it",
        epilog=EXAMPLES,
        formatter_class=Paragraphs,
    )
    parser.add_argument(
        "file",
        metavar="FILE",
        help=(
            "UTF-8 text, one subject<TAB>relation<TAB>object a line; or a table in another format,"
            " as `import` reads it"
        ),
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
            "a subject and one relation or more, each a word, or all in one quoted string (so too"
            " where a name begins with a dash: --ask='-x relation'). Names may hold spaces; a"
            " string that can be read in several ways is refused, and its readings are shown. May"
            " be repeated. Where a construction claims stored facts alone, what is not stored is"
            " answered from the table"
        ),
    )
    add_reading(parser)
    parser.add_argument("-k", type=size, metavar="K", help="also verify all paths of K relations")
    parser.add_argument(
        "--spare-entities",
        type=size,
        metavar="NUMBER",
        help="so many entities without facts more: room for new names, see `update`",
    )
    parser.add_argument(
        "--spare-answers",
        type=count,
        metavar="NUMBER",
        help=(
            "how many of them may become answers, and have codes where only answers have some"
            " (default: all; each bit more of a code is R columns)"
        ),
    )
    add_checks(parser, "none")
    parser.add_argument(
        "--shard-bytes",
        type=memory,
        metavar="BYTES",
        help=(
            "with --by none and --save: write the model in shards of at most so many bytes, such"
            " as 5GB, without holding its tables; `check` then proves it (docs/scale.md)"
        ),
    )
    parser.set_defaults(run=_run_facts)


def _run_facts(options: argparse.Namespace) -> int:
    """Read the table, choose a construction, verify it for each length of paths, and answer."""
    if options.construction is not None:
        construction(options.construction)  # a missing one is reported before the table is read
    if options.spare_answers is not None and options.spare_entities is None:
        raise InputError("--spare-answers says how many of --spare-entities; give both")
    if options.shard_bytes is not None and (options.by != "none" or options.save is None):
        raise InputError(
            "--shard-bytes writes a model that is not held, so that it takes --by none and --save"
            " FOLDER; `check FOLDER` then proves it"
        )
    if options.many == "set":
        raise InputError(f"sets of answers are built by another command: sets {options.file}")
    facts = _with_spare(read(options).table(), options.spare_entities, options.spare_answers)
    questions = [(text_of(words), question(facts, words)) for words in options.ask]
    lengths = sorted(
        {len(asked.path) for _, asked in questions} | ({options.k} if options.k else set())
    ) or [1]
    check_files(options)
    check_folder(options.save)
    entry = _chosen(options.construction, facts, lengths)
    if options.by == "none":
        model = _built(entry, facts, lengths, options)
        return _report([], questions, dict.fromkeys(lengths, model), facts, options)
    results, models = _verify(entry, facts, lengths, options)
    return _report(results, questions, models, facts, options)


def _with_spare(facts: FactTable, entities: int | None, answers: int | None) -> FactTable:
    """The table with spare entities, if they are asked for; and say which."""
    if entities is None:
        return facts
    wider = facts.with_spare_entities(entities, answers)
    names = wider.entity_names[facts.n_entities :]
    first, last = names[0], names[-1]
    say(f"spare: {counted(entities, 'name')} for new entities, {first} to {last}")
    return wider


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
    """Build the model, and save it where that is asked for; nothing is verified. In shards it is
    written without being held.
    """
    from constructions.saved.folder import load, save
    from verify.cells.verifying import build, planned

    given = _options_of(entry, lengths)
    if options.shard_bytes is not None:
        plan = planned(entry, facts, lengths[-1], given, options.dtype)
        save(plan, options.save, shard_bytes=options.shard_bytes)
        return load(options.save, entry, mapped=True)
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


def _answers(models: dict[int, FactModel], questions: list[Asked]) -> list[dict[str, object]]:
    """Ask the model for each length of path, print what they say, and return it as data."""
    from constructions.model.asked import answers_to

    found = {
        text: (answered, model.stored_only)
        for hops, model in models.items()
        for texts in [[text for text, asked in questions if len(asked.path) == hops]]
        for text, answered in zip(texts, answers_to(model, texts), strict=True)
    }
    for text, _ in questions:
        say(answer_line(*found[text]))
    return [answer_data(*found[text]) for text, _ in questions]


def _report(
    results: list[CellResult],
    questions: list[Asked],
    models: dict[int, FactModel],
    facts: FactTable,
    options: argparse.Namespace,
) -> int:
    """Print the table, the verdict and the answers, and write them."""
    from verify.cli.reports.cells import header
    from verify.cli.reports.cells_json import write_cells
    from verify.cli.reports.summaries import count as counts
    from verify.cli.reports.summaries import summary

    wide = is_wide(options.wide)
    if results:
        say(header(wide))
    for result in results:
        say_cell(result, wide)
    if results:
        say_way(results[-1], options.save)
        say_verdict(summary(results, len(results), sum(result.seconds for result in results)))
    else:
        say(NOT_VERIFIED + ("; what follows is what the model says" if questions else ""))
        if options.save is not None:
            folder = printable(str(options.save))
            say(f"{folder}: written; python -m verify check {folder} proves it")
    answers = _answers(models, questions)
    write_cells(options.json, options.csv, results, len(results), answers)
    unverified = options.by == "none"  # as asked
    return PASSED if unverified or counts(results, len(results))["verdict"] == "PASS" else FAILED
