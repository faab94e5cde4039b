"""The capacity plane: bits of one embedding against internal bits, with all bounds and all
constructions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bounds.logarithms import round_down
from bounds.lower_bound import Bound, LowerBound
from bounds.plans import Plan, plans
from bounds.theorem_4_2 import every_bound, information_limit
from constructions.entry import Construction
from constructions.guards.wording import shortened
from verify.cli.output import joined
from verify.cli.reports.columns import columns
from verify.cli.reports.rounding import down
from verify.runner.against_bounds import BoundsFound, hold_against_bounds

_SOURCES = (
    "global and disjoint trees are the paper's, the others ours: docs/theorems/theorem_4_2.md"
)
COLUMNS = {
    "global": "global",
    "sharpened_global": "sharpened global",
    "disjoint_trees": "disjoint trees",
    "shared_leaves": "shared leaves",
    "fact_aware_unembedding": "fact-aware unembedding",
}


@dataclass(frozen=True)
class Plane:
    """Everything that is drawn, for N entities, R relations and k hops.

    Attributes:
        n_entities, n_relations, hops: N, R, k.
        limit: `log2 (N!)^R`, rounded down.
        curves: (B_e, all bounds there); the bound for fact-aware unembeddings with B_u = B_e.
        points: every construction with every choice of options, and the bounds beside it.
        own: the user's bounds, which are evaluated as well.
    """

    n_entities: int
    n_relations: int
    hops: int
    limit: float
    curves: list[tuple[int, dict[str, Bound | str]]]
    points: list[tuple[Plan, BoundsFound]]
    own: Sequence[LowerBound] = ()

    @property
    def columns(self) -> dict[str, str]:
        """The titles of all bounds, by name."""
        return COLUMNS | {bound.name: bound.name for bound in self.own}


def plane(
    n_entities: int,
    n_relations: int,
    hops: int,
    own: Sequence[Construction] = (),
    own_bounds: Sequence[LowerBound] = (),
) -> Plane:
    """Evaluate the bounds at the powers of two times log2 N up to beyond R^k log2 N, and all
    constructions; those of the user's as well.
    """
    sizes = (n_entities, n_relations, hops)
    # A construction that does not take bijections stands in the table as well, without bounds.
    points = [
        (
            plan,
            hold_against_bounds(
                plan.costs, *sizes, plan.entry.takes_bijections, own_bounds, not plan.entry.needs
            ),
        )
        for plan in plans(*sizes, own)
    ]
    return Plane(
        *sizes,
        round_down(information_limit(n_entities, n_relations).lower),
        curves(*sizes, 1, own_bounds),
        points,
        own_bounds,
    )


def curves(
    n_entities: int, n_relations: int, hops: int, steps: int, own: Sequence[LowerBound] = ()
) -> list[tuple[int, dict[str, Bound | str]]]:
    """The bounds, the user's as well, at B_e = 0 and at `2^(i / steps) log2 N`, rounded up."""
    unit = max(1, (n_entities - 1).bit_length())
    doublings = min(64, math.ceil(hops * math.log2(n_relations))) + 1
    at = sorted({0, *(math.ceil(unit * 2 ** (i / steps)) for i in range(doublings * steps + 1))})
    sizes = (n_entities, n_relations, hops)
    return [(bits, _bounds(sizes, bits, bits, own)) for bits in at]


def _bounds(
    size: tuple[int, int, int],
    embedding_bits: int,
    unembedding_bits: int,
    own: Sequence[LowerBound],
) -> dict[str, Bound | str]:
    """All bounds by name, the user's as well."""
    at = (*size, embedding_bits, unembedding_bits)
    return every_bound(*at) | {bound.name: bound.at(*at) for bound in own}


def tables(shown: Plane) -> str:
    """The plane as text: the bounds by B_e, then the constructions with the bounds at their own
    B_e.
    """
    sizes = f"N = {shown.n_entities:,}, R = {shown.n_relations:,}, k = {shown.hops:,}"
    parts = [
        f"{sizes}: the facts are {down(shown.limit, 2)} bits (log2 N!^R)",
        "",
        (
            "B_T, the internal bits, of every model without chain-of-thought, at least, by B_e,"
            " the bits of one embedding"
        ),
        (
            "(fact-aware unembedding: for every unembedding, with B_u = B_e; the others for"
            " unembeddings that do not depend on the facts;"
        ),
        f"{_SOURCES})",
        *map(_in_words, shown.own),
        *_bounds_table(shown.curves, shown.columns),
        "",
        (
            "the constructions, and the largest bound that applies at their own B_e: in dense"
            " bits, then in bits of facts"
        ),
        *_points_table(shown),
    ]
    return joined(parts)


