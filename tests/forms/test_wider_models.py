"""A wider model has the same logits, and noise is no larger than it is said to be."""

import pytest
import torch
from small_forms import NAMES, built, final_logits, wider, wrong

from constructions import (
    InputError,
    construction,
)
from constructions.forms.noise import add_noise
from constructions.forms.widening import widen


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", NAMES)
def test_a_wider_model_has_the_same_logits_bit_for_bit(name, dtype):
    source = built(name, dtype=dtype, partial=construction(name).missing)
    wide = wider(source)
    assert torch.equal(final_logits(wide, source), final_logits(source, source))
    assert wrong(wide, source) == 0
    sizes = (wide.shape.d_model, wide.shape.d_mlp, wide.shape.n_heads, len(wide.shape.layers))
    assert sizes == (
        source.shape.d_model + 3,
        source.shape.d_mlp + 3,
        source.shape.n_heads + 1,
        len(source.shape.layers) + 1,
    )
    assert sum(p.numel() for p in wide.parameters()) == wide.shape.n_parameters()


@pytest.mark.parametrize("sizes", [{"d_model": 2}, {"d_mlp": 1}, {"n_heads": 0}, {"n_layers": 0}])
def test_no_model_becomes_smaller(sizes):
    with pytest.raises(InputError, match="were asked for"):
        widen(built("chain_of_thought"), **sizes)


@pytest.mark.parametrize("noise", [-1.0, float("nan"), float("inf")])
def test_noise_is_a_number(noise):
    with pytest.raises(InputError, match="at least 0"):
        widen(built("selector"), noise=noise)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_no_weight_changes_by_more_than_the_noise(dtype):
    source = built("key_value_rows", dtype=dtype)
    for noise in (1e-9, 1e-7, 1e-3, 0.3):
        noisy = add_noise(source, noise)
        for name, weight in source.named_parameters():
            changed = noisy.get_parameter(name)
            assert (changed.double() - weight.double()).abs().max() <= noise
        assert all(
            (weight.double().abs() <= noise).all()
            for weight in wider(source, noise).layers[-1].parameters()
        )
    assert any(
        (noisy.get_parameter(name) != weight).any() for name, weight in source.named_parameters()
    )
