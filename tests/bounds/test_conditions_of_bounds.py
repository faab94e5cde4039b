"""A bound whose condition cannot be met, or whose arguments are none, says so with both sides."""

import pytest

from bounds.theorem_4_2 import (
    LOWER_BOUNDS,
    disjoint_trees_bound,
    every_bound,
    fact_aware_unembedding_bound,
    global_bound,
    shared_leaves_bound,
)
from constructions import InputError


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: disjoint_trees_bound(20, 4, 2, 0), r"M I\(k\+1\) <= N.*R = 4 .* 21 > 20 = N"),
        (lambda: shared_leaves_bound(20, 4, 3, 0), r"M I\(k\) <= N.* 21 > 20 = N"),
        (lambda: shared_leaves_bound(20, 4, 2**40, 0), r"M I\(k\) <= N.*> 20 = N"),
        (
            lambda: fact_aware_unembedding_bound(3, 2, 4, 0, 0),
            r"M R\^i = Q R\^j.*R = 2, k = 4.*N = 3",
        ),
        (
            lambda: global_bound(0, 1, 1, 0),
            r"n_entities must be an integer from 1 to 1,099,511,627,776; got 0",
        ),
        (lambda: global_bound(2**40 + 1, 1, 1, 0), "n_entities must"),
        (lambda: global_bound(5, 1.5, 1, 0), "n_relations must be an integer .* got 1.5"),
        (lambda: global_bound(5, 1, 0, 0), "hops must"),
        (
            lambda: global_bound(5, 1, 1, -1),
            "embedding_bits must be an integer of at least 0; got -1",
        ),
        (lambda: fact_aware_unembedding_bound(5, 1, 1, 1, -1), "unembedding_bits must"),
        (
            lambda: global_bound(5, 1, 1, 1, facts="relations"),
            "'bijections' or 'functions'; got 'relations'",
        ),
    ],
)
def test_errors_name_the_violated_condition(call, message):
    with pytest.raises(InputError, match=message):
        call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: disjoint_trees_bound(20, 4, 2, 0),
            (
                "disjoint_trees_bound needs M I(k+1) <= N for some M >= 1; one tree of R = 4"
                " relations has 1 + R + ... + R^2 nodes, at least 21 > 20 = N"
            ),
        ),
        (
            lambda: shared_leaves_bound(1_400, 1_400, 2, 0),
            (
                "shared_leaves_bound needs M I(k) <= N for some M >= 1; one tree of R = 1,400"
                " relations has 1 + R + ... + R^1 nodes, at least 1,401 > 1,400 = N"
            ),
        ),
    ],
)
def test_a_tree_that_does_not_fit_is_reported_with_its_condition_and_both_sizes(call, message):
    with pytest.raises(InputError) as error:
        call()
    assert str(error.value) == message


@pytest.mark.parametrize(
    "bound", [one.function for one in LOWER_BOUNDS.values() if one.unembedding == "fixed"]
)
@pytest.mark.parametrize("bits", [-1, 0.5])
def test_the_number_of_bits_is_checked(bound, bits):
    with pytest.raises(
        InputError, match=f"^embedding_bits must be an integer of at least 0; got {bits}$"
    ):
        bound(64, 2, 2, bits)


def test_a_bound_that_does_not_apply_says_why():
    found = every_bound(5, 3, 3, 0, 0)
    assert "M I(k+1) <= N" in found["disjoint_trees"]
    assert "M I(k) <= N" in found["shared_leaves"]
    assert "i + j = k - 1" in found["fact_aware_unembedding"]


@pytest.mark.parametrize("bits", [(-1, 0), (0, -1), (0.5, 0), (0, 0.5)])
def test_both_numbers_of_bits_are_checked(bits):
    with pytest.raises(InputError, match="bits must be an integer of at least 0"):
        fact_aware_unembedding_bound(64, 2, 2, *bits)
