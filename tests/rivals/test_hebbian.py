"""Hebbian MLPs: the authors' formulas entry by entry, and what damages recall."""

import numpy as np
import pytest
import torch

from verify.learned.answered import Answered
from verify.rivals.memories import hebbian
from verify.rivals.memories.keyed import Vectors, half_filled
from verify.rivals.work import Work

BY_NAME = {memory.name: memory for memory in hebbian.MEMORIES}
SIZES = {
    "Hebbian raw, pair keys": 120,
    "Hebbian ridge, sum keys": 96,
    "Hebbian ridge, pair keys": 200,
    "Hebbian data-dependent, sum keys": 96,
    "Hebbian data-dependent, pair keys": 150,
}
"""Enough for 64 entities and 4 relations."""


@pytest.fixture
def vectors():
    """Seven keys of dimension 3, four values of dimension 2 and seven answers among them."""
    random = torch.Generator().manual_seed(0)
    keys, values = (
        torch.randn(shape, generator=random, dtype=torch.float64) for shape in ((7, 3), (4, 2))
    )
    return Vectors(keys, values, torch.tensor([0, 3, 2, 1, 3, 0, 2]))


def score(name, work, size):
    return Answered(BY_NAME[name].build(work, size).module, work.facts).score({})


def test_a_unit_multiplies_its_two_projections():
    a0 = torch.tensor([[1.0, 2.0], [0.0, 1.0]])
    a1 = torch.tensor([[3.0, 0.0], [1.0, -1.0]])
    assert hebbian.features(torch.tensor([[5.0, 7.0]]), a0, a1).tolist() == [[19 * 15, 7 * -2]]


def test_the_raw_readout_is_the_sum_over_facts(vectors):
    phi = torch.randn(7, 5, dtype=torch.float64)
    targets = vectors.values[vectors.answers]
    readout = hebbian.raw_readout(phi, targets)
    for row in range(2):
        for unit in range(5):
            by_hand = sum(targets[i, row] * phi[i, unit] for i in range(7)) / 7
            assert readout[row, unit] == pytest.approx(float(by_hand), abs=1e-14)
    other = vectors.answers.clone()
    other[2] = 0
    assert not torch.allclose(readout, hebbian.raw_readout(phi, vectors.values[other]))


def test_random_features_estimate_the_quadratic_kernel():
    random = torch.Generator().manual_seed(1)
    keys = torch.randn(6, 3, generator=random, dtype=torch.float64)
    phi = hebbian.features(keys, *hebbian.random_features(200_000, 3, random)) / 200_000**0.5
    assert torch.allclose(phi @ phi.T, (keys @ keys.T) ** 2, atol=0.1, rtol=0.05)


@pytest.mark.parametrize("width", [5, 12])
def test_the_ridge_readout_solves_its_normal_equations(width):
    """With at most as many units as facts and with more: 9 facts."""
    random = torch.Generator().manual_seed(2)
    phi = torch.randn(9, width, generator=random, dtype=torch.float64)
    targets = torch.randn(9, 2, generator=random, dtype=torch.float64)
    readout = hebbian.ridge_readout(phi, targets)
    ridge = 1e-6 * (9 if width <= 9 else 1)
    wanted = (
        np.linalg.inv((phi.T @ phi).numpy() + ridge * np.eye(width)) @ (phi.T @ targets).numpy()
    )
    assert np.allclose(readout.T, wanted, atol=1e-6)
    interpolated = torch.allclose(phi @ readout.T, targets, atol=1e-4)
    assert interpolated == (width > 9)


def test_the_fit_is_least_squares_of_the_logits_to_one_hot_answers(vectors):
    random = torch.Generator().manual_seed(3)
    width = 4
    a0, _ = hebbian.random_features(width, 3, random)
    readout = torch.randn(2, width, generator=random, dtype=torch.float64)
    partner = vectors.keys @ a0.T
    found = hebbian.fitted(partner, vectors, readout)
    # logit (i, u) = sum over r, e of <v_u, readout_r> partner_ir key_ie A_re
    design = torch.einsum("ur,ir,ie->iure", vectors.values @ readout, partner, vectors.keys)
    design = design.reshape(7 * 4, width * 3).numpy()
    one_hot = torch.nn.functional.one_hot(vectors.answers, 4).reshape(-1).numpy()
    gram = design.T @ design + hebbian.RIDGE * np.eye(width * 3)
    wanted = np.linalg.solve(gram, design.T @ one_hot)

    def residual(a):
        return np.linalg.norm(gram @ np.asarray(a).ravel() - design.T @ one_hot)

    assert residual(found) < 2e-4 * np.linalg.norm(design.T @ one_hot)
    assert residual(found.T) > residual(found)
    assert residual(wanted) < 1e-9


