"""MLP memories and the transformer against formulas computed by hand."""

import math

import pytest
import torch

from verify.learned.answered import Answered
from verify.rivals.given_embeddings import unit_vectors
from verify.rivals.memories import random_features
from verify.rivals.memories.mlp_trained import initial
from verify.rivals.memories.random_features import RandomFeatures, dimension_of
from verify.rivals.memories.transformer_trained import GivenTransformer
from verify.rivals.work import Work


def test_cubic_features_are_the_third_hermite_polynomial():
    memory = RandomFeatures(torch.tensor([[2.0, 0], [0, 1]]), True, (2, 2))
    hidden = memory.hidden(torch.tensor([[1.0, -1]]))
    assert torch.allclose(hidden, torch.tensor([[2.0, 2.0]]) / math.sqrt(6))


@pytest.mark.parametrize("is_cubic", [True, False])
def test_features_have_the_mean_product_that_is_said(is_cubic):
    """c^3 for keys with inner product c; ReLU has another, which is the control."""
    random = torch.Generator().manual_seed(0)
    memory = RandomFeatures(torch.randn(400_000, 2, generator=random), is_cubic, (2, 1))
    first, second = memory.hidden(torch.tensor([[1.0, 0], [0.8, 0.6]]))
    mean = float((first * second).mean())
    assert (abs(mean - 0.8**3) < 0.05) == is_cubic


def test_outer_products_of_features_are_what_is_said():
    work = Work(5, 2, seed=0)
    module = random_features.outer_products.build(work, 12).module
    tokens, answers = (torch.from_numpy(one) for one in work.facts.dataset())
    by_hand = torch.zeros(12, 16 * 12)
    for key, answer in zip(module.keys(tokens), answers[:, 0], strict=True):
        seen = module.memory.features @ key
        by_hand += torch.outer(module.answers[answer], (seen**3 - 3 * seen) / math.sqrt(6))
    assert torch.allclose(module.memory.readout, by_hand, rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("keys", ["pair", "sum"])
def test_least_squares_leaves_nothing_with_as_many_features_as_facts(keys):
    """Logits are then the part of the table that values of d dimensions can show, less its mean
    over all facts, which features of mean 0 leave out.
    """
    work = Work(20, 2, seed=1)
    d = dimension_of(work)
    built = random_features.build(work, d, 60, keys, "least squares")
    tokens, answers = (torch.from_numpy(one) for one in work.facts.dataset())
    values = built.module.answers
    shown = (values @ torch.linalg.pinv(values))[answers[:, 0]]
    assert d == 20
    assert torch.allclose(built.module(tokens), shown - shown.mean(dim=0), atol=1e-3)
    assert Answered(built.module, work.facts).score({}).right == 40


def test_an_mlp_begins_with_gaussian_weights():
    mlp = initial(50, 400, torch.Generator().manual_seed(0))
    assert mlp[0].weight.std().item() == pytest.approx(50**-0.5, rel=0.02)
    assert mlp[2].weight.std().item() == pytest.approx(400**-0.5, rel=0.02)
    assert mlp[0].bias.tolist() == [0] * 400
    assert mlp[2].bias is None


def test_the_transformer_is_what_its_formula_says():
    """Head by head, with `a_h = K_h Q_h^T x_last`."""
    random = torch.Generator().manual_seed(5)
    model = GivenTransformer(unit_vectors(9, 6, random), unit_vectors(4, 6, random), 3, 7, random)
    prompt = torch.tensor([3, 0, 8, 8, 1])
    stream = model.tokens[prompt]
    written = []
    for query, key, value in zip(model.query, model.key, model.value, strict=True):
        looks = key @ query.T @ stream[-1]
        weights = (stream @ looks / math.sqrt(2)).softmax(0)
        written.append(value.T @ (weights @ stream))
    z = model.output.T @ torch.cat(written)
    hidden = (model.mlp[0].weight @ z + model.mlp[0].bias).relu()
    by_hand = model.answers @ (z + model.mlp[2].weight @ hidden)
    assert torch.allclose(model(prompt[None])[0], by_hand, atol=1e-5)


def test_the_transformer_has_as_many_parameters_as_its_authors_count():
    """`4 H d_h d + 2 m d` and the m offsets, which they leave out."""
    random = torch.Generator().manual_seed(0)
    rows = unit_vectors(9, 16, random)
    model = GivenTransformer(rows, rows, 8, 16, random)
    assert sum(one.numel() for one in model.parameters()) == 1536 + 16
