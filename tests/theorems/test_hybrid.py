"""The hybrid: just the looked-up relations are held in internal weights.

What holds of all constructions of many hops is in tests/test_many_hops.py.
"""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from many_hops import FACTS, HOPS, install_changes_no_internal_weight, internal_weights_are_equal

from constructions import FactTable, InputError, hybrid


def test_a_hybrid_holds_just_the_looked_up_relations_in_internal_weights():
    facts = FactTable.random_bijections(8, 3, seed=0)
    changed = facts.answers.copy()
    changed[2] = np.roll(changed[2], 1)  # embedded where looked_up = 2
    internal_weights_are_equal(
        hybrid(facts, 2, looked_up=2), hybrid(FactTable(changed), 2, looked_up=2)
    )
    with pytest.raises(AssertionError):
        internal_weights_are_equal(
            hybrid(facts, 2, looked_up=3), hybrid(FactTable(changed), 2, looked_up=3)
        )


@given(n=st.integers(1, 9), r=st.integers(1, 3), hops=HOPS, seed=st.integers(0, 99))
def test_install_changes_no_internal_weight_where_no_relation_is_looked_up(n, r, hops, seed):
    install_changes_no_internal_weight(
        lambda facts: hybrid(facts, hops, looked_up=0), n, r, seed, hops
    )


def test_a_refused_install_of_a_hybrid_changes_nothing():
    facts = FactTable.random_bijections(4, 2)
    model = hybrid(facts, 2, looked_up=0)
    before = model.embedding.weight.detach().clone()
    with pytest.raises(InputError, match="has no code"):
        model.install(FactTable([[3, 2, 1, 0], [0, 1, 2, -1]]))
    assert torch.equal(model.embedding.weight, before)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: hybrid(FACTS, 2, looked_up=3), "0 to the number of relations, 2; got 3"),
        (lambda: hybrid(FACTS, 2, looked_up=-1), "got -1"),
    ],
)
def test_bad_arguments_get_their_message(make, message):
    with pytest.raises(InputError, match=message):
        make()
