"""Chain-of-thought against Theorem 4.2: where a model that writes intermediate entities is smaller than any that does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bounds.no_cot import LARGEST_SIZE, shared_leaves_bound
from bounds.sizes import Costs, predicted_for_bijections
from constructions.catalogue import CATALOGUE
from constructions.errors import InputError


@dataclass(frozen=True)
class Separation:
    """An instance on which no transformer without chain-of-thought and with embeddings that small can do the job.

    Attributes:
        n_entities, n_relations, hops: the instance.
        internal_bits, embedding_bits: dense B_T and B_e of the model with chain-of-thought.
        bound: what every model without needs at that B_e, and it is more than `internal_bits`.
    """

    n_entities: int
    n_relations: int
    hops: int
    internal_bits: int
    embedding_bits: int
    bound: float

    @property
    def factor(self) -> float:
        """How many times more bits a model without chain-of-thought needs."""
        return self.bound / self.internal_bits


def smallest_separation(
    n_relations: int, hops: int, given: Mapping[str, int] | None = None, construction: str = "chain_of_thought"
) -> Separation:
    """The separation with the fewest entities, from the formulas and `shared_leaves_bound`.

    B_T and B_e depend on N by the number m of bits of an answer alone, and for given B_e the bound rises with N. So for each
    m the models are separated from some N on: m is tried upwards, at the largest N that has it, then N by bisection.

    Raises:
        InputError: no instance up to N = 2^40 is separated, or the bound or the construction does not exist there.
    """
    for bits in range(LARGEST_SIZE.bit_length()):
        if _separation(construction, 2**bits, n_relations, hops, given) is None:
            continue
        low, high = 2**bits // 2 + 1, 2**bits
        while low < high:
            middle = (low + high) // 2
            if _separation(construction, middle, n_relations, hops, given) is None:
                low = middle + 1
            else:
                high = middle
        found = _separation(construction, high, n_relations, hops, given)
        assert found is not None
        return found
    raise InputError(
        f"{construction} is nowhere separated for R = {n_relations:,} and k = {hops} up to N = 2^40 entities: "
        "at its embedding bits the bound for models without chain-of-thought stays below its internal bits"
    )


def _separation(
    construction: str, n_entities: int, n_relations: int, hops: int, given: Mapping[str, int] | None
) -> Separation | None:
    costs: Costs = predicted_for_bijections(CATALOGUE[construction], n_entities, n_relations, hops, given)
    try:
        bound = shared_leaves_bound(n_entities, n_relations, hops, costs.embedding_bits)
    except InputError:  # too few entities for a tree
        return None
    if not bound.bits > costs.internal_bits:
        return None
    return Separation(n_entities, n_relations, hops, costs.internal_bits, costs.embedding_bits, bound.bits)
