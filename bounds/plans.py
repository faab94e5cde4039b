"""What every construction would cost at a size, with every choice of its options: from the
formulas alone, at any size.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bounds.sizes import Costs, predicted_for_bijections
from constructions.catalogue import CATALOGUE
from constructions.entry import Construction
from constructions.guards.errors import InputError
from constructions.guards.integers import takes_integers
from constructions.guards.wording import shortened

MOST_RELATIONS, MOST_HOPS = 1000, 64


@dataclass(frozen=True)
class Plan:
    """A construction with settled options, and its costs for bijections.

    Attributes:
        entry: in the catalogue.
        options: by name.
        costs: in entries and bits.
        total_bits: dense bits of all tensors, embedding and unembedding included.
    """

    entry: Construction
    options: Mapping[str, int]
    costs: Costs
    total_bits: int

    @property
    def label(self) -> str:
        """The name, and the options by their symbols."""
        symbols = {option.name: option.symbol for option in self.entry.options}
        return " ".join(
            [
                self.entry.name,
                *(f"{symbols[name]}={value}" for name, value in self.options.items()),
            ]
        )


@dataclass(frozen=True)
class Budget:
    """The most that may be spent; None is no limit."""

    d_model: int | None = None
    total_bits: int | None = None
    depth: int | None = None
    written_tokens: int | None = None

    def exceeded_by(self, plan: Plan) -> list[str]:
        """Every limit that the plan breaks, both sides named."""
        costs = plan.costs
        spent = (
            ("d_model", costs.d_model, self.d_model),
            ("bits", plan.total_bits, self.total_bits),
            ("depth", costs.n_layers, self.depth),
            ("written tokens", costs.written_tokens, self.written_tokens),
        )
        return [
            f"{name} {shortened(have)} > {shortened(most)}"
            for name, have, most in spent
            if most is not None and have > most
        ]


@takes_integers
def require_listable(n_relations: int, hops: int) -> None:
    """Raise InputError where there would be more choices, or longer numbers, than anyone wants to
    see.
    """
    if n_relations > MOST_RELATIONS or hops > MOST_HOPS:
        raise InputError(
            f"constructions are compared for up to {MOST_RELATIONS:,} relations and {MOST_HOPS}"
            f" hops; got {n_relations:,} and {hops:,}"
        )


@takes_integers
def plans(
    n_entities: int, n_relations: int, hops: int, own: Sequence[Construction] = ()
) -> Iterator[Plan]:
    """Every construction that answers paths of that length, with every choice of its options.

    Args:
        n_entities, n_relations, hops: N, R, k.
        own: constructions of the user's, beside those of the catalogue.

    Raises:
        InputError: see `require_listable`; or a user's construction has no size formulas.
        UserCodeError: its formulas have raised an error.

    Example:
        >>> next(plans(4096, 4, 1)).entry.name
        'selector'
    """
    require_listable(n_relations, hops)
    for entry in (*CATALOGUE.values(), *own):
        if hops > 1 and not entry.multi_hop:
            continue
        names = [option.name for option in entry.options]
        for values in itertools.product(
            *(option.choices(n_relations, hops) for option in entry.options)
        ):
            given = dict(zip(names, values, strict=True))
            costs = predicted_for_bijections(entry, n_entities, n_relations, hops, given)
            n_tokens = n_entities + n_relations + entry.n_specials
            total = costs.internal_bits + n_tokens * (
                costs.embedding_bits + costs.unembedding_bits
            )
            yield Plan(entry, given, costs, total)


def fitting(
    all_plans: Iterable[Plan], budget: Budget, every: bool = False
) -> Iterator[tuple[Plan, list[str]]]:
    """Plans with the limits that each breaks, those with the fewest bits first: what fits, then
    what does not.

    Args:
        all_plans: of one size.
        budget: what may be spent.
        every: every choice of options that fits; else the first of each construction. Of one that
            does not fit with any choice, the choice with the fewest bits alone.
    """
    named: set[str] = set()
    refused: dict[str, tuple[Plan, list[str]]] = {}
    for plan in sorted(all_plans, key=lambda plan: plan.total_bits):
        exceeded, name = budget.exceeded_by(plan), plan.entry.name
        if exceeded:
            refused.setdefault(name, (plan, exceeded))
            continue
        if every or name not in named:
            yield plan, []
        named.add(name)
    yield from (one for name, one in refused.items() if name not in named)
