"""Quantised capacity: recall against bits, and the bound that no point may lie below.

    curve = recall_by_bits(model, facts)
    assert not curve.below()
    print(table(curve))  # of verify.cli.reports.recall_by_bits; beside it is a picture

All bits count: the entries of all tensors, embedding and unembedding among them, the grid of each
tensor, and 5 bits for b. They are held against `bounds.imperfect.recall_bound`: what all tensors
together need of a model that answers all but so many queries of one hop, for bijections that are
drawn after the format (the sizes, and how bits become weights) was fixed. A point that lies below
it by c bits has a probability of at most 2^-c: it is an error in a count.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from torch import nn

from bounds.imperfect import recall_bound
from bounds.plans import Plan, plans
from constructions.facts.answers import MISSING
from constructions.facts.table import FactTable
from constructions.guards.errors import InputError
from constructions.guards.integers import require_integer_fields, whole
from constructions.guards.wording import joined
from verify.learned.quantised import MOST_BITS, quantise

SHARES = (Fraction(99, 100), Fraction(1))
"""Of the queries: recalls for which the least bits are said."""
TUNING_STEPS = 300
NO_BOUND = "no bound is known: the facts are no bijections, and nobody says how they were drawn"


@dataclass(frozen=True)
class Drawn:
    """How the facts were drawn: rows of random bijections of so many places each.

    N and R for `FactTable.random_bijections`; for `random_worlds` the size of a world, and the
    worlds times R.

    Raises:
        InputError: a number is no positive integer.
    """

    size: int
    rows: int

    def __post_init__(self) -> None:
        require_integer_fields(self)
        for name in ("size", "rows"):
            whole(name, getattr(self, name), 1)

    @property
    def n_queries(self) -> int:
        """One for each place."""
        return self.size * self.rows

    def needed(self, wrong: int) -> float:
        """The least bits of all tensors together, if so many answers are wrong."""
        return recall_bound(self.size, self.rows, wrong).bits

    def require(self, facts: FactTable) -> None:
        """Raise InputError unless a table may have been drawn so: of each relation, the subjects
        with a fact are worlds of `size`, in their order, each with as many different answers.
        Whether chance has drawn them no table can say.
        """
        if self.n_queries != facts.n_stored_queries(1):
            raise InputError(
                f"{self.rows:,} rows of {self.size:,} facts are {self.n_queries:,}; the table has"
                f" {facts.n_stored_queries(1):,}"
            )
        for relation, answers in enumerate(facts.answers):
            there = answers[answers != MISSING]
            name = facts.relation_name(relation)
            if len(there) % self.size:
                raise InputError(
                    f"worlds of {self.size:,} subjects are said to be drawn; {name} has"
                    f" {len(there):,} facts, which are no such worlds"
                )
            different = (np.diff(np.sort(there.reshape(-1, self.size), axis=1)) > 0).sum(1) + 1
            if (different < self.size).any():
                world = int((different < self.size).argmax())
                raise InputError(
                    f"bijections onto {self.size:,} answers are said to be drawn; {name} has"
                    f" {different[world]:,} different ones for the {self.size:,} subjects of world"
                    f" {world}: for a table that is none of bijections no bound is known here,"
                    " leave `drawn` out"
                )


@dataclass(frozen=True)
class Point:
    """A model in b bits.

    Attributes:
        bits: b.
        right: how many queries it answers right.
        total_bits: all that names it.
        tuned: whether it was fine-tuned on its grid.
    """

    bits: int
    right: int
    total_bits: int
    tuned: bool = False


@dataclass(frozen=True)
class RecallByBits:
    """Recall against bits of one model.

    Attributes:
        n_queries: how many facts are asked for.
        points: by rising b, without and with fine-tuning.
        drawn: how its facts were drawn; None where nobody says so, and no bound is known.
        cheapest: the construction with the fewest bits that fits such bijections; None where none
            is compared.
    """

    n_queries: int
    points: tuple[Point, ...]
    drawn: Drawn | None = None
    cheapest: Plan | None = None

    def below(self) -> list[Point]:
        """The points that lie below the bound; there must be none, and are none without one."""
        return [one for one in self.points if one.total_bits < (self.needed(one) or 0)]

    def needed(self, point: Point) -> float | None:
        """The bound at a point's recall; None where none is known."""
        return None if self.drawn is None else self.drawn.needed(self.n_queries - point.right)

    def least(self, share: Fraction, tuned: bool = False) -> Point | None:
        """The point with the fewest bits a tensor that answers such a share right."""
        enough = [
            one
            for one in self.points
            if one.tuned == tuned and one.right >= share * self.n_queries
        ]
        return min(enough, key=lambda one: one.bits, default=None)

    def __str__(self) -> str:
        """A line for what is needed, one for each way to round, one for the bound; all points
        stand in `verify.cli.reports.recall_by_bits.table`.
        """
        bits = sorted({one.bits for one in self.points})
        lines = [f"recall of {self.n_queries:,} facts at b = {', '.join(map(str, bits))}"]
        for tuned in sorted({one.tuned for one in self.points}):
            least = self.least(Fraction(1), tuned)
            said = "no b of these is enough"
            if least is not None:
                each = least.total_bits / self.n_queries
                said = f"all from b = {least.bits} on, {each:.2f} bits a fact"
            lines.append(f"{'fine-tuned' if tuned else 'rounded'}: {said}")
        if self.drawn is None:
            return joined([*lines, NO_BOUND])
        limit = self.drawn.needed(0) / self.n_queries
        below = f"{len(self.below())} of {len(self.points)} points lie below the bound"
        return joined([*lines, f"information limit: {limit:.2f} bits a fact; {below}"])


def recall_by_bits(
    model: nn.Module,
    facts: FactTable,
    *,
    bits: Iterable[int] = range(1, MOST_BITS + 1),
    drawn: Drawn | None = None,
    tensor_by_tensor: bool = True,
    tuning_steps: int = TUNING_STEPS,
) -> RecallByBits:
    """Round a model to b bits a tensor for several b, without and with fine-tuning.

    Args:
        model: any that gives logits for the tokens of `facts.dataset()`: trained or built.
        facts: what it answers.
        bits: the b.
        drawn: how the facts were drawn; by default as N entities and R relations if they are
            bijections of the entities. Else there is no bound and no information limit.
        tensor_by_tensor: see `verify.learned.quantised.quantise`.
        tuning_steps: of fine-tuning where not all is recalled; 0 for none.

    Raises:
        InputError: the facts cannot have been drawn so; the model has other sizes than the table;
            b is no integer from 1 to 16.
    """
    n, r, queries = facts.n_entities, facts.n_relations, facts.n_stored_queries(1)
    if drawn is not None:
        drawn.require(facts)
    elif facts.is_bijective:
        drawn = Drawn(n, r)
    points = []
    for one in sorted({whole("bits", b, 1, MOST_BITS) for b in bits}):
        found = quantise(model, facts, one, tensor_by_tensor=tensor_by_tensor)
        points.append(Point(one, found.score.right, found.total_bits))
        if tuning_steps and found.score.right < queries:
            found = found.tuned(facts, tuning_steps)
        if tuning_steps:
            points.append(Point(one, found.score.right, found.total_bits, tuned=True))
    cheapest = None
    if facts.is_bijective:
        cheapest = min(plans(n, r, 1), key=lambda plan: plan.total_bits)
    return RecallByBits(queries, tuple(points), drawn, cheapest)
