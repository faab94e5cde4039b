"""Theorem 4.3(2) in digits: sizes, how few bits are inside, closing, leaks; with controls.

What holds of all constructions of many hops is in tests/test_many_hops.py.
"""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hand_made import files_of
from hypothesis import given, settings
from hypothesis import strategies as st
from many_hops import FACTS, HOPS, install_changes_no_internal_weight
from strategies import all_queries, bijections, functions

from bounds.sizes import predicted_for_bijections
from constructions import (
    CATALOGUE,
    Codebook,
    DoesNotFit,
    FactTable,
    InputError,
    precomputed,
    precomputed_digits,
)
from constructions.theorems import theorem_4_3_precomputed as folding
from constructions.theorems.lemmas.digit_blocks import AnswersInDigits
from constructions.writing.position_reading import GAIN
from verify.cells.cell import Cell
from verify.cells.verifying import run_cell
from verify.checking.check import check_files
from verify.queries.recall import check_recall

FEW = {"entities": st.integers(1, 20), "relations": st.integers(1, 3)}


@given(facts=st.one_of(bijections(**FEW), functions(**FEW)), hops=HOPS, bits=st.integers(1, 6))
@settings(max_examples=25)
def test_every_cell_has_the_stated_size_and_margin_exactly_one(facts, hops, bits):
    model = precomputed_digits(facts, hops, bits_per_coordinate=bits)
    n = math.ceil(Codebook.of(facts).bits / bits)
    words, r = facts.n_relations**hops, facts.n_relations
    p = max(1, math.ceil(math.log2(hops + 1)))
    assert model.shape.d_model == words * n + r + p + 1
    widths = [r ** (hops - hop) * n for hop in range(hops)]
    assert [layer.d_mlp for layer in model.shape.layers] == [(width,) for width in widths]
    recall = check_recall(model, facts, hops, "both")
    assert (recall.wrong, recall.margin, recall.defect) == (0, 1, None)


@given(facts=bijections(**FEW), hops=HOPS, bits=st.integers(1, 3))
@settings(max_examples=15)
def test_no_internal_weight_is_larger_than_those_of_precomputed(facts, hops, bits):
    """L stands in relations' rows; queries have the gain."""
    model = precomputed_digits(facts, hops, bits_per_coordinate=bits)
    for name, weight in model.internal_weights():
        if not name.endswith("query.weight"):
            assert set(weight.unique().tolist()) <= {-1, 0, 1}, name


@given(n=st.integers(1, 9), r=st.integers(1, 3), hops=HOPS, seed=st.integers(0, 99))
@settings(max_examples=20)
def test_a_letter_closes_all_branches_but_its_own(n, r, hops, seed):
    """After the first head each block is its digits, less L where the first letter is another."""
    facts = FactTable.random_bijections(n, r, seed)
    model = precomputed_digits(facts, hops, bits_per_coordinate=2)
    closing = max(1, min(3, n - 1))
    subjects, paths = all_queries(facts, hops)
    trace = model.trace(torch.from_numpy(np.column_stack([subjects, n + paths])))
    held = model.slot_state(trace.residual["layers.0.mid"], "answers")[:, -1]
    digits = model.slot_state(trace.residual["embedding"], "answers")[:, 0]
    other = torch.from_numpy(paths[:, :1] != np.arange(r))[..., None]
    shape = (len(subjects), r, -1)
    assert torch.equal(held.reshape(shape), digits.reshape(shape) - closing * other)


@given(n=st.integers(1, 9), r=st.integers(1, 3), hops=HOPS, seed=st.integers(0, 99))
@settings(max_examples=15)
def test_install_changes_no_internal_weight_for_any_two_fact_tuples(n, r, hops, seed):
    install_changes_no_internal_weight(
        lambda facts: precomputed_digits(facts, hops), n, r, seed, hops
    )


# ------------------------------------------------------------------ sizes and bits


@pytest.mark.parametrize(
    ("bits", "d_model", "dense"),
    [
        (1, 5128, 183_813_160),
        (4, 1288, 11_624_200),
        (10, 520, 1_903_720),
        (20, 264, 494_472),
    ],
)
def test_dense_bits_fall_with_the_square_of_the_coordinates(bits, d_model, dense):
    """At (2^20, 4, 4); those of `precomputed` are 183,777,315."""
    costs = predicted_for_bijections(
        CATALOGUE["precomputed_digits"], 2**20, 4, 4, {"bits_per_coordinate": bits}
    )
    whole = predicted_for_bijections(CATALOGUE["precomputed"], 2**20, 4, 4)
    assert whole.internal_bits == 183_777_315
    assert (costs.d_model, costs.internal_bits) == (d_model, dense)
    assert costs.embedding_fact_bits == whole.embedding_fact_bits
    assert 0.9 * bits**2 < whole.internal_bits / costs.internal_bits <= bits**2


