"""The grid: its sizes, its bits tensor by tensor, how near the bounds it comes, and that both
checkers prove it and tell a damaged one.

What holds of all constructions of many hops is in tests/test_many_hops.py.
"""

import itertools

import numpy as np
import pytest
import torch
from hand_made import files_of

from bounds.grids import fixed_point_width
from bounds.sizes import predicted_for_bijections
from bounds.theorem_4_2 import shared_leaves_bound
from constructions import CATALOGUE, FactTable, InputError, key_value_grid
from constructions.facts.codes import bits_needed, sign_codes
from verify.checking.check import check_files
from verify.queries.capacity import fact_capacity
from verify.queries.recall import check_recall

GRID, ROWS = CATALOGUE["key_value_grid"], CATALOGUE["key_value_rows_shared"]


def costs(entry, n, r, k, **given):
    return predicted_for_bijections(entry, n, r, k, given)


def test_widths_of_the_grid_in_numbers():
    model = key_value_grid(FactTable.random_bijections(13, 3), 2, lane_bits=2)
    e = 4 + 2 + 1 + 2
    assert model.shape.layers[0].d_mlp == (8 + 4 + 3, 4 + 4 + 3 + 2 + 1, 4 * 3 * 4 + e, 4 + e)
    assert model.shape.repeats == 2
    assert model.shape.d_model == 2 * 4 + 2 * 2 + 2 * 2 + 2


def test_weights_between_hidden_layers_of_the_grid_take_one_bit_and_facts_are_b_of_them():
    n, r, v = 16, 3, 2
    tables = [FactTable.random_bijections(n, r, seed) for seed in range(12)]
    models = [key_value_grid(facts, 2, lane_bits=v) for facts in tables]
    _, *between, _ = models[0].layers[0].mlp.weights
    found = [fixed_point_width([part.weight.detach().double().numpy()]) for part in between]
    assert found == [1, 1, 1]
    of_facts = fact_capacity(models)
    assert of_facts.internal_bits == n * r * bits_needed(n)
    assert of_facts.embedding_bits == of_facts.unembedding_bits == 0
    entry = costs(GRID, n, r, 2, lane_bits=v)
    assert entry.internal_fact_bits == of_facts.internal_bits


@pytest.mark.parametrize(
    ("n", "r", "k", "v", "before", "after"),
    [
        (65536, 16, 3, 4, 21_291_340, 17_388_848),
        (65536, 8, 3, 4, 12_682_295, 8_811_721),
        (4096, 4, 3, 3, 414_810, 250_256),
        (2**20, 16, 3, 6, 419_512_088, 339_591_952),
        (2**20, 4, 4, 6, 163_612_280, 85_776_297),
    ],
)
def test_the_grid_is_nearer_the_bound_in_dense_bits(n, r, k, v, before, after):
    """As docs/theorems/key_value_grid.md has it; never below the bound, nor below its own facts."""
    rows, grid = costs(ROWS, n, r, k), costs(GRID, n, r, k, lane_bits=v)
    assert (rows.internal_bits, grid.internal_bits) == (before, after)
    assert rows.embedding_bits == grid.embedding_bits
    bound = shared_leaves_bound(n, r, k, grid.embedding_bits).bits
    assert bound < grid.internal_fact_bits == n * r * bits_needed(n) < after


def beyond_facts(entry, bits, **given):
    n = 2**bits
    return costs(entry, n, 4, 3, **given).internal_bits - 4 * n * bits


