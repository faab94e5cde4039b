"""What was found, for people (lines and tables) and for programs (JSON)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from constructions.catalogue import CATALOGUE
from verify.grid import CellResult

_COLUMNS = (
    ("theorem", 13),
    ("construction", 27),
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
    ("queries", 9),
    ("wrong", 6),
    ("margin", 8),
    ("seconds", 8),
    ("verdict", 8),
)


def header() -> str:
    """The column titles of `line`."""
    return _row([title for title, _ in _COLUMNS])


def line(result: CellResult) -> str:
    """One cell in one line, and the reason on lines of its own where it did not pass."""
    equal = "=" if result.d_model == result.d_model_formula else "!="
    values = [
        result.theorem,
        result.construction + "".join(f" {symbol}={value}" for symbol, value in _symbols(result)),
        str(result.entities),
        str(result.relations),
        str(result.hops),
        result.facts,
        result.dtype,
        "-" if result.d_model is None else f"{result.d_model}{equal}{result.d_model_formula}",
        *("-" if v is None else str(v) for v in (result.d_mlp, result.n_layers, result.n_heads, result.parameters)),
        *("-" if v is None else str(v) for v in (result.queries, result.wrong)),
        "-" if result.margin is None else f"{result.margin:.4g}",
        f"{result.seconds:.2f}",
        result.verdict,
    ]
    notes = [] if result.verdict == "PASS" else [f"    {result.verdict}: {result.reason}"]
    notes += [f"    {counterexample}" for counterexample in result.counterexamples]
    return "\n".join([_row(values), *notes])


def _symbols(result: CellResult) -> list[tuple[str, int]]:
    """The options of a cell by the symbols of the formulas."""
    options = CATALOGUE[result.construction].options
    return [(option.symbol, result.options[option.name]) for option in options if option.name in result.options]


def summary(results: Sequence[CellResult], planned: int, seconds: float) -> str:
    """The last line: how many cells, queries and seconds, and the verdict."""
    counts = count(results, planned)
    cells = "cell" if planned == 1 else "cells"
    queries = sum(result.queries or 0 for result in results)
    return (
        f"{counts['verdict']}: {planned} {cells} planned, {counts['passed']} passed, {counts['failed']} failed, "
        f"{counts['unknown']} unknown; {queries:,} queries in {seconds:.1f} s"
    )


def count(results: Sequence[CellResult], planned: int) -> dict[str, Any]:
    """The verdict over all planned cells: what was not run, or run without a verdict, is unknown and never a PASS."""
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


def as_json(results: Sequence[CellResult], planned: int, told: list[dict[str, object]] | None = None) -> str:
    """The whole run as JSON text, with the answers to questions if any; a margin that is no number becomes null."""
    cells = [asdict(result) for result in results]
    for cell in cells:
        if cell["margin"] is not None and not abs(cell["margin"]) < float("inf"):
            cell["margin"] = None
    asked = {} if told is None else {"answers": told}
    return json.dumps({**count(results, planned), **asked, "cells": cells}, indent=1, allow_nan=False) + "\n"


def catalogue_lines() -> str:
    """`python -m verify list`: name, theorem and claim of each construction."""
    width = max(map(len, CATALOGUE)) + 2
    rows = [("construction", "theorem", "what is verified on every query, with its sizes and its margin")]
    rows += [(e.name, e.theorem, e.claim + (f" (needs {e.needs})" if e.needs else "")) for e in CATALOGUE.values()]
    return "\n".join(f"{name:<{width}}{theorem:<14}{claim}" for name, theorem, claim in rows)


def frontier_table(n_entities: int, n_relations: int, hops: int) -> str:
    """`python -m verify frontier`: what each construction pays for paths of `hops` relations, from the formulas."""
    from bounds.sizes import frontier

    titles = ("construction", "d_model", "d_mlp", "depth", "tokens", "internal", "embedding", "unembedding")
    rows: list[tuple[str, ...]] = [titles]
    for entry in CATALOGUE.values():
        if entry.multi_hop or hops == 1:
            every = range(n_relations + 1) if entry.name == "hybrid" else [None]
            for q in every:
                given = {} if q is None else {"looked_up": q}
                cost = frontier(entry, n_entities, n_relations, hops, given)
                label = entry.name if q is None else f"{entry.name} q={q}"
                sizes = (cost.d_model, cost.d_mlp, cost.depth, cost.written_tokens)
                bits = (cost.internal_fact_bits, cost.embedding_fact_bits, cost.unembedding_fact_bits)
                rows.append((label, *(f"{number:,}" for number in (*sizes, *bits))))
    widths = [max(len(row[column]) for row in rows) for column in range(len(titles))]
    lines = [
        "  ".join([f"{row[0]:<{widths[0]}}", *(f"{cell:>{w}}" for cell, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    ]
    note = "bits of facts: in all internal weights; in one entity's row of the embedding; in its row of the unembedding"
    return "\n".join([*lines, note])


def catalogue_table() -> str:
    """The table theorem - construction - sizes - file - test - check of docs/README.md, in Markdown."""
    rows = [
        "| theorem | construction | d_model | d_mlp | layers | heads | file | proof | test | check |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for e in CATALOGUE.values():
        check = f"python -m verify {e.name} -N 100 -R 4" + (" -k 2" if e.multi_hop else "")
        rows.append(
            f"| {e.theorem} | `{e.name}` | `{e.d_model}` | `{e.d_mlp}` | `{e.n_layers}` | `{e.n_heads}` "
            f"| [constructions/{e.module}.py](../constructions/{e.module}.py) | [{e.docs}]({e.docs}) "
            f"| [tests/{e.test}](../tests/{e.test}) | `{check}` |"
        )
    return "\n".join(rows)


def _row(values: Sequence[str]) -> str:
    left = {"theorem", "construction", "facts", "dtype", "verdict"}
    cells = [
        f"{value:<{width}}" if title in left else f"{value:>{width}}"
        for value, (title, width) in zip(values, _COLUMNS, strict=True)
    ]
    return " ".join(cells).rstrip()
