"""Prompts with noise tokens, and the memories that read them."""

import numpy as np
import pytest

from verify.learned.answered import Answered
from verify.rivals.constructed import MEMORIES
from verify.rivals.prompts import prompts_of
from verify.rivals.scored import score
from verify.rivals.work import Work

NOISY = Work(8, 2, answers="disjoint", noise_tokens=4, seed=3)


def test_every_fact_is_asked_once_among_noise():
    tokens, answers = prompts_of(NOISY)
    assert tokens.shape == (16, 7)
    assert (tokens[:, -1] == 20).all()  # EOS, after 8 entities, 2 relations and 10 noise tokens
    found = []
    for row, answer in zip(tokens.tolist(), answers[:, 0].tolist(), strict=True):
        (subject,) = (token for token in row if token < 8)
        (relation,) = (token - 8 for token in row if 8 <= token < 10)
        assert sum(10 <= token < 20 for token in row) == 4
        assert NOISY.facts.answers[relation][subject] == answer
        found.append((subject, relation))
    assert found == [(s, r) for s in range(8) for r in range(2)]
    again = prompts_of(NOISY)
    assert np.array_equal(again.tokens, tokens)
    places = {row.index(subject) for row, (subject, _) in zip(tokens.tolist(), found, strict=True)}
    assert len(places) > 3


@pytest.mark.parametrize("answers", ["shared", "disjoint"])
def test_constructions_read_noise_or_say_that_they_do_not(answers):
    work = Work(8, 2, answers=answers, noise_tokens=4, seed=3)
    read = [memory for memory in MEMORIES if not memory.lacks(work)]
    assert 4 < len(read) < 8
    for memory in read:
        built = memory.build(work, 1)
        asked = Answered(built.module, prompts_of(work))
        assert asked.score({}).right == 16, memory.name
        assert len(built.embeddings) == 2
        assert 0 < built.n_stored < built.n_numbers()
    assert not score(read[0], work).below


def test_prompts_with_two_subjects_are_not_read():
    work = Work(8, 2, noise_tokens=4, seed=3)
    built = MEMORIES[0].build(work, 1)
    prompts = prompts_of(work)
    for row in prompts.tokens:
        row[np.flatnonzero(row >= 10)[0]] = (row.min() + 1) % 8
    assert Answered(built.module, prompts).score({}).right < 16
