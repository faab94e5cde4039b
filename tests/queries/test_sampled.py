"""A sample of queries beside every proof: it agrees with what is proven, and refutes a proof of
what the module does not do.
"""

import json
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import constructions
from constructions import CATALOGUE, FactTable, chain_of_thought, selector
from constructions.model.parts import MLP
from constructions.model.transformer import Transformer
from verify.__main__ import main
from verify.cells.cell import Cell
from verify.cells.verifying import run_cell
from verify.checking.check import check
from verify.kernel.verdict import Verdict
from verify.queries import sampled
from verify.queries.sample import Sample
from verify.queries.sampled import check_and_sample, sample

FACTS = FactTable.random_functions(9, 3, seed=0, missing=0.2)


@pytest.fixture
def folder(tmp_path):
    constructions.save(selector(FACTS), tmp_path / "model")
    return tmp_path / "model"


def edited(folder, change):
    """The weights of the folder, changed after they were proven; the manifest is as it was."""
    weights = load_file(folder / "weights.safetensors")
    change(weights)
    save_file(weights, folder / "weights.safetensors")


def test_a_sample_of_each_construction_agrees_with_its_proof(tmp_path):
    for name, entry in CATALOGUE.items():
        hops = 3 if entry.multi_hop else 1
        facts = entry.random_facts(12, 3, 0)
        constructions.save(entry.build(facts, hops), tmp_path / name)
        proven, found = check_and_sample(tmp_path / name)
        assert (proven.verdict, found.verdict, found.wrong) == ("PASS", "PASS", 0), name
        assert found.all_queries == proven.queries
        assert min(200, found.all_queries) <= found.queries <= 256
        assert found.dtype == (proven.exact or "float64")
        if proven.exact:
            assert found.margin >= proven.margin


def test_the_tokens_of_a_chain_are_fed_back_and_end_is_asked_for(tmp_path):
    """With two hops a token; paths of one to five relations, some of which meet missing facts."""
    constructions.save(chain_of_thought(FACTS, 5, hops_per_token=2), tmp_path / "model")
    proven = check(tmp_path / "model")
    found = sample(tmp_path / "model", proven)
    assert (proven.hops_per_token, found.verdict) == (2, "PASS")
    assert 200 < found.queries <= 256  # there are only 27 of one relation
    written = replace(proven, hops_per_token=3)  # the control: other tokens are expected
    assert sample(tmp_path / "model", written).verdict == "FAIL"


def test_all_are_run_where_there_are_few_and_the_seed_is_said(folder):
    proven = check(folder)
    found = sample(folder, proven)
    assert found.in_words().startswith("sample: all 27 queries run in float32")
    few = sample(folder, proven, most=5, seed=3)
    assert few.in_words().startswith("sample: 5 random queries (seed 3) run")
    assert (few.queries, few.all_queries, few.verdict) == (5, 27, "PASS")


@pytest.mark.parametrize("part", ["states", "forward", "MLP"])
def test_a_module_that_computes_something_else_fails(folder, part, monkeypatch, capsys):
    right = {"states": Transformer.states, "forward": Transformer.forward, "MLP": MLP.forward}

    def wrong(self, *given, **named):
        found = right[part](self, *given, **named)
        return (-found[0], found[1]) if part == "states" else -found

    kind = MLP if part == "MLP" else Transformer
    monkeypatch.setattr(kind, "forward" if part != "states" else "states", wrong)
    assert main(["check", str(folder)]) == 1
    printed = capsys.readouterr().out
    assert printed.startswith("FAIL: the checker has proven a model that answers ")
    assert "of all 27 queries wrong, run in float32: e" in printed


def test_a_tensor_that_is_corrupted_after_the_proof_fails(folder):
    proven = check(folder)
    assert sample(folder, proven).verdict == "PASS"

    def change(weights):
        weights["embedding.weight"][:, :4] *= -1

    edited(folder, change)
    found = sample(folder, proven)
    assert found.verdict == "FAIL"
    assert found.wrong > 0


def test_a_margin_below_the_proven_one_fails_where_the_proof_is_exact(folder):
    proven = check(folder)
    assert proven.exact == "float32"
    claimed = replace(proven, margin=Fraction(3))
    assert "proven a margin of 3; of all 27 queries" in "; ".join(sample(folder, claimed).faults())
    inexact = replace(claimed, exact=None)
    assert sample(folder, inexact).dtype == "float64"
    assert sample(folder, inexact).verdict == "PASS"


def test_a_wrong_module_turns_the_verdict_of_a_cell(monkeypatch):
    cell = Cell("selector", 6, 2)
    assert run_cell(cell, by="proof").verdict == "PASS"
    margins = sampled._margins

    def negative(*given):
        found, largest = margins(*given)
        return -found, largest

    monkeypatch.setattr(sampled, "_margins", negative)
    for by in ("proof", "both"):
        result = run_cell(cell, by=by)
        assert (result.by, result.verdict) == (by, "FAIL")
        assert "12 of all 12 queries wrong" in result.reason


def test_what_is_not_run_is_said_and_the_proof_stands(tmp_path, monkeypatch, capsys):
    entry = CATALOGUE["attention_selector"]  # it rounds, so that it would be run in float64
    constructions.save(entry.build(entry.random_facts(9, 3, 0)), tmp_path / "model")
    monkeypatch.setattr(sampled, "memory_limit", lambda: 1000)
    reported = tmp_path / "found.json"
    assert main(["check", str(tmp_path / "model"), "--json", str(reported)]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("PASS: all 27 queries")
    assert "sample: not run, the weights in float64 need " in printed
    found = json.loads(reported.read_text())
    assert (found["verdict"], found["sample"]["verdict"]) == ("PASS", "UNKNOWN")


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        ({"wrong": 1, "first_wrong": "a r"}, "answers 1 of all 5 queries wrong"),
        ({"margin": 1.0}, "has proven a margin of 2; of all 5 queries"),
        ({"margin": float("nan")}, "has proven a margin of 2; of all 5 queries"),
    ],
)
def test_faults_of_samples(found, reason):
    proven = Verdict("PASS", "", 5, 0, Fraction(2), Fraction(2), "float32")
    sound = Sample(proven, 5, 5, margin=2.0, largest=4.0, dtype="float32")
    assert sound.verdict == "PASS"
    assert reason in "; ".join(replace(sound, **found).faults())
    assert replace(sound, not_run="no memory").verdict == "UNKNOWN"
    tiny = replace(proven, exact=None, real_margin=Fraction(1, 2**30))
    assert replace(sound, proven=tiny, **found).verdict == "UNKNOWN"


def test_a_large_embedding_is_asked_in_few_queries(folder, monkeypatch):
    monkeypatch.setattr(sampled, "MOST_WORK", 1)
    found = sample(folder, check(folder))
    assert (found.queries, found.verdict) == (1, "PASS")
    assert np.isfinite(found.margin)
    assert torch.is_grad_enabled()