def test_all_but_the_facts_grows_as_the_corollary_says():
    """O(N^(2/3) log N): below 40 N^(2/3) log2 N, in cubes, at 30 sizes; rows alone exceed that."""

    def within(extra, bits):
        return extra**3 <= (40 * bits) ** 3 * 2 ** (2 * bits)

    for bits in range(9, 40):
        assert within(beyond_facts(GRID, bits, lane_bits=bits // 3), bits), bits
    assert not within(beyond_facts(ROWS, 30), 30)
    assert not within(beyond_facts(GRID, 30, lane_bits=2), 30)


def test_lanes_are_at_most_one_for_each_state():
    facts = FactTable.random_bijections(6, 2)
    most, more = (key_value_grid(facts, 2, lane_bits=v) for v in (3, 50))
    assert most.shape == more.shape
    for one, other in zip(most.parameters(), more.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(
    ("n", "r", "k", "v"), [(1, 1, 1, 0), (2, 1, 2, 1), (5, 2, 3, 1), (11, 3, 2, 2), (9, 2, 2, 0)]
)
def test_both_checkers_prove_the_grid(n, r, k, v):
    for facts in (
        FactTable.random_bijections(n, r),
        FactTable.random_functions(n, r, 3),
    ):
        proven = check_files(files_of(key_value_grid(facts, k, lane_bits=v)), "both")
        assert proven.verdict == "PASS", proven.reason
        assert proven.margin == 2


def signs_of(model, facts, lane_bits):
    """The grid's rows in the third matrix: (relation, lane, bit, row)."""
    matrix = model.layers[0].mlp.matrix(2).detach()
    b, lanes = bits_needed(facts.n_entities), 2**lane_bits
    rows = -(-facts.n_entities // lanes)
    cells = facts.n_relations * lanes * b
    return matrix[:cells, :rows].reshape(facts.n_relations, lanes, b, rows)


def test_the_grid_holds_each_answer_at_its_row_and_lane():
    facts = FactTable.random_bijections(13, 3, seed=2)
    held = signs_of(key_value_grid(facts, 2, lane_bits=2), facts, 2).numpy()
    for r, s in itertools.product(range(3), range(13)):
        assert np.array_equal(held[r, s % 4, :, s // 4], sign_codes(facts.answers[r, s], 4))
    assert (held[:, 1:, :, 3] == -1).all()  # numbers 13, 14, 15


def test_one_wrong_sign_costs_one_fact_and_both_checkers_tell():
    """And a sign that belongs to no state costs nothing: the checks look at answers."""
    facts = FactTable.random_bijections(13, 2, seed=2)
    model = key_value_grid(facts, 1, lane_bits=2)
    with torch.no_grad():
        signs_of(model, facts, 2)[0, 3, 1, 3] *= -1  # state 15
    assert check_files(files_of(model), "both").verdict == "PASS"
    with torch.no_grad():
        signs_of(model, facts, 2)[1, 2, 0, 1] *= -1  # state 6
    assert check_recall(model, facts, 1).wrong == 1
    for by in ("kernel", "symbolic"):
        assert check_files(files_of(model), by).verdict == "FAIL"


def test_a_row_that_fires_for_another_is_refused_by_both_checkers():
    facts = FactTable.random_bijections(16, 2, seed=1)
    model = key_value_grid(facts, 1, lane_bits=2)
    with torch.no_grad():
        model.layers[0].mlp.matrix(1)[0] = model.layers[0].mlp.matrix(1)[1]
    assert check_recall(model, facts, 1).wrong
    for by in ("kernel", "symbolic"):
        assert check_files(files_of(model), by).verdict == "FAIL"


def test_the_grid_keeps_facts_inside():
    one, other = (FactTable.random_bijections(8, 2, seed) for seed in (0, 1))
    model = key_value_grid(one, 2)
    assert torch.equal(model.embedding.weight, key_value_grid(other, 2).embedding.weight)
    with pytest.raises(InputError, match="keeps facts in its internal weights"):
        model.install(other)


@pytest.mark.parametrize("lane_bits", [-1, 1.5, "2"])
def test_lanes_that_are_no_number_of_bits_are_refused(lane_bits):
    with pytest.raises(InputError, match="lane_bits must be an integer"):
        key_value_grid(FactTable.random_bijections(4, 2), 2, lane_bits=lane_bits)
