"""Sweeps: formulas and bounds over many sizes, a row for each size and construction or bound.

    from pandas import DataFrame
    from verify.cli.reports.sweeps import plan_rows

    table = DataFrame(plan_rows(N=[2**i for i in range(10, 21)], R=[4, 16], k=[1, 2, 3]))

The command line writes the same rows: `python -m verify plan -N 2^10:2^20 -R 4,16 -k 1:3 --csv
plans.csv`. docs/sweeps.md has the columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import get_args

from bounds.lower_bound import LowerBound
from bounds.plans import Budget, Plan, fitting, plans, require_listable
from bounds.separation import Unembeddings, smallest_separation
from constructions.catalogue import CATALOGUE
from constructions.entry import Construction
from constructions.guards.errors import InputError
from verify.cells.sizes import Size, Sizes, grid
from verify.cli.reports.plane import COLUMNS, Plane, plane

Fitted = list[tuple[Plan, list[str]]]
MOST_PLANS, MOST_PLANES, MOST_SEPARATIONS = 10_000, 1000, 1000
"""Sizes that one sweep takes."""


@dataclass(frozen=True)
class PlanRow:
    """A construction at a size, for bijections, with settled options; exact integers.

    Attributes:
        N, R, k: entities, relations, hops.
        construction: its name.
        options: as `q=2 ...`, by symbol; empty if it has none.
        d_model, d_mlp, n_layers, n_heads: the sizes of the model.
        parameters: its numbers, embedding and unembedding included.
        internal_bits, embedding_bits, unembedding_bits: B_T, B_e and B_u in dense bits.
        internal_fact_bits, embedding_fact_bits, unembedding_fact_bits: the same in bits of facts.
        written_tokens: how many tokens are written until the answer stands.
        total_bits: dense bits of all tensors.
        bits_a_fact: total_bits / (N R).
        exceeds: which limits of the budget it breaks; empty if it fits.
    """

    N: int
    R: int
    k: int
    construction: str
    options: str
    d_model: int
    d_mlp: int
    n_layers: int
    n_heads: int
    parameters: int
    internal_bits: int
    embedding_bits: int
    unembedding_bits: int
    internal_fact_bits: int
    embedding_fact_bits: int
    unembedding_fact_bits: int
    written_tokens: int
    total_bits: int
    bits_a_fact: float
    exceeds: str

    @classmethod
    def of(cls, size: Size, plan: Plan, exceeded: Sequence[str] = ()) -> PlanRow:
        """The row of a plan at a size."""
        n, r, k = size
        options = plan.label.removeprefix(plan.entry.name).strip()
        return cls(
            N=n,
            R=r,
            k=k,
            construction=plan.entry.name,
            options=options,
            **asdict(plan.costs),
            total_bits=plan.total_bits,
            bits_a_fact=plan.total_bits / (n * r),
            exceeds=", ".join(exceeded),
        )


@dataclass(frozen=True)
class BoundRow:
    """A bound at a size and a B_e, or a construction at a size beside the bounds.

    Attributes:
        N, R, k: entities, relations, hops.
        kind: `bound` or `construction`.
        name: of either.
        options: of a construction, as in `PlanRow`.
        embedding_bits, unembedding_bits: B_e and B_u: those at which the bound is evaluated, or
            those of the construction.
        internal_bits: B_T: the least that the bound leaves, rounded down, or the construction's.
        total_bits: of a construction, dense bits of all tensors.
        beside: of a construction, the largest bound that applies to it, at its own bits.
        beside_bits: what that says; negative says nothing.
        ratio: internal_bits / beside_bits, where that is positive.
        M, Q, i, j: of a bound, the numbers at which it is attained.
        why: of a bound that does not exist there, the condition; of a construction that no bound
            applies to, the reason.
    """

    N: int
    R: int
    k: int
    kind: str
    name: str
    options: str
    embedding_bits: int
    unembedding_bits: int
    internal_bits: float | int | None
    total_bits: int | None = None
    beside: str = ""
    beside_bits: float | None = None
    ratio: float | None = None
    M: int | None = None
    Q: int | None = None
    i: int | None = None
    j: int | None = None
    why: str = ""


@dataclass(frozen=True)
class SeparationRow:
    """Where a chain of thought first has fewer bits inside than every model without.

    Attributes:
        R, k: relations, hops.
        construction: that writes tokens.
        unembeddings: of the models without: `fixed` or `every`.
        N: the fewest entities; None where there is none up to 2^40.
        internal_bits, embedding_bits, unembedding_bits: of the construction there.
        bound_bits: what models without need inside.
        factor: how many times as much.
        why: where N is None.
    """

    R: int
    k: int
    construction: str
    unembeddings: str
    N: int | None = None
    internal_bits: int | None = None
    embedding_bits: int | None = None
    unembedding_bits: int | None = None
    bound_bits: float | None = None
    factor: float | None = None
    why: str = ""


def plan_rows(
    N: Sizes,
    R: Sizes,
    k: Sizes = 1,
    budget: Budget | None = None,
    every: bool = False,
    only: Sequence[str] = (),
    own: Sequence[Construction] = (),
) -> list[PlanRow]:
    """What every construction costs at every size, those of fewest bits first at each.

    Args:
        N, R, k: a number or several of each.
        budget: what may be spent; see `PlanRow.exceeds`.
        every: a row for every choice of options; else for the one with the fewest bits that fits,
            or the one with the fewest bits.
        only: names of constructions; by default all of those that answer so many hops.
        own: constructions of the user's.

    Raises:
        InputError: a size out of range, too many sizes, an unknown name, or see
            `bounds.plans.plans`.
        UserCodeError: formulas of the user's have raised an error.
    """
    return rows_of_plans(fitted(N, R, k, budget, every, only, own))


def fitted(
    N: Sizes,
    R: Sizes,
    k: Sizes = 1,
    budget: Budget | None = None,
    every: bool = False,
    only: Sequence[str] = (),
    own: Sequence[Construction] = (),
) -> Iterator[tuple[Size, Fitted]]:
    """At every size the plans with the limits of the budget that each breaks; arguments and errors
    as of `plan_rows`.
    """
    sizes = grid(N, R, k, MOST_PLANS)
    _require_known(only, [*CATALOGUE, *(entry.name for entry in own)])
    for _, relations, hops in sizes:
        require_listable(relations, hops)

    def at(size: Size) -> Fitted:
        """One size."""
        chosen = (one for one in plans(*size, own) if not only or one.entry.name in only)
        return list(fitting(chosen, budget or Budget(), every))

    return ((size, at(size)) for size in sizes)


def rows_of_plans(found: Iterable[tuple[Size, Fitted]]) -> list[PlanRow]:
    """The rows of plans at many sizes."""
    return [PlanRow.of(size, *one) for size, some in found for one in some]


def bound_rows(
    N: Sizes,
    R: Sizes,
    k: Sizes = 1,
    only: Sequence[str] = (),
    own: Sequence[Construction] = (),
    own_bounds: Sequence[LowerBound] = (),
) -> list[BoundRow]:
    """All bounds and constructions at every size, as `python -m verify bound` prints them.

    Args:
        N, R, k: a number or several of each.
        only: names of bounds and constructions; by default all.
        own, own_bounds: constructions and bounds of the user's.

    Raises: as `plan_rows`.
    """
    return [row for shown in planes(N, R, k, only, own, own_bounds) for row in rows_of(shown)]


def planes(
    N: Sizes,
    R: Sizes,
    k: Sizes = 1,
    only: Sequence[str] = (),
    own: Sequence[Construction] = (),
    own_bounds: Sequence[LowerBound] = (),
) -> Iterator[Plane]:
    """The capacity plane at every size; arguments and errors as of `bound_rows`."""
    sizes = grid(N, R, k, MOST_PLANES)
    named = [entry.name for entry in own] + [bound.name for bound in own_bounds]
    _require_known(only, [*COLUMNS, *CATALOGUE, *named])
    for _, relations, hops in sizes:
        require_listable(relations, hops)
    return (plane(*size, own, own_bounds, only) for size in sizes)


def rows_of(shown: Plane) -> Iterator[BoundRow]:
    """The rows of one plane: the bounds by B_e, then the constructions."""
    n, r, k = shown.n_entities, shown.n_relations, shown.hops
    for bits, found in shown.curves:
        for name, bound in found.items():
            if isinstance(bound, str):
                yield BoundRow(n, r, k, "bound", name, "", bits, bits, None, why=bound)
                continue
            yield BoundRow(
                *(n, r, k, "bound", name, "", bits, bits, bound.bits),
                M=bound.M,
                Q=bound.Q,
                i=bound.i,
                j=bound.j,
            )
    for plan, against in shown.points:
        costs = plan.costs
        best = max(
            (one for one in against.checks if one.applies and one.bits is not None),
            key=lambda one: one.bits or 0,
            default=None,
        )
        why = "; ".join(dict.fromkeys(one.why for one in against.checks if not one.applies))
        yield BoundRow(
            *(n, r, k, "construction", plan.entry.name),
            options=plan.label.removeprefix(plan.entry.name).strip(),
            embedding_bits=costs.embedding_bits,
            unembedding_bits=costs.unembedding_bits,
            internal_bits=costs.internal_bits,
            total_bits=plan.total_bits,
            beside="" if best is None else best.name,
            beside_bits=None if best is None else best.bits,
            ratio=None if best is None else best.ratio,
            why=why if best is None else "",
        )


def separation_rows(
    R: Sizes, k: Sizes, entry: Construction, given: Mapping[str, int] | None = None
) -> list[SeparationRow]:
    """The first separation for all R and k, from models with fixed and with all unembeddings.

    Args:
        R, k: a number or several of each.
        entry: the construction that writes tokens.
        given: its options by name; the longest path is k where it is not given.

    Raises:
        InputError: a size out of range, or too many sizes.
    """
    sizes = grid(1, R, k, MOST_SEPARATIONS)
    longest = entry.longest_path
    found = []
    for _, relations, hops in sizes:
        require_listable(relations, hops)
    for _, relations, hops in sizes:
        options = ({} if longest is None else {longest.name: hops}) | dict(given or {})
        for which in get_args(Unembeddings):
            start = (relations, hops, entry.name, which)
            try:
                one = smallest_separation(relations, hops, options, which, entry)
            except InputError as error:
                found.append(SeparationRow(*start, why=str(error)))
                continue
            row = SeparationRow(
                *start,
                N=one.n_entities,
                internal_bits=one.costs.internal_bits,
                embedding_bits=one.costs.embedding_bits,
                unembedding_bits=one.costs.unembedding_bits,
                bound_bits=one.bound,
                factor=one.factor,
            )
            found.append(row)
    return found


def _require_known(names: Sequence[str], known: Sequence[str]) -> None:
    """Raise InputError if one of the names is none."""
    for name in names:
        if name not in known:
            raise InputError(f"nothing is named {name!r}; there are {', '.join(known)}")
