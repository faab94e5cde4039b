"""Honest models are proven, whatever their facts, options and dtypes."""

import json

import numpy as np
import pytest
import torch
from exploits.small_models import one_letter
from hand_made import built, files_of, weights_of, with_weights
from hypothesis import given, settings
from hypothesis import strategies as st
from proofs import DTYPES, assert_proven
from strategies import bijections, tables_for

from bounds.sizes import predicted_for_bijections
from constructions import (
    CATALOGUE,
    Codebook,
    DoesNotFit,
    FactTable,
    key_value,
    save,
    selector,
    superposition,
)
from verify.checking.check import check, check_files
from verify.kernel.verdict import Refuted
from verify.queries.recall import check_recall
from verify.reading.stored import integers
from verify.symbolic import reading
from verify.symbolic.values import segments


@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize("name", CATALOGUE)
def test_every_construction_is_proven(name, partial):
    if partial and not CATALOGUE[name].missing:
        pytest.skip("total facts only")
    sizes = [(1, 1, 1), (2, 1, 3), (5, 2, 2), (6, 3, 2), (17, 2, 3)]
    # of one or two facts none may be left
    for n, n_relations, hops in sizes[2 * (CATALOGUE[name].stored_only and partial) :]:
        assert_proven(built(name, n, n_relations, hops, partial, seed=n))


@settings(max_examples=3)
@pytest.mark.parametrize("name", CATALOGUE)
@given(data=st.data())
def test_every_table_and_option_is_proven(name, data):
    entry = CATALOGUE[name]
    facts = data.draw(tables_for(name) if entry.missing else bijections())
    hops = data.draw(st.integers(1, 3 if facts.n_relations < 4 else 1)) if entry.multi_hop else 1
    given = {
        option.name: data.draw(
            st.sampled_from(list(option.choices(facts.n_relations, hops))), label=option.name
        )
        for option in entry.options
    }
    if name == "chain_of_thought":
        given["max_hops"] = hops
        given["hops_per_token"] = min(given["hops_per_token"], hops)
    assert_proven(entry.build(facts, hops, given))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", CATALOGUE)
def test_every_dtype_is_proven(name, dtype):
    try:
        model = built(name, n=3, hops=2, dtype=dtype)
    except DoesNotFit:
        pytest.skip("does not exist in this dtype")
    assert_proven(model)


@pytest.mark.parametrize(
    "name",
    ["selector", "scalar_selector", "attention_selector", "precomputed", "chain_of_thought"],
)
def test_a_codebook_of_ones_own_is_proven_also_after_install(name):
    one, other = (
        FactTable([[0, 1, 0, 0], [2, -1, 2, 2]]),
        FactTable([[1, 1, -1, 0], [-1, 3, 2, 2]]),
    )
    hops = {"max_hops": 2} if name == "chain_of_thought" else None
    model = CATALOGUE[name].build(
        one, 2 if CATALOGUE[name].multi_hop else 1, hops, codebook=Codebook.of(one, other)
    )
    assert_proven(model)
    model.install(other)
    assert_proven(model)


def test_codebooks_of_superposition_are_proven_also_after_install():
    one, other = (
        FactTable([[0, 1, 0, 0], [2, -1, 2, 2]]),
        FactTable([[1, 1, -1, 0], [-1, 3, 2, 2]]),
    )
    model = superposition(one, codebooks=[Codebook.of(one, other, relation=r) for r in range(2)])
    assert_proven(model)
    model.install(other)
    assert_proven(model)


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, entry in CATALOGUE.items()
        if predicted_for_bijections(entry, 5, 2).internal_fact_bits == 0 and not entry.needs
    ],
)
def test_other_facts_that_are_installed_are_proven(name):
    model = built(name, n=5)
    model.install(FactTable.random_bijections(5, 2, seed=9))
    assert_proven(model)


def test_packed_facts_are_proven():
    files = files_of(selector(FactTable([[1, 0, -1]], ["# 1", "b", "c"])))
    assert "facts.safetensors" in files
    assert check_files(files).verdict == "PASS"


def test_a_folder_is_proven_like_its_files(tmp_path):
    model = built("hybrid")
    save(model, tmp_path / "model")
    assert check(tmp_path / "model") == check_files(files_of(model))
    assert check(str(tmp_path / "model")).verdict == "PASS"


