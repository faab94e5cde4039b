"""The result of a run as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from verify.cells.results import CellResult
from verify.cli.reports.checks import sample_as_data
from verify.cli.reports.rows import as_data, columns_of, write_rows
from verify.cli.reports.summaries import count
from verify.cli.written_files import write_text


@dataclass(frozen=True)
class CellRow:
    """A cell in long format: of `cell_as_data` what is a number or a word; None if never reached.

    Attributes:
        N, R, k: entities, relations, hops.
        construction, theorem: what was built.
        options: as `looked_up=2 ...`, those that were given.
        facts, form, dtype: of which kind, in which other form, of which numbers.
        verdict, reason: PASS, FAIL or UNKNOWN, and why.
        queries, wrong, unknown: that were run, answered wrong, left open by rounding.
        margin: the smallest.
        by: what decides, `queries`, `proof` or `both`.
        d_model, d_mlp, n_layers, n_heads, parameters: the sizes as counted.
        internal_bits, internal_fact_bits, embedding_bits, unembedding_bits: B_T, dense and of
            facts, B_e, B_u.
        separated: the factor below all models without chain-of-thought, if it is one.
        seconds: that the cell took.
    """

    N: int
    R: int
    k: int
    construction: str
    theorem: str
    options: str
    facts: str
    form: str
    dtype: str
    verdict: str
    reason: str
    queries: int | None
    wrong: int | None
    unknown: int | None
    margin: float | None
    by: str | None
    d_model: int | None
    d_mlp: int | None
    n_layers: int | None
    n_heads: int | None
    parameters: int | None
    internal_bits: int | None
    internal_fact_bits: int | None
    embedding_bits: int | None
    unembedding_bits: int | None
    separated: float | None
    seconds: float

    @classmethod
    def of(cls, result: CellResult) -> CellRow:
        """The row of a result."""
        data = cell_as_data(result)
        data |= {"N": data["entities"], "R": data["relations"], "k": data["hops"]}
        data["options"] = " ".join(f"{name}={value}" for name, value in data["options"].items())
        return cls(**{field.name: data[field.name] for field in fields(cls)})


def as_json(
    results: Sequence[CellResult], planned: int, answers: list[dict[str, object]] | None = None
) -> str:
    """The whole run as JSON text, with the answers to questions if any; what is no finite number
    becomes null.
    """
    asked = {} if answers is None else {"answers": answers}
    cells = [
        {name: _finite(value) for name, value in cell_as_data(result).items()}
        for result in results
    ]
    rows = as_data([CellRow.of(result) for result in results])
    whole = {**count(results, planned), **asked, "cells": cells, "rows": rows}
    return json.dumps(whole, indent=1, allow_nan=False) + "\n"


def write_cells(
    json_file: Path | None,
    rows_file: Path | None,
    results: Sequence[CellResult],
    planned: int,
    answers: list[dict[str, object]] | None = None,
) -> None:
    """Write cells as JSON and as rows, where a file is asked for."""
    write_text(json_file, lambda: as_json(results, planned, answers))
    write_rows(rows_file, columns_of(CellRow), [CellRow.of(result) for result in results])


def cell_as_data(result: CellResult) -> dict[str, Any]:
    """One cell as plain data; sizes and counts are None if never reached.

    `unknown` counts the queries that rounding may decide, `not_claimed` those that meet a missing
    fact where stored ones alone are claimed, and are not run. `proof` is what the checker says of
    the saved model, or what follows from that of a form, None if it was not saved, and `proven`
    for how many queries; a chain of thought's are those of every length up to `hops`. `by` says
    what decides: "queries", "proof" or "both". Where the proof alone decides, `logits` is "proof",
    no query is run but a sample, and `margin` is the proven one, None where none is known. `form`
    and `difference`: another form of the construction, and how far its logits are from the
    original's at most. The bits are B_T (dense, and those of facts), B_e and B_u of Theorem 4.2;
    `row` is what an entity's row of the embedding needs where all facts stand there; `separated`
    is the factor by which a model with chain-of-thought lies below every model without that has
    embeddings as small and a fixed unembedding.
    """
    cell, sizes, form, proof = result.cell, result.sizes, result.form, result.proof
    sample = None if proof is None else proof.sample
    built = form.sizes if form is not None else sizes.found if sizes is not None else None
    costs = None if sizes is None else sizes.costs
    return {
        "construction": cell.construction,
        "theorem": result.entry.theorem,
        "entities": cell.entities,
        "relations": cell.relations,
        "hops": cell.hops,
        "facts": cell.facts,
        "dtype": result.dtype,
        "options": dict(cell.options),
        "verdict": result.verdict,
        "reason": "" if result.verdict == "PASS" else result.reason,
        "queries": result.queries,
        "wrong": result.wrong,
        "unknown": result.unknown,
        "not_claimed": result.not_claimed,
        "margin": result.margin,
        "margin_claim": _claim(result),
        "proof": result.proven and result.proven.verdict,
        "proven": result.n_proven,
        "by": result.by,
        "sample": sample and sample_as_data(sample),
        "d_model": built and built.d_model,
        "d_model_formula": sizes and sizes.expected and sizes.expected.d_model,
        "d_mlp": built and built.d_mlp,
        "n_layers": built and built.n_layers,
        "n_heads": built and built.n_heads,
        "parameters": built and built.parameters,
        "internal_bits": costs and costs.internal_bits,
        "internal_fact_bits": costs and costs.internal_fact_bits,
        "embedding_bits": costs and costs.embedding_bits,
        "unembedding_bits": costs and costs.unembedding_bits,
        "bounds": [] if result.bounds is None else list(map(asdict, result.bounds.checks)),
        "row": result.bounds and asdict(result.bounds.row),
        "separated": result.bounds and result.bounds.separation,
        "logits": _decided_by(result),
        "form": cell.form,
        "difference": form and form.difference,
        "counterexamples": [] if result.recall is None else result.recall.counterexamples,
        "seconds": result.seconds,
    }


def _claim(result: CellResult) -> str | None:
    """What is claimed of the margin, in words."""
    if result.form is not None:
        return result.form.in_words()
    return None if result.claim is None else result.claim.in_words()


def _decided_by(result: CellResult) -> str | None:
    """How the answers were decided: by which logits, or by the proof."""
    if result.by_proof_alone:
        return "proof"
    if result.form is not None:
        return "full"
    return None if result.recall is None else result.recall.logits


def _finite(value: Any) -> Any:
    """The value; None if it is a number that is not finite."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
