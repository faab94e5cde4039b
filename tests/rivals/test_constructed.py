"""Constructions as memories: what holds no fact is given, and all else is stored."""

from dataclasses import replace

import pytest
import torch

from constructions import CATALOGUE, DoesNotFit
from constructions.entry import Construction
from verify.learned.answered import Answered
from verify.rivals.constructed import MEMORIES, make_given, memory_of
from verify.rivals.prompts import prompts_of
from verify.rivals.scored import score
from verify.rivals.work import Work

WORK = Work(16, 2, seed=1)


def tensors(built):
    return dict(built.module.named_parameters()), dict(built.module.named_buffers())


@pytest.mark.parametrize("name", ["selector", "key_value", "meet_in_the_middle"])
def test_what_is_given_is_the_same_for_other_facts(name):
    memory = memory_of(CATALOGUE[name])
    (stored, given), (others, also) = (
        tensors(memory.build(replace(WORK, seed=seed), 1)) for seed in (1, 2)
    )
    assert stored
    assert given
    assert given.keys() == also.keys()
    assert all(torch.equal(given[one], also[one]) for one in given)
    assert not all(torch.equal(stored[one], others[one]) for one in stored)


@pytest.mark.parametrize("hops", [1, 2])
def test_the_model_answers_as_before(hops):
    work = replace(WORK, hops=hops)
    for memory in MEMORIES:
        if not memory.lacks(work):
            built = memory.build(work, 1)
            asked = Answered(built.module, prompts_of(work, built.hops_per_token))
            assert asked.score({}).right == asked.n_queries, memory.name


def test_what_float32_does_not_hold_is_built_in_float64(monkeypatch):
    build = Construction.build

    def only_in_float64(self, *given, dtype=torch.float32):
        if dtype == torch.float32:
            raise DoesNotFit("sums reach 18,087,936")
        return build(self, *given, dtype=dtype)

    before = score(memory_of(CATALOGUE["selector"]), WORK)
    monkeypatch.setattr(Construction, "build", only_in_float64)
    built = memory_of(CATALOGUE["selector"]).build(WORK, 1)
    assert {one.dtype for one in built.module.parameters()} == {torch.float64}
    after = score(memory_of(CATALOGUE["selector"]), WORK)
    assert [one.bits for one in after.levels] == [one.bits for one in before.levels]


def test_a_layer_that_is_applied_twice_is_one_tensor():
    module = torch.nn.Module()
    module.one = module.other = torch.nn.Linear(2, 3, bias=False)
    before = module.one.weight.detach().clone()
    make_given(module, "one.weight")
    assert list(module.parameters()) == []
    assert torch.equal(module.other.weight, before)


def test_a_construction_whose_facts_are_called_given_lies_below_the_limit():
    memory = MEMORIES[0]

    def build(work, size):
        built = memory.build(work, size)
        for name in list(dict(built.module.named_parameters())):
            make_given(built.module, name)
        return built

    assert not score(memory, WORK).below
    found = score(replace(memory, build=build), WORK)
    assert [level.stored for level in found.levels] == [0, 0, 0]
    assert [level.percent for level in found.below] == [100, 99, 90]


def test_what_facts_decide_on_beside_the_weights_is_charged():
    """At least a bit for each tensor and one for each of two sizes."""
    for memory in MEMORIES:
        if not memory.lacks(WORK):
            built = memory.build(WORK, 1)
            parameters, buffers = tensors(built)
            assert built.chosen_bits > len(parameters) + len(buffers) + 2
