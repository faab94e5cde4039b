"""The combinatorial cores of the lower bounds, by brute force."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bounds import counting
from bounds.counting import (
    count_rows,
    count_tables,
    disjoint_trees_family,
    fact_aware_family,
    shared_leaves_family,
    tables,
)
from constructions import DoesNotFit, FactTable, InputError

TABLES = {
    (3, 2, 2): 26,
    (3, 2, 3): 30,
    (3, 3, 2): 188,
    (3, 3, 3): 198,
    (4, 2, 2): 458,
    (4, 2, 3): 534,
    (4, 2, 4): 434,
}
SHARED = {
    (5, 2, 2, 1): 144,
    (6, 2, 2, 2): 576,
    (7, 2, 2, 2): 14400,
    (7, 2, 3, 1): 576,
    (4, 3, 2, 1): 216,
    (5, 3, 2, 1): 13824,
}
FACT_AWARE = {
    (14, 2, 0, 1, 4, 2): 16,
    (12, 2, 1, 0, 2, 4): 576,
    (20, 2, 1, 1, 3, 3): 1296,
    (24, 2, 0, 2, 8, 2): 256,
}
DISJOINT = {(7, 2, 2, 1): 24, (8, 2, 2, 1): 120, (5, 1, 3, 1): 2, (6, 2, 1, 2): 24}


def proves(family):
    """Bijections, as many as claimed, all told apart by the queries."""
    n = family.answers.shape[-1]
    assert (np.sort(family.answers, axis=-1) == np.arange(n)).all()
    assert len(family.answers) == family.claimed
    assert family.distinct() == family.claimed


@pytest.mark.parametrize(("sizes", "count"), TABLES.items())
def test_the_number_of_k_hop_tables(sizes, count):
    assert count_tables(*sizes) == count


@pytest.mark.parametrize(("sizes", "count"), TABLES.items())
def test_tables_are_at_least_as_many_as_both_global_bounds_say(sizes, count):
    n, r, _ = sizes
    tuples = math.factorial(n) ** r
    assert count >= math.factorial(n) ** (r - 1)
    assert count >= (tuples / n**2 if r == 2 else tuples / 2)


@pytest.mark.parametrize(("sizes", "count"), SHARED.items())
def test_shared_leaves_families(sizes, count):
    family = shared_leaves_family(*sizes)
    proves(family)
    assert family.claimed == count


@pytest.mark.parametrize(("sizes", "count"), FACT_AWARE.items())
def test_fact_aware_families(sizes, count):
    family = fact_aware_family(*sizes)
    proves(family)
    assert family.claimed == count
    assert len(np.unique(family.tables())) == sizes[-1]  # all answers are among the Q targets


@pytest.mark.parametrize(("sizes", "count"), DISJOINT.items())
def test_disjoint_trees_families(sizes, count):
    family = disjoint_trees_family(*sizes)
    proves(family)
    assert family.claimed == count


@given(st.integers(1, 8), st.integers(1, 3), st.integers(1, 3), st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_every_family_that_can_be_listed_is_reported_apart(n, r, k, m):
    for build in (shared_leaves_family, disjoint_trees_family):
        try:
            inner = m * sum(r**i for i in range(k - 1 if build is shared_leaves_family else k))
            free = m * r ** (k - 1 if build is shared_leaves_family else k)
            claimed = (
                math.perm(n - inner, free) ** (r if build is shared_leaves_family else 1)
                if n >= inner
                else 0
            )
            assume(claimed < 20_000)
            proves(build(n, r, k, m))
        except InputError as error:
            assert "needs M I" in str(error)  # noqa: PT017


@given(
    st.integers(2, 14), st.integers(1, 2), st.integers(0, 2), st.integers(0, 2), st.integers(1, 4)
)
@settings(max_examples=60, deadline=None)
def test_every_fact_aware_family_that_can_be_listed_is_reported_apart(n, r, i, j, m):
    q, rest = divmod(m * r**i, r**j)
    assume(rest == 0 and q > 0 and math.factorial(q) ** (r ** (j + 1)) < 20_000)
    try:
        proves(fact_aware_family(n, r, i, j, m, q))
    except InputError as error:
        assert "M I(i+1) + Q I(j+1) <= N" in str(error)  # noqa: PT017


def test_the_tables_are_those_of_the_oracle():
    facts = [FactTable.random_bijections(6, 2, seed) for seed in range(3)]
    subjects, paths = np.array([0, 3, 5]), np.array([[0, 1], [1, 1], [1, 0]])
    found = tables(np.stack([f.answers for f in facts]), subjects, paths)
    assert np.array_equal(found, [f.answer(subjects, paths) for f in facts])


def test_tables_of_functions_are_at_least_as_many_as_the_bound_for_functions():
    """f_0 = identity leaves all other functions visible."""
    for n, r, k in ((2, 2, 2), (3, 2, 2), (2, 3, 2), (3, 2, 3)):
        functions = np.array(list(itertools.product(range(n), repeat=n)))
        answers = np.stack(
            [functions[list(c)] for c in itertools.product(range(len(functions)), repeat=r)]
        )
        queries = counting._all_queries(np.arange(n), r, k)
        assert count_rows(tables(answers, *queries)) >= len(functions) ** (r - 1)


# ------------------------------------------------------------------ controls


def test_a_family_is_not_reported_apart_by_fewer_queries():
    family = shared_leaves_family(5, 2, 2, 1)
    with pytest.raises(AssertionError):
        proves(replace(family, subjects=family.subjects[:-1], paths=family.paths[:-1]))


def test_a_member_that_occurs_twice_is_noticed():
    family = disjoint_trees_family(8, 2, 2, 1)
    with pytest.raises(AssertionError):
        proves(replace(family, answers=family.answers[[0, *range(len(family.answers) - 1)]]))


def test_leaves_that_merge_are_noticed():
    family = shared_leaves_family(6, 2, 2, 2)
    broken = family.answers.copy()
    broken[:, 0, :] = 0
    with pytest.raises(AssertionError):
        proves(replace(family, answers=broken))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: shared_leaves_family(4, 2, 2, 2), r"needs M I\(k\) <= N; got 6 > 4"),
        (lambda: disjoint_trees_family(6, 2, 2, 1), r"needs M I\(k\+1\) <= N; got 7 > 6"),
        (
            lambda: fact_aware_family(5, 2, 0, 1, 4, 2),
            r"M I\(i\+1\) \+ Q I\(j\+1\) <= N; got 10 > 5",
        ),
        (lambda: fact_aware_family(50, 2, 0, 1, 3, 2), r"M R\^i = Q R\^j; got 3 and 4"),
    ],
)
def test_conditions_are_named(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_what_cannot_be_listed_is_refused_before_it_is_tried():
    with pytest.raises(DoesNotFit, match="bytes"):
        count_tables(20, 3, 2)
    with pytest.raises(DoesNotFit, match="bytes"):
        shared_leaves_family(40, 2, 2, 5)
