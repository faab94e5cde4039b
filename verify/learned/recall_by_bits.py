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

from torch import nn

from bounds.imperfect import recall_bound
from bounds.plans import Plan, plans
from constructions.facts.table import FactTable
from constructions.guards.errors import InputError
from constructions.guards.integers import whole
from verify.learned.quantised import MOST_BITS, quantise

SHARES = (Fraction(99, 100), Fraction(1))
"""Of the queries: recalls for which the least bits are said."""
TUNING_STEPS = 300


@dataclass(frozen=True)
class Drawn:
    """How the facts were drawn: rows of random bijections of so many places each.

    N and R for `FactTable.random_bijections`; for `random_worlds` the size of a world, and the
    worlds times R.
    """

    size: int
    rows: int

    @property
    def n_queries(self) -> int:
        """One for each place."""
        return self.size * self.rows

    def needed(self, wrong: int) -> float:
        """The least bits of all tensors together, if so many answers are wrong."""
        return recall_bound(self.size, self.rows, wrong).bits


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
        drawn: how its facts were drawn.
        points: by rising b, without and with fine-tuning.
        cheapest: the construction with the fewest bits that fits such bijections; None where none
            is compared.
    """

    drawn: Drawn
    points: tuple[Point, ...]
    cheapest: Plan | None = None

    def below(self) -> list[Point]:
        """The points that lie below the bound; there must be none."""
        return [one for one in self.points if one.total_bits < self.needed(one)]

    def needed(self, point: Point) -> float:
        """The bound at a point's recall."""
        return self.drawn.needed(self.drawn.n_queries - point.right)

    def least(self, share: Fraction, tuned: bool = False) -> Point | None:
        """The point with the fewest bits a tensor that answers such a share right."""
        enough = [
            one
            for one in self.points
            if one.tuned == tuned and one.right >= share * self.drawn.n_queries
        ]
        return min(enough, key=lambda one: one.bits, default=None)


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
        drawn: how the facts were drawn; by default as N entities and R relations.
        tensor_by_tensor: see `verify.learned.quantised.quantise`.
        tuning_steps: of fine-tuning where not all is recalled; 0 for none.

    Raises:
        InputError: the facts are no bijections and nobody says how they were drawn, or another
            number of them; b is no integer from 1 to 16.
    """
    n, r = facts.n_entities, facts.n_relations
    if drawn is None and not facts.is_bijective:
        raise InputError(
            "the facts are no bijections of the entities: say how they were drawn, such as"
            " Drawn(size, worlds * relations)"
        )
    drawn = drawn or Drawn(n, r)
    if drawn.n_queries != facts.n_stored_queries(1):
        raise InputError(
            f"{drawn.rows:,} rows of {drawn.size:,} facts are {drawn.n_queries:,}; the table has"
            f" {facts.n_stored_queries(1):,}"
        )
    points = []
    for one in sorted({whole("bits", b, 1, MOST_BITS) for b in bits}):
        found = quantise(model, facts, one, tensor_by_tensor=tensor_by_tensor)
        points.append(Point(one, found.score.right, found.total_bits))
        if tuning_steps and found.score.right < drawn.n_queries:
            found = found.tuned(facts, tuning_steps)
        if tuning_steps:
            points.append(Point(one, found.score.right, found.total_bits, tuned=True))
    cheapest = None
    if facts.is_bijective:
        cheapest = min(plans(n, r, 1), key=lambda plan: plan.total_bits)
    return RecallByBits(drawn, tuple(points), cheapest)
