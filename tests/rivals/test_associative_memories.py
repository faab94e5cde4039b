"""Every memory of associative kind: what it is asked for, what it refuses, what it counts."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from constructions.facts.table import FactTable
from verify.learned.answered import Answered
from verify.rivals.memories import (
    linear,
    linear_trained,
    mlp_trained,
    random_features,
    transformer_trained,
    value_matrices,
)
from verify.rivals.work import Work

FILES = (
    linear,
    linear_trained,
    mlp_trained,
    random_features,
    transformer_trained,
    value_matrices,
)
MEMORIES = {memory.name: memory for file in FILES for memory in file.MEMORIES}
SMALL = Work(16, 2, answers="disjoint", seed=3)
ENOUGH = {
    "linear, outer products": 80,
    "linear, least squares": 40,
    "linear, trained": 32,
    "MLP, trained": 32,
    "MLP, cubic, outer products": 48,
    "MLP, random, least squares": 48,
    "transformer, trained, given": 24,
    "value matrices, outer products": 400,
    "value matrices, least squares": 18,
}
"""Sizes with which each recalls all 32 facts."""

every = pytest.mark.parametrize("memory", MEMORIES.values(), ids=list(MEMORIES))


def right(module, facts):
    return Answered(module, facts).score({}).right


def test_names_are_short_and_different():
    assert set(MEMORIES) == set(ENOUGH)
    assert len(MEMORIES) == sum(len(file.MEMORIES) for file in FILES)
    assert max(map(len, MEMORIES)) <= 30


@every
@given(n=st.integers(1, 300), r=st.integers(1, 9))
def test_sizes_rise(memory, n, r):
    least, most = memory.sizes(Work(n, r))
    assert 1 <= least <= most


@every
def test_all_facts_are_recalled_and_another_fact_is_seen(memory):
    """The control: one fact of the table is changed after the memory was built."""
    assert memory.lacks(SMALL) == ""
    built = memory.build(SMALL, ENOUGH[memory.name])
    assert right(built.module, SMALL.facts) == 32
    answers = [list(one) for one in SMALL.facts.answers]
    answers[1][5] = SMALL.blocks[1].start + (answers[1][5] + 1) % 8
    assert right(built.module, FactTable(answers)) == 31


@every
def test_too_small_a_memory_fails(memory):
    assert right(memory.build(SMALL, 1).module, SMALL.facts) < 16


@every
def test_the_same_work_and_size_build_the_same_memory(memory):
    def built(work):
        return memory.build(work, 6).module.state_dict()

    first, again = built(SMALL), built(SMALL)
    assert all(torch.equal(first[name], again[name]) for name in first)
    other = built(Work(16, 2, answers="disjoint", seed=4))
    assert any(not torch.equal(first[name], other[name]) for name in first)


@every
def test_what_a_memory_does_not_take_it_says(memory):
    assert memory.lacks(Work(16, 2, hops=2)) == "answers one hop"
    noise = memory.lacks(Work(16, 2, answers="disjoint", noise_tokens=5))
    shared = memory.lacks(Work(16, 2))
    if "value matrices" in memory.name:
        assert (noise, shared) == ("", "adds up, so answers must be disjoint")
        assert memory.lacks(Work(16, 1)) == ""
    elif "transformer" in memory.name:
        assert (noise.startswith("not trained on noise tokens"), shared) == (True, "")
    else:
        assert (noise, shared) == ("reads no noise tokens", "")


COUNTS = {
    "linear, outer products": (36, 36),
    "linear, least squares": (36, 36),
    "linear, trained": (36, 36),
    "MLP, trained": (6 * (2 * 16 + 1), 6 * (2 * 16 + 1)),
    "MLP, cubic, outer products": (6 * 96, 2 * 6 * 96 + 96),
    "MLP, random, least squares": (6 * 16, 2 * 6 * 16 + 6),
    "transformer, trained, given": (4 * 4 * 6 + 2 * 36 + 6, 4 * 4 * 6 + 2 * 36 + 6),
    "value matrices, outer products": (36, 36),
    "value matrices, least squares": (36, 36),
}
"""With size 6: numbers that depend on the facts, and all but embeddings; MLPs of the width 6 have
the dimension 16, and 6 dimensions are 4 heads of 1.
"""


@every
def test_numbers_are_counted_exactly(memory):
    built = memory.build(SMALL, 6)
    stored, inside = COUNTS[memory.name]
    assert built.n_stored == stored
    assert built.n_numbers(with_embeddings=False) == inside
    d = built.dimension
    rows = built.n_numbers() - inside
    assert rows in ((32 + 16) * d, (16 + 2 + 16) * d)
