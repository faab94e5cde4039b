"""Proofs for all prompts with noise tokens: what must not pass does not, and what the command
prints.
"""

import copy
import json

import numpy as np
import pytest
import torch

from constructions import (
    FactTable,
    InputError,
    digit_selector,
    read_among_noise,
    scalar_selector,
    selector,
)
from constructions.guards.wording import shortened
from verify.__main__ import main
from verify.queries.noise_proof import prove_all_prompts
from verify.queries.noise_sample import check_prompts

FACTS = FactTable.random_bijections(16, 3, seed=2)


def damaged(reader, row, column, value, weight="embedding"):
    """A copy with one entry changed."""
    other = copy.deepcopy(reader)
    with torch.no_grad():
        getattr(other.network, weight).weight[row, column] = value
    return other


@pytest.mark.parametrize("build", [selector, scalar_selector])
def test_a_noise_row_that_is_not_zero_is_refuted_and_seen_in_a_sample(build):
    reader = read_among_noise(build(FACTS), 16, 4)
    noisy = damaged(reader, reader.prompts.noise[2], 0, 9)
    proven = prove_all_prompts(noisy)
    assert proven.verdict == "FAIL"
    assert f"token {reader.prompts.noise[2]} in all 13 other places" in proven.reason
    found = check_prompts(noisy)
    assert found.wrong > 0
    assert found.verdict == "FAIL"
    with pytest.raises(InputError, match="proven of other weights"):
        noisy.margin  # noqa: B018


def test_the_prompt_that_refutes_a_reader_is_answered_wrong_when_it_is_run():
    reader = read_among_noise(selector(FACTS), 16, 4)
    token = int(reader.prompts.noise[1])
    noisy = damaged(reader, token, 0, 9)
    reason = prove_all_prompts(noisy).reason
    subject, relation = (int(word[1:]) for word in reason.partition(":")[0].split())
    tokens = np.array([subject, 16 + relation, *[token] * 13, reader.prompts.end])
    assert noisy.answer(tokens) != FACTS.answer(subject, [relation])
    assert reader.answer(tokens) == FACTS.answer(subject, [relation])


@pytest.mark.parametrize("given_rows", [False, True])
def test_a_tie_is_wrong(given_rows):
    """A noise token with the unembedding of an entity has its logit."""
    model = selector(FACTS)
    rows = np.ones((4, model.shape.d_model)) if given_rows else None
    reader = read_among_noise(model, 8, 4, rows)
    row = reader.network.unembedding.weight[6]
    tied = damaged(reader, reader.prompts.noise[1], slice(None), row, "unembedding")
    assert prove_all_prompts(tied).verdict == ("UNKNOWN" if given_rows else "FAIL")
    found = check_prompts(tied)
    assert (found.verdict, found.margin) == ("FAIL", 0)
    assert found.wrong == 3  # one fact of each relation


def test_a_small_noise_row_under_uniform_attention_is_never_a_pass():
    """Halves may lose an answer: no integers, so that nothing is proven."""
    reader = read_among_noise(selector(FACTS), 16, 4)
    assert prove_all_prompts(damaged(reader, reader.prompts.noise[0], 0, 0.5)).verdict == "UNKNOWN"


@pytest.mark.parametrize("given_rows", [False, True])
@pytest.mark.parametrize("build", [selector, scalar_selector, digit_selector])
def test_a_changed_row_of_a_relation_or_a_subject_is_refuted(build, given_rows):
    model = build(FACTS)
    rows = np.ones((4, model.shape.d_model)) if given_rows else None
    reader = read_among_noise(model, 8, 4, rows)
    assert prove_all_prompts(reader).verdict == "PASS"
    opened = damaged(reader, 16, slice(None), reader.network.embedding.weight[17])
    assert prove_all_prompts(opened).verdict == "FAIL"
    assert check_prompts(opened).wrong > 0
    other = int(np.flatnonzero(FACTS.answers[0] != FACTS.answers[0, 5])[0])
    swapped = damaged(reader, 5, slice(None), reader.network.embedding.weight[other])
    assert prove_all_prompts(swapped).verdict == "FAIL"
    assert check_prompts(swapped).wrong > 0


