"""The result of a run as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from verify.cells.results import CellResult
from verify.cli.reports.checks import sample_as_data
from verify.cli.reports.summaries import count


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
    whole = {**count(results, planned), **asked, "cells": cells}
    return json.dumps(whole, indent=1, allow_nan=False) + "\n"


def cell_as_data(result: CellResult) -> dict[str, Any]:
    """One cell as plain data; sizes and counts are None if never reached.

    `unknown` counts the queries that rounding may decide, `not_claimed` those that meet a missing
    fact where stored ones alone are claimed, and are not run. `proof` is what the checker says of
    the saved model, None if it was not saved, and `proven` for how many queries; a chain of
    thought's are those of every length up to `hops`. `by` says what decides: "queries", "proof" or
    "both".
    Where the proof alone decides, `logits` is "proof", no query is run but those of `sample`, and
    `margin` is the proven one. `form` and `difference`: another form of the
    construction, and how far its logits are from the original's at most. The bits are B_T (dense,
    and those of facts), B_e and B_u of Theorem 4.2; `separated` is the factor by which a model
    with chain-of-thought lies below every model without that has embeddings as small and a fixed
    unembedding.
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
        "proof": proof and proof.proven.verdict,
        "proven": proof and proof.queries,
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
    if result.form is not None:
        return "full"
    if result.recall is not None:
        return result.recall.logits
    return "proof" if result.by_proof_alone else None


def _finite(value: Any) -> Any:
    """The value; None if it is a number that is not finite."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
