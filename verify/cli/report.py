"""What was found, for people (lines and tables) and for programs (JSON)."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from decimal import ROUND_FLOOR, Decimal
from typing import TYPE_CHECKING, Any

from constructions.catalogue import CATALOGUE
from constructions.guards.wording import shortened
from verify.cli.output import joined
from verify.runner.grid import CellResult

if TYPE_CHECKING:
    from bounds.plans import Budget
    from bounds.separation import Separation
    from verify.runner.attack import Tally
    from verify.symbolic.checker import Verdict as Proven

_COLUMNS = (
    ("theorem", 13),
    ("construction", 27),
    ("form", 15),
    ("N", 7),
    ("R", 4),
    ("k", 2),
    ("facts", 8),
    ("dtype", 8),
    ("d_model=formula", 16),
    ("d_mlp", 6),
    ("layers", 7),
    ("heads", 6),
    ("parameters", 12),
    ("B_T", 10),
    ("B_e", 7),
    ("B_T/bound", 9),
    ("queries", 9),
    ("wrong", 6),
    ("margin", 8),
    ("proof", 6),
    ("seconds", 8),
    ("verdict", 8),
)


def header() -> str:
    """The column titles of `line`."""
    return _row([title for title, _ in _COLUMNS])


def line(result: CellResult) -> str:
    """One cell in one line, and the reason on lines of its own where it did not pass."""
    from verify.runner.against_bounds import tightest

    best = tightest(result.bounds)
    formula = (
        f"{'=' if result.d_model == result.d_model_formula else '!='}{result.d_model_formula}"
    )
    values = [
        result.theorem,
        result.construction + "".join(f" {symbol}={value}" for symbol, value in _symbols(result)),
        result.form or "-",
        str(result.entities),
        str(result.relations),
        str(result.hops),
        result.facts,
        result.dtype,
        "-" if result.d_model is None else f"{result.d_model}{'' if result.form else formula}",
        *(
            "-" if v is None else str(v)
            for v in (result.d_mlp, result.n_layers, result.n_heads, result.parameters)
        ),
        *("-" if v is None else str(v) for v in (result.internal_bits, result.embedding_bits)),
        "-" if best is None or best.ratio is None else f"{best.ratio:.4g}",
        *("-" if v is None else str(v) for v in (result.queries, result.wrong)),
        "-" if result.margin is None else f"{result.margin:.4g}",
        result.proof or "-",
        f"{result.seconds:.2f}",
        result.verdict,
    ]
    notes = [] if result.verdict == "PASS" else [f"    why {result.verdict}: {result.reason}"]
    if result.logits == "proof" and result.proven is not None:
        notes.append(
            f"    decided by the proof alone: no query was run, all {shortened(result.proven)}"
            " queries are proven from the saved weights"
        )
    if result.separated is not None:
        notes.append(
            f"    separated: {result.internal_bits:,} internal bits; without chain-of-thought,"
            f" with embeddings of {result.embedding_bits:,} bits and a fixed unembedding, no model"
            f" has fewer than {_factor(result.separated)} times as many"
        )
    notes += [f"    {counterexample}" for counterexample in result.counterexamples]
    return joined([_row(values), *notes])


def _symbols(result: CellResult) -> list[tuple[str, int]]:
    """The options of a cell by the symbols of the formulas."""
    options = CATALOGUE[result.construction].options
    return [
        (option.symbol, result.options[option.name])
        for option in options
        if option.name in result.options
    ]


def bounds_summary(results: Sequence[CellResult]) -> str:
    """How many bounds apply, how close a model comes to one, and where models with
    chain-of-thought lie below.
    """
    applying = [(check, result) for result in results for check in result.bounds if check.applies]
    ratios = [
        (check.ratio, check.name, result) for check, result in applying if check.ratio is not None
    ]
    separated = [result for result in results if result.separated is not None]
    reported = f"bounds: {len(applying)} apply, {len(ratios)} of them positive"
    if ratios:
        ratio, name, result = min(ratios, key=lambda found: found[0])
        cell = f"{result.construction} N={result.entities} R={result.relations} k={result.hops}"
        reported += f", the smallest ratio B_T/bound is {ratio:.4g} ({name}, {cell})"
    if separated:
        most = max(separated, key=lambda result: result.separated or 0)
        cell = f"N={most.entities} R={most.relations} k={most.hops}"
        cells = f"{len(separated)} cell{'s' * (len(separated) > 1)}"
        reported += (
            f"; {cells} separated, by up to {_factor(most.separated or 0)} ({most.construction}"
            f" {cell})"
        )
    return reported


def forms_summary(results: Sequence[CellResult]) -> str:
    """How many cells are other forms of a construction, and for each form how far its logits are
    from the original's.
    """
    largest: dict[str, float] = {}
    for result in results:
        if result.form and result.difference is not None:
            largest[result.form] = max(result.difference, largest.get(result.form, 0.0))
    reported = ", ".join(f"{form} {difference:.2g}" for form, difference in largest.items())
    n = sum(bool(result.form) for result in results)
    return f"forms: {n} cell{'s' * (n != 1)}; largest logit differences: {reported or 'none'}"


def summary(results: Sequence[CellResult], planned: int, seconds: float) -> str:
    """The last line: how many cells, queries and seconds, and the verdict."""
    counts = count(results, planned)
    cells = "cell" if planned == 1 else "cells"
    queries = sum(result.queries or 0 for result in results)
    proven = sum(result.proven or 0 for result in results if result.logits == "proof")
    instead = f"; {shortened(proven)} queries proven in place of being run" if proven else ""
    return (
        f"{counts['verdict']}: {planned} {cells} planned, {counts['passed']} passed,"
        f" {counts['failed']} failed, {counts['unknown']} unknown; {queries:,} queries in"
        f" {seconds:.1f} s{instead}"
    )


def count(results: Sequence[CellResult], planned: int) -> dict[str, Any]:
    """The verdict over all planned cells: what was not run, or run without a verdict, is unknown
    and never a PASS.
    """
    passed = sum(result.verdict == "PASS" for result in results)
    failed = sum(result.verdict == "FAIL" for result in results)
    verdict = "FAIL" if failed else "PASS" if passed == planned and planned > 0 else "UNKNOWN"
    return {
        "verdict": verdict,
        "planned": planned,
        "passed": passed,
        "failed": failed,
        "unknown": planned - passed - failed,
    }


def proof_line(proven: Proven) -> str:
    """What the checker says, in one sentence."""
    if proven.verdict != "PASS":
        return f"{proven.verdict}: {proven.reason}"
    reported = (
        f"PASS: all {shortened(proven.queries)} queries are answered right, with a margin of at"
        " least "
    )
    reported += f"{shortened(proven.real_margin)} in real arithmetic"
    return reported + (
        f"; exact in {proven.exact}"
        if proven.exact
        else f"; floating point rounds, which is not covered: {proven.rounds}"
    )


def proof_as_json(proven: Proven) -> str:
    """What the checker says as JSON text."""
    reported: dict[str, Any] = {"verdict": proven.verdict, "reason": proven.reason}
    if proven.verdict == "PASS":
        reported |= {"queries": proven.queries, "claims": proven.claims, "exact": proven.exact}
        reported |= {"hops_per_token": proven.hops_per_token}
        reported |= {
            "margin_without_leaks": str(proven.margin),
            "margin": shortened(proven.real_margin),
        }
        if not proven.exact:
            reported["rounds"] = proven.rounds
    return json.dumps(reported, indent=1, allow_nan=False) + "\n"


def attack_table(tallies: Sequence[Tally]) -> str:
    """What became of attacks, one line for each kind."""
    rows = [f"{'attack':14}{'generated':>10}{'killed':>10}{'harmless':>10}{'fooled':>10}"]
    for tally in tallies:
        fooled = tally.generated - tally.killed - tally.harmless
        rows.append(
            f"{tally.kind:14}{tally.generated:>10,}{tally.killed:>10,}{tally.harmless:>10,}{fooled:>10,}"
        )
        rows += [f"    accepted, but an answer is wrong: {reported}" for reported in tally.fooled]
        rows += [f"    nothing of this kind could be generated: {tally.kind}"] * (
            not tally.generated
        )
    return joined(rows)


def attack_verdict(tallies: Sequence[Tally]) -> str:
    """Whether the checker has withstood all attacks, in one line."""
    if all(tally.sound for tally in tallies):
        total = sum(tally.generated for tally in tallies)
        return f"PASS: {total:,} generated = killed + harmless: nothing wrong was accepted"
    return "FAIL: the checker was fooled, or a kind has generated nothing"


def as_json(
    results: Sequence[CellResult], planned: int, reported: list[dict[str, object]] | None = None
) -> str:
    """The whole run as JSON text, with the answers to questions if any; what is no finite number
    becomes null.
    """
    cells = [asdict(result) for result in results]
    for cell in cells:
        cell.update(
            {
                name: None
                for name, v in cell.items()
                if isinstance(v, float) and not math.isfinite(v)
            }
        )
    asked = {} if reported is None else {"answers": reported}
    return (
        json.dumps({**count(results, planned), **asked, "cells": cells}, indent=1, allow_nan=False)
        + "\n"
    )


def catalogue_lines() -> str:
    """`python -m verify list`: name, theorem and claim of each construction."""
    width = max(map(len, CATALOGUE)) + 2
    rows = [
        (
            "construction",
            "theorem",
            "what is verified on every query, with its sizes and its margin",
        )
    ]
    rows += [
        (e.name, e.theorem, e.claim + (f" (needs {e.needs})" if e.needs else ""))
        for e in CATALOGUE.values()
    ]
    return joined(f"{name:<{width}}{theorem:<14}{claim}" for name, theorem, claim in rows)


def separation_line(found: Separation) -> str:
    """With how many entities first a chain of thought lies below all models without that have such
    unembeddings.
    """
    unembeddings = (
        "unembeddings that do not depend on the facts"
        if found.unembeddings == "fixed"
        else "any unembedding"
    )
    from verify.cli.plane import down

    rows = "" if found.unembeddings == "fixed" else f", B_u = {found.costs.unembedding_bits:,}"
    return (
        f"{unembeddings}: separated first at N = {found.n_entities:,}: B_T ="
        f" {found.costs.internal_bits:,}, B_e = {found.costs.embedding_bits:,}{rows}; without"
        f" chain-of-thought B_T >= {down(found.bound, 3)}, {_factor(found.factor)} times as much"
    )


def limits_lines() -> str:
    """`python -m verify list --limits`: how each construction grows with N, and how near all its
    fact bits come.
    """
    import sympy

    from bounds.limits import efficiency_limit, growth
    from bounds.symbols import SYMBOLS

    relations, looked_up = SYMBOLS["R"], SYMBOLS["q"]
    usual = {sympy.Min(1, e): 1 for e in (looked_up, relations - looked_up, relations - 1)}
    lines = [
        "as N -> oo, with everything else fixed, for R >= 2 and 1 <= q < R; B_T, B_e: bits inside,"
        " of one embedding"
    ]
    for entry in CATALOGUE.values():
        lines.append(f"{entry.name} ({entry.theorem})")
        for title, formula in (
            ("d_model", "d_model"),
            ("d_mlp", "d_mlp"),
            ("B_T", "internal_bits"),
            ("facts in B_T", "internal_fact_bits"),
            ("B_e", "embedding_bits"),
            ("facts in B_e", "embedding_fact_bits"),
        ):
            found = growth(entry, formula)
            factor = found.factor.subs(usual).doit()
            leading = min(
                (
                    str(found._replace(factor=form(factor)))
                    for form in (sympy.expand, sympy.factor)
                ),
                key=len,
            )
            lines.append(f"  {title} = 0" if leading == "0" else f"  {title} / ({leading}) -> 1")
        limit = str(efficiency_limit(entry)).replace("**", "^")
        lines.append(f"  all fact bits / log2 (N!)^R -> {limit}")
    lines.append(
        "tree(R, n) = 1 + R + ... + R^(n-1); bits(n) = ceil(log2 n); q looked-up relations, j hops"
        " per token"
    )
    return joined(lines)


def plan_table(
    n_entities: int, n_relations: int, hops: int, budget: Budget, every: bool
) -> tuple[str, bool]:
    """`python -m verify plan`: what fits, cheapest first, and why the rest does not; and whether
    anything fits.

    One line for each construction, with the choice of options that takes the fewest bits; all
    choices if `every`.
    """
    from bounds.plans import plans
    from verify.cli.plane import columns

    titles = [
        "construction",
        "d_model",
        "d_mlp",
        "depth",
        "tokens",
        "facts: inside",
        "row of E",
        "row of U",
    ]
    rows = [[*titles, "dense: B_T", "B_e", "all tensors"]]
    named: set[str] = set()
    refused: dict[str, str] = {}
    for plan in sorted(plans(n_entities, n_relations, hops), key=lambda plan: plan.total_bits):
        exceeded, name = budget.exceeded_by(plan), plan.entry.name
        if exceeded:
            refused.setdefault(name, f"{plan.label}: {', '.join(exceeded)}")
            continue
        if every or name not in named:
            costs = plan.costs
            sizes = (costs.d_model, costs.d_mlp, costs.n_layers, costs.written_tokens)
            facts = (
                costs.internal_fact_bits,
                costs.embedding_fact_bits,
                costs.unembedding_fact_bits,
            )
            dense = (costs.internal_bits, costs.embedding_bits, plan.total_bits)
            rows.append([plan.label, *map(shortened, (*sizes, *facts, *dense))])
        named.add(name)
    lines = columns(rows) if named else ["nothing fits"]
    misfits = [f"  {reported}" for name, reported in refused.items() if name not in named]
    lines += [
        "does not fit, with any choice of options (the one with the fewest bits is shown):",
        *misfits,
    ] * bool(misfits)
    if named:
        lines += [
            (
                "facts: bits that change with the facts, in all layers, in one entity's row of"
                " embedding E, of unembedding U"
            ),
            "dense: all bits, B_T in all layers, B_e in one row of E",
        ]
        lines += [
            f"{name} needs {entry.needs}"
            for name, entry in CATALOGUE.items()
            if name in named and entry.needs
        ]
    return joined(lines), bool(named)


def catalogue_table() -> str:
    """The table theorem - construction - sizes - file - test - check of docs/README.md, in
    Markdown.
    """
    from bounds.symbols import SYMBOLS, Expressions

    rows = [
        (
            "| theorem | construction | d_model | d_mlp | layers | heads | file | proof | test |"
            " check |"
        ),
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for e in CATALOGUE.values():
        sizing = e.sizing(Expressions(**SYMBOLS))
        check = f"python -m verify {e.name} -N 100 -R 4" + (" -k 2" if e.multi_hop else "")
        rows.append(
            f"| {e.theorem} | `{e.name}` | `{sizing.d_model}` | `{sizing.d_mlp}` |"
            f" `{sizing.n_layers}` | `{sizing.n_heads}` |"
            f" [{e.file}.py](../constructions/theorems/{e.file}.py) |"
            f" [{e.file}.md](theorems/{e.file}.md) |"
            f" [test_{e.file}.py](../tests/theorems/test_{e.file}.py) | `{check}` |"
        )
    return joined(rows)


def _factor(number: float) -> str:
    """Four digits, rounded down: at least so many times."""
    exact = Decimal(number)
    return f"{exact.quantize(Decimal(10) ** (exact.adjusted() - 3), ROUND_FLOOR):f}"


def _row(values: Sequence[str]) -> str:
    left = {"theorem", "construction", "facts", "dtype", "verdict"}
    cells = [
        f"{value:<{width}}" if title in left else f"{value:>{width}}"
        for value, (title, width) in zip(values, _COLUMNS, strict=True)
    ]
    return " ".join(cells).rstrip()
