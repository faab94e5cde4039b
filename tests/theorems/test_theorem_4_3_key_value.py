"""Theorem 4.3(1): the sizes of the memories, and that they hold the facts in internal weights.

What holds of all constructions of many hops is in tests/test_many_hops.py.
"""

import pytest
import torch
from many_hops import FACTS, internal_weights_are_equal

from constructions import FactTable, InputError, key_value, key_value_rows


def test_sizes_in_numbers():
    facts = FactTable.random_bijections(16, 3)
    assert key_value(facts, 3).shape.d_model == 4 + 2 * 2 + 2 + 1
    rows = key_value_rows(facts, 3)
    assert rows.shape.d_mlp < 16 + 3 * 4 + 2 * 4 + 3 + 8
    shared = key_value_rows(facts, 3, share_layers=True)
    assert len(shared.layers) == 1
    assert shared.shape.depth == 3


@pytest.mark.parametrize("n", [1, 2, 5, 64])
@pytest.mark.parametrize("r", [1, 4])
@pytest.mark.parametrize("share", [False, True])
def test_key_value_rows_is_narrower_than_stated_for_up_to_six_hops(n, r, share):
    facts = FactTable.random_bijections(n, r)
    m = max(1, (n - 1).bit_length())
    for hops in (1, 4, 6):
        assert (
            key_value_rows(facts, hops, share_layers=share).shape.d_mlp < n + r * m + 2 * m + r + 8
        )


@pytest.mark.parametrize("share", [False, True])
@pytest.mark.parametrize("build", [key_value, key_value_rows])
def test_key_value_memories_hold_the_facts_in_internal_weights(build, share):
    one, other = (FactTable.random_bijections(8, 2, seed) for seed in (0, 1))
    model = build(one, 2, share_layers=share)
    with pytest.raises(AssertionError):
        internal_weights_are_equal(model, build(other, 2, share_layers=share))
    assert torch.equal(
        model.embedding.weight, build(other, 2, share_layers=share).embedding.weight
    )
    with pytest.raises(InputError, match="keeps facts in its internal weights"):
        model.install(other)


def test_too_many_positions_are_refused():
    with pytest.raises(ValueError, match="4 tokens are too many: this model has 3 positions"):
        key_value(FACTS, 2)(torch.tensor([[0, 7, 7, 7]]))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: key_value(FACTS, 0), "hops must be an integer of at least 1; got 0"),
        (lambda: key_value_rows(FACTS, 1.5), "hops must be an integer"),
        (lambda: key_value(FACTS, 2).answer(0, [0]), "paths of 2 relations; got 1"),
    ],
)
def test_bad_arguments_get_their_message(make, message):
    with pytest.raises(InputError, match=message):
        make()
