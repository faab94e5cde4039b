"""Which constructions fit a budget, and where a chain of thought provably needs fewer bits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal

from bounds.plans import Plan
from constructions.catalogue import CATALOGUE
from constructions.entry import Construction
from constructions.guards.wording import joined, shortened
from verify.cli.reports.columns import columns
from verify.cli.reports.rounding import down, factor
from verify.cli.reports.sweeps import SeparationRow

WIDE: tuple[tuple[str, Callable[[Plan], int]], ...] = (
    ("d_model", lambda plan: plan.costs.d_model),
    ("d_mlp", lambda plan: plan.costs.d_mlp),
    ("depth", lambda plan: plan.costs.n_layers),
    ("tokens", lambda plan: plan.costs.written_tokens),
    ("facts: inside", lambda plan: plan.costs.internal_fact_bits),
    ("row of E", lambda plan: plan.costs.embedding_fact_bits),
    ("row of U", lambda plan: plan.costs.unembedding_fact_bits),
    ("dense: B_T", lambda plan: plan.costs.internal_bits),
    ("B_e", lambda plan: plan.costs.embedding_bits),
    ("all tensors", lambda plan: plan.total_bits),
)
NARROW = (*WIDE[:4], ("B_T", WIDE[7][1]), *WIDE[8:])
_EXPLAINED = [
    "bits: B_T in all layers, B_e in one entity's row of the embedding",
    "four digits from 10,000,000 on; --wide: all of them, and the bits of facts",
]
_EXPLAINED_WIDE = [
    (
        "facts: bits that change with the facts, in all layers, in one entity's row of embedding"
        " E, of unembedding U"
    ),
    "dense: all bits, B_T in all layers, B_e in one row of E",
]


def plan_table(
    found: Iterable[tuple[Plan, Sequence[str]]],
    wide: bool = False,
    own: Sequence[Construction] = (),
) -> str:
    """`python -m verify plan`: what fits, cheapest first, and why the rest does not.

    Args:
        found: plans of one size and the limits that each breaks, as of `bounds.plans.fitting`.
        wide: whether there are all columns; the bits of facts are in the wide table alone.
        own: constructions of the user's.
    """
    shown, written = (WIDE, shortened) if wide else (NARROW, _in_few_characters)
    rows = [["construction", *(title for title, _ in shown)]]
    named: set[str] = set()
    misfits: list[str] = []
    for plan, exceeded in found:
        if exceeded:
            misfits.append(f"  {plan.label}: {', '.join(exceeded)}")
            continue
        rows.append([plan.label, *(written(value(plan)) for _, value in shown)])
        named.add(plan.entry.name)
    lines = columns(rows) if named else ["nothing fits"]
    lines += [
        "does not fit, with any choice of options (the one with the fewest bits is shown):",
        *misfits,
    ] * bool(misfits)
    if named:
        lines += _EXPLAINED_WIDE if wide else _EXPLAINED
        lines += [
            f"{entry.name} needs {entry.needs}"
            for entry in (*CATALOGUE.values(), *own)
            if entry.name in named and entry.needs
        ]
    return joined(lines)


def _in_few_characters(number: int) -> str:
    """A natural number, in nine characters at most below 10^100."""
    return f"{number:,}" if number < 10**7 else f"{Decimal(number):.3e}"


def separation_lines(rows: Sequence[SeparationRow]) -> str:
    """With how many entities first a chain of thought lies below all models without: two lines for
    each R and k.
    """
    lines, at = [], None
    for row in rows:
        if at != (at := (row.R, row.k)):
            lines.append(
                f"R = {row.R:,}, k = {row.k:,}: {row.construction} against all models without,"
                " with embeddings as small"
            )
        lines.append(_separation_line(row))
    return joined(lines)


def _separation_line(row: SeparationRow) -> str:
    """Against the models of one kind of unembedding."""
    fixed = row.unembeddings == "fixed"
    unembeddings = "unembeddings that do not depend on the facts" if fixed else "any unembedding"
    if row.N is None or row.bound_bits is None or row.factor is None:
        return f"{unembeddings}: {row.why}"
    rows = "" if fixed else f", B_u = {row.unembedding_bits:,}"
    return (
        f"{unembeddings}: separated first at N = {row.N:,}: B_T ="
        f" {row.internal_bits:,}, B_e = {row.embedding_bits:,}{rows}; without"
        f" chain-of-thought B_T >= {down(row.bound_bits, 3)}, {factor(row.factor)} times as much"
    )
