"""The commands: what `python -m verify` does, one function each."""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from constructions import __version__
from constructions.catalogue import CATALOGUE
from constructions.guards.errors import FactFileError, InputError
from constructions.guards.memory import is_out_of_memory
from verify.cli.arguments import ATTACKS, parser, require_places
from verify.cli.output import complain, lead_nowhere, say, say_text, say_verdict
from verify.runner.grid import Cell, CellResult, default_grid, forms_grid

if TYPE_CHECKING:
    from constructions.facts.table import FactTable
    from verify.runner.workers import Lost

PASSED, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
PROVEN_ALONE = 5 * 10**7
"""A cell that is run alone is also saved and proven up to this many parameters; in a grid up to
`grid.SMALL`.
"""


def run(arguments: Sequence[str] | None, program: str) -> int:
    """Run one command; returns the exit status.

    Raises:
        SystemExit: help was asked for, or the words are no command (status 2), as argparse does.
        KeyboardInterrupt: from where it came.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # a name that the terminal cannot show is no failure
            stream.reconfigure(errors="backslashreplace")
    try:
        try:
            whole = parser(program)
            options = whole.parse_args(arguments)
            for name, value in vars(options).items():
                # what argparse makes of --name=-- before Python 3.13
                if value == [] and name != "ask":
                    whole.error(f"argument --{name.replace('_', '-')}: '--' is no value")
            if options.version:
                say(f"geometric-factual-recall {__version__}")
                status = PASSED
            elif options.command is None:
                whole.print_help()
                status = BAD_INPUT
                complain("error: no command was given; all of them are listed above")
            else:
                require_places(options)
                status = COMMANDS.get(options.command, _run_cell)(options)
        finally:
            sys.stdout.flush()
    except FactFileError as error:
        for number, line in enumerate(str(error).split("\n")):
            complain(line if number else f"error: {line}")
        return BAD_INPUT
    except InputError as error:
        complain(f"error: {error}")
        return BAD_INPUT
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        complain(f"error: out of memory: {error}")
        return BAD_INPUT
    except OSError as error:
        if error.filename is not None:  # a file or folder that was named, or one in it
            complain(f"error: {os.fsdecode(error.filename)}: {error.strerror}")
            return BAD_INPUT
        # the disk of our output is full; if its reader has gone, he knows
        if not isinstance(error, BrokenPipeError):
            complain(f"error: {error.strerror or error}")
        lead_nowhere(sys.stdout)
        return FAILED
    return status


# -------------------------------------------------------------------- commands


def _run_all(options: argparse.Namespace) -> int:
    return _run_cells(default_grid() + (forms_grid() if options.forms else []), options.json)


def _run_cell(options: argparse.Namespace) -> int:
    entry = CATALOGUE[options.command]
    asked = [(option.name, getattr(options, option.name)) for option in entry.options]
    cell = Cell(
        construction=options.command,
        entities=options.N,
        relations=options.R,
        hops=options.k if entry.multi_hop else 1,
        options=tuple((name, value) for name, value in asked if value is not None),
        facts=options.facts,
        seed=options.seed,
        dtype=options.dtype,
        logits=options.logits,
        form=options.form or "",
    )
    if cell.form and options.save is not None:
        raise InputError(
            "a certificate is about a construction as it is built; --save takes no --form"
            f" {cell.form}"
        )
    return _run_cells([cell], options.json, options.save)


def _run_list(options: argparse.Namespace) -> int:
    from verify.cli import report

    if options.limits:
        say_text(report.limits_lines())
    else:
        say_text(report.catalogue_table() if options.markdown else report.catalogue_lines())
    return PASSED


def _run_bound(options: argparse.Namespace) -> int:
    from verify.cli import plane

    sizes = (options.N, options.R, options.k)
    if options.embedding_bits is not None:
        if options.plot or options.json:
            raise InputError(
                "--embedding-bits asks for one point; --plot and --json show the whole plane: give"
                " one of them"
            )
        b_u = (
            options.embedding_bits
            if options.unembedding_bits is None
            else options.unembedding_bits
        )
        say_text(plane.bounds_at(*sizes, options.embedding_bits, b_u))
        return PASSED
    if options.unembedding_bits is not None:
        raise InputError("--unembedding-bits needs --embedding-bits: give both, or neither")
    for path in (options.plot, options.json):
        _check_writable(path)
    if options.plot is not None and options.plot.suffix.lower() != ".svg":
        raise InputError(
            f"{options.plot}: the picture is an SVG; give a file name that ends in .svg"
        )
    if options.plot is not None:
        plane.require_matplotlib()
    shown = plane.plane(*sizes)
    say_text(plane.tables(shown))
    if options.plot is not None:
        plane.draw(shown, options.plot)
        say(f"drawn: {options.plot}")
    _write_text(
        options.json, lambda: json.dumps(plane.as_json(shown), indent=1, allow_nan=False) + "\n"
    )
    return PASSED


def _run_plan(options: argparse.Namespace) -> int:
    from bounds.plans import Budget
    from verify.cli import report

    budget = Budget(options.max_d, options.max_bits, options.max_depth, options.max_tokens)
    table, fits = report.plan_table(options.N, options.R, options.k, budget, options.all)
    say_text(table)
    return PASSED if fits else FAILED


def _run_separation(options: argparse.Namespace) -> int:
    from bounds.plans import require_listable
    from bounds.separation import smallest_separation
    from verify.cli import report

    given = {"max_hops": options.k, "hops_per_token": options.hops_per_token}
    if options.hops_per_token >= options.k:
        raise InputError(
            "a chain of thought writes entities before its answer, so it needs fewer hops per"
            f" token than hops; got {options.hops_per_token} and {options.k}"
        )
    require_listable(options.R, options.k)
    fixed = smallest_separation(options.R, options.k, given)
    say(
        f"R = {options.R:,}, k = {options.k:,}: chain_of_thought against all models without, with"
        " embeddings as small"
    )
    say(report.separation_line(fixed))
    try:
        say(report.separation_line(smallest_separation(options.R, options.k, given, "every")))
    except InputError as error:
        say(f"any unembedding: {error}")
    return PASSED


def _run_facts(options: argparse.Namespace) -> int:
    from constructions.catalogue import construction
    from constructions.facts.table import FactTable
    from constructions.facts.tsv import read_tsv
    from verify.cli import report
    from verify.runner.grid import verify_facts

    read = read_tsv(options.file)
    facts = FactTable.from_triples(read.rows)
    missing = facts.answers.size - facts.n_facts
    repeats = f", {read.repeats} repeated lines" if read.repeats else ""
    say(
        f"{options.file}: {facts.n_facts} facts, {facts.n_entities} entities, {facts.n_relations}"
        f" relations, {missing} of {facts.answers.size} (entity, relation) pairs without a"
        f" fact{repeats}"
    )
    questions = [_question(facts, words) for words in options.ask]
    lengths = sorted(
        {len(path) for _, path in questions} | ({options.k} if options.k else set())
    ) or [1]
    _check_writable(options.json)
    _check_folder(options.save)
    name, why = (
        (options.construction, "as asked") if options.construction else _suggested(facts, lengths)
    )
    entry = construction(name)
    any_length = any(option.name == "max_hops" for option in entry.options)
    if len(lengths) > 1 and not any_length:
        raise InputError(
            f"{name} answers paths of one length, but the questions have"
            f" {' and '.join(map(str, lengths))} relations; ask them apart, or use"
            " chain_of_thought"
        )
    say(f"construction: {name} ({why})")
    results, models = [], {}
    for hops in lengths:
        given = {"max_hops": lengths[-1]} if any_length else {}
        with _progress(facts.n_queries(hops), "queries") as advance_to:
            save = options.save if hops == lengths[-1] else None
            result, models[hops] = verify_facts(
                entry,
                facts,
                hops,
                given,
                options.dtype,
                options.logits,
                advance_to,
                PROVEN_ALONE,
                save,
            )
        results.append(result)
    say(report.header())
    for result in results:
        say_text(report.line(result))
    say_verdict(report.summary(results, len(results), sum(result.seconds for result in results)))
    reported: list[dict[str, object]] = []
    for subject, path in questions:
        answer = int(models[len(path)].answer(subject, path))
        known = facts.entity_name(answer) if answer >= 0 else None
        say(
            f"{facts.query_text(subject, path)} ->"
            f" {'unknown (no such fact)' if known is None else known}"
        )
        names = [facts.relation_name(relation) for relation in path]
        reported.append({"subject": facts.entity_name(subject), "path": names, "answer": known})
    _write_json(options.json, results, len(results), reported)
    return PASSED if report.count(results, len(results))["verdict"] == "PASS" else FAILED


def _run_check(options: argparse.Namespace) -> int:
    from verify.cli import report
    from verify.symbolic.checker import check

    if not options.folder.is_dir():
        raise InputError(
            f"{options.folder}: no such folder; give one that save or --save has written"
        )
    _check_writable(options.json)
    proven = check(options.folder)
    say_verdict(report.proof_line(proven))
    _write_text(options.json, lambda: report.proof_as_json(proven))
    return PASSED if proven.verdict == "PASS" else FAILED


def _run_attack(options: argparse.Namespace) -> int:
    from verify.cli import report
    from verify.runner.attack import attack

    for kind in options.kind or []:
        if kind not in ATTACKS:
            raise InputError(f"--kind {kind}: no such kind; there are {', '.join(ATTACKS)}")
    kinds = options.kind or list(ATTACKS)
    with _progress(options.n * len(kinds), "attacks") as advance_to:
        tallies = attack(options.folder, options.n, options.seed, kinds, advance_to)
    say_text(report.attack_table(tallies))
    say_verdict(report.attack_verdict(tallies))
    return PASSED if all(tally.sound for tally in tallies) else FAILED


def _run_export(options: argparse.Namespace) -> int:
    from constructions.export import tool
    from constructions.saved.folder import load
    from verify.queries.exported import export_and_ask

    _check_writable(options.json)
    _check_folder(options.out)
    tool(options.to)  # a missing one is reported before the model is read
    model = load(options.folder)
    with _progress(model.facts.n_queries(model.hops), "queries") as advance_to:
        asked = export_and_ask(model, options.to, options.out, advance_to, options.margin)
    verdict, *figures = asked.lines(options.to)
    say_verdict(verdict)
    for line in figures:
        say(line)
    say(f"written: {options.out}" if asked.right else f"not written: {options.out}")
    _write_text(options.json, lambda: asked.as_json(options.to))
    return PASSED if asked.right else FAILED


def _run_example(options: argparse.Namespace) -> int:
    from verify.cli.examples import unicode_facts

    facts = unicode_facts()
    facts.to_tsv(options.file)
    say(
        f"{options.file}: {facts.n_facts} facts, {facts.n_entities} entities, {facts.n_relations}"
        " relations"
    )
    say(f"try: {options.program} facts {options.file} --ask U+0041 lowercase")
    return PASSED


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "all": _run_all,
    "list": _run_list,
    "bound": _run_bound,
    "plan": _run_plan,
    "separation": _run_separation,
    "facts": _run_facts,
    "check": _run_check,
    "attack": _run_attack,
    "export": _run_export,
    "example": _run_example,
}
"""All but those that are named after a construction, which run a cell."""


# -------------------------------------------------------------------- steps


def _run_cells(cells: list[Cell], json_file: Path | None, save: Path | None = None) -> int:
    from verify.cli import report
    from verify.runner.grid import run_cell
    from verify.runner.workers import side_by_side

    _check_writable(json_file)
    _check_folder(save)
    started = time.perf_counter()
    results: list[CellResult] = []
    interrupted = False
    say(report.header())
    try:
        if len(cells) == 1:
            with _progress(cells[0].n_queries(), "queries") as advance_to:
                results.append(run_cell(cells[0], advance_to, PROVEN_ALONE, save))
            say_text(report.line(results[0]))
        else:
            with (
                _progress(len(cells), "cells") as advance_to,
                side_by_side(_run_in_worker, cells, _lost) as found,
            ):
                for result in found:
                    results.append(result)
                    say_text(report.line(result))
                    advance_to(len(results))
    except KeyboardInterrupt:
        interrupted = True
    if any(result.bounds for result in results):
        say(report.bounds_summary(results))
    if any(cell.form for cell in cells):
        say(report.forms_summary(results))
    say_verdict(report.summary(results, len(cells), time.perf_counter() - started))
    _write_json(json_file, results, len(cells))
    if interrupted:
        complain("interrupted: the cells that were not run are unknown")
        return INTERRUPTED
    return PASSED if report.count(results, len(cells))["verdict"] == "PASS" else FAILED


def _run_in_worker(cell: Cell) -> CellResult:
    import torch

    from verify.runner.grid import run_cell

    torch.set_num_threads(1)
    return run_cell(cell)


def _lost(cell: Cell, why: Lost) -> CellResult:
    """The result of a cell whose process ended: a crash is a FAIL, anything else leaves it
    unknown.
    """
    given = (cell.entities, cell.relations, cell.hops, cell.facts, cell.dtype, dict(cell.options))
    result = CellResult(
        cell.construction, CATALOGUE[cell.construction].theorem, *given, form=cell.form
    )
    result.verdict, result.reason = (
        ("FAIL", f"crashed: {why}") if why.crashed else ("UNKNOWN", str(why))
    )
    return result


def _question(facts: FactTable, words: list[str]) -> tuple[int, list[int]]:
    if len(words) == 1:
        # all the words of one quoted string, if any
        words = words[0].split("\t" if "\t" in words[0] else None)
    if len(words) < 2:
        got = f"1 name: {words[0]}" if words else "no name"
        raise InputError(f"--ask takes a subject and one relation or more; got {got}")
    try:
        subject = facts.entity_id(words[0])
    except InputError as error:
        raise InputError(
            f"{error}; give names with spaces as words of their own, each in quotes"
        ) from None
    return subject, [facts.relation_id(word) for word in words[1:]]


def _suggested(facts: FactTable, lengths: list[int]) -> tuple[str, str]:
    from constructions.theorems.theorem_F_1 import require_disjoint

    if lengths != [1]:
        return (
            "chain_of_thought",
            "one set of weights for paths of every length, whatever the facts",
        )
    try:
        require_disjoint(facts)
    except InputError:
        return "selector", "the relations share answers; every table is taken"
    return "superposition", "the relations answer in disjoint sets, so that no MLP is needed"


@contextmanager
def _progress(total: int, unit: str) -> Iterator[Any]:
    """A bar on a terminal, silent otherwise; yields a function that takes how much is done, of a
    total of any size.
    """
    if not sys.stdout.isatty():
        yield lambda done: None
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn(unit), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, transient=True) as bar:
        # rich divides as floating point
        task = bar.add_task(unit, total=total if total < 2**53 else None)
        yield lambda done: bar.update(task, completed=done)


def _check_writable(path: Path | None) -> None:
    """Refuse a file that cannot be written before the long work starts."""
    try:
        writable = path is None or (not path.is_dir() and _takes_files(path.resolve().parent))
    # links that lead nowhere, and what is no name of a file
    except (OSError, RuntimeError, ValueError):
        writable = False
    if not writable:
        raise InputError(f"{path}: cannot be written: give a file name in an existing folder")


def _check_folder(path: Path | None) -> None:
    """Refuse a model folder that cannot be made before the long work starts."""
    try:
        writable = path is None or (not path.is_file() and _takes_files(path.absolute().parent))
    except (OSError, ValueError):
        writable = False
    if not writable:
        raise InputError(
            f"{path}: cannot be written: give the name of a model folder in an existing folder"
        )


def _takes_files(folder: Path) -> bool:
    return folder.is_dir() and os.access(folder, os.W_OK)


def _write_json(
    path: Path | None,
    results: list[CellResult],
    planned: int,
    reported: list[dict[str, object]] | None = None,
) -> None:
    from verify.cli.report import as_json

    _write_text(path, lambda: as_json(results, planned, reported))


def _write_text(path: Path | None, text: Callable[[], str]) -> None:
    if path is not None:
        from constructions.files.whole_file import write_atomically

        write_atomically(path, iter([text()]))
