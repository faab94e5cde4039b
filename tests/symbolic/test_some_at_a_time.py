"""The symbolic checker reads matrices of an MLP some rows at a time, and goes through nodes some at
a time: what it finds is what it finds of all at once.
"""

import itertools
import re

import numpy as np
import pytest
import safetensors.torch
from hand_made import built, files_of, resealed
from hypothesis import given
from hypothesis import strategies as st

from constructions import CATALOGUE
from verify.checking.check import check_files
from verify.symbolic import amounts, units, weights
from verify.symbolic.amounts import Amounts
from verify.symbolic.values import Values
from verify.symbolic.weights import Weights

NAMES = ["key_value", "key_value_rows", "key_value_rows_shared", "key_value_grid", "hybrid"]
NAMES += ["precomputed", "meet_in_the_middle", "chain_of_thought"]
CASES = [(name, partial) for name in NAMES for partial in (False, CATALOGUE[name].missing)]


@pytest.fixture
def one_at_a_time(monkeypatch):
    for module in (amounts, units, weights):
        monkeypatch.setattr(module, "AT_ONCE", 1)


def found(files):
    """All that a PASS says; None of any other verdict, since of several defects any may be the
    first.
    """
    verdict = check_files(files, "symbolic")
    return verdict if verdict.verdict == "PASS" else None


def damaged(files, seed):
    """The files with another number somewhere in an MLP; for seed 0 its last one."""
    tensors = safetensors.torch.load(files["weights.safetensors"])
    names = sorted(name for name in tensors if ".mlp." in name)
    rng = np.random.default_rng(seed)
    tensor = tensors[names[rng.integers(len(names))]].view(-1)
    at = -1 if seed == 0 else int(rng.integers(len(tensor)))
    tensor[at] += int(rng.choice([-3, -1, 1, 2]))
    return resealed(files, weights_safetensors=safetensors.torch.save(tensors))


@pytest.mark.parametrize(("name", "partial"), sorted(set(CASES)))
def test_a_model_and_damaged_ones_are_judged_as_a_whole(name, partial, request):
    every = [
        files := files_of(built(name, 5, 2, 2, partial)),
        *(damaged(files, i) for i in range(6)),
    ]
    whole = [found(files) for files in every]
    request.getfixturevalue("one_at_a_time")
    assert [found(files) for files in every] == whole
    assert whole[0] is not None
    assert None in whole


