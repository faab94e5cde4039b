"""Least squares in turn: one step by hand, recall, its limits and its counts."""

import numpy as np
import pytest
import torch

from verify.learned.answered import Answered
from verify.rivals.memories import alternating
from verify.rivals.work import Work

(MEMORY,) = alternating.MEMORIES
SIZES = alternating.Sizes(first=3, second=2, answers=3, hidden=4)
SEED = 11
FACTS = (np.array([0, 0, 1, 2]), np.array([0, 1, 0, 1]), np.array([2, 0, 1, 1]))


def ridge(gram):
    return gram + (1e-3 * np.trace(gram) / len(gram) + 1e-38) * np.eye(len(gram))


def test_the_first_round_is_the_formula_of_the_docstring():
    """Each fact and each unit by itself, in float64."""
    rng = np.random.default_rng(SEED)
    e1, e2 = (rng.normal(size=(n, 4)) for n in (3, 2))
    hidden = np.array([np.maximum(e1[a] + e2[b], 0) for a, b, _ in zip(*FACTS, strict=True)])
    one_hot = np.eye(3)[FACTS[2]]
    u = np.linalg.solve(ridge(hidden.T @ hidden), hidden.T @ one_hot).T
    for table, side in ((e1, 0), (e2, 1)):
        steps = []
        for token in range(len(table)):
            gram, pull = np.zeros((4, 4)), np.zeros(4)
            for a, b, answer in zip(*FACTS, strict=True):
                if (a, b)[side] != token:
                    continue
                opened = (e1[a] + e2[b] > 0).astype(float)
                logits = u @ np.maximum(e1[a] + e2[b], 0)
                target = np.minimum(logits, 0)
                target[answer] = max(1, logits[answer])
                gram += np.outer(opened, opened) * (u.T @ u)
                pull += opened * (u.T @ (target - logits))
            steps.append(np.linalg.solve(ridge(gram), pull))
        table += np.array(steps)
    (found,) = alternating.alternate(FACTS, SIZES, 1, seed=SEED)
    for mine, theirs in ((e1, found.first), (e2, found.second), (u, found.readout)):
        assert np.allclose(mine, theirs, atol=1e-3 * np.abs(mine).max())
    (other,) = alternating.alternate((*FACTS[:2], np.array([2, 0, 1, 0])), SIZES, 1, seed=SEED)
    assert not np.allclose(found.readout, other.readout, atol=1e-3), "one fact changed"


def test_every_fact_is_recalled_and_too_few_units_do_not():
    work = Work(32, 4, seed=0)
    module = MEMORY.build(work, 24).module
    assert Answered(module, work.facts).score({}).right == work.n_facts
    assert Answered(module, Work(32, 4, seed=1).facts).score({}).right < work.n_facts / 2
    small = MEMORY.build(work, 4).module
    assert Answered(small, work.facts).score({}).right < work.n_facts


def test_a_token_whose_units_are_closed_at_all_its_facts_stays_as_it_is():
    """One unit: some tokens of 20 seeds are never open, and their systems are all 0."""
    closed = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        before = [rng.normal(size=(n, 1)).astype(np.float32) for n in (3, 2)]
        (found,) = alternating.alternate(FACTS, SIZES._replace(hidden=1), 1, seed)
        never = [
            a
            for a in range(3)
            if not (before[0][a] + before[1][FACTS[1][FACTS[0] == a]] > 0).any()
        ]
        closed += len(never)
        assert np.array_equal(found.first[never], before[0][never])
    assert 0 < closed < 60


def test_the_module_computes_what_was_found():
    found = next(alternating.alternate(FACTS, SIZES, 1, seed=0))
    logits = alternating.Tabled(found)(torch.tensor([[2, 3 + 1]])).detach().numpy()
    hidden = np.maximum(found.first[2] + found.second[1], 0)
    assert logits[0] == pytest.approx(found.readout @ hidden, rel=1e-5)


def test_embeddings_hold_the_facts_and_are_counted():
    built = MEMORY.build(Work(16, 4), 5)
    assert (built.dimension, built.width) == (5, 5)
    assert built.n_stored == built.n_numbers() == (16 + 4 + 16) * 5
    assert built.n_numbers(with_embeddings=False) == 0


def test_other_prompts_are_not_taken():
    assert MEMORY.lacks(Work(16, 4, hops=2)) == "answers one hop"
    assert MEMORY.lacks(Work(16, 4, noise_tokens=3)) == "reads no noise tokens"
    assert not MEMORY.lacks(Work(16, 4))
