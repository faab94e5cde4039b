"""Recall against bits as a table, with what others need."""

from __future__ import annotations

from constructions.guards.wording import joined
from verify.cli.reports.columns import columns
from verify.learned.recall_by_bits import NO_BOUND, SHARES, RecallByBits


def table(curve: RecallByBits) -> str:
    """A line for each b, the least bits for 99 % and 100 %, the limit, and the cheapest
    construction.
    """
    queries = curve.n_queries
    rows = [["b", "tuned", "recall", "bits a fact", "all bits", "all bits, bound"]]
    for one in curve.points:
        needed = curve.needed(one)
        rows.append(
            [
                str(one.bits),
                "yes" if one.tuned else "no",
                f"{one.right / queries:.4f}",
                f"{one.total_bits / queries:.2f}",
                f"{one.total_bits:,}",
                "none known"
                if needed is None
                else f"{needed:,.1f}" + " ABOVE THE POINT" * (one.total_bits < needed),
            ]
        )
    lines = columns(rows)
    for share in SHARES:
        for tuned in sorted({one.tuned for one in curve.points}):
            least = curve.least(share, tuned)
            way = "fine-tuned" if tuned else "rounded"
            said = (
                "no b of these is enough"
                if least is None
                else f"b = {least.bits}, {least.total_bits / queries:.2f} bits a fact"
            )
            lines.append(f"{float(share):.0%} recall, {way}: {said}")
    lines.append(
        NO_BOUND
        if curve.drawn is None
        else f"information limit: {curve.drawn.needed(0) / queries:.2f} bits a fact"
    )
    if curve.cheapest is not None:
        plan = curve.cheapest
        lines.append(
            f"cheapest construction: {plan.label}, {plan.total_bits / queries:.2f} bits a fact"
        )
    return joined(lines)
