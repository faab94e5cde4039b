"""What many cells amount to, in a line each: verdict, bounds, forms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from constructions.guards.wording import shortened
from verify.cells.results import CellResult
from verify.cli.reports.rounding import factor


def bounds_summary(results: Sequence[CellResult]) -> str:
    """How many bounds apply, how close a model comes to one, and where models with
    chain-of-thought lie below.
    """
    held = [(result.bounds, result) for result in results if result.bounds is not None]
    applying = [
        (check, result) for bounds, result in held for check in bounds.checks if check.applies
    ]
    ratios = [
        (check.ratio, check.name, result) for check, result in applying if check.ratio is not None
    ]
    separated = [
        (bounds.separation, result) for bounds, result in held if bounds.separation is not None
    ]
    reported = f"bounds: {len(applying)} apply, {len(ratios)} of them positive"
    if ratios:
        ratio, name, result = min(ratios, key=lambda found: found[0])
        where = f"{name}, {result.cell.construction} {_sizes(result)}"
        reported += f", the smallest ratio B_T/bound is {ratio:.4g} ({where})"
    if separated:
        most, result = max(separated, key=lambda found: found[0])
        cells = f"{len(separated)} cell{'s' * (len(separated) > 1)}"
        reported += (
            f"; {cells} separated, by up to {factor(most)} ({result.cell.construction}"
            f" {_sizes(result)})"
        )
    return reported


def forms_summary(results: Sequence[CellResult]) -> str:
    """How many cells are other forms of a construction, and for each form how far its logits are
    from the original's.
    """
    largest: dict[str, float] = {}
    for result in results:
        if result.form is not None:
            name = result.cell.form
            largest[name] = max(result.form.difference, largest.get(name, 0.0))
    reported = ", ".join(f"{form} {difference:.2g}" for form, difference in largest.items())
    n = sum(bool(result.cell.form) for result in results)
    return f"forms: {n} cell{'s' * (n != 1)}; largest logit differences: {reported or 'none'}"


def summary(results: Sequence[CellResult], planned: int, seconds: float) -> str:
    """The last line: how many cells, queries and seconds, and the verdict."""
    counts = count(results, planned)
    cells = "cell" if planned == 1 else "cells"
    queries = sum(result.queries or 0 for result in results)
    proven = sum(result.n_proven or 0 for result in results if result.by_proof_alone)
    instead = f"; {shortened(proven)} queries proven in place of being run" if proven else ""
    return (
        f"{counts['verdict']}: {planned} {cells} planned, {counts['passed']} passed,"
        f" {counts['failed']} failed, {counts['unknown']} unknown; {queries:,} queries in"
        f" {seconds:.1f} s{instead}"
    )


class Judged(Protocol):
    """What has a verdict."""

    @property
    def verdict(self) -> str:
        """PASS, FAIL or UNKNOWN."""


def count(results: Sequence[Judged], planned: int) -> dict[str, Any]:
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


def _sizes(result: CellResult) -> str:
    """N, R and k of a cell."""
    cell = result.cell
    return f"N={cell.entities} R={cell.relations} k={cell.hops}"
