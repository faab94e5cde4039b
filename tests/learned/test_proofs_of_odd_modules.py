"""Modules whose settings, code or shape are odd: nothing false is proven of them."""

import math

import pytest
import torch

from constructions import FactTable, InputError, OneLayerShape, StandardDecoder, StandardShape
from constructions.learning.one_layer import OneLayer
from verify.learned.proven import prove_recall

TWO = FactTable.random_bijections(2, 1, seed=0)


def opposite(norm, dtype=torch.float32):
    """A one-layer model that answers both facts of `TWO`, by opposite vectors."""
    model = OneLayer(OneLayerShape(2, 1, 2, 2, 1, norm=norm), dtype=dtype)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "norm" not in name:
                weight.zero_()
        model.entities.copy_(torch.tensor([[1.0, -1.0], [-1.0, 1.0]]))
        model.answers[TWO.answers[0].tolist()] = model.entities.detach().clone()
    return model


# --------------------------------------------------------------------- eps of norms

BAD = [-1e-9, -1.0, 1e39, 3e38, 1e300, math.inf, -math.inf, math.nan, "1e-5", True]


@pytest.mark.parametrize("norm", ["rmsnorm", "layernorm"])
@pytest.mark.parametrize("eps", [*BAD, pytest.param(10**5000, id="huge"), torch.tensor(1e-5)])
def test_an_eps_that_is_no_size_is_refused(norm, eps):
    model = opposite(norm)
    model.final_norm.eps = eps
    with pytest.raises(InputError, match="eps of a norm is"):
        prove_recall(model, TWO)


@pytest.mark.parametrize("norm", ["rmsnorm", "layernorm"])
@pytest.mark.parametrize("eps", [0.0, 0, 1e-5, 1e-3])
def test_an_eps_that_is_a_size_is_proven_with(norm, eps):
    model = opposite(norm)
    model.final_norm.eps = eps
    assert prove_recall(model, TWO).verdict == "PASS"


def test_a_negative_eps_after_a_part_is_refused():
    model = StandardDecoder(StandardShape(3, 4, 1, 1, 2, 2, 2, "rmsnorm", "post"))
    model.block_sequence()[0].mlp_norm.eps = -(1 - 1e-4)
    with pytest.raises(InputError, match=r"mlp_norm: eps of a norm is -0\.9999"):
        prove_recall(model, TWO)


def test_a_layer_norm_without_eps_is_refused():
    model = opposite("layernorm")
    model.mlp_norm.eps = None
    with pytest.raises(InputError, match="eps of a norm is None"):
        prove_recall(model, TWO)
