"""`verify update` and `verify diff`: single facts of a saved model changed, and which answers
differ between two models.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from constructions.facts.changes import Change, without
from constructions.facts.table import FactTable
from constructions.files.folders import require_folder
from constructions.guards.errors import InputError
from constructions.guards.wording import joined
from constructions.importing.asked import Asked
from constructions.importing.facts import Facts
from constructions.importing.table import imported
from verify.cli.commands.options import MADE_BY, Commands, Paragraphs, add_json, add_own
from verify.cli.commands.own import builder_of
from verify.cli.commands.saved import CHECKERS
from verify.cli.output import say, say_text, say_verdict
from verify.cli.status import FAILED, PASSED
from verify.cli.values import count, size
from verify.cli.written_files import check_folder, check_writable, write_text

UPDATE = """examples:
  %(prog)s country-model changes.tsv
  %(prog)s country-model changes.tsv --remove gone.tsv -o country-model-2
"""
DIFF = """examples:
  %(prog)s country-model country-model-2 -k 3
  %(prog)s country-model country-model-2 -k 3 --limit 1000000 --json changed.json
"""


MANIFEST = "manifest.json"
"""`constructions.saved.manifest.NAME`, whose module imports torch, as help does not."""


class _NotProven(Exception):
    """The new model is not proven, and gets no place."""


def add_update(commands: Commands) -> None:
    """The words of `verify update`."""
    parser = commands.add_parser(
        "update",
        help="change single facts of a saved model, and prove it again",
        description=(
            "Gives each subject and relation of CHANGES the object that stands there, whatever\n"
            "was there before, and removes the facts of --remove, which come first. Ids stay. A\n"
            "new name takes the place of a spare entity (facts --spare-entities). Only rows of\n"
            "embeddings are written where no internal weight holds facts, else these weights are\n"
            "built again; which, is said. The new model is proven before it takes the place of\n"
            "the old one, in one step: what fails or is killed leaves the old one. Exit status 1\n"
            "if it is not proven."
        ),
        epilog=UPDATE,
        formatter_class=Paragraphs,
    )
    parser.add_argument(
        "folder", type=Path, metavar="FOLDER", help="as written by --save or by `save`"
    )
    parser.add_argument(
        "changes",
        type=Path,
        nargs="?",
        metavar="CHANGES",
        help="facts in a file of any format that `import` reads by its ending",
    )
    parser.add_argument(
        "--remove",
        type=Path,
        metavar="FILE",
        help=(
            "a fact file of facts that are to be there no more, each with the object that it has;"
            " a subject without an object for the relation is passed over, another object refused"
        ),
    )
    parser.add_argument(
        "-o",
        dest="out",
        type=Path,
        metavar="OUT",
        help="write the new model there, and leave the old one (default: replace it)",
    )
    parser.add_argument(
        "--by",
        choices=(*CHECKERS, "none"),
        default="auto",
        help="which checker proves the new model, as of `check`; none: nothing is proven",
    )
    add_own(parser, MADE_BY)
    add_json(parser)
    parser.set_defaults(run=_run_update)


def add_diff(commands: Commands) -> None:
    """The words of `verify diff`."""
    parser = commands.add_parser(
        "diff",
        help="exactly which answers changed between two saved models, both proven",
        description=(
            "Proves both models from their files, and says exactly which answers to paths of\n"
            "1 to K relations differ: how many of each length, and the first of them, shorter\n"
            "paths first, then by the subject's number in OLD and by the path. All others are\n"
            "the same. The facts are searched as a graph from those that changed: the N R^K\n"
            "queries are not listed. Entities and relations are aligned by name; those that one\n"
            "model alone has are reported apart. The changes may lead to at most 3 * 10^7 / R\n"
            "pairs of entities (about a gigabyte); beyond, the longest paths that can be counted\n"
            "are named. Exit status 1 if a model is not proven."
        ),
        epilog=DIFF,
        formatter_class=Paragraphs,
    )
    parser.add_argument("old", type=Path, metavar="OLD", help="a saved model")
    parser.add_argument("new", type=Path, metavar="NEW", help="another, of any construction")
    parser.add_argument(
        "-k",
        type=size,
        metavar="K",
        help="the longest paths (default: those that OLD answers)",
    )
    parser.add_argument(
        "--limit",
        type=count,
        default=20,
        metavar="NUMBER",
        help="so many changed answers are listed (default 20)",
    )
    parser.add_argument(
        "--by",
        choices=CHECKERS,
        default="auto",
        help="which checker proves both models, as of `check`",
    )
    add_json(parser)
    parser.set_defaults(run=_run_diff)


def _facts_of(file: Path | None) -> Facts | None:
    """The facts of a file of any format."""
    return None if file is None else imported(file, Asked()).facts


def _changes(table: FactTable, removed: Facts | None, given: Facts | None) -> list[Change]:
    """Removals, and then facts that are given.

    Raises:
        InputError: see `constructions.facts.changes.without`; or a given fact is of a relation
            that is not in the table. The message names the file and the place there.
    """
    changes: list[Change] = []
    if removed is not None:
        changes += without(table, removed.in_order(), removed.place)
    if given is not None:
        for relation, use in zip(given.relations, given.first_uses()[1].tolist(), strict=True):
            try:
                table.relation_id(relation)
            except InputError as error:
                raise InputError(f"{given.place(use // 3, 1)}: {error}") from None
        changes += given.in_order()
    return changes


def _run_update(options: argparse.Namespace) -> int:
    """Change single facts of a saved model, and prove it again."""
    from constructions.saved.folder import load, save
    from verify.cli.reports.changes import update_as_json
    from verify.cli.reports.checks import check_as_json, check_line, margin_line
    from verify.queries.sampled import check_and_sample

    if options.changes is None and options.remove is None:
        raise InputError("nothing is to be changed: give CHANGES, or --remove FILE, or both")
    check_writable(options.json)
    check_folder(options.out)
    builder = builder_of(options.own)
    given, removed = _facts_of(options.changes), _facts_of(options.remove)
    before = _manifest(options.folder)
    model = load(options.folder, builder)
    update = model.update(_changes(model.facts, removed, given))
    for line in update.in_words():
        say(line)
    target, proof = options.out or options.folder, ""

    def approve(folder: Path) -> None:
        """Prove the new model under the name that it has for now; refuse to undo what another
        program has changed meanwhile.
        """
        if options.by != "none":
            prove(folder)
        if options.out is None and _manifest(target) != before:
            raise InputError(
                f"{target}: another program has replaced it meanwhile, and that stays; run the"
                " update again"
            )

    def prove(folder: Path) -> None:
        """Say what the checkers say of the new model; _NotProven where that is no proof."""
        nonlocal proof
        proven, sample = check_and_sample(folder, options.by)
        say_verdict(check_line(proven, sample).replace(str(folder), str(target)))
        proof = check_as_json(proven, sample)
        if proven.verdict != "PASS" or (sample is not None and sample.verdict == "FAIL"):
            raise _NotProven
        say(margin_line(proven))
        if sample is not None:
            say(sample.in_words())

    try:
        save(model, target, approve)
        written = True
    except _NotProven:
        written = False
    if options.by == "none":
        say("not proven (--by none)")
    replaced = "replaced" if options.out is None else "written"
    say(f"{target}: {replaced}" if written else f"{target}: not {replaced}; nothing is changed")
    write_text(
        options.json,
        lambda: update_as_json(update, proof or None, str(target) if written else None),
    )
    return PASSED if written else FAILED


def _manifest(folder: Path) -> bytes:
    """The manifest of a model, which names every byte of it; nothing where it cannot be read."""
    try:
        return (folder / MANIFEST).read_bytes()
    except (OSError, ValueError):
        return b""


def _run_diff(options: argparse.Namespace) -> int:
    """Prove two models, and say which answers differ."""
    from verify.cli.reports import changes as reports
    from verify.cli.reports.checks import proof_line
    from verify.queries.changed import compared, proven_table

    check_writable(options.json)
    tables = []
    for folder in (options.old, options.new):
        require_folder(folder)
        tables.append(proven_table(folder, options.by))
        say(f"{folder}: {proof_line(tables[-1].proven)}")
    old, new = tables
    if any(table.proven.verdict != "PASS" for table in tables):
        say_verdict(reports.unproven_verdict(tables))
        write_text(options.json, lambda: reports.diff_as_json(tables, None, []))
        return FAILED
    changes = compared(old, new, options.k or old.lengths[-1])
    found = list(changes.listed(options.limit))
    for line in (
        *reports.aligned_lines(changes),
        *reports.stored_lines(old, new),
        *reports.counts_table(changes, old, new),
        *reports.answer_lines(found, changes.total),
    ):
        say_text(joined([line]))
    say_verdict(reports.diff_verdict(changes))
    write_text(options.json, lambda: reports.diff_as_json(tables, changes, found))
    return PASSED
