"""What every memory is asked, and how its numbers are counted."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from constructions.guards.errors import InputError
from verify.learned.answered import Answered
from verify.rivals.given_embeddings import OnKeys, unit_vectors
from verify.rivals.memory import Built
from verify.rivals.work import Work


@given(n=st.integers(1, 40), r=st.integers(1, 6), seed=st.integers(0, 5))
def test_disjoint_answers_are_in_blocks_that_share_nothing(n, r, seed):
    if r > n:
        with pytest.raises(InputError, match=rf"{r:,} disjoint sets.*{n:,}"):
            Work(n, r, answers="disjoint")
        return
    work = Work(n, r, answers="disjoint", seed=seed)
    sizes = [len(block) for block in work.blocks]
    assert sum(sizes) == n
    assert max(sizes) - min(sizes) <= 1
    for answers, block in zip(work.facts.answers, work.blocks, strict=True):
        assert set(answers) <= set(block)
    assert not Work(n, r, seed=seed).facts.has_disjoint_answers or r == 1


def test_the_same_seed_gives_the_same_facts():
    assert Work(16, 3, seed=7).facts == Work(16, 3, seed=7).facts != Work(16, 3, seed=8).facts


@pytest.mark.parametrize(
    "wrong",
    [
        {"hops": 0},
        {"answers": "other"},
        {"noise_tokens": -1},
        {"noise_tokens": 4094},
        {"seed": 1.5},
    ],
)
def test_odd_work_is_refused(wrong):
    with pytest.raises(InputError):
        Work(16, 3, **wrong)


def on_keys(work, keys, d=8):
    memory = OnKeys(work, keys, d, d, torch.Generator().manual_seed(work.seed))
    memory.memory = torch.nn.Linear(d, d, bias=False)
    return memory


@pytest.mark.parametrize("keys", ["sum", "pair"])
def test_keys_are_what_the_formula_says(keys):
    work = Work(5, 3)
    memory = on_keys(work, keys)
    tokens = torch.from_numpy(work.facts.dataset()[0])
    for (subject, relation), key in zip(tokens.tolist(), memory.keys(tokens), strict=True):
        r = relation - work.n_entities
        wanted = (
            memory.pairs[subject * work.n_relations + r]
            if keys == "pair"
            else memory.subjects[subject] + memory.relations[r]
        )
        assert torch.equal(key, wanted)


def test_given_vectors_have_length_one_and_come_from_the_seed():
    first, again = (unit_vectors(50, 7, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first, again)
    assert np.allclose(first.double().norm(dim=1), 1, atol=1e-6)


def test_what_is_given_is_not_stored():
    work = Work(5, 3)
    memory = on_keys(work, "sum")
    built = Built(memory, 8, 0, memory.embeddings)
    assert built.n_stored == built.n_numbers(with_embeddings=False) == 64
    assert built.n_numbers() == 64 + (5 + 3 + 5) * 8


def test_a_memory_that_knows_nothing_is_counted_so():
    work = Work(40, 4)
    memory = on_keys(work, "pair")
    score = Answered(memory, work.facts).score({})
    assert score.right < work.n_facts
    assert score.margin < 0
    torch.nn.init.zeros_(memory.memory.weight)  # all logits alike: ties are wrong
    assert Answered(memory, work.facts).score({}).right == 0