@pytest.mark.parametrize("bits", [1, 2, 3, 5])
def test_the_sizes_of_a_built_model_are_those_of_the_formulas(bits):
    options = (("bits_per_coordinate", bits),)
    for n, r, k in ((1, 1, 1), (1, 2, 2), (2, 2, 1), (5, 1, 3), (16, 3, 2), (17, 2, 3)):
        result = run_cell(Cell("precomputed_digits", n, r, k, options=options))
        assert result.verdict == "PASS", (n, r, k, result.reason)


def test_digits_of_one_bit_have_the_trees_of_precomputed():
    one, other = precomputed_digits(FACTS, 2, bits_per_coordinate=1), precomputed(FACTS, 2)
    held = [model.slot_state(model.embedding.weight, "answers")[:7] for model in (one, other)]
    assert torch.equal(*held)


# ------------------------------------------------------------------ proofs


@pytest.mark.parametrize("bits", [2, 3])
@pytest.mark.parametrize("partial", [False, True])
def test_both_checkers_prove_it_and_say_what_leaks_take(bits, partial):
    make = FactTable.random_functions if partial else FactTable.random_bijections
    facts = make(9, 2, 3, 0.3) if partial else make(9, 2, 3)
    files = files_of(precomputed_digits(facts, 2, bits_per_coordinate=bits))
    for by in ("kernel", "symbolic"):
        proof = check_files(files, by)
        assert proof.margin == 1, by
        assert 0 < 1 - proof.real_margin < Fraction(1, 2**2900), by


@pytest.mark.parametrize("bits", [2, 3])
@pytest.mark.parametrize("gain", [6, 8])
def test_the_symbolic_margin_is_below_that_of_a_softmax_that_does_leak(bits, gain):
    """With a small gain the leak shows in float64."""
    facts = FactTable.random_bijections(7, 2, seed=1)
    model = precomputed_digits(facts, 2, bits_per_coordinate=bits, dtype=torch.float64)
    with torch.no_grad():
        for layer in model.layers:
            layer.attention.query.weight.mul_(gain / GAIN)
    proof = check_files(files_of(model), "symbolic")
    assert (proof.verdict, proof.margin) == ("PASS", 1)
    measured = check_recall(model, facts, 2, "full").margin
    assert 0 < proof.real_margin <= Fraction(measured) < 1


def test_a_certificate_without_leaks_would_say_more_than_is_so(monkeypatch):
    """The control: where no error is followed, the symbolic margin is the limit itself."""
    monkeypatch.setattr("verify.symbolic.heads.leak", lambda gap, others: 0)
    files = files_of(precomputed_digits(FACTS, 2))
    assert check_files(files, "symbolic").real_margin == 1


# ------------------------------------------------------------------ controls and refusals


@pytest.mark.parametrize("close", [0, 1, 2])
def test_branches_that_are_not_closed_as_far_as_the_largest_digit_are_noticed(monkeypatch, close):
    """-3 closes digits up to 3; less leaves something of the others."""
    monkeypatch.setattr(AnswersInDigits, "closing", close)
    facts = FactTable.random_bijections(20, 2, seed=1)
    model = precomputed_digits(facts, 2)
    assert check_recall(model, facts, 2, logits="full").wrong > 0
    assert check_files(files_of(model), "kernel").verdict == "FAIL"
    assert check_files(files_of(model), "symbolic").verdict != "PASS"


def test_trees_that_are_not_folded_are_noticed(monkeypatch):
    monkeypatch.setattr(folding, "keep_open", lambda layer, tree, axes: None)
    model = precomputed_digits(FACTS, 2)
    assert check_recall(model, FACTS, 2, logits="full").wrong > 0
    assert check_files(files_of(model), "kernel").verdict == "FAIL"


@pytest.mark.parametrize("bits", [0, -1, 65, 2.0, None, True])
def test_bits_that_no_digit_has_are_refused(bits):
    with pytest.raises(InputError, match="bits_per_coordinate"):
        precomputed_digits(FACTS, 2, bits_per_coordinate=bits)


def test_a_dtype_that_is_too_narrow_is_refused():
    """3 n L^2 <= 2 / eps, as in one hop."""
    facts = FactTable.random_bijections(27, 2)
    assert precomputed_digits(facts, 2, bits_per_coordinate=5, dtype=torch.float16)
    facts = FactTable.random_bijections(28, 2)
    with pytest.raises(DoesNotFit, match=r"precomputed_digits with 28 .* use a wider dtype"):
        precomputed_digits(facts, 2, bits_per_coordinate=5, dtype=torch.float16)
