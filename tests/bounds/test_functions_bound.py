"""The bits of random functions, against what small answer maps serve, counted one by one."""

import itertools
import math

import pytest

from bounds.functions import functions_bound
from constructions import InputError


@pytest.mark.parametrize("answers", [[2, 2], [3, 3], [2, 3], [1, 2], [4]])
def test_no_answer_map_serves_more_tables(answers):
    """All maps to all answers and one that is none of any relation's, all tables, N = 2."""
    n = 2
    places = [values for values in answers for _ in range(n)]
    tables = list(itertools.product(*map(range, places)))
    maps = itertools.product(*(range(values + 1) for values in places))
    most = [0] * (len(places) + 1)
    for one in maps:
        wrong = [sum(a != b for a, b in zip(one, table, strict=True)) for table in tables]
        for allowed in range(len(most)):
            most[allowed] = max(most[allowed], sum(w <= allowed for w in wrong))
    for allowed, served in enumerate(most):
        bound = functions_bound(n, answers, allowed).bits
        assert bound <= math.log2(len(tables) / served) + 1e-12
        if len(set(answers)) == 1 and bound:  # exact where all relations are alike
            assert bound == pytest.approx(math.log2(len(tables) / served), abs=1e-12)
    assert functions_bound(n, answers, 0).bits == pytest.approx(math.log2(len(tables)))


def test_it_falls_to_nothing():
    bits = [functions_bound(16, [8, 8], wrong).bits for wrong in range(33)]
    assert bits[0] == 96
    assert bits == sorted(bits, reverse=True)
    assert bits[28] == 0  # 1 of 8 is right by chance
    assert bits[20] > 0


def test_many_wrong_ones_lose_little_against_the_sum(monkeypatch):
    exact = functions_bound(200, [10] * 3, 300).bits
    monkeypatch.setattr("bounds.functions._MOST", 10)
    assert 0 < exact - functions_bound(200, [10] * 3, 300).bits < math.log2(301)


@pytest.mark.parametrize("sizes", [(0, [2], 0), (2, [0], 0), (2, [2], -1), (2, [1.5], 0)])
def test_odd_sizes_are_refused(sizes):
    with pytest.raises(InputError):
        functions_bound(*sizes)
