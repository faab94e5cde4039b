"""A model with fewer bits than the bound must be wrong somewhere: lossy memories, and the facts
that they get wrong.
"""

import itertools
import math

import numpy as np
import pytest
import torch

from bounds.theorem_4_2 import sharpened_global_bound
from constructions import FactTable, key_value_rows
from constructions.facts.codes import sign_codes
from verify.queries.recall import check_recall

N, R, K = 4, 2, 2
BITS = 2  # of an entity's code
BOUND = sharpened_global_bound(N, R, K, 0).bits
"""On the bits of facts inside: in this construction no bit of an embedding is a fact."""

PERMUTATIONS = [np.array(order) for order in itertools.permutations(range(N))]
TABLES = [FactTable(np.stack(pair)) for pair in itertools.product(PERMUTATIONS, repeat=R)]


class Memory:
    """One model of `key_value_rows`, into whose rows the facts of any table can be written,
    compressed or not.
    """

    def __init__(self):
        self.model = key_value_rows(TABLES[0], K, share_layers=True)
        self.weight = self.model.layers[0].mlp.matrix(2)
        numbers = {u.name: torch.tensor(u.numbers) for u in self.model.record.layers[0].units}
        asked = numbers["asked row"].reshape(R, BITS)
        self.at = asked[..., None], numbers["which state"]
        first = self.signs(TABLES[0])
        # as the builder has written them
        assert torch.equal(self.weight[self.at], torch.from_numpy(first))
        rest = self.weight.detach().clone()
        rest[self.at] = 0
        other = (
            key_value_rows(TABLES[7], K, share_layers=True)
            .layers[0]
            .mlp.matrix(2)
            .detach()
            .clone()
        )
        assert torch.equal(other[self.at], torch.from_numpy(self.signs(TABLES[7])))
        other[self.at] = 0
        assert torch.equal(rest, other)  # no other weight of this matrix knows the facts

    @staticmethod
    def signs(facts):
        """The fact bits of a table, float32 (R, bits, N): the sign of bit j of f_r(s)."""
        return np.moveaxis(sign_codes(facts.answers, BITS), -1, 1).astype(np.float32)

    def recall(self, facts, compress):
        """Write the table's compressed bits, and answer all its queries."""
        with torch.no_grad():
            self.weight[self.at] = torch.from_numpy(compress(self.signs(facts)))
        return check_recall(self.model, facts, K)


@pytest.fixture(scope="module")
def memory():
    return Memory()


def keep(chosen):
    """Only the chosen fact bits; the rest is the same for all facts."""

    def compress(signs):
        flat = np.ones(signs.size, dtype=signs.dtype)
        flat[list(chosen)] = signs.ravel()[list(chosen)]
        return flat.reshape(signs.shape)

    return compress


def one_row_for_all(signs):
    return np.repeat(signs[:, :, :1], N, axis=2)


def one_bit_of_each_code_of_relation_0(signs):
    signs[:, 1:] = 1
    signs[1] = 1
    return signs


def relation_0_merged_in_pairs(signs):
    signs[0] = signs[0][:, [0, 0, 2, 2]]
    signs[1] = 1
    return signs


def relation_1_guessed_as_the_inverse_of_the_first_bit(signs):
    signs[0, 1:], signs[1] = 1, -signs[0, :1]
    return signs


def parity_in_place_of_codes(signs):
    signs[:] = signs.prod(axis=1, keepdims=True).prod(axis=0, keepdims=True)
    return signs


NAMED = [
    one_row_for_all,
    one_bit_of_each_code_of_relation_0,
    relation_0_merged_in_pairs,
    relation_1_guessed_as_the_inverse_of_the_first_bit,
    parity_in_place_of_codes,
]
RANDOM = [
    keep(np.random.default_rng(seed).permutation(N * R * BITS)[: int(BOUND)]) for seed in range(6)
]


def different_memories(compress):
    return {compress(Memory.signs(facts)).tobytes() for facts in TABLES}


def first_table_answered_wrong(memory, compress, tables=TABLES):
    return next((facts for facts in tables if memory.recall(facts, compress).wrong), None)


@pytest.mark.parametrize("compress", NAMED + RANDOM, ids=lambda c: c.__name__)
def test_a_memory_below_the_bound_answers_some_table_wrong(compress, memory):
    """The bits that tell its settings apart lie below the bound, and a search finds the facts that
    it gets wrong.
    """
    assert math.log2(len(different_memories(compress))) < BOUND
    facts = first_table_answered_wrong(memory, compress)
    assert facts is not None
    assert memory.recall(facts, compress).counterexamples
    assert facts.is_bijective


def test_the_memory_itself_lies_above_the_bound_and_answers_every_table(memory):
    everything = keep(range(N * R * BITS))
    assert math.log2(len(different_memories(everything))) >= BOUND
    assert N * R * BITS >= BOUND
    assert first_table_answered_wrong(memory, everything, TABLES[::4]) is None


def test_between_the_bound_and_the_construction_the_bound_is_silent_and_the_check_is_not(memory):
    all_but_one = keep(range(1, N * R * BITS))
    assert math.log2(len(different_memories(all_but_one))) >= BOUND
    assert first_table_answered_wrong(memory, all_but_one) is not None
