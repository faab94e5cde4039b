"""Which constructions fit a budget, and where a chain of thought provably needs fewer bits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

from bounds.plans import Budget, Plan, plans
from bounds.separation import Separation
from constructions.catalogue import CATALOGUE
from constructions.entry import Construction
from constructions.guards.wording import joined, shortened
from verify.cli.reports.columns import columns
from verify.cli.reports.rounding import down, factor

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
    n_entities: int,
    n_relations: int,
    hops: int,
    budget: Budget,
    every: bool,
    wide: bool = False,
    own: Sequence[Construction] = (),
) -> tuple[str, bool]:
    """`python -m verify plan`: what fits, cheapest first, and why the rest does not; and whether
    anything fits.

    One line for each construction, with the choice of options that takes the fewest bits; all
    choices if `every`. The bits of facts are columns of the wide table alone. `own` are
    constructions of the user's.
    """
    shown, written = (WIDE, shortened) if wide else (NARROW, _in_few_characters)
    rows = [["construction", *(title for title, _ in shown)]]
    named: set[str] = set()
    refused: dict[str, str] = {}
    for plan in sorted(
        plans(n_entities, n_relations, hops, own), key=lambda plan: plan.total_bits
    ):
        exceeded, name = budget.exceeded_by(plan), plan.entry.name
        if exceeded:
            refused.setdefault(name, f"{plan.label}: {', '.join(exceeded)}")
            continue
        if every or name not in named:
            rows.append([plan.label, *(written(value(plan)) for _, value in shown)])
        named.add(name)
    lines = columns(rows) if named else ["nothing fits"]
    misfits = [f"  {reported}" for name, reported in refused.items() if name not in named]
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
    return joined(lines), bool(named)


def _in_few_characters(number: int) -> str:
    """A natural number, in nine characters at most below 10^100."""
    return f"{number:,}" if number < 10**7 else f"{Decimal(number):.3e}"


def separation_line(found: Separation) -> str:
    """With how many entities first a chain of thought lies below all models without that have such
    unembeddings.
    """
    unembeddings = (
        "unembeddings that do not depend on the facts"
        if found.unembeddings == "fixed"
        else "any unembedding"
    )
    rows = "" if found.unembeddings == "fixed" else f", B_u = {found.costs.unembedding_bits:,}"
    return (
        f"{unembeddings}: separated first at N = {found.n_entities:,}: B_T ="
        f" {found.costs.internal_bits:,}, B_e = {found.costs.embedding_bits:,}{rows}; without"
        f" chain-of-thought B_T >= {down(found.bound, 3)}, {factor(found.factor)} times as much"
    )