def test_a_trained_model_is_not_proven():
    model = key_value(FactTable.random_bijections(4, 2), 2)
    model(torch.tensor([[0, 4, 5]])).square().mean().backward()
    for parameter in model.parameters():
        parameter.data -= 2.0**-14 * parameter.grad
    assert check_recall(model, model.facts, 2).wrong == 0
    proven = check_files(files_of(model))
    assert proven.verdict == "FAIL"
    assert "no integer" in proven.reason


@pytest.mark.parametrize("value", [0.5, np.nan, np.inf, 2.0**70])
def test_weights_that_are_no_integers_are_refused(value):
    model = selector(FactTable.random_bijections(4, 2))
    model.layers[0].mlp.matrix(0).data[0, 0] = value
    proven = check_files(files_of(model))
    assert proven.verdict == "FAIL"
    assert "layers.0.mlp.weights.0.weight holds a number that is no integer" in proven.reason


def test_minus_zero_is_zero():
    model = selector(FactTable.random_bijections(4, 2))
    for parameter in model.parameters():
        parameter.data[parameter == 0] = -0.0
    assert_proven(model)


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_certificate_does_not_grow_with_the_number_of_entities(name):
    """As many lines, and no other difference than in digits; one more digit stands for each factor
    of ten.
    """
    small, large = (files_of(built(name, n, 2, 2))["certificate.json"].decode() for n in (8, 64))
    digits = str.maketrans("", "", "0123456789")
    assert small.count("\n") == large.count("\n")
    assert abs(len(large) - len(small)) <= small.count("\n") * 12
    assert len(large) < 2 * len(small)
    one, other = (
        [(claim["claim"], sorted(claim)) for claim in json.loads(text)] for text in (small, large)
    )
    assert one == other
    assert small.translate(digits) == large.translate(digits)


@settings(max_examples=200)
@given(st.data())
def test_columns_are_cut_into_parts_that_read_the_same(data):
    cases, width = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 5))
    start, step = data.draw(st.integers(0, 5)), data.draw(st.integers(0, 6))
    columns = np.add.outer(start + step * np.arange(cases), np.arange(width))
    columns = columns + data.draw(
        st.lists(st.integers(0, 3), min_size=width, max_size=width).map(sorted)
    )
    row = np.arange(100)
    parts = [row[where].reshape(cases, n) for where, n in segments(columns)]
    assert np.array_equal(np.concatenate(parts, axis=1), columns)


@pytest.mark.parametrize("dtype", ["<f8", "<f4", "<f2", "<u2"])
def test_codes_are_stored_exactly_or_refused(dtype):
    exact = {"<f8": 2**53, "<f4": 2**24, "<f2": 2**11, "<u2": 2**8}[dtype]
    like, numbers = np.zeros(1, dtype), np.array([0, 1, -1, 2, exact - 1, exact])
    held = reading.stored_as(numbers, like)
    assert held.dtype == like.dtype
    assert np.array_equal(integers(held, ""), numbers)
    assert not len(reading.differing(held, reading.stored_as(numbers, like), ""))
    assert reading.differing(
        held, reading.stored_as(numbers * [1, 1, 1, 1, 1, -1], like), ""
    ).tolist() == [[5]]
    with pytest.raises(Refuted):
        reading.stored_as(np.array([exact + 1]), like)


@pytest.mark.parametrize("name", ["selector", "chain_of_thought", "meet_in_the_middle"])
def test_tables_are_read_to_the_end_in_pieces_of_any_size(name, monkeypatch):
    files = files_of(built(name, 5, partial=name != "meet_in_the_middle"))
    whole = check_files(files)
    assert whole.verdict == "PASS"
    for at_once in (1, 30, 100):
        monkeypatch.setattr(reading, "AT_ONCE", at_once)
        assert check_files(files) == whole
        for table in ("embedding.weight", "unembedding.weight"):
            weights = weights_of(files)
            weights[table][4] += 1  # the last entity
            assert check_files(with_weights(files, weights)).verdict == "FAIL"


def test_large_weights_of_the_unembedding_are_no_reason_to_refuse():
    large = {
        0: {"one": 2.0**51, "c": -(2.0**52)},
        1: {"one": -(2.0**51), "c": 2.0**52},
        "rest": {"one": -(2.0**52)},
    }
    proven = check_files(one_letter(unembedding=large, dtype="float64"))
    assert (proven.verdict, proven.margin) == ("PASS", 2**49), "margins are stated up to that"
