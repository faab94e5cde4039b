"""What the checker says of a saved model, and whether it withstood attacks."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from constructions.guards.wording import joined, printable, shortened
from verify.kernel.verdict import Verdict as Proven
from verify.queries.evidence import worst
from verify.queries.sample import Sample

if TYPE_CHECKING:  # which imports torch
    from verify.attacking.attack import Tally

NAMES = {
    "kernel": "the kernel",
    "symbolic": "the symbolic checker",
    "kernel and symbolic": "both checkers",
    "rounded": "the checker of rounded trained models, in integers",
    "form": "a proof of its construction, whose logits it has",
    "form in its dtype": "a proof of its construction, and a bound on how far its logits are off",
    "queries": "running each, with bounds on rounding",
}
"""Who says so, in words."""


def proof_line(proven: Proven) -> str:
    """What is proven, in one sentence, and by which checker."""
    by = NAMES.get(proven.by, "")
    if proven.verdict != "PASS":
        return f"{proven.verdict}: {proven.reason}" + (f" (says {by})" if by else "")
    kind = "stored queries" if proven.not_claimed else "queries"
    reported = f"PASS: all {shortened(proven.queries)} {kind} are answered right"
    return reported + (f", by {by}" if by else "") + others(proven.not_claimed)


def others(not_claimed: int) -> str:
    """What is said of the queries that are not stored, where those alone are claimed; else
    nothing.
    """
    if not not_claimed:
        return ""
    return f"; the other {shortened(not_claimed)} queries are not claimed"


def margin_line(proven: Proven) -> str:
    """By which margin, and whether floating point is covered. Of a rounded trained model it is, in
    float64, whatever the dtype of its weights.
    """
    if proven.by == "rounded":
        margin = f"{shortened(proven.real_margin)} in real arithmetic"
        if has_one_answer(proven):
            margin = "there is no other answer"
        return f"margin: {margin}; {proven.rounds}"
    if proven.by == "form in its dtype":
        return f"margin: at least {shortened(proven.real_margin)} in its dtype; {proven.rounds}"
    if proven.by == "queries":
        return f"margin: {shortened(proven.real_margin)} as run; {proven.rounds}"
    floats = (
        f"exact in {proven.exact}"
        if proven.exact
        else f"floating point rounds, which is not covered: {proven.rounds}"
    )
    return f"margin: at least {shortened(proven.real_margin)} in real arithmetic; {floats}"


def has_one_answer(proven: Proven) -> bool:
    """Whether a rounded model was proven that has a single answer, so that there is no margin."""
    return proven.by == "rounded" and proven.verdict == "PASS" and not proven.real_margin


def check_line(proven: Proven, sample: Sample | None) -> str:
    """What the checker says, in one sentence, unless a sample refutes it."""
    if sample is None or sample.verdict != "FAIL":
        return proof_line(proven)
    return f"FAIL: {'; '.join(sample.faults())}"


def proof_for_card(folder: Path, proven: Proven, sample: Sample | None) -> str:
    """What the `README.md` of an export says of the saved model that it was made from: lines of
    Markdown.
    """
    from constructions.saved import form_manifest
    from constructions.saved.form_folder import is_form
    from constructions.saved.manifest import NAME, WEIGHTS, digest

    weights = form_manifest.WEIGHTS if is_form(folder) else WEIGHTS
    if not (folder / weights).exists():  # in shards, all of which the manifest names
        weights = NAME
    lines = [check_line(proven, sample)]
    if proven.verdict == "PASS":
        lines.append(margin_line(proven))
    if sample is not None:
        lines.append(sample.in_words())
    command = f"python -m verify check {printable(folder.resolve().name)}"
    shown = "".join(f"    {printable(line)}\n" for line in lines)
    return (
        f"Of the saved model that this was made from, whose `{weights}` has the SHA-256\n"
        f"`{digest(folder / weights)}`, this command says, and\nproves it again each time, from"
        f" that folder alone:\n\n    $ {command}\n{shown}"
    )


def sample_as_data(sample: Sample) -> dict[str, Any]:
    """What a sample of queries has answered, as plain data."""
    return {
        "verdict": sample.verdict,
        "reason": "; ".join([*sample.faults(), *sample.doubts()]),
        "queries": sample.queries,
        "seed": sample.seed,
        "wrong": sample.wrong,
        "margin": sample.margin if math.isfinite(sample.margin) else None,
        "dtype": sample.dtype,
    }


def check_as_json(proven: Proven, sample: Sample | None) -> str:
    """What the checker says, and what a sample of queries has answered, as JSON text."""
    refuted = sample is not None and sample.verdict == "FAIL"
    reported: dict[str, Any] = {
        "verdict": "FAIL" if refuted else proven.verdict,
        "reason": check_line(proven, sample).removeprefix("FAIL: ") if refuted else proven.reason,
        "by": proven.by,
    }
    if proven.verdict == "PASS":
        reported |= {"queries": proven.queries, "not_claimed": proven.not_claimed}
        reported |= {"exact": proven.exact}
        reported |= {"hops_per_token": proven.hops_per_token}
        one = has_one_answer(proven)
        reported |= {
            "margin_without_leaks": None if one else str(proven.margin),
            "margin": None if one else shortened(proven.real_margin),
        }
        if not proven.exact:
            reported["rounds"] = proven.rounds
        reported["sample"] = None if sample is None else sample_as_data(sample)
    return json.dumps(reported, indent=1, allow_nan=False) + "\n"


def attack_table(tallies: Sequence[Tally]) -> str:
    """What became of attacks, one line for each kind."""
    rows = [f"{'attack':14}{'generated':>10}{'killed':>10}{'harmless':>10}{'fooled':>10}"]
    for tally in tallies:
        rows.append(
            f"{tally.kind:14}{tally.generated:>10,}{tally.killed:>10,}{tally.harmless:>10,}"
            f"{tally.n_fooled:>10,}"
        )
        rows += [f"    accepted, but an answer is wrong: {reported}" for reported in tally.fooled]
        rows += [f"    {tally.kind}: {why}" for why in (*tally.faults(), *tally.doubts())]
    return joined(rows)


def attack_verdict(tallies: Sequence[Tally], missing: int = 0) -> str:
    """Whether the checker has withstood all attacks, in one line; `missing` series of them were
    not made.
    """
    verdict = worst(tally.verdict for tally in tallies)
    if missing and verdict == "PASS":
        verdict = "UNKNOWN"
    total = sum(tally.generated for tally in tallies)
    said = {
        "PASS": f"{total:,} generated = killed + harmless: nothing wrong was accepted",
        "FAIL": "the checker was fooled or has crashed, or a kind has generated nothing",
        "UNKNOWN": f"nothing wrong of {total:,} was accepted, but not all attacks were made",
    }
    return f"{verdict}: {said[verdict]}"
