"""Facts in the tokens of language models: what is asked, how answers are scored, what is refused."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from export_tools import hugging_face
from random_language_models import ROWS, TEXTS, asked_of, known_of, made

from constructions import FactTable, InputError
from constructions.guards.errors import DoesNotFit

pytestmark = hugging_face


def test_answers_that_begin_alike_are_scored_by_all_their_tokens():
    language = made(batch=4)
    known = known_of(language)
    asked = known.asked
    assert asked.scoring == "whole"
    for r, s, a in np.ndindex(known.scores.shape):
        prompt = TEXTS[asked.relations[r]].replace("{subject}", asked.subjects[s])
        tokens = language.tokenizer(f"{prompt} {asked.answers[a]}")["input_ids"]
        n = len(language.tokenizer(prompt)["input_ids"])
        assert n < len(tokens) - (asked.answers[a] != "Paris")
        with torch.no_grad():
            log = language.model(torch.tensor([tokens])).logits[0].log_softmax(-1)
        expected = sum(float(log[i - 1, tokens[i]]) for i in range(n, len(tokens)))
        assert known.scores[r, s, a] == pytest.approx(expected, abs=1e-9)
    with pytest.raises(
        InputError, match=r"\(Zürich, twin, New York\) and \(Ann Lee, twin, New Delhi\)"
    ):
        asked_of(language, scoring="first")


def test_answers_with_first_tokens_of_their_own_are_scored_by_these():
    language = made()
    rows = [row for row in ROWS if row[2] != "New Delhi"]
    known = known_of(language, rows=rows)
    assert known.asked.scoring == "first"
    for r, s, a in np.ndindex(known.scores.shape):
        tokens = known.asked.tokens[r][s]
        with torch.no_grad():
            logits = language.model(torch.tensor([tokens])).logits[0, -1]
        (first, *_) = language.tokenizer(f" {known.asked.answers[a]}")["input_ids"]
        assert known.scores[r, s, a] == pytest.approx(float(logits[first]), abs=1e-9)


def test_names_that_are_the_same_tokens_or_none_are_refused():
    from tokenizers import Regex, normalizers

    lower = made(normalizer=normalizers.Lowercase())
    letters = made(normalizer=normalizers.Replace(Regex("[^A-Za-z ]"), ""))
    for language, rows, texts, reported in (
        (lower, [("Ann", "of", "x"), ("ANN", "of", "y")], "a {subject} is", "'Ann' and 'ANN' are"),
        (lower, [("a", "of", "Bob"), ("b", "of", "BOB")], "a {subject} is", r"\(a, of, Bob\) and"),
        (letters, [("!!", "of", "x")], "a {subject} is", "the subject '!!' has no tokens"),
        (
            made(),
            [("a", "of", "Q"), ("b", "of", "Qa")],
            "a {subject} is",
            "beginning of the other",
        ),
        (made(texts=["Ann's"] * 9 + ["Anns"] * 9), [("Ann", "of", "x")], "{subject}s is", "'s'"),
    ):
        with pytest.raises(InputError, match=reported):
            asked_of(language, rows=rows, texts={"of": texts})
    with pytest.raises(InputError, match="other tokens after the template of 'port'"):
        asked_of(made(), texts=TEXTS | {"port": "{subject} is near{answer}"})


def test_special_tokens_stay_before_a_prompt_and_go_after_it():
    from tokenizers import processors

    language = made()
    plain = asked_of(language)
    end = language.tokenizer.eos_token_id
    language.tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<end> $A <end>", special_tokens=[("<end>", end)]
    )
    marked = asked_of(language)
    assert marked.tokens == [[[end, *own] for own in row] for row in plain.tokens]
    assert np.array_equal(marked.places, plain.places + 1)
    assert marked.answer_tokens == plain.answer_tokens


def test_facts_that_are_missing_are_not_counted():
    from verify.learned.language_models.measured import Choices, measured
    from verify.learned.language_models.templates import template

    language = made()
    templates = {name: template(name, text) for name, text in TEXTS.items()}
    facts = FactTable.from_triples(ROWS[1:])  # Zürich has no twin
    found = measured(language, facts, templates, Choices(layers=(0,), n_examples=0))
    asked = found.asked
    missing = asked.relations.index("twin"), asked.subjects.index("Zürich")
    assert [tuple(place) for place in np.argwhere(asked.facts == -1)] == [missing]
    scores = known_of(language, rows=ROWS[1:]).scores
    right = (scores.argmax(axis=2) == asked.facts).sum()
    assert found.accuracy.value == Fraction(int(right), 5)
    assert found.accuracy.null == Fraction(1 + 2, 5), "one of two twins, two of three ports"


def test_streams_that_do_not_fit_are_refused(monkeypatch):
    monkeypatch.setattr("constructions.guards.memory.memory_limit", lambda: 1000)
    with pytest.raises(DoesNotFit, match="the streams of 6 questions need"):
        known_of(made())
