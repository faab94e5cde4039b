"""A model that claims stored facts alone: what is run, proven, sampled and asked is these, and an
error in one of them is found; an error elsewhere refutes nothing, and nothing is said of it.
"""

import json

import numpy as np
import pytest
import torch
from hand_made import files_of
from stored_models import (
    NOT_SAID,
    STORED,
    claiming,
    damaged,
    sparse_facts,
    stored_selector,
)

from constructions import DoesNotFit, FactTable, InputError, UserCodeError, save
from verify.cells.verifying import verify_facts
from verify.checking.check import check_files
from verify.checking.work import n_facts, work
from verify.cli.reports.checks import check_line
from verify.kernel import proof as kernel
from verify.kernel.verdict import Verdict
from verify.queries.exported import ask
from verify.queries.forms import check_form, make_form
from verify.queries.recall import check_recall
from verify.queries.sampled import check_and_sample, sample

FACTS = sparse_facts()
STORED_FACTS, OTHERS = FACTS.n_facts, FACTS.answers.size - FACTS.n_facts


@pytest.mark.parametrize("logits", ["fast", "full", "both"])
@pytest.mark.parametrize("rows", [None, 1, 7])
def test_the_pass_runs_the_stored_queries_alone(logits, rows):
    found = check_recall(stored_selector(FACTS), FACTS, 1, logits, rows)
    assert found.verdict == "PASS"
    assert (found.planned, found.queries, found.wrong, found.margin) == (
        STORED_FACTS,
        STORED_FACTS,
        0,
        2,
    )


def test_the_pass_about_some_subjects_runs_their_stored_queries():
    some = np.array([7, 2])
    found = check_recall(stored_selector(FACTS), FACTS, subjects=some)
    assert (found.verdict, found.queries) == ("PASS", (FACTS.answers[:, some] >= 0).sum())


@pytest.mark.parametrize("logits", ["fast", "full"])
def test_one_wrong_stored_fact_is_found_and_a_wrong_missing_one_is_no_claim(logits):
    found = check_recall(damaged(stored_selector(FACTS), stored=True), FACTS, 1, logits)
    assert (found.verdict, found.queries, found.wrong) == ("FAIL", STORED_FACTS, 1)
    assert len(found.counterexamples) == 1
    found = check_recall(damaged(stored_selector(FACTS), stored=False), FACTS, 1, logits)
    assert (found.verdict, found.queries, found.wrong) == ("PASS", STORED_FACTS, 0)


def test_the_same_weights_fail_where_all_queries_are_claimed():
    model = stored_selector(FACTS)
    files = files_of(model)
    model.stored_only = False
    found = check_recall(model, FACTS)
    assert (found.verdict, found.queries, found.wrong) == ("FAIL", FACTS.answers.size, OTHERS)
    assert check_files(claiming(files, "all")).verdict == "FAIL"
    assert check_files(claiming(files, "all"), "kernel").verdict == "FAIL"
    assert check_files(claiming(files, "stored"), "kernel").verdict == "PASS"


@pytest.mark.parametrize("by", ["auto", "both", "kernel"])
def test_the_kernel_proves_the_stored_queries_and_counts_them_alone(by):
    found = check_files(files_of(stored_selector(FACTS)), by)
    assert (found.verdict, found.by, found.exact) == ("PASS", "kernel", "float32")
    assert (found.queries, found.not_claimed, found.margin) == (STORED_FACTS, OTHERS, 2)
    wrong = check_files(files_of(damaged(stored_selector(FACTS), stored=True)), by)
    assert wrong.verdict == "FAIL"
    assert "is not above all others" in wrong.reason
    unclaimed = check_files(files_of(damaged(stored_selector(FACTS), stored=False)), by)
    assert (unclaimed.verdict, unclaimed.queries) == ("PASS", STORED_FACTS)
    assert check_line(unclaimed, None) == (
        f"PASS: all {STORED_FACTS} stored queries are answered right, by the kernel; the other"
        f" {OTHERS} queries are not claimed"
    )


def test_an_error_in_any_stored_fact_is_found_by_the_kernel_and_in_no_other():
    for number in range(STORED_FACTS):
        files = files_of(damaged(stored_selector(FACTS), True, number))
        assert check_files(files, "kernel").verdict == "FAIL"
    for number in range(OTHERS):
        files = files_of(damaged(stored_selector(FACTS), False, number))
        assert check_files(files, "kernel").verdict == "PASS"


def test_the_kernel_has_no_more_work_than_there_are_facts():
    files = files_of(stored_selector(FACTS))
    manifest = json.loads(files["manifest.json"])
    packed = files_of(stored_selector(FactTable(FACTS.answers, ["#", *"abcdefghijk"])))
    assert "facts.safetensors" in packed
    assert n_facts(files) == n_facts(packed) == STORED_FACTS
    most = work(claiming(files, "all"), manifest)
    assert most / 3 < work(files, manifest) < most / 1.5


