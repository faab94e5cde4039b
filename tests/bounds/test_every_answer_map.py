"""Bounds for imperfect recall against every answer map of small sizes: none serves more tables
than a bound allows, and a bound that counts too little is contradicted.
"""

import math
from fractions import Fraction
from functools import lru_cache

import numpy as np
import pytest
from answer_maps import (
    all_tables,
    all_tuples,
    cover,
    most_served,
    served_by,
    with_a_cycle,
)
from exact_bounds import exact_imperfect_saved
from tiers import few

from bounds import imperfect, refillings
from bounds.counting import shared_leaves_family
from bounds.imperfect import (
    imperfect_global_bound,
    imperfect_shared_leaves_bound,
    imperfect_sharpened_global_bound,
    recall_bound,
)

ONE_HOP = [(2, 1), (2, 2), (2, 3), (2, 4), (3, 1), (3, 2), (4, 1), (5, 1), (4, 2)]
MANY_HOPS = [(2, 2, 2), (2, 2, 3), (2, 3, 2), (3, 2, 2)]
FAMILIES = [(5, 2, 2), (4, 2, 1), (3, 3, 1), (3, 2, 2), (4, 2, 2), (4, 3, 2)]


@lru_cache
def counted(n, r, k):
    """For each number of errors: the most tuples of all that one answer map serves, and the most
    of those with a cycle.
    """
    answers = all_tuples(n, r)
    every = most_served(all_tables(answers, k), n)
    if r == 1:
        return len(answers), every, 0, every
    cycles = with_a_cycle(answers)
    return len(answers), every, len(cycles), most_served(all_tables(cycles, k), n)


def hold_one_hop(n, r):
    tuples, every, _, _ = counted(n, r, 1)
    for e, most in enumerate(every):
        share = Fraction(e, n * r)
        for bits_needed in (
            recall_bound(n, r, e).bits,
            imperfect_global_bound(n, r, 1, 0, share).bits,
        ):
            assert bits_needed <= math.log2(tuples / most) + 1e-12


def hold_many_hops(n, r, k):
    """Each way of counting against what it counts."""
    tuples, every, cycles, most_with_cycles = counted(n, r, k)
    for e, (most, most_cycles) in enumerate(zip(every, most_with_cycles, strict=True)):
        share = Fraction(e, n * r**k)
        plain = imperfect_global_bound(n, r, k, 0, share).bits
        assert plain <= math.log2(tuples / most) + 1e-12
        sharpened = imperfect_sharpened_global_bound(n, r, k, 0, share).bits
        if sharpened > plain and 2 * e // r ** (k - 1):
            assert sharpened <= math.log2(cycles / most_cycles) + 1e-12


@lru_cache
def counted_members(n, r, k, m):
    """How many members the family of m roots has, and how many of them one answer map serves."""
    family = shared_leaves_family(n, r, k, m)
    return family.claimed, most_served(family.tables(), n)


def hold_local(n, r, k):
    for t in range(r**k + 1):
        bound = imperfect_shared_leaves_bound(n, r, k, 0, Fraction(t, r**k))
        members, most = counted_members(n, r, k, bound.M)
        assert bound.bits <= math.log2(members / most[bound.M * t]) + 1e-12


@pytest.mark.parametrize(("n", "r"), ONE_HOP)
def test_one_hop_no_answer_map_serves_more_tables_than_the_bound_allows(n, r):
    hold_one_hop(n, r)


@pytest.mark.parametrize("sizes", few(MANY_HOPS, *MANY_HOPS[:3], ids=str))
def test_many_hops_no_answer_map_serves_more_tables_than_the_bounds_allow(sizes):
    hold_many_hops(*sizes)


@pytest.mark.parametrize("sizes", few(FAMILIES, *FAMILIES[:5], ids=str))
def test_local_no_answer_map_serves_more_members_than_the_bound_allows(sizes):
    hold_local(*sizes)


@pytest.mark.parametrize(
    "sizes",
    few([(2, 2, 2), (3, 2, 1), (2, 3, 2), (3, 2, 2)], (2, 2, 2), (3, 2, 1), (2, 3, 2), ids=str),
)
def test_answer_maps_that_are_enough_are_at_least_as_many_as_every_bound_says(sizes):
    n, r, k = sizes
    members = all_tables(all_tuples(n, r), k)
    for e in range(members.shape[1] + 1):
        enough = math.log2(cover(members, n, e))
        share = Fraction(e, n * r**k)
        assert imperfect_global_bound(n, r, k, 0, share).bits <= enough + 1e-12
        assert imperfect_sharpened_global_bound(n, r, k, 0, share).bits <= enough + 1e-12


def test_larger_tables_and_answers_in_between():
    """Five entities: 14,400 tuples, answer maps between two of them, and worse ones."""
    n, r, k = 5, 2, 2
    answers = all_tuples(n, r)
    every = all_tables(answers, k)
    cycles = all_tables(with_a_cycle(answers), k)
    random = np.random.default_rng(1)
    most, most_cycles = np.zeros((2, every.shape[1] + 1), dtype=int)
    for _ in range(60):
        one, other = cycles[random.integers(len(cycles), size=2)]
        answer_map = np.where(random.random(len(one)) < random.random(), one, other)
        lost = random.random(len(one)) < 0.15
        answer_map = np.where(lost, random.integers(-1, n, size=len(one)), answer_map)
        most = np.maximum(most, served_by(answer_map, every))
        most_cycles = np.maximum(most_cycles, served_by(answer_map, cycles))
    for e in range(every.shape[1] + 1):
        if not most[e]:
            continue
        share = Fraction(e, n * r**k)
        plain = imperfect_global_bound(n, r, k, 0, share).bits
        assert plain <= math.log2(len(every) / most[e])
        saved = exact_imperfect_saved(n, r, k, share)
        if saved is not None and most_cycles[e]:
            assert saved <= math.log2(len(cycles) / most_cycles[e])


# ------------------------------------------------------------------ controls


def one_error_fewer(places, free, rows, wrong):
    return refillings.log2_served(places, free, rows, max(0, wrong - 1))


def nothing(*_):
    return refillings.log2_served(1, 0, 1, 0)


@pytest.mark.parametrize("served", [one_error_fewer, nothing])
@pytest.mark.parametrize(
    ("hold", "sizes"),
    [(hold_one_hop, (3, 2)), (hold_local, (5, 2, 2)), (hold_local, (4, 2, 1))],
)
def test_a_bound_that_counts_too_little_is_contradicted(served, hold, sizes, monkeypatch):
    monkeypatch.setattr(imperfect, "log2_served", served)
    with pytest.raises(AssertionError):
        hold(*sizes)


def test_many_hops_a_bound_that_counts_nothing_is_contradicted(monkeypatch):
    monkeypatch.setattr(imperfect, "log2_served", nothing)
    with pytest.raises(AssertionError):
        hold_many_hops(2, 3, 2)


def test_a_translation_that_is_not_paid_for_is_contradicted(monkeypatch):
    """With `(N!)^R` in place of `(N!)^(R-1)`."""
    plain = imperfect.imperfect_global_bound

    def without(n, r, k, b_e, share):
        return plain(n, r + (k > 1), k, b_e, share)

    monkeypatch.setitem(globals(), "imperfect_global_bound", without)
    with pytest.raises(AssertionError):
        hold_many_hops(2, 2, 2)
