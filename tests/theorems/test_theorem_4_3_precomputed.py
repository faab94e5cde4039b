"""Theorem 4.3(2): sizes, and that no internal weight depends on the facts.

What holds of all constructions of many hops is in tests/test_many_hops.py.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from many_hops import FACTS, HOPS, install_changes_no_internal_weight

from constructions import FactTable, InputError, precomputed


def test_sizes_in_numbers():
    facts = FactTable.random_bijections(16, 3)
    assert precomputed(facts, 3).shape.d_model == 27 * 4 + 3 + 2
    assert [layer.d_mlp for layer in precomputed(facts, 3).shape.layers] == [(108,), (36,), (12,)]
    assert precomputed(facts, 3, layers=1).shape.d_model == 27 * 4 + 3 + 2


def test_one_hop_of_depth_1_and_of_depth_k_are_both_there():
    facts = FactTable.random_bijections(5, 2)
    assert precomputed(facts, 1).construction == "precomputed"
    assert precomputed(facts, 1, layers=1).construction == "precomputed_depth_1"


@given(n=st.integers(1, 9), r=st.integers(1, 3), hops=HOPS, seed=st.integers(0, 99))
def test_install_changes_no_internal_weight_for_any_two_fact_tuples(n, r, hops, seed):
    for layers in (None, 1):
        install_changes_no_internal_weight(
            lambda facts, layers=layers: precomputed(facts, hops, layers=layers), n, r, seed, hops
        )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: precomputed(FACTS, 3, layers=2),
            "layers must be 1 or the number of hops, 3; got 2",
        ),
    ],
)
def test_bad_arguments_get_their_message(make, message):
    with pytest.raises(InputError, match=message):
        make()
