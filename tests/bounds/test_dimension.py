"""How many coordinates an embedding needs: its values by brute force, the constructions that attain
it, and what lies below it.
"""

import itertools
import math
import re
from dataclasses import replace

import numpy as np
import pytest
from benchmark_programs import program_of
from hypothesis import given, settings
from hypothesis import strategies as st
from own_files import ROOT
from strategies import large

from bounds.counting import count_rows, shared_leaves_family
from bounds.dimension import least_dimension, least_dimension_beside, row_bound
from bounds.plans import plans
from bounds.sizes import predicted_for_bijections
from bounds.theorem_4_2 import shared_leaves_bound
from constructions import CATALOGUE, InputError
from constructions.sizes.whole_numbers import tree
from verify.cells.against_bounds import hold_against_bounds

# ------------------------------------------------------------------ the count


@pytest.mark.parametrize(
    ("n", "r", "k"), [(4, 1, 1), (3, 2, 1), (5, 2, 2), (7, 2, 2), (5, 3, 2), (7, 2, 3)]
)
def test_one_entity_has_as_many_answers_as_the_bound_says(n, r, k):
    """Members of the family of shared leaves with a single root, and what they answer from it."""
    family = shared_leaves_family(n, r, k, 1)
    found = count_rows(family.tables())
    assert (family.subjects == family.subjects[0]).all()
    assert math.log2(found) == pytest.approx(row_bound(n, r, k).bits)
    assert row_bound(n, r, k).bits <= math.log2(found) + 1e-12


def test_one_hop_needs_all_answers_of_all_relations():
    """For bijections as for functions: N^R, no factor e is lost to N!."""
    tables = list(itertools.product(itertools.permutations(range(3)), repeat=2))
    assert len({(f[1], g[1]) for f, g in tables}) == 3**2
    for facts in ("bijections", "functions"):
        assert row_bound(64, 5, 1, facts).bits == 30
        assert [least_dimension(64, 5, p, facts=facts) for p in (1, 2, 3, 4, 5, 6, 30)] == [
            30, 15, 10, 8, 6, 5, 1,
        ]  # fmt: skip


def test_functions_may_lead_from_the_frontier_to_any_entity():
    """N^(R^k): a bijection gives no answer twice, and none that an inner edge leads to."""
    assert row_bound(64, 2, 2, "functions").bits == 2 * 2 * 6
    assert row_bound(64, 2, 3, "functions").bits == 2 * 4 * 6
    found = 2 * math.log2((64 - 1) * (64 - 2))
    assert row_bound(64, 2, 2).bits == pytest.approx(found)


@given(large, st.integers(1, 8), st.integers(1, 60))
@settings(deadline=None)
def test_the_least_dimension_is_the_least_that_has_enough_values(n, r, p):
    d = least_dimension(n, r, p)
    assert 2 ** (p * d) >= n**r
    assert d == 0 or 2 ** (p * (d - 1)) < n**r


@given(large, st.integers(1, 5), st.integers(1, 4))
@settings(deadline=None)
def test_a_row_is_what_shared_leaves_say_of_one_root(n, r, k):
    if tree(r, k) > n:
        with pytest.raises(InputError, match=r"I\(k\) <= N"):
            row_bound(n, r, k)
        return
    bits = row_bound(n, r, k).bits
    one = [bound for bound in [shared_leaves_bound(n, r, k, 0)] if bound.M == 1]
    assert all(bound.bits == pytest.approx(bits) for bound in one)
    assert row_bound(n, r, k, "functions").bits >= bits
    if k == 1:
        assert bits == pytest.approx(r * math.log2(n))


# ------------------------------------------------------------------ all weights may change


def test_what_else_depends_on_the_facts_is_taken_off():
    free = least_dimension_beside(4096, 16, 1, 0)
    facts = 16 * math.log2(math.factorial(4096))
    assert free == math.ceil(facts / 4096) == 169 < least_dimension(4096, 16, 1) == 192
    assert least_dimension_beside(4096, 16, 1, math.ceil(facts)) == 0
    assert least_dimension_beside(4096, 16, 1, math.floor(facts) - 1) == 1
    assert least_dimension_beside(4096, 16, 1, 100 * 4096) == 69
    assert least_dimension_beside(4096, 16, 1, 0, facts="functions") == 192


@given(large, st.integers(1, 6), st.integers(1, 3), st.integers(1, 20))
@settings(deadline=None, max_examples=40)
def test_no_construction_has_fewer_coordinates_than_with_all_its_bits_elsewhere(n, r, k, p):
    """All that stands outside of the rows of entities is charged in dense bits."""
    for plan in plans(n, r, k):
        costs = plan.costs
        if not plan.entry.takes_bijections or costs.written_tokens > 1:
            continue
        other = plan.total_bits - n * costs.embedding_bits
        entry_bits = costs.embedding_bits // costs.d_model
        assert costs.d_model >= least_dimension_beside(n, r, max(1, entry_bits), other, k)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 1, 1), "n_entities"),
        ((4, 1, 0), "coordinate_bits"),
        ((4, 1, 1.0), "coordinate_bits"),
        ((6, 2, 1, 3), "I\\(k\\) <= N"),
        ((4, 1, 1, 1, "relations"), "bijections"),
    ],
)
def test_what_is_out_of_range_is_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        least_dimension(*arguments)


