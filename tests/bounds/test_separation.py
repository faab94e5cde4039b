"""Where a chain of thought lies below every model without one."""

from dataclasses import replace

import pytest
from accounts import separated
from hypothesis import given, settings
from hypothesis import strategies as st

from bounds.plans import plans
from bounds.separation import smallest_separation
from bounds.sizes import predicted_for_bijections
from bounds.theorem_4_2 import (
    every_bound,
)
from constructions import CATALOGUE, InputError
from verify.cells.against_bounds import hold_against_bounds


@pytest.mark.parametrize(("r", "k"), [(2, 3), (3, 2), (4, 3), (8, 2)])
def test_the_smallest_separation_is_the_smallest(r, k):
    given = {"max_hops": k, "hops_per_token": 1}
    found = smallest_separation(r, k, given)
    times, costs = separated(found.n_entities, r, k, given)
    assert times == pytest.approx(found.factor)
    assert found.factor > 1
    assert found.costs == costs
    earlier = [*range(max(1, found.n_entities - 40), found.n_entities), *(2**e for e in range(40))]
    assert all(separated(n, r, k, given)[0] is None for n in earlier if n < found.n_entities)


@pytest.mark.parametrize(("r", "k"), [(16, 3), (8, 4)])
def test_separation_from_every_unembedding_is_the_smallest(r, k):
    given = {"max_hops": k, "hops_per_token": 1}
    found = smallest_separation(r, k, given, "every")
    assert found.n_entities > smallest_separation(r, k, given).n_entities

    def lies_below(n):
        costs = predicted_for_bijections(CATALOGUE["chain_of_thought"], n, r, k, given)
        bound = every_bound(n, r, k, costs.embedding_bits, costs.unembedding_bits)[
            "fact_aware_unembedding"
        ]
        return not isinstance(bound, str) and bound.bits > costs.internal_bits

    assert lies_below(found.n_entities)
    earlier = [*range(max(1, found.n_entities - 40), found.n_entities), *(2**e for e in range(40))]
    assert not any(lies_below(n) for n in earlier if n < found.n_entities)


def test_what_is_never_separated_is_said():
    with pytest.raises(InputError, match="nowhere separated for R = 1 and k = 2"):
        smallest_separation(1, 2)


@given(st.integers(2, 2**20), st.integers(1, 6), st.integers(2, 4))
@settings(max_examples=60, deadline=None)
def test_only_chains_of_thought_are_separated(n, r, k):
    for plan in plans(n, r, k):
        found = hold_against_bounds(plan.costs, n, r, k, bijective=True)
        assert found.separation is None or (
            plan.entry.name == "chain_of_thought" and plan.costs.written_tokens > 1
        )
        assert replace(found, bijective=False).separation is None
