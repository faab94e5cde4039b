"""Theorem 4.3(2): sizes, and that no internal weight depends on the facts.

What holds of all constructions of many hops is in tests/test_many_hops.py.
"""

import numpy as np
import pytest
import torch
from hand_made import files_of
from hypothesis import given, settings
from hypothesis import strategies as st
from many_hops import FACTS, HOPS, install_changes_no_internal_weight
from strategies import all_queries

from constructions import FactTable, InputError, dot, precomputed
from constructions.facts.words import all_words
from verify.checking.check import check_files
from verify.queries.recall import check_recall


def test_sizes_in_numbers():
    facts = FactTable.random_bijections(16, 3)
    assert precomputed(facts, 3).shape.d_model == 27 * 4 + 3 + 2
    assert [layer.d_mlp for layer in precomputed(facts, 3).shape.layers] == [(108,), (36,), (12,)]
    assert precomputed(facts, 3, layers=1).shape.d_model == 27 * 4 + 3 + 2


def test_one_hop_of_depth_1_and_of_depth_k_are_both_there():
    facts = FactTable.random_bijections(5, 2)
    assert precomputed(facts, 1).construction == "precomputed"
    assert precomputed(facts, 1, layers=1).construction == "precomputed_depth_1"


@given(n=st.integers(1, 9), r=st.integers(1, 4), hops=HOPS, seed=st.integers(0, 99))
@settings(max_examples=20)
def test_heads_close_all_branches_of_letters_that_are_not_asked(n, r, hops, seed):
    """At depth 1 each block is its code less the number of letters in which it differs."""
    facts = FactTable.random_bijections(n, r, seed)
    model = precomputed(facts, hops, layers=1)
    subjects, paths = all_queries(facts, hops)
    trace = model.trace(torch.from_numpy(np.column_stack([subjects, n + paths])))
    held = model.slot_state(trace.residual["layers.0.mid"], "answers")[:, -1]
    codes = model.slot_state(trace.residual["embedding"], "answers")[:, 0]
    differing = (paths[:, None] != all_words(r, hops)).sum(-1)
    wanted = codes.flatten(1, -2) - torch.from_numpy(differing)[..., None]
    assert torch.equal(held.flatten(1, -2), wanted)


@pytest.mark.parametrize("layers", [None, 1])
@pytest.mark.parametrize(
    "wrong",
    [
        lambda relation: 0 * relation[:, None],
        lambda relation: (relation - 2 * relation.sum())[:, None],
        lambda relation: relation[:, None] - dot([[1, 1, 0]] * 3, relation)[:, None],
    ],
    ids=["nothing is closed", "the asked branch too", "branches are left open by one letter"],
)
def test_branches_that_are_not_closed_are_found_by_the_pass_and_by_the_kernel(
    layers, wrong, monkeypatch
):
    monkeypatch.setattr("constructions.theorems.lemmas.reading_the_prompt.closing", wrong)
    facts = FactTable.random_bijections(6, 3, seed=1)
    model = precomputed(facts, 2, layers=layers)
    assert check_recall(model, facts, 2, logits="full").wrong > 0
    assert check_files(files_of(model), "kernel").verdict == "FAIL"
    assert check_files(files_of(model), "symbolic").verdict != "PASS"


@given(n=st.integers(1, 9), r=st.integers(1, 3), hops=HOPS, seed=st.integers(0, 99))
def test_install_changes_no_internal_weight_for_any_two_fact_tuples(n, r, hops, seed):
    for layers in (None, 1):
        install_changes_no_internal_weight(
            lambda facts, layers=layers: precomputed(facts, hops, layers=layers), n, r, seed, hops
        )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: precomputed(FACTS, 3, layers=2),
            "layers must be 1 or the number of hops, 3; got 2",
        ),
    ],
)
def test_bad_arguments_get_their_message(make, message):
    with pytest.raises(InputError, match=message):
        make()