@pytest.mark.parametrize("given_rows", [False, True])
def test_an_end_token_that_holds_something_is_refuted(given_rows):
    """It stands where the answer is read: the residual keeps its row, whatever the head selects."""
    model = selector(FACTS)
    reader = read_among_noise(
        model, 8, 4, np.ones((4, model.shape.d_model)) if given_rows else None
    )
    holding = damaged(reader, reader.prompts.end, 0, 3)
    assert prove_all_prompts(holding).verdict == "FAIL"
    assert check_prompts(holding).wrong > 0


def test_one_entry_of_one_subject_is_refuted():
    reader = read_among_noise(selector(FACTS))
    for column in range(12):
        flipped = 1 - reader.network.embedding.weight[3, column].item()
        proven = prove_all_prompts(damaged(reader, 3, column, flipped))
        assert (proven.verdict, proven.reason.split()[0]) == ("FAIL", "e3")


def test_a_noise_token_that_scores_as_high_as_a_subject_is_no_pass():
    model = selector(FACTS)
    reader = read_among_noise(model, 8, noise_rows=np.ones((4, model.shape.d_model)))
    seen = damaged(reader, reader.prompts.noise[0], -1, 1)  # its flag
    proven = prove_all_prompts(seen)
    assert (proven.verdict, "scores as high" in proven.reason) == ("UNKNOWN", True)
    assert check_prompts(seen).wrong > 0


def test_a_gap_that_is_too_small_loses_the_margin_to_the_leak():
    model = selector(FACTS)
    reader = read_among_noise(model, 32, noise_rows=np.ones((4, model.shape.d_model)))
    margins = []
    for gap in (1, 4, 12, 16, 800):
        other = copy.deepcopy(reader)
        with torch.no_grad():
            other.network.layers[0].attention.query.weight[0, -1] = -gap
        proven = prove_all_prompts(other)
        margins.append(float(proven.real_margin) if proven.verdict == "PASS" else proven.verdict)
        assert (proven.exact == "float32") == (gap >= 800 and proven.verdict == "PASS")
        sample = check_prompts(other)
        assert not sample.margin < float(proven.real_margin) - 1e-5 or proven.verdict != "PASS"
    assert margins[:2] == ["UNKNOWN", "UNKNOWN"]
    assert margins[2:] == sorted(margins[2:])
    assert margins[-1] == 2


# -------------------------------------------------------------------- the command line


def test_the_command_proves_all_prompts_and_runs_some(tmp_path, capsys):
    words = ["selector", "-N", "20", "-R", "3", "--noise-tokens", "29"]
    assert main([*words, "--json", str(tmp_path / "found.json")]) == 0
    printed = capsys.readouterr().out.splitlines()
    prompts = 20 * 3 * 31 * 30 * 23**29
    assert f"PASS: all {shortened(prompts)} prompts are answered right" in printed[2]
    assert printed[3] == "    margin: at least 2 in real arithmetic; exact in float32"
    assert printed[4].endswith("60 random prompts (seed 0), 0 wrong, smallest margin 2")
    assert printed[5].startswith("PASS: 60 queries, each in ")
    found = json.loads((tmp_path / "found.json").read_text())
    assert (found["prompts_proven"], found["margin"]) == (str(prompts), "2")
    assert found["d_model"] == 3 * 5 + 1


def test_a_reader_that_is_wrong_ends_the_command_with_a_fail(capsys, monkeypatch):
    def noisy(*given):
        reader = read_among_noise(*given)
        return damaged(reader, reader.prompts.noise[0], 0, 9)

    monkeypatch.setattr("constructions.theorems.noise_tokens.read_among_noise", noisy)
    assert main(["selector", "-N", "20", "-R", "3", "--noise-tokens", "29"]) == 1
    assert capsys.readouterr().out.splitlines()[-1].startswith("FAIL: 60 queries")


@pytest.mark.parametrize(
    ("words", "reported"),
    [
        (["attention_selector"], "their heads select nothing by the token that stands last"),
        (["selector", "--form", "wide"], "it takes no --form"),
        (["selector", "--save", "model"], "it takes no --save"),
        (["selector", "--by", "proof"], "it takes no --by"),
    ],
)
def test_what_the_command_does_not_take_is_refused(words, reported, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main([*words, "-N", "20", "-R", "3", "--noise-tokens", "29"]) == 2
    assert reported in capsys.readouterr().err
