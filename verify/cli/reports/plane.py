"""The capacity plane: bits of one embedding against internal bits, with all bounds and all
constructions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bounds.logarithms import round_down
from bounds.lower_bound import Bound, LowerBound
from bounds.plans import Plan, plans
from bounds.theorem_4_2 import LOWER_BOUNDS, information_limit
from constructions.entry import Construction
from verify.cells.against_bounds import BoundsFound, hold_against_bounds

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
        only: names of bounds and constructions that are shown; none for all.
    """

    n_entities: int
    n_relations: int
    hops: int
    limit: float
    curves: list[tuple[int, dict[str, Bound | str]]]
    points: list[tuple[Plan, BoundsFound]]
    own: Sequence[LowerBound] = ()
    only: Sequence[str] = ()

    @property
    def columns(self) -> dict[str, str]:
        """The titles of all bounds that are shown, by name."""
        every = COLUMNS | {bound.name: bound.name for bound in self.own}
        return {name: title for name, title in every.items() if not self.only or name in self.only}


def plane(
    n_entities: int,
    n_relations: int,
    hops: int,
    own: Sequence[Construction] = (),
    own_bounds: Sequence[LowerBound] = (),
    only: Sequence[str] = (),
) -> Plane:
    """Evaluate the bounds at the powers of two times log2 N up to beyond R^k log2 N, and all
    constructions; those of the user's as well. `only`: as of `Plane`.
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
        if not only or plan.entry.name in only
    ]
    return Plane(
        *sizes,
        round_down(information_limit(n_entities, n_relations).lower),
        curves(*sizes, 1, own_bounds, only),
        points,
        own_bounds,
        only,
    )


def curves(
    n_entities: int,
    n_relations: int,
    hops: int,
    steps: int,
    own: Sequence[LowerBound] = (),
    only: Sequence[str] = (),
) -> list[tuple[int, dict[str, Bound | str]]]:
    """The bounds, the user's as well, at B_e = 0 and at `2^(i / steps) log2 N`, rounded up."""
    sizes = (n_entities, n_relations, hops)
    shown = [bound for bound in (*LOWER_BOUNDS.values(), *own) if not only or bound.name in only]
    return [
        (bits, {bound.name: bound.at(*sizes, bits, bits) for bound in shown})
        for bits in embedding_bits(*sizes, steps)
    ]


def embedding_bits(n_entities: int, n_relations: int, hops: int, steps: int) -> list[int]:
    """The B_e at which bounds are shown: 0 and `2^(i / steps) log2 N`, rounded up."""
    unit = max(1, (n_entities - 1).bit_length())
    doublings = min(64, math.ceil(hops * math.log2(n_relations))) + 1
    return sorted({0, *(math.ceil(unit * 2 ** (i / steps)) for i in range(doublings * steps + 1))})


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