# ------------------------------------------------------------------ models held against it


@given(large, st.integers(1, 8), st.integers(1, 4))
@settings(deadline=None, max_examples=40)
def test_no_row_holds_less_than_the_facts_of_its_entity(n, r, k):
    applied = 0
    for plan in plans(n, r, k):
        found = hold_against_bounds(plan.costs, n, r, k, plan.entry.takes_bijections)
        assert list(found.faults()) == [], plan.label
        applied += found.row.applies
    assert applied or k > 1


def test_a_model_with_one_bit_less_in_a_row_lies_below():
    costs = predicted_for_bijections(CATALOGUE["selector"], 4096, 16)
    found = hold_against_bounds(costs, 4096, 16, 1, bijective=True)
    assert (found.row.applies, found.row.bits) == (True, 192)
    assert costs.embedding_fact_bits == 192
    assert list(found.faults()) == []
    short = replace(costs, embedding_fact_bits=191)
    (fault,) = hold_against_bounds(short, 4096, 16, 1, bijective=True).faults()
    assert "191 bits of facts in a row" in fault
    assert "192.0" in fault
    nan = replace(found, row=replace(found.row, bits=math.nan))
    assert len(list(nan.faults())) == 1


def test_the_row_is_held_where_all_facts_stand_in_the_embedding_alone():
    def row(name, hops=3, bijective=True, n=256, **given):
        costs = predicted_for_bijections(CATALOGUE[name], n, 4, hops, given)
        return hold_against_bounds(costs, n, 4, hops, bijective).row

    assert row("precomputed").applies
    assert row("digit_selector", 1, bits_per_coordinate=3).applies
    assert row("meet_in_the_middle", 1).applies
    assert "other weights" in row("meet_in_the_middle").why
    assert "other weights" in row("hybrid", looked_up=2).why
    assert "written" in row("chain_of_thought").why
    assert "no bijections" in row("selector", 1, bijective=False).why
    assert "I(k) <= N" in row("precomputed", n=10).why
    assert not row("precomputed", n=10).applies


def test_rows_of_digits_attain_it_where_digits_divide_the_bits():
    for p in (1, 2, 3, 4, 6, 12):
        given = {"bits_per_coordinate": p}
        costs = predicted_for_bijections(CATALOGUE["digit_selector"], 4096, 16, 1, given)
        assert costs.embedding_fact_bits == row_bound(4096, 16).bits
        assert costs.d_model == least_dimension(4096, 16, p) + 1
    five = predicted_for_bijections(
        CATALOGUE["digit_selector"], 4096, 16, 1, {"bits_per_coordinate": 5}
    )
    assert five.d_model == 49 > least_dimension(4096, 16, 5) + 1 == 40
    assert np.isfinite(row_bound(2**40, 2**40).bits)


# ------------------------------------------------------------------ the picture


@pytest.fixture(scope="module")
def benchmark():
    return program_of("dimension")


def test_no_point_of_the_picture_lies_below_the_bound(benchmark):
    found = benchmark.points(64, 3)
    assert all(point.d_model >= point.least for point in found)
    on_it = {(point.name, point.bits) for point in found if point.d_model == point.least}
    assert on_it == {("least_selector", bits) for bits in (1, 2, 3, 6)}
    one_more = {point.name for point in found if point.d_model == point.least + 1}
    assert one_more >= {"selector", "digit_selector", "scalar_selector"}
    assert "least_selector" not in {point.name for point in benchmark.points(64, 1)}


def test_the_picture_of_the_page_is_drawn_by_its_command(benchmark, tmp_path):
    """The committed file has the texts of the one that is drawn now, and all its bytes where the
    same matplotlib draws.
    """
    pytest.importorskip("matplotlib")
    page = (ROOT / "docs/lower-bounds.md").read_text()
    assert "](dimension-and-precision.svg)" in page
    committed = (ROOT / "docs/dimension-and-precision.svg").read_text()

    def drawn(entities, relations):
        path = tmp_path / "drawn.svg"
        benchmark.draw(benchmark.points(entities, relations), entities, relations, path)
        return path.read_text()

    def texts(svg):
        return re.findall(r"<!-- (.*?) -->", svg)

    found = drawn(4096, 4)
    assert texts(found) == texts(committed)
    assert set(benchmark.STYLES) <= set(texts(committed))
    version = re.compile(r"Matplotlib v([\d.]+)")
    if version.search(found)[1] == version.search(committed)[1]:
        assert found == committed
    assert texts(drawn(256, 2)) != texts(committed), "the control"
