"""Chain-of-thought against Theorem 4.2: where a model that writes intermediate entities is smaller
than any that does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from bounds.lower_bound import LARGEST_SIZE
from bounds.sizes import Costs, predicted_for_bijections
from bounds.theorem_4_2 import fact_aware_unembedding_bound, shared_leaves_bound
from constructions.catalogue import writing_tokens
from constructions.entry import Construction
from constructions.guards.errors import InputError
from constructions.guards.integers import takes_integers

Unembeddings = Literal["fixed", "every"]


@dataclass(frozen=True)
class Separation:
    """An instance that no model without chain-of-thought solves with as few bits: inside, and in
    each embedding.

    Attributes:
        unembeddings: of the models without: `fixed`, those that do not depend on the facts; or
            `every`, then with rows of the unembedding as small as this model's as well.
        n_entities, n_relations, hops: the instance.
        costs: of the model with chain-of-thought, dense bits among them.
        bound: what those models need inside, and it is more than `costs.internal_bits`.
    """

    unembeddings: Unembeddings
    n_entities: int
    n_relations: int
    hops: int
    costs: Costs
    bound: float

    @property
    def factor(self) -> float:
        """How many times more bits inside they need."""
        return self.bound / self.costs.internal_bits


@takes_integers
def smallest_separation(
    n_relations: int,
    hops: int,
    given: Mapping[str, int] | None = None,
    unembeddings: Unembeddings = "fixed",
    entry: Construction | None = None,
) -> Separation:
    """The separation with the fewest entities, from the formulas and `shared_leaves_bound` or
    `fact_aware_unembedding_bound`.

    The model's bits depend on N by the number m of bits of an answer alone, and for given bits
    both bounds do not fall as N grows. So for each m the models are separated from some N on: m is
    tried upwards, at the largest N that has it, then N by bisection.

    Args:
        n_relations, hops: of the instance.
        given: options of the construction.
        unembeddings: see `Separation`.
        entry: the construction that writes tokens; by default the first of the catalogue.

    Raises:
        InputError: no instance up to N = 2^40 is separated.

    Example:
        >>> smallest_separation(4, 3).n_entities
        809
    """

    chain = entry or writing_tokens()[0]

    def separation(n_entities: int) -> Separation | None:
        """The separation at this number of entities, or None."""
        costs = predicted_for_bijections(chain, n_entities, n_relations, hops, given)
        sizes = (n_entities, n_relations, hops, costs.embedding_bits)
        try:
            if unembeddings == "fixed":
                bound = shared_leaves_bound(*sizes)
            else:
                bound = fact_aware_unembedding_bound(*sizes, costs.unembedding_bits)
        except InputError:  # too few entities for a tree
            return None
        if not bound.bits > costs.internal_bits:
            return None
        return Separation(unembeddings, n_entities, n_relations, hops, costs, bound.bits)

    for bits in range(LARGEST_SIZE.bit_length()):
        found = separation(2**bits)
        low, high = 2**bits // 2 + 1, 2**bits
        while found is not None and low < high:
            middle = (low + high) // 2
            smaller = separation(middle)
            if smaller is None:
                low = middle + 1
            else:
                high, found = middle, smaller
        if found is not None:
            return found
    which = "fixed unembeddings" if unembeddings == "fixed" else "every unembedding"
    raise InputError(
        f"{chain.name} is nowhere separated for R = {n_relations:,} and k = {hops} up to N ="
        f" 2^40 entities: the bound for {which} at its own bits stays below its internal bits"
    )