def test_the_symbolic_checker_proves_all_queries_or_none():
    found = check_files(files_of(stored_selector(FACTS)), "symbolic")
    assert (found.verdict, found.queries) == ("UNKNOWN", 0)
    assert found.reason == "stored queries alone are claimed, and this checker proves all or none"


def test_of_a_total_table_the_stored_queries_are_all():
    facts = FactTable.random_bijections(6, 3)
    found = check_files(files_of(stored_selector(facts)))
    assert (found.verdict, found.queries, found.not_claimed) == ("PASS", 18, 0)
    assert check_line(found, None) == "PASS: all 18 queries are answered right, by the kernel"


def test_the_kernel_holds_no_more_cases_than_facts(monkeypatch):
    """A hundred relations, of which a subject has three: the table of all pairs is not held."""
    n, r = 40, 100
    answers = np.full((r, n), -1)
    rng = np.random.default_rng(0)
    for subject in range(n):
        answers[rng.choice(r, 3, replace=False), subject] = rng.integers(n, size=3)
    files = files_of(stored_selector(FactTable(answers)))
    d = json.loads(files["manifest.json"])["sizes"]["d_model"]
    monkeypatch.setattr(kernel, "MOST_NUMBERS", 130 * d)
    found = check_files(files, "kernel")
    assert (found.verdict, found.queries, found.not_claimed) == ("PASS", 120, n * r - 120)
    monkeypatch.setattr(kernel, "MOST_NUMBERS", 110 * d)
    found = check_files(files, "kernel")
    assert found.verdict == "UNKNOWN"
    assert found.reason.endswith("in 120 cases is not held")


def test_a_sample_is_of_stored_queries_and_refutes_a_proof_of_wrong_ones(tmp_path):
    for stored in (True, False):
        save(damaged(stored_selector(FACTS), stored), tmp_path / f"{stored}")
    proven, found = check_and_sample(tmp_path / "False")
    assert (proven.verdict, found.verdict, found.queries) == ("PASS", "PASS", STORED_FACTS)
    assert found.in_words().startswith(f"sample: all {STORED_FACTS} stored queries run in")
    forged = Verdict("PASS", queries=STORED_FACTS, margin=2, exact="float32")
    refuted = sample(tmp_path / "True", forged)
    assert (refuted.verdict, refuted.wrong) == ("FAIL", 1)
    few = sample(tmp_path / "False", proven, most=9)
    assert (few.queries, few.all_queries, few.wrong) == (9, STORED_FACTS, 0)


def test_another_tool_is_asked_the_stored_queries():
    for stored, wrong in ((True, 1), (False, 0)):
        model = damaged(stored_selector(FACTS), stored)
        for most in (4096, STORED_FACTS - 1):
            asked = ask(lambda tokens, model=model: model(tokens), model, most=most)
            assert asked.queries == min(most, STORED_FACTS)
            assert (asked.all_queries, asked.not_claimed) == (STORED_FACTS, OTHERS)
            assert asked.wrong in ({wrong} if most > STORED_FACTS else {0, wrong})
    assert "30 stored queries" in asked.lines("onnx")[0] or most < STORED_FACTS
    assert f"; {OTHERS} others are not claimed" in asked.lines("onnx")[0]


@pytest.mark.parametrize("form", ["basis", "noise", "rmsnorm pre"])
def test_forms_are_asked_the_stored_queries(form):
    model = stored_selector(FACTS, dtype=torch.float64)
    found = check_form(model, make_form(model, form))
    assert (found.verdict, found.queries, found.planned) == ("PASS", STORED_FACTS, STORED_FACTS)
    wrong = damaged(stored_selector(FACTS, dtype=torch.float64), stored=True)
    with pytest.raises((InputError, DoesNotFit)):  # as a margin is claimed of it as it was built
        make_form(wrong, form)


@pytest.mark.parametrize("by", ["queries", "proof", "both"])
def test_a_construction_is_verified_on_its_stored_queries(by):
    result, model = verify_facts(STORED, FACTS, by=by)
    assert result.verdict == "PASS", result.reason
    assert (result.not_claimed, model.stored_only) == (OTHERS, True)
    assert f"stored queries alone are claimed; the other {OTHERS} are not claimed" in str(result)
    assert result.queries == (0 if by == "proof" else STORED_FACTS)
    assert by == "queries" or result.proof.queries == STORED_FACTS


def test_a_construction_must_say_what_its_models_claim():
    with pytest.raises(UserCodeError, match=r"claims stored queries alone, .* says all queries"):
        verify_facts(NOT_SAID, FACTS)
    with pytest.raises(InputError, match="stored_only must be a bool"):
        type(STORED)(stored_selector, stored_only="yes")
