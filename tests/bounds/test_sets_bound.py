"""The bits that a table of sets needs: by brute force, and against the construction."""

import itertools
import math
from dataclasses import replace
from math import comb, log2

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import set_tables

from bounds import sets_of_answers as bounds_of_sets
from bounds.logarithms import log2_factorial
from bounds.sets_of_answers import sets_bound, tables_of_sets
from bounds.theorem_4_2 import global_bound
from constructions import InputError, SetTable, sets_of_answers
from constructions.sizes.sets_of_answers import SetSizes
from constructions.sizes.sets_of_answers import sets_of_answers as sizes_of
from verify.queries.sets_found import build_and_prove, possible_answers, sizing_of


def number_of_tables(n, sizes):
    """All tables with sets of these sizes, one after the other."""
    each = [list(itertools.combinations(range(n), size)) for size in sizes]
    return sum(1 for _ in itertools.product(*each))


@pytest.mark.parametrize(
    ("n", "sizes"),
    [(1, [0]), (1, [1]), (2, [1, 1]), (3, [2, 1, 0]), (3, [3, 2, 2]), (4, [2, 1, 2]), (5, [3, 2])],
)
def test_the_bits_of_a_table_are_the_logarithm_of_how_many_there_are(n, sizes):
    found = tables_of_sets(n, sizes)
    assert found.lower <= found.upper
    assert float(found.lower) == pytest.approx(log2(number_of_tables(n, sizes)), abs=1e-12)


def test_fewer_bits_do_not_tell_all_tables_of_sets_apart():
    """A memory of B bits has 2^B values: of 3 entities, one relation and sets of 2, 1 and 1 there
    are 27 tables, and one of them is lost with 4 bits.
    """
    bits = tables_of_sets(3, [2, 1, 1])
    assert 2 ** math.floor(bits.lower) < number_of_tables(3, [2, 1, 1]) == 27
    assert sets_bound(3, [[2, 1, 1]], 0).bits <= log2(27)
    assert sets_bound(3, [[2, 1, 1]], 1).bits == pytest.approx(log2(27) - 4)


def test_a_bound_that_counts_orders_too_would_be_wrong(monkeypatch):
    """A set has no order: counted with one, a memory of 3 bits would be said to be too small."""
    right = sets_bound(4, [[2, 2, 0, 0]], 0).bits
    monkeypatch.setattr(bounds_of_sets, "log2_factorial", lambda n: log2_factorial(0))
    wrong = sets_bound(4, [[2, 2, 0, 0]], 0).bits
    assert right <= log2(number_of_tables(4, [2, 2])) < wrong


@given(st.integers(1, 2000), st.integers(1, 9), st.integers(0, 50))
def test_sets_of_one_answer_have_the_bound_of_functions(n, r, bits):
    ones = np.ones((r, n), dtype=int)
    known = global_bound(n, r, 1, bits, "functions")
    assert sets_bound(n, ones, bits).bits == pytest.approx(known.bits, abs=1e-6)


@given(set_tables())
def test_the_construction_of_sets_is_above_the_bound(facts):
    sizing, answers = sizing_of(facts), possible_answers(facts)
    bound = sets_bound(facts.n_entities, facts.sizes, sizing.embedding_bits, answers)
    assert sizing.internal_bits >= bound.bits
    needed = sum(log2(comb(answers, n)) for n in facts.sizes.ravel().tolist())
    assert facts.n_entities * sizing.embedding_fact_bits >= needed - 1e-6


@pytest.mark.parametrize("values", [1, 2, 3])
def test_few_possible_answers_of_many_entities_need_few_bits(values):
    """Where any entity might be an answer, a table of so many subjects would need more bits than
    the model has: a right model would be said to break the bound.
    """
    named = [(f"p{i}", "gender", f"v{i % values}") for i in range(150)]
    facts = SetTable.from_triples(named)
    found = build_and_prove(facts)[1]
    assert found.verdict == "PASS"
    assert found.table_bits == pytest.approx(150 * log2(values), abs=1e-9)
    n, bits = facts.n_entities, found.sizing.embedding_bits
    assert found.bound == sets_bound(n, facts.sizes, bits, values)
    assert sets_bound(n, facts.sizes, bits).bits > 0 > found.bound.bits
    assert replace(found, table_bits=150 * log2(n)).verdict == "FAIL"


def test_the_bound_counts_the_possible_answers_alone():
    """Of 3 entities of which 2 are answers, with sets of 2, 1 and 1, there are 4 tables."""
    assert number_of_tables(2, [2, 1, 1]) == 4
    assert sets_bound(3, [[2, 1, 1]], 0, answers=2).bits == 2
    assert sets_bound(3, [[2, 1, 1]], 0, answers=3) == sets_bound(3, [[2, 1, 1]], 0)
    assert sets_bound(3, [[2, 1, 1]], 1, answers=2).bits == 2 - 4


def test_what_holds_fewer_bits_than_the_bound_is_a_fault(monkeypatch):
    facts = SetTable.random(6, 2, 3, seed=1)
    assert build_and_prove(facts)[1].verdict == "PASS"
    small = sizes_of(SetSizes(6, 2, 1, 1, 1))
    monkeypatch.setattr("verify.queries.sets_found.sizing_of", lambda facts: small)
    faults = list(build_and_prove(facts)[1].faults())
    assert any("the formulas give" in fault for fault in faults)
    assert any("a bound fails" in fault for fault in faults)
    assert sets_of_answers(facts).shape.d_model != small.d_model


@pytest.mark.parametrize(
    ("arguments", "reported"),
    [
        ((0, [[1]], 0), "n_entities must be an integer from 1"),
        ((2, [[3]], 0), "a size must be an integer from 0 to 2; got 3"),
        ((5, [[3]], 0, 2), "a size must be an integer from 0 to 2; got 3"),
        ((5, [[3]], 0, 6), "answers must be an integer from 1 to 5; got 6"),
        ((2, [[-1]], 0), "a size must be an integer from 0 to 2; got -1"),
        (
            (2, [1], 0),
            r"sizes must have shape \(relations, subjects\), with a relation; got \(1,\)",
        ),
        ((2, [[1]], -1), "embedding_bits must be an integer of at least 0"),
    ],
)
def test_sizes_at_which_there_is_no_bound_of_sets(arguments, reported):
    with pytest.raises(InputError, match=reported):
        sets_bound(*arguments)
