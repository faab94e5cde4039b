"""Linear memories against matrices computed by hand, and against their formula."""

import math

import pytest
import torch

from verify.learned.answered import Answered
from verify.rivals.memories.linear import (
    dimension_of_outer_products,
    incidence,
    least_squares,
    matrix,
    outer_products,
)
from verify.rivals.work import Work

RULES = ("outer products", "least squares")


@pytest.mark.parametrize("rule", RULES)
def test_with_orthonormal_keys_the_matrix_is_the_table(rule):
    """Facts 0 -> 2, 1 -> 0, 2 -> 2, 3 -> 1 in the standard basis."""
    wanted = incidence(torch.tensor([2, 0, 2, 1]), 3)
    found = matrix(torch.eye(4), torch.eye(3), wanted, rule)
    assert torch.allclose(
        found, torch.tensor([[0.0, 1, 0, 0], [0, 0, 0, 1], [1, 0, 1, 0]]), atol=1e-6
    )


def test_two_keys_that_are_not_orthogonal():
    """k_0 = (1, 0), k_1 = (.6, .8): by hand."""
    keys = torch.tensor([[1.0, 0], [0.6, 0.8]])
    outer, least = (matrix(keys, torch.eye(2), torch.eye(2), rule) for rule in RULES)
    assert torch.allclose(outer, torch.tensor([[1.0, 0], [0.6, 0.8]]))
    assert torch.allclose(keys @ outer.T, torch.tensor([[1, 0.6], [0.6, 1]]))
    assert torch.allclose(least, torch.tensor([[1, -0.75], [0, 1.25]]), atol=1e-5)
    assert torch.allclose(keys @ least.T, torch.eye(2), atol=1e-5)


@pytest.mark.parametrize("shape", [(12, 5, 4), (5, 12, 9)])
def test_least_squares_is_what_pseudo_inverses_give(shape):
    n_facts, d, n_answers = shape
    random = torch.Generator().manual_seed(0)
    keys = torch.randn(n_facts, d, generator=random)
    values = torch.randn(n_answers, d, generator=random)
    wanted = torch.randn(n_answers, n_facts, generator=random)
    by_hand = torch.linalg.pinv(values) @ wanted @ torch.linalg.pinv(keys).T
    assert torch.allclose(matrix(keys, values, wanted, "least squares"), by_hand, atol=1e-4)


def recalled(memory, work, dimension):
    score = Answered(memory.build(work, dimension).module, work.facts).score({})
    return score.right / work.n_facts


def half(n_facts, n_answers):
    """The d at which `2 v ln A = 1`."""
    logarithm = 2 * math.log(n_answers)
    linear = logarithm * (n_facts / n_answers - 1) / 2
    return linear + math.sqrt(linear**2 + logarithm * n_facts)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_outer_products_recall_where_their_formula_says(seed):
    work = Work(64, 4, seed=seed)
    needed = dimension_of_outer_products(256, 64)
    assert needed == pytest.approx(58.2 + math.sqrt(58.2**2 + 9937), abs=0.1)
    assert recalled(outer_products, work, math.ceil(needed)) == 1
    assert recalled(outer_products, work, math.ceil(needed / 2)) < 1  # the control
    assert 0.5 < recalled(outer_products, work, math.ceil(half(256, 64))) < 0.98


def test_the_formula_is_8_n_ln_n_for_an_answer_each():
    d = dimension_of_outer_products(1000, 1000)
    assert d * d / (1000 * math.log(1000)) == pytest.approx(8)


def test_least_squares_is_exact_where_keys_and_answers_are_independent():
    work = Work(6, 3, seed=0)
    score = Answered(least_squares.build(work, 18).module, work.facts).score({})
    assert (score.right, round(score.margin, 3)) == (18, 1)


@pytest.mark.parametrize("memory", [outer_products, least_squares], ids=RULES)
def test_two_keys_that_change_their_names_are_two_wrong_answers(memory):
    work = Work(8, 2, seed=1)
    built = memory.build(work, 120)
    answers = work.facts.dataset()[1][:, 0]
    assert answers[0] != answers[5]
    built.module.pairs[[0, 5]] = built.module.pairs[[5, 0]]
    assert Answered(built.module, work.facts).score({}).right == 14