def bounds_at(
    n_entities: int,
    n_relations: int,
    hops: int,
    embedding_bits: int,
    unembedding_bits: int,
    own: Sequence[LowerBound] = (),
) -> str:
    """All bounds at one B_e and B_u, the user's as well, each with the numbers that attain it, or
    the condition that cannot be met.
    """
    sizes = (n_entities, n_relations, hops)
    found = every_bound(*sizes, embedding_bits, unembedding_bits)
    lines = [
        (
            f"N = {n_entities:,}, R = {n_relations:,}, k = {hops:,}, B_e = {embedding_bits:,}, B_u"
            f" = {unembedding_bits:,}: without chain-of-thought B_T, the internal bits, is at"
            " least"
        ),
        "with an unembedding that does not depend on the facts",
    ]
    width = max(map(len, COLUMNS.values())) + 2
    for name, bound in found.items():
        reported = bound if isinstance(bound, str) else f"{down(bound.bits)}{_where(bound)}"
        if name == "fact_aware_unembedding":
            lines.append("with any unembedding")
        lines.append(f"  {COLUMNS[name]:<{width}}{reported}")
    for mine in own:
        at = mine.at(*sizes, embedding_bits, unembedding_bits)
        lines.append(f"{_in_words(mine)}: {at if isinstance(at, str) else down(at.bits)}")
    return joined([*lines, f"rounded down; {_SOURCES}"])


def _in_words(bound: LowerBound) -> str:
    """A bound of the user's, with its hypotheses."""
    claim = f" ({bound.claim})" if bound.claim else ""
    unembedding = "fixed unembeddings" if bound.unembedding == "fixed" else "any unembedding"
    writing = ", with and without chain-of-thought" if bound.writing else ""
    return (
        f"{bound.name}{claim}, your own: of models that answer all {bound.facts}, with"
        f" {unembedding}{writing}"
    )


def as_json(shown: Plane) -> dict[str, Any]:
    """The plane as plain data."""
    return {
        "N": shown.n_entities,
        "R": shown.n_relations,
        "k": shown.hops,
        "information_limit": shown.limit,
        "curves": [
            {
                "embedding_bits": bits,
                "bounds": [
                    {"name": n, "why": b} if isinstance(b, str) else asdict(b)
                    for n, b in found.items()
                ],
            }
            for bits, found in shown.curves
        ],
        "constructions": [
            {
                "construction": plan.entry.name,
                "options": dict(plan.options),
                **asdict(plan.costs),
                "total_bits": plan.total_bits,
                "bounds": [asdict(check) for check in found.checks],
            }
            for plan, found in shown.points
        ],
    }


def _bounds_table(
    at: list[tuple[int, dict[str, Bound | str]]], titles: Mapping[str, str]
) -> list[str]:
    """The bounds by B_e, a line for each, and why a bound does not exist."""
    rows = [["B_e", *titles.values()]]
    for bits, found in at:
        cells = [found[name] for name in titles]
        rows.append(
            [
                shortened(bits),
                *("-" if isinstance(cell, str) else _positive(cell.bits) for cell in cells),
            ]
        )
        if set(rows[-1][1:]) <= {"-", "negative"}:  # and so it stays for more bits of embedding
            break
    notes = {
        name: cell for _, found in at for name, cell in found.items() if isinstance(cell, str)
    }
    return [*columns(rows), *(f"{titles[name]}: {why}" for name, why in notes.items())]


def _points_table(shown: Plane) -> list[str]:
    """The constructions, a line for each, with the largest bound beside each."""
    rows = [
        [
            "construction",
            "B_e",
            "B_u",
            "B_T",
            "bound",
            "ratio",
            "facts: B_e",
            "B_T",
            "bound",
            "ratio",
            "all/limit",
        ]
    ]
    for plan, against in shown.points:
        costs, checks = plan.costs, against.checks
        held = any(check.applies for check in checks)
        beside = [check for check in checks if check.applies] or (
            list(checks) if costs.written_tokens > 1 else []
        )
        dense = max((check.bits for check in beside if check.bits is not None), default=None)
        facts = max(
            (check.fact_bits for check in beside if check.fact_bits is not None), default=None
        )
        all_facts = costs.internal_fact_bits + shown.n_entities * (
            costs.embedding_fact_bits + costs.unembedding_fact_bits
        )
        rows.append(
            [
                plan.label,
                *map(
                    shortened, (costs.embedding_bits, costs.unembedding_bits, costs.internal_bits)
                ),
                *_against(dense, costs.internal_bits, held),
                *map(shortened, (costs.embedding_fact_bits, costs.internal_fact_bits)),
                *_against(facts, costs.internal_fact_bits, held),
                f"{all_facts / shown.limit:.3f}" if shown.limit else "-",
            ]
        )
    notes = [
        (
            "bound: the largest that applies; none: it is not positive; exempt: none applies;"
            " all/limit: facts / log2 N!^R"
        ),
        (
            "in parentheses: exempt, tokens are written before the answer; dense ratio below 1:"
            " separated, for fixed unembeddings"
        ),
    ]
    return [*columns(rows), *notes]


def _positive(bits: float) -> str:
    """A bound; below 0 it says nothing."""
    return down(bits, 1) if bits >= 0 else "negative"


def _against(bound: float | None, bits: int, held: bool) -> tuple[str, str]:
    """A bound and the ratio of a model's bits to it; in parentheses where it does not apply."""
    if bound is None:
        return "exempt", "-"
    if bound <= 0:
        return "none", "-"
    reported = down(bound, 1), f"{bits / bound:.3f}"
    return reported if held else (f"({reported[0]})", f"({reported[1]})")


def _where(bound: Bound) -> str:
    """The numbers at which a bound is attained."""
    values = (("M", bound.M), ("Q", bound.Q), ("i", bound.i), ("j", bound.j))
    reported = ", ".join(
        f"{name} = {shortened(value)}" for name, value in values if value is not None
    )
    return f"  at {reported}" if reported else ""
