"""Attention that writes what subjects and relations answer with."""

from itertools import permutations, product

import numpy as np
import pytest
import torch
from scipy.optimize import linprog

from constructions.facts.table import FactTable
from verify.learned.answered import Answered
from verify.rivals.memories.value_matrices import (
    least_squares,
    module_of,
    outer_products,
    tokens_of_a_head,
    wanted_of,
)
from verify.rivals.work import Work

RULES = ("outer products", "least squares")


def test_what_is_wanted_is_what_each_token_answers_with():
    """Two relations of three subjects; the second answers with 2 or 3."""
    work = Work(4, 2, answers="disjoint", seed=0)
    object.__setattr__(work, "facts", FactTable([[0, 1, 1, 0], [3, 3, 2, 3]]))
    assert wanted_of(work).tolist() == [
        [1, 0, 0, 1, 1, 0],
        [0, 1, 1, 0, 1, 0],
        [0, 0, 1, 0, 0, 1],
        [1, 1, 0, 1, 0, 1],
    ]


def prompts(work, seed=0):
    """A prompt of each fact with noise, in random order, int64 (F, T)."""
    random = np.random.default_rng(seed)
    words, length = work.n_entities + work.n_relations, work.noise_tokens + 3
    tokens = words + random.integers(words, size=(work.n_facts, length))
    asked = work.facts.dataset()[0]
    for prompt, pair in zip(tokens, asked, strict=True):
        prompt[random.permutation(length - 1)[:2]] = pair
    tokens[:, -1] = 2 * words
    return torch.from_numpy(tokens)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("noise", [0, 7])
def test_with_orthonormal_embeddings_logits_are_2_and_1_and_0(rule, noise):
    """2 for the answer, 1 for others of the subject or of the relation, 0 for all others."""
    work = Work(6, 2, answers="disjoint", noise_tokens=noise, seed=2)
    rows = work.n_tokens
    module = module_of(work, torch.eye(rows), torch.eye(rows)[:6], rule)
    tokens = prompts(work) if noise else torch.from_numpy(work.facts.dataset()[0])
    wanted = wanted_of(work)
    by_hand = torch.stack(
        [wanted[:, s] + wanted[:, 6 + r] for s, r in product(range(6), range(2))]
    )
    assert torch.allclose(module(tokens), by_hand, atol=1e-4)
    assert set(by_hand.unique().tolist()) == {0, 1, 2}


def recalled(memory, work, dimension, tokens):
    logits = memory.build(work, dimension).module(tokens)
    return float((logits.argmax(-1).numpy() == work.facts.dataset()[1][:, 0]).mean())


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_facts_are_read_among_noise(seed):
    work = Work(32, 4, answers="disjoint", noise_tokens=29, seed=seed)
    tokens = prompts(work, seed)
    assert recalled(least_squares, work, 80, tokens) == 1
    assert recalled(least_squares, work, 12, tokens) < 0.5  # the control
    assert recalled(outer_products, work, 700, tokens) == 1
    assert recalled(outer_products, work, 100, tokens) < 0.95


def test_no_head_looks_for_a_subject_and_a_relation():
    """4 tokens a head: 2 heads for 6 subjects, one for 2 relations."""
    work = Work(6, 2, answers="disjoint", noise_tokens=3, seed=0)
    assert tokens_of_a_head(8, 17, 320) == 4
    looks = least_squares.build(work, 320).module.reads.abs().sum(-1) > 0
    assert looks.sum(1).tolist() == [4, 2, 2]


def test_heads_that_do_not_look_read_no_facts_among_noise():
    work = Work(32, 4, answers="disjoint", noise_tokens=29, seed=0)
    module = least_squares.build(work, 80).module
    module.looks.zero_()
    right = module(prompts(work)).argmax(-1).numpy() == work.facts.dataset()[1][:, 0]
    assert right.mean() < 0.5


def test_a_head_looks_for_more_tokens_in_more_dimensions():
    assert tokens_of_a_head(264, 529, 50) == 1
    assert tokens_of_a_head(264, 529, 2000) == 10  # 2000 / (16 ln(264 * 529))
    assert tokens_of_a_head(3, 7, 2000) == 3


def test_numbers_of_the_heads_are_counted():
    """d = 600: 6 tokens a head, so 2 heads for 12 subjects and 1 for 3 relations."""
    work = Work(12, 3, answers="disjoint", noise_tokens=4)
    assert tokens_of_a_head(15, 31, 600) == 6
    built = least_squares.build(work, 600)
    assert built.n_stored == 3 * 6 * 600
    assert built.n_numbers(with_embeddings=False) == 2 * built.n_stored + 3 * 600
    assert built.n_numbers() - built.n_numbers(with_embeddings=False) == (31 + 12) * 600


# ---------------------------------------------------------------- shared answers


def is_additive(tables):
    """Whether there are a_t(s), b_t(r) for which the answer's `a_t(s) + b_t(r)` is above the
    others by 1 or more, by linear programming.
    """
    n, r = len(tables[0]), len(tables)
    rows = []
    for s, relation in product(range(n), range(r)):
        answer = tables[relation][s]
        for other in set(range(n)) - {answer}:
            row = np.zeros((n + r, n))
            row[[s, n + relation], answer] -= 1
            row[[s, n + relation], other] += 1
            rows.append(row.ravel())
    found = linprog(
        np.zeros((n + r) * n), A_ub=np.array(rows), b_ub=-np.ones(len(rows)), bounds=(None, None)
    )
    return found.status == 0


@pytest.mark.parametrize("n", [2, 3, 4])
def test_no_sum_answers_two_different_bijections(n):
    """The proof of the module's docstring, for all pairs up to names of the subjects."""
    same = tuple(range(n))
    for other in permutations(same):
        assert is_additive([same, other]) == (other == same)


def test_a_sum_answers_disjoint_answers():
    assert is_additive([[0, 1, 1, 0], [3, 3, 2, 3]])


def test_whatever_its_size_it_fails_where_answers_are_shared():
    work = Work(8, 2, seed=0)
    assert least_squares.lacks(work)
    score = Answered(least_squares.build(work, 300).module, work.facts).score({})
    assert score.right < 16
    disjoint = Work(8, 2, answers="disjoint", seed=0)
    score = Answered(least_squares.build(disjoint, 300).module, disjoint.facts).score({})
    assert score.right == 16
