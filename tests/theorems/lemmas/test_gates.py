"""Gates that relations share, and the numbers whose sums over them are read."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sparse_tables import margins, same_gates, sparse_table, stored, tables

from constructions import FactTable, InputError, save, sparse_selector
from constructions.theorems.lemmas import sharing_gates
from constructions.theorems.lemmas.gates import drawn_gates, weight_of
from constructions.theorems.lemmas.sums_through_gates import Solved, Sums
from verify.cells.verifying import saved_and_checked
from verify.checking.check import check

# -------------------------------------------------------------------- gates


@given(r=st.integers(1, 60), data=st.data(), seed=st.integers(0, 100))
def test_gates_have_one_weight_and_differ_where_they_can(r, data, seed):
    g = data.draw(st.integers(1, r))
    gates, weight = drawn_gates(r, g, seed), weight_of(r, g)
    assert (gates.sum(axis=1) == weight).all()
    assert set(np.unique(gates)) <= {0, 1}
    assert len(np.unique(gates, axis=0)) == min(r, math.comb(g, weight))
    assert np.array_equal(gates, drawn_gates(r, g, seed))


def test_three_different_gates_of_one_weight_are_independent():
    """Which four need not be."""
    for g in range(2, 7):
        for w in range(1, g):
            every = [
                np.isin(np.arange(g), one).astype(float)
                for one in itertools.combinations(range(g), w)
            ]
            for three in itertools.combinations(every, min(3, len(every))):
                assert np.linalg.matrix_rank(np.array(three)) == len(three)
    four = np.array([[1, 1, 0, 0], [0, 0, 1, 1], [1, 0, 1, 0], [0, 1, 0, 1]])
    assert np.linalg.matrix_rank(four) == 3


def test_columns_that_are_independent_modulo_2_are_so_over_the_rationals():
    """Parity checks of a BCH code of length 15 that corrects 2 errors: any 4 columns."""
    power, powers = 1, []
    for _ in range(15):
        powers.append(power)
        power = (power << 1) ^ (0b10011 if power & 8 else 0)
    bits = lambda number: [(number >> i) & 1 for i in range(4)]  # noqa: E731
    columns = np.array([bits(powers[i]) + bits(powers[3 * i % 15]) for i in range(15)])
    for four in itertools.combinations(range(15), 4):
        assert np.linalg.matrix_rank(columns[list(four)].astype(float)) == 4


def test_with_few_different_gates_some_pairs_of_relations_cannot_be_stored():
    """g = D is too few in general: there are only two different gates of two columns."""
    pairs = list(itertools.combinations(range(6), 2))
    answers = np.full((6, len(pairs)), -1)
    for subject, pair in enumerate(pairs):
        answers[pair, subject] = subject, 0
    facts = FactTable(answers)
    with pytest.raises(InputError, match=r"rank 1, with 2 gates and seed"):
        sparse_selector(facts, n_gates=2)
    assert sparse_selector(facts).recipe.options["n_gates"] == 4  # six gates of weight 2


def test_gates_that_repeat_are_refused_by_name(monkeypatch):
    """The control: two relations with one gate, and a subject with different answers of them."""
    facts = FactTable([[1, 2, 0], [2, 2, -1], [-1, -1, -1]], relation_names=["a", "b", "c"])
    sparse_selector(facts, n_gates=2)
    monkeypatch.setattr(sharing_gates, "drawn_gates", same_gates)
    with pytest.raises(InputError, match=r"e0, which has 2 facts \(a, b\), have rank 1"):
        sparse_selector(facts, n_gates=2)


def test_forced_weights_of_gates_that_repeat_fail_the_check(tmp_path):
    facts = FactTable([[1, 2, 0], [2, 2, -1], [-1, -1, -1]])
    model = sparse_selector(facts, n_gates=2)
    with torch.no_grad():
        model.embedding.weight[3 + 1] = model.embedding.weight[3]
    found = margins(model, facts, *stored(facts))
    assert found.min() < 0
    save(model, tmp_path / "model")
    assert check(tmp_path / "model").verdict == "FAIL"


# -------------------------------------------------------------------- numbers


@given(facts=tables(), precision=st.integers(4, 12))
def test_errors_of_sums_are_exact_and_at_most_half_the_weight(facts, precision):
    g = facts.n_relations
    gates = drawn_gates(g + 1, g, seed=0)[:g]
    labels = np.arange(facts.n_entities) - facts.n_entities // 2
    found = Sums(gates, precision, 2**40).solved(facts, labels)
    if not isinstance(found, Solved):
        rank = np.linalg.matrix_rank(gates[found.relations].astype(float))
        assert rank < len(found.relations)
        return
    assert (2 * np.abs(found.errors) <= max(1, g // 2) + 1e-6).all()
    sums = np.array(
        [
            int(found.rows[s] @ gates[r]) - (int(labels[t]) << precision)
            for s, r, t in zip(*stored(facts), strict=True)
        ]
    )
    assert sorted(sums.tolist()) == sorted(found.errors.tolist())


def test_numbers_are_found_in_batches_of_any_size(monkeypatch):
    facts = sparse_table(60, 20, 6, seed=3)
    whole = sparse_selector(facts, dtype=torch.float64)
    monkeypatch.setattr("constructions.theorems.lemmas.sums_through_gates.AT_ONCE", 1)
    piece = sparse_selector(facts, dtype=torch.float64)
    assert torch.equal(whole.embedding.weight, piece.embedding.weight)


def test_a_number_that_is_changed_is_noticed():
    """A mutation of one number of one subject, of one half of its gates."""
    facts = sparse_table(30, 12, 4, seed=2)
    model = sparse_selector(facts)
    subject = int((facts.answers != -1).sum(axis=0).argmax())
    relation = int(np.flatnonzero(facts.answers[:, subject] != -1)[0])
    gate = drawn_gates(12, model.recipe.options["n_gates"], model.recipe.options["seed"])
    column = int(gate[relation].argmax())
    unit = model.readout.fields[0].one.matrix()[0, -1]
    with torch.no_grad():
        model.embedding.weight[subject, column] += unit
    assert margins(model, facts, *stored(facts)).min() < 0
    assert saved_and_checked(model)[0].verdict == "FAIL"


def test_rounding_without_bits_behind_the_point_is_refused(monkeypatch):
    """Why precision is needed: labels in units of 1 leave no room for the errors of sums."""
    facts = sparse_table(60, 20, 6, seed=3)
    assert sparse_selector(facts, n_gates=12, dtype=torch.float64).margin.real > 0
    monkeypatch.setattr(sharing_gates.Design, "unit", 1)
    with pytest.raises(InputError):
        sparse_selector(facts, n_gates=12, dtype=torch.float64)
