"""What an update has changed in a model, and which answers differ between two."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from constructions.facts.changed_answers import ChangedAnswer, ChangedAnswers
from constructions.guards.wording import counted, printable, shortened
from verify.queries.changed import ProvenTable

if TYPE_CHECKING:  # which imports torch
    from constructions.model.updating import Update

MOST_NAMES = 5
"""So many names of new or gone entities, and relations, are shown."""


def update_as_json(update: Update, proof: str | None, written: str | None) -> str:
    """What has changed, as JSON text.

    Args:
        update: what the model says.
        proof: what `verify.cli.reports.checks.check_as_json` says of the new model; None where
            nothing was proven.
        written: the folder; None where the new model was not written.
    """
    table = update.table
    found: dict[str, Any] = {
        "given": table.given,
        "changed": table.changed,
        "added": table.added,
        "removed": table.removed,
        "new_entities": [
            {"id": new.id, "name": new.name, "instead_of": new.instead_of}
            for new in table.new_entities
        ],
        "rows_written": dict(update.rows_written),
        "rebuilt": list(update.rebuilt),
        "proof": None if proof is None else json.loads(proof),
        "written": written,
    }
    return json.dumps(found, indent=1) + "\n"


def aligned_lines(changes: ChangedAnswers) -> list[str]:
    """Which entities and relations two models share, and which are new or gone."""
    tables = changes.tables
    shared = len(tables.subjects), len(tables.relations)
    lists = (
        ("entities", shared[0], tables.new_entities, tables.gone_entities),
        ("relations", shared[1], tables.new_relations, tables.gone_relations),
    )
    return [
        f"{kind}: {count:,} in both, {_some(new, 'new')}, {_some(gone, 'gone')}"
        for kind, count, new, gone in lists
    ]


def _some(names: Sequence[str], what: str) -> str:
    """How many, and the first of them by name."""
    if not names:
        return f"0 {what}"
    more = ", ..." if len(names) > MOST_NAMES else ""
    return f"{len(names):,} {what} ({', '.join(names[:MOST_NAMES])}{more})"


def counts_table(changes: ChangedAnswers, old: ProvenTable, new: ProvenTable) -> list[str]:
    """How many answers of each length differ, one line for each; and which of the two models
    answers paths of that length itself.
    """
    lines = [f"{'relations':>9} {'queries':>27} {'changed answers':>27}  answered by"]
    for length, (queries, count) in enumerate(
        zip(changes.queries, changes.counts, strict=True), start=1
    ):
        lines.append(
            f"{length:>9} {shortened(queries):>27} {shortened(count):>27}"
            f"  {answered_by(length, old, new)}"
        )
    return lines


def answered_by(length: int, old: ProvenTable, new: ProvenTable) -> str:
    """Which of two models answers paths of a length itself; of the others the facts are compared,
    that is, what they say when asked relation by relation.
    """
    here, there = length in old.lengths, length in new.lengths
    if here and there:
        return "both"
    return "the old one" if here else "the new one" if there else "their facts"


def stored_lines(old: ProvenTable, new: ProvenTable) -> list[str]:
    """What is said of models that claim stored facts alone."""
    return [
        f"{table.folder} claims stored queries alone: where it has no answer, nothing is claimed"
        for table in (old, new)
        if table.stored_only
    ]


def answer_lines(found: Iterable[ChangedAnswer], total: int) -> list[str]:
    """The changed answers, one line for each, and how many more there are."""
    lines = [
        printable(f"{' '.join((one.subject, *one.path))}: {_shown(one.old)} -> {_shown(one.new)}")
        for one in found
    ]
    left = total - len(lines)
    return lines + ([f"... and {shortened(left)} more (--limit)"] if left else [])


def _shown(answer: str | None) -> str:
    """An answer by name, or that there is none."""
    return "no answer" if answer is None else answer


def diff_verdict(changes: ChangedAnswers) -> str:
    """How many answers changed, in one line."""
    total, queries = changes.total, sum(changes.queries)
    return (
        f"PASS: both models are proven: {shortened(total)} of {shortened(queries)} answers"
        f" changed, the other {shortened(queries - total)} are the same"
    )


def unproven_verdict(tables: Sequence[ProvenTable]) -> str:
    """That no answers are compared, since a model is not proven."""
    verdicts = [table.proven.verdict for table in tables]
    verdict = "FAIL" if "FAIL" in verdicts else "UNKNOWN"
    names = [str(table.folder) for table in tables if table.proven.verdict != "PASS"]
    return (
        f"{verdict}: no answers are compared: {counted(len(names), 'model')} of 2 not proven"
        f" ({', '.join(names)})"
    )


def diff_as_json(
    tables: Sequence[ProvenTable], changes: ChangedAnswers | None, found: Sequence[ChangedAnswer]
) -> str:
    """What `verify diff` has found, as JSON text."""
    text: dict[str, Any] = {
        "models": [
            {
                "folder": str(table.folder),
                "verdict": table.proven.verdict,
                "reason": table.proven.reason,
                "by": table.proven.by,
                "lengths": [table.lengths.start, table.lengths.stop - 1],
                "stored_only": table.stored_only,
            }
            for table in tables
        ]
    }
    if changes is not None:
        aligned = changes.tables
        text |= {
            "entities": {
                "in_both": len(aligned.subjects),
                "new": list(aligned.new_entities),
                "gone": list(aligned.gone_entities),
            },
            "relations": {
                "in_both": list(aligned.relations),
                "new": list(aligned.new_relations),
                "gone": list(aligned.gone_relations),
            },
            "lengths": [
                {"relations": length, "queries": queries, "changed": count}
                for length, (queries, count) in enumerate(
                    zip(changes.queries, changes.counts, strict=True), start=1
                )
            ],
            "changed": changes.total,
            "listed": [
                {"subject": o.subject, "path": list(o.path), "old": o.old, "new": o.new}
                for o in found
            ],
        }
    return json.dumps(text, indent=1) + "\n"