@st.composite
def cases(draw):
    """Units of some cases that hold constants and amounts of nodes, matrices, and some nodes."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    widths = draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    n_cases, n_nodes, n_terms = (draw(st.integers(1, most)) for most in (3, 7, 12))
    const = rng.integers(-3, 4, (n_cases, widths[0]))
    at, node = rng.integers(const.size, size=n_terms), rng.integers(n_nodes, size=n_terms)
    coef = rng.choice([-2, -1, 1, 3], n_terms)
    matrices = [
        rng.integers(-2, 3, shape).astype(np.float32)
        for shape in zip(widths[1:], widths, strict=False)
    ]
    nodes = np.flatnonzero(rng.random(n_nodes) < 0.8)
    return const, (at, node, coef), matrices, nodes


def by_hand(const, terms, matrices, node):
    """What the units are at a node, before each matrix and at the end, (cases, width) each."""
    units = const.copy()
    for at, of, coef in zip(*terms, strict=True):
        units.ravel()[at] += coef * (of == node)
    steps = [units]
    for i, matrix in enumerate(matrices):
        read = np.maximum(steps.pop(), 0) if i else steps[-1]
        steps += [read, read @ matrix.astype(int).T] if i else [read @ matrix.astype(int).T]
    return steps


@given(cases(), st.integers(1, 40))
def test_amounts_are_those_of_every_node_by_itself(case, at_once):
    const, terms, matrices, nodes = case
    n_variables = 4
    units = Values(const).plus(0, terms[0], terms[1] + n_variables, terms[2])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(amounts, "AT_ONCE", at_once)
        made = Amounts(units, n_variables, [Weights(matrix, "a matrix") for matrix in matrices])
        parts = list(made.of(nodes))
    of_all = [by_hand(const, terms, matrices, node) for node in nodes]
    assert [i for here, _ in parts for i in range(here.start, here.stop)] == list(
        range(len(nodes))
    )
    if len(nodes):
        got = np.concatenate([added for _, added in parts], axis=1)
        assert (got == np.stack([steps[-1] for steps in of_all], axis=1)).all()
    for i, sizes in enumerate(made.sizes[1:], start=1):
        largest = [np.abs(steps[i]).max(axis=0) for steps in of_all]
        assert (sizes == np.max([np.zeros(len(sizes)), *largest], axis=0)).all()
    for steps in of_all:
        assert (np.abs(steps[0]).max(axis=0) <= made.sizes[0]).all()
    without = sorted(set(range(made.columns.size)) - set(np.flatnonzero(made.columns)))
    for steps in of_all:
        assert (steps[-1][:, without] == (0 if matrices else const[:, without])).all()


@given(st.integers(0, 2**32), st.integers(1, 60))
def test_a_matrix_some_rows_at_a_time_is_the_matrix(seed, at_once):
    rng = np.random.default_rng(seed)
    dense = rng.integers(-3, 4, rng.integers(0, 9, 2)) * (rng.random() < 0.9)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weights, "AT_ONCE", at_once)
        matrix = Weights(dense.astype(np.float32), "a matrix")
        pieces = [part.dense for _, part in matrix.pieces()]
        vectors = rng.integers(-4, 5, (3, dense.shape[1]))
        assert (matrix.times(vectors) == vectors @ dense.T).all()
        assert (matrix.sums(np.abs(vectors[0])) == np.abs(dense) @ np.abs(vectors[0])).all()
    assert (np.concatenate([np.zeros((0, dense.shape[1])), *pieces]) == dense).all()
    which = rng.integers(0, max(1, dense.shape[1]), 5 if dense.shape[1] else 0)
    assert (matrix.columns(which) == dense[:, which]).all()
    assert matrix.norm == np.abs(dense).sum(axis=1).max(initial=0)
    assert matrix.terms == (dense != 0).sum(axis=1).max(initial=0)
    assert (matrix.writes == dense.any(axis=1)).all()


def test_a_place_that_spells_its_code_may_not_be_written_on():
    """Any one number more in the last matrix of the first MLP: a PASS is true."""
    model = built("hybrid", 3)
    files = files_of(model)
    name = "layers.0.mlp.weights.2.weight"
    stored, weights = (
        safetensors.torch.load(files["weights.safetensors"]),
        dict(model.named_parameters()),
    )
    entities, letters = np.arange(3).repeat(4), np.tile([[0, 0], [0, 1], [1, 0], [1, 1]], (3, 1))
    right, verdicts = model.facts.answer(entities, letters), []
    for row, column in itertools.product([4, 5], range(stored[name].shape[1])):
        for tensor in (stored[name], weights[name].data):
            tensor[row, column] += 1
        damaged = resealed(files, weights_safetensors=safetensors.torch.save(stored))
        passed = check_files(damaged, "symbolic").verdict == "PASS"
        still = (model.answer(entities, letters) == right).all()
        assert still or not passed, (row, column)
        verdicts.append((passed, bool(still)))
        for tensor in (stored[name], weights[name].data):
            tensor[row, column] -= 1
    assert (False, False) in verdicts


def test_sums_beside_amounts_are_noted(monkeypatch):
    files = files_of(built("key_value_rows", 4))
    assert check_files(files, "symbolic").exact == "float32"
    monkeypatch.setattr(Amounts, "peak", lambda self: 2**24)
    verdict = check_files(files, "symbolic")
    assert (verdict.verdict, verdict.exact) == ("PASS", None)
    assert verdict.rounds == f"sums may reach {2**24}, and float32 is exact below 2^24"


@given(cases())
def test_no_partial_sum_is_above_the_peak(case):
    const, terms, matrices, nodes = case
    units = Values(const).plus(0, terms[0], terms[1] + 4, terms[2])
    made = Amounts(units, 4, [Weights(matrix, "a matrix") for matrix in matrices])
    list(made.of(nodes))
    for node in nodes:
        for matrix, read in zip(matrices, by_hand(const, terms, matrices, node), strict=False):
            assert (np.abs(read) @ np.abs(matrix.astype(int)).T).max() <= made.peak()


def test_amounts_of_shared_units_are_limited_in_all_rows_together(monkeypatch, request):
    files = files_of(built("key_value_grid", 12))
    monkeypatch.setattr(units, "MOST_AMOUNTS", 0)
    refused = check_files(files, "symbolic")
    total = int(re.search(r"take (\d+) amounts", refused.reason)[1])
    assert (refused.verdict, total > 100) == ("UNKNOWN", True)
    request.getfixturevalue("one_at_a_time")
    for most, verdict in ((total, "PASS"), (total - 1, "UNKNOWN")):
        monkeypatch.setattr(units, "MOST_AMOUNTS", most)
        assert check_files(files, "symbolic").verdict == verdict
