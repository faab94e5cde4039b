"""`python -m verify plan FILE`: what a table holds, and what each construction takes for it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np

from constructions.facts.answers import MISSING
from constructions.facts.table import FactTable
from constructions.guards.wording import counted, printable, shortened
from verify.cells.expected import LARGER, SMALL, Expected
from verify.cli.output import folded
from verify.cli.reports.columns import columns

MOST_SHOWN = 20
"""Relations whose conflicts are listed."""


def n_answers(facts: FactTable) -> int:
    """How many different entities are an answer."""
    return len(np.unique(facts.answers[facts.answers != MISSING]))


def table_lines(facts: FactTable, conflicts: Mapping[str, int], many: str) -> list[str]:
    """How many answers there are; and the conflicts of the file, facts that give a subject another
    object of the same relation, those of the relation that has most first.

    Args:
        facts: the table that is planned.
        conflicts: how many of each relation the file has.
        many: what has been done with them, a value of `--many`.
    """
    total = sum(conflicts.values())
    settled = f", settled by --many {many}" if total else ""
    lines = [f"    {counted(n_answers(facts), 'answer')}, {counted(total, 'conflict')}{settled}"]
    ordered = sorted(conflicts.items(), key=lambda item: (-item[1], item[0]))
    lines += [f"    {count:,} of {printable(name)}" for name, count in ordered[:MOST_SHOWN]]
    if len(ordered) > MOST_SHOWN:
        lines.append(f"    ... and of {len(ordered) - MOST_SHOWN} more relations")
    return lines


def plan_lines(found: Sequence[Expected], took: float) -> list[str]:
    """A line for each construction that fits, the smallest first, and why the others do not."""
    rows = [["construction", "d_model", "dtype", "bytes", "build s", "prove s", "ask s"]]
    for one in fitting(found):
        if one.seconds is not None:
            prove = one.seconds.prove
            rows.append(
                [
                    one.entry.name,
                    f"{one.d_model:,}",
                    one.dtype,
                    shortened(one.bytes),
                    f"{one.seconds.build:.2g}",
                    "-" if prove is None else f"{prove:.2g}",
                    f"{one.seconds.ask:.1g}",
                ]
            )
    lines = columns(rows) if len(rows) > 1 else ["nothing fits"]
    for one in found:
        if one.why_not:
            name = "" if one.why_not.startswith(one.entry.name) else f"{one.entry.name}: "
            lines += folded(f"{name}{one.why_not}")
    if len(rows) > 1:
        lines += folded(
            "seconds are expected: each was built, saved, proven and asked here at two sizes, of"
            f" about {SMALL:,} and {LARGER:,} weights, in {took:.1f} s for all; what a further"
            " weight took is scaled. To prove is also to save"
        )
    return lines


def fitting(found: Sequence[Expected]) -> list[Expected]:
    """Those that fit, the one with the fewest bytes first."""
    return sorted((one for one in found if not one.why_not), key=lambda one: one.bytes)


def as_json(
    name: str, facts: FactTable, conflicts: Mapping[str, int], hops: int, found: Sequence[Expected]
) -> str:
    """All of it as JSON."""
    whole = {
        "file": name,
        "entities": facts.n_entities,
        "relations": facts.n_relations,
        "facts": facts.n_facts,
        "answers": n_answers(facts),
        "missing": facts.answers.size - facts.n_facts,
        "conflicts": dict(conflicts),
        "hops": hops,
        "constructions": [
            {
                "name": one.entry.name,
                "d_model": one.d_model,
                "dtype": one.dtype,
                "parameters": one.weights,
                "bytes": one.bytes,
                "seconds": None if one.seconds is None else vars(one.seconds),
                "why_not": one.why_not,
            }
            for one in found
        ],
    }
    return json.dumps(whole, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
