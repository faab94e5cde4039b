"""Stored queries of many hops, and of chains of thought: those whose path meets no missing fact."""

import json

import numpy as np
import pytest
import torch
from hand_made import files_of
from stored_models import claiming

from constructions import CATALOGUE, FactTable
from verify.checking.check import check_files
from verify.queries.recall import check_recall

FACTS = FactTable.random_functions(7, 2, 5, 0.35)
HOPS = 3
MODELS = {
    "chain_of_thought": {},
    "key_value": {},
    "precomputed": {},
    "hybrid": {},
}


def model_of(name):
    """A model of the catalogue, taken for one that claims stored queries alone."""
    model = CATALOGUE[name].build(FACTS, HOPS)
    model.stored_only = True
    return model


def n_stored(model):
    return sum(map(FACTS.n_stored_queries, model.path_lengths))


@pytest.mark.parametrize("name", MODELS)
def test_the_stored_queries_of_many_hops_are_run_and_proven(name):
    model = model_of(name)
    for hops in model.path_lengths:
        found = check_recall(model, FACTS, hops, "full", batch_rows=50)
        assert (found.verdict, found.wrong) == ("PASS", 0)
        assert found.queries == found.planned == FACTS.n_stored_queries(hops)
    proven = check_files(files_of(model), "kernel")
    every = sum(map(FACTS.n_queries, model.path_lengths))
    assert proven.verdict == "PASS", proven.reason
    assert (proven.queries, proven.not_claimed) == (n_stored(model), every - n_stored(model))
    assert 0 < n_stored(model) < every
    everything = check_files(claiming(files_of(model), "all"), "kernel")
    assert (everything.verdict, everything.queries) == ("PASS", every)
    assert everything.margin <= proven.margin


def unknown_forgotten(model, by):
    """What is read where *unknown* was written before, of no stored query, is another number."""
    with torch.no_grad():
        model.embedding.weight[model.vocabulary.unknown] = by
    return model


@pytest.mark.parametrize(("by", "refusal"), [(0, "FAIL"), (3, "UNKNOWN")])
def test_what_follows_a_missing_fact_is_not_claimed(by, refusal):
    name = "chain_of_thought"
    files = files_of(unknown_forgotten(model_of(name), by))
    assert check_files(claiming(files, "stored"), "kernel").verdict == "PASS"
    assert check_files(claiming(files, "all"), "kernel").verdict == refusal
    model = unknown_forgotten(model_of(name), by)
    assert check_recall(model, FACTS, HOPS, "full").verdict == "PASS"
    model.stored_only = False
    assert check_recall(model, FACTS, HOPS, "full").verdict == "FAIL"


@pytest.mark.parametrize("name", MODELS)
def test_an_error_on_a_stored_path_is_found(name):
    """The row of an entity is lost that a stored path begins with."""
    model = model_of(name)
    subject = int(FACTS.stored_paths.queries(np.array([0]), HOPS)[0][0])
    with torch.no_grad():
        model.embedding.weight[subject].zero_()
    found = check_recall(model, FACTS, HOPS, "full")
    assert (found.verdict, found.queries) == ("FAIL", FACTS.n_stored_queries(HOPS))
    assert check_files(claiming(files_of(model), "stored"), "kernel").verdict == "FAIL"


def test_paths_of_which_none_is_stored_are_unknown_to_the_kernel():
    """Of three hops none is stored here; nothing is claimed of them, and nothing is proven."""
    facts = FactTable([[1, -1, -1]])
    files = claiming(files_of(CATALOGUE["key_value"].build(facts, 2)), "stored")
    found = check_files(files, "kernel")
    assert (found.verdict, found.queries) == ("UNKNOWN", 0)
    assert found.reason.endswith("in 0 cases is not held")
    assert json.loads(files["manifest.json"])["queries"] == "stored"