@pytest.mark.parametrize("name", SIZES)
def test_every_fact_is_recalled_at_a_sufficient_size_and_not_at_a_small_one(name):
    work = Work(64, 4, seed=0)
    assert score(name, work, SIZES[name]).right == work.n_facts
    assert score(name, work, 2).right < work.n_facts


@pytest.mark.parametrize("name", SIZES)
def test_other_facts_are_not_recalled(name):
    work = Work(64, 4, seed=0)
    module = BY_NAME[name].build(work, SIZES[name]).module
    shuffled = Work(64, 4, seed=1).facts
    assert Answered(module, shuffled).score({}).right < work.n_facts / 2


@pytest.mark.parametrize("name", SIZES)
def test_the_same_work_builds_the_same_weights(name):
    first, again, other = (
        BY_NAME[name].build(Work(8, 2, seed=seed), 6).module.state_dict() for seed in (5, 5, 6)
    )
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not all(torch.equal(first[key], other[key]) for key in first)


@pytest.mark.parametrize(
    ("name", "d", "stored", "without"),
    [
        ("Hebbian raw, pair keys", 6, 24 * 6, 3 * 24 * 6),  # m = 4 d
        ("Hebbian ridge, sum keys", 6, 32 * 6, 3 * 32 * 6),  # m = F / 2
        ("Hebbian ridge, pair keys", 12, 6 * 12, 3 * 6 * 12),  # 12^2 = 2 F and a little
        ("Hebbian data-dependent, sum keys", 6, 3 * 16 * 6, 3 * 16 * 6),  # m = F / 4
        ("Hebbian data-dependent, pair keys", 12, 3 * 6 * 12, 3 * 6 * 12),
    ],
)
def test_what_depends_on_the_facts_is_counted(name, d, stored, without):
    built = BY_NAME[name].build(Work(16, 4), 6)
    keys = 16 + 4 if "sum" in name else 64
    assert built.dimension == d
    assert 3 * built.width * d == without
    assert built.n_stored == stored
    assert built.n_numbers(with_embeddings=False) == without
    assert built.n_numbers() == without + (keys + 16) * d


def test_the_dimension_is_the_middle_of_the_authors_grid():
    assert [half_filled(Work(n, r)) for n, r in ((256, 8), (64, 4), (1, 1))] == [64, 23, 2]


def test_sums_of_keys_have_few_independent_quadratic_functions():
    """R d + N + R at most: why the dimension is varied there."""
    work, d, random = Work(12, 5), 6, torch.Generator().manual_seed(4)
    subjects, relations = (
        torch.randn(n, d, generator=random, dtype=torch.float64) for n in (12, 5)
    )
    sums = (subjects[:, None] + relations).reshape(-1, d)
    pairs = torch.randn(len(sums), d, generator=random, dtype=torch.float64)
    rank = {
        name: int(torch.linalg.matrix_rank((keys @ keys.T) ** 2))
        for name, keys in (("sums", sums), ("pairs", pairs))
    }
    assert rank["sums"] <= min(d * (d + 1) // 2, work.n_relations * d + 12 + 5)
    assert rank["pairs"] == d * (d + 1) // 2


@pytest.mark.parametrize("name", SIZES)
def test_other_prompts_are_not_taken(name):
    assert BY_NAME[name].lacks(Work(16, 4, hops=2)) == "answers one hop"
    assert BY_NAME[name].lacks(Work(16, 4, noise_tokens=3)) == "reads no noise tokens"
    assert not BY_NAME[name].lacks(Work(16, 4, answers="disjoint"))
