"""Meet in the middle: sizes, that no internal weight depends on the facts, and that they must be
bijections.

What holds of all constructions of many hops is in tests/test_many_hops.py.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from many_hops import HOPS, install_changes_no_internal_weight

from constructions import FactTable, InputError, meet_in_the_middle


def test_sizes_in_numbers():
    facts = FactTable.random_bijections(16, 3)
    assert meet_in_the_middle(facts, 3).shape.d_model == (9 + 3) * 4 + 2 * 3 + 2


@given(n=st.integers(1, 9), r=st.integers(1, 3), hops=HOPS, seed=st.integers(0, 99))
def test_install_changes_no_internal_weight_for_any_two_fact_tuples(n, r, hops, seed):
    install_changes_no_internal_weight(
        lambda facts: meet_in_the_middle(facts, hops), n, r, seed, hops
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: meet_in_the_middle(FactTable([[1, 1]]), 2), "r0 leads from both e0 and e1 to e1"),
        (
            lambda: meet_in_the_middle(FactTable([[1, -1]]), 2),
            "r0 has no answer for e1; use precomputed",
        ),
    ],
)
def test_bad_arguments_get_their_message(make, message):
    with pytest.raises(InputError, match=message):
        make()
