"""Stored queries are counted without being listed, and each has a number."""

import itertools

import numpy as np
import pytest

from constructions import FactTable, InputError


def listed(facts, hops, subjects):
    """All stored queries, one by one."""
    return [
        (s, *path)
        for s in subjects
        for path in itertools.product(range(facts.n_relations), repeat=hops)
        if int(facts.answer(s, list(path))) >= 0
    ]


def drawn_tables(number=25):
    rng = np.random.default_rng(np.random.randint(2**31))
    for _ in range(number):
        n, r = int(rng.integers(1, 7)), int(rng.integers(1, 4))
        missing = float(rng.choice([0, 0.3, 0.7, 1]))
        yield FactTable.random_functions(n, r, int(rng.integers(1000)), missing), rng


def rows(queries):
    subjects, paths = queries
    return [tuple(map(int, row)) for row in np.column_stack([subjects, paths])]


@pytest.mark.parametrize("hops", [1, 2, 3, 4])
def test_the_stored_queries_are_those_that_meet_no_missing_fact(hops):
    for facts, rng in drawn_tables():
        wanted = listed(facts, hops, range(facts.n_entities))
        assert facts.n_stored_queries(hops) == facts.n_claimed_queries(hops, True) == len(wanted)
        assert facts.n_claimed_queries(hops, False) == facts.n_queries(hops)
        found = facts.claimed_queries(np.arange(len(wanted)), hops, True)
        assert rows(found) == wanted
        some = rng.permutation(facts.n_entities)[: -(-facts.n_entities // 2)]
        wanted = listed(facts, hops, some.tolist())
        assert rows(facts.claimed_queries(np.arange(len(wanted)), hops, True, some)) == wanted


def test_the_stored_queries_of_one_hop_are_the_facts():
    facts = FactTable.random_functions(30, 5, 0, 0.4)
    assert facts.n_stored_queries(1) == facts.n_facts


def test_a_total_table_has_only_stored_queries():
    facts = FactTable.random_bijections(7, 3)
    assert facts.n_stored_queries(4) == facts.n_queries(4) == 7 * 3**4
    numbers = np.array([0, 5, 100])
    assert rows(facts.claimed_queries(numbers, 4, True)) == rows(facts.queries(numbers, 4))


def test_stored_queries_are_drawn_and_no_others():
    for facts, rng in drawn_tables():
        for hops in (1, 3):
            count = facts.n_stored_queries(hops) // 2
            found = rows(facts.drawn_queries(count, hops, rng, stored_only=True))
            assert len(set(found)) == count
            assert set(found) <= set(listed(facts, hops, range(facts.n_entities)))


def test_long_paths_are_counted_exactly_and_drawn_among_more_than_can_be_numbered():
    facts = FactTable.random_functions(9, 3, 1, 0.2)
    ways = [1] * 9
    for _ in range(90):
        ways = [sum(ways[a] for a in facts.answers[:, s].tolist() if a >= 0) for s in range(9)]
    assert facts.n_stored_queries(90) == sum(ways) > 2**63
    subjects, paths = facts.drawn_queries(200, 90, np.random.default_rng(0), stored_only=True)
    assert (facts.answer(subjects, paths) >= 0).all()
    share = np.bincount(subjects, minlength=9) / 200  # as there are paths from each
    assert np.abs(share - np.array([way / sum(ways) for way in ways])).max() < 0.15


def test_of_too_many_queries_the_stored_ones_are_not_counted_either():
    with pytest.raises(InputError, match="at most 1,000,000 are counted"):
        FactTable.random_functions(5, 5, 0, 0.5).n_stored_queries(10**6)


@pytest.mark.parametrize("levels", [7, 8, 9, 10])
def test_shorter_paths_may_be_more_than_can_be_numbered(levels):
    """Up a ladder of so many levels lead 200 relations each, and no path is longer; one entity
    leads to itself, and an entity at the top of the numbers to that one.
    """
    answers = np.full((200, levels + 3), -1)
    answers[:, :levels] = np.arange(1, levels + 1)
    answers[0, -2], answers[5, -1] = levels + 1, levels + 1
    facts, hops = FactTable(answers), levels + 1
    assert facts.n_stored_queries(hops) == 2
    zeros = (0,) * levels
    found = facts.claimed_queries(np.arange(2), hops, True)
    assert rows(found) == [(levels + 1, 0, *zeros), (levels + 2, 5, *zeros)]
