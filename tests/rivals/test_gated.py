"""Gated MLPs: a square system that is solved exactly, directions of largest margin, and counts."""

import numpy as np
import pytest
import torch
from scipy.optimize import linprog

from verify.learned.answered import Answered
from verify.rivals.memories import gated
from verify.rivals.memories.keyed import Vectors
from verify.rivals.work import Work

BY_NAME = {memory.name: memory for memory in gated.MEMORIES}


def drawn(*shape, seed=0):
    random = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=random, dtype=torch.float64)


def silu(t):
    return t / (1 + np.exp(-t))


def test_the_module_computes_its_formula():
    gates, up, down, x = drawn(4, 3), drawn(4, 3, seed=1), drawn(2, 4, seed=2), drawn(5, 3, seed=3)
    module = gated.Gated(torch.nn.functional.silu, gates, up, down)
    for key, value in zip(x.numpy(), module(x).detach(), strict=True):
        hidden = silu(gates.numpy() @ key) * (up.numpy() @ key)
        assert np.allclose(down.numpy() @ hidden, value)


def test_a_square_system_is_solved_exactly():
    """Twelve facts, three gates of four dimensions: twelve unknowns for each of two codes."""
    keys, gates, codes = drawn(12, 4), drawn(3, 4, seed=1), drawn(12, 2, seed=2)
    up = gated.up_projection(keys, gates, codes)
    equations = np.einsum("fg,fe->fge", silu((keys @ gates.T).numpy()), keys).reshape(12, 12)
    wanted = np.linalg.solve(equations, codes.numpy()).T.reshape(2, 3, 4)
    assert np.allclose(up, wanted, atol=1e-3 * np.abs(wanted).max())
    assert np.allclose(equations @ up.reshape(2, 12).numpy().T, codes, atol=1e-4)
    fewer = gated.up_projection(keys, gates[:2], codes)  # eight unknowns
    left = equations.reshape(12, 3, 4)[:, :2].reshape(12, 8) @ fewer.reshape(2, 8).numpy().T
    assert not np.allclose(left, codes, atol=0.1), "the control"


def test_a_key_with_closed_gates_has_no_code():
    """Why the gates are SiLU: with ReLU no weights give this key another value than 0."""
    gates = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    key = torch.tensor([[-1.0, -2.0]])
    for sigma, closed in ((torch.relu, True), (torch.nn.functional.silu, False)):
        module = gated.Gated(sigma, gates, torch.ones(2, 2), torch.ones(1, 2))
        assert (float(module(key).detach()) == 0) == closed


def test_directions_have_the_largest_margin():
    """Against linear programs, with the unit ball for the greater one replaced by many facets."""
    points = drawn(9, 2)
    found = gated.directions(points)
    around = np.linspace(0, 2 * np.pi, 7201)[:-1]
    circle = np.stack([np.cos(around), np.sin(around)])
    for own, direction in enumerate(found.numpy()):
        others = np.delete(points.numpy(), own, axis=0)
        best = ((points[own].numpy() - others) @ circle).min(axis=0).max()
        reached = ((points[own].numpy() - others) @ direction).min()
        vertex = not linprog(
            np.zeros(len(others)),
            A_eq=np.vstack([others.T, np.ones(len(others))]),
            b_eq=[*points[own].numpy(), 1],
        ).success
        assert (best > 1e-6) == vertex
        if vertex:
            assert reached == pytest.approx(best, abs=2e-2)
            assert ((points[own].numpy() - others) @ -direction).min() < reached
        else:
            assert reached <= 1e-9


def test_what_is_correlated_is_the_sum_over_facts():
    keys, values = drawn(5, 3), drawn(4, 2, seed=1)
    vectors = Vectors(keys, values, torch.tensor([1, 3, 0, 1, 2]))
    module = gated.correlated(vectors, 6, torch.Generator().manual_seed(2))
    gates, down, up = module.gates.numpy(), module.down.numpy(), module.up.detach().numpy()
    assert np.allclose(np.linalg.norm(down, axis=0), 1)
    for r in range(6):
        by_hand = sum(
            (gates[r] @ keys[i].numpy())
            * (down[:, r] @ values[vectors.answers[i]].numpy())
            * keys[i].numpy()
            for i in range(5)
        )
        assert np.allclose(up[r], by_hand / 6)


def test_the_correlated_memory_recalls_few_facts_in_much_width():
    keys = torch.nn.functional.normalize(drawn(20, 16), dim=1)
    vectors = Vectors(keys, keys, torch.randperm(20, generator=torch.Generator().manual_seed(1)))
    right = {}
    for width in (4, 2000):
        module = gated.correlated(vectors, width, torch.Generator().manual_seed(2))
        logits = module(keys) @ keys.T
        right[width] = int((logits.argmax(dim=1) == vectors.answers).sum())
    assert right[4] < right[2000] == 20


@pytest.mark.parametrize(
    ("name", "enough", "small"),
    [
        ("gated solve, sum keys", 12 * 20, 12 * 4),
        ("gated solve, pair keys", 12 * 20, 12 * 4),
        ("gated solve, P = I, sum keys", 12, 2),
        ("gated solve, P = I, pair keys", 12, 2),
    ],
)
def test_every_fact_is_recalled_at_a_sufficient_size_and_not_at_a_small_one(name, enough, small):
    work = Work(64, 4, seed=0)
    module = BY_NAME[name].build(work, enough).module
    assert Answered(module, work.facts).score({}).right == work.n_facts
    assert Answered(module, Work(64, 4, seed=1).facts).score({}).right < work.n_facts / 2
    too_small = BY_NAME[name].build(work, small).module
    assert Answered(too_small, work.facts).score({}).right < work.n_facts


@pytest.mark.parametrize("keys", ["sum", "pair"])
def test_what_depends_on_the_facts_is_counted(keys):
    """64 facts: d = 12, g = 6; a width of 25 has room for four codes."""
    work = Work(16, 4)
    compressed = BY_NAME[f"gated solve, {keys} keys"].build(work, 25)
    assert compressed.dimension == 12
    assert compressed.n_stored == 4 * 6 * 12
    assert compressed.n_numbers(with_embeddings=False) == 3 * 4 * 6 * 12
    whole = BY_NAME[f"gated solve, P = I, {keys} keys"].build(work, 5)
    assert (whole.dimension, whole.width) == (5, 5 * 13)
    assert whole.n_stored == 5 * 13 * 5


@pytest.mark.parametrize("name", BY_NAME)
def test_other_prompts_are_not_taken(name):
    assert BY_NAME[name].lacks(Work(16, 4, hops=2)) == "answers one hop"
    assert BY_NAME[name].lacks(Work(16, 4, noise_tokens=3)) == "reads no noise tokens"
    assert not BY_NAME[name].lacks(Work(16, 4))
