"""The one-layer model, against its formulas in numpy."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from constructions import FactTable, InputError, OneLayer, OneLayerShape

SHAPES = st.builds(
    OneLayerShape,
    n_entities=st.integers(4, 6),
    n_relations=st.integers(1, 3),
    n_answers=st.integers(1, 4),
    d_model=st.integers(1, 5),
    d_mlp=st.integers(1, 6),
    n_hidden_layers=st.integers(1, 3),
    attention=st.sampled_from(["uniform", "softmax"]),
    value=st.booleans(),
    norm=st.sampled_from([None, "rmsnorm", "layernorm"]),
    tied=st.booleans(),
)


def normed(x, module):
    """A norm by its formula."""
    if isinstance(module, torch.nn.Identity):
        return x
    eps = module.eps
    if isinstance(module, torch.nn.LayerNorm):
        x = x - x.mean(-1, keepdims=True)
        scale = 1 / np.sqrt((x**2).mean(-1, keepdims=True) + eps)
        return x * scale * module.weight.detach().numpy() + module.bias.detach().numpy()
    eps = torch.finfo(module.weight.dtype).eps if eps is None else eps
    return x / np.sqrt((x**2).mean(-1, keepdims=True) + eps) * module.weight.detach().numpy()


def by_formula(model, subjects, relations):
    """The logits as the docstring of the module has them."""
    w = {name: value.detach().numpy() for name, value in model.named_parameters()}
    e, p = w["entities"][subjects], w["relations"][relations]
    value = w.get("value", np.eye(e.shape[1]))
    if "query" in w:
        scores = np.stack(
            [((p @ w["query"].T) * (x @ w["key"].T)).sum(-1) for x in (e, p)], -1
        ) / np.sqrt(e.shape[1])
        shares = np.exp(scores - scores.max(-1, keepdims=True))
        shares /= shares.sum(-1, keepdims=True)
        x = p + shares[:, :1] * (e @ value.T) + shares[:, 1:] * (p @ value.T)
    else:
        x = e @ value.T + p
    h = normed(x, model.mlp_norm)
    last = model.shape.n_hidden_layers
    for place in range(last + 1):
        h = h @ w[f"weights.{place}"].T + w[f"biases.{place}"]
        h = h if place == last else np.maximum(h, 0)
    u = w["entities"][: model.shape.n_answers] if model.shape.tied else w["answers"]
    return normed(x + h, model.final_norm) @ u.T


@given(shape=SHAPES, seed=st.integers(0, 99))
def test_logits_are_those_of_the_formulas(shape, seed):
    torch.manual_seed(seed)
    model = OneLayer(shape, torch.float64)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    subjects, relations = (
        grid.ravel()
        for grid in np.meshgrid(range(shape.n_entities), range(shape.n_relations), indexing="ij")
    )
    tokens = model.tokens(torch.from_numpy(subjects), torch.from_numpy(relations))
    found = model(tokens).detach().numpy()
    expected = by_formula(model, subjects, relations)
    assert np.allclose(found, expected, rtol=1e-9, atol=1e-9)
    assert found.shape == (len(subjects), shape.n_answers)
    _, shares = model.attended(tokens)
    assert torch.allclose(shares.sum(-1), torch.ones(len(subjects), dtype=torch.float64))


@pytest.mark.parametrize("attention", ["uniform", "softmax"])
@pytest.mark.parametrize("norm", [None, "rmsnorm", "layernorm"])
@pytest.mark.parametrize("tied", [False, True])
def test_every_parameter_is_read(attention, norm, tied):
    shape = OneLayerShape(5, 2, 4, 6, 16, 2, attention, True, norm, tied)
    torch.manual_seed(0)
    model = OneLayer(shape, torch.float64)
    tokens = model.tokens(torch.arange(5)[:, None], torch.arange(2))
    before = model(tokens).detach()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            kept = parameter.clone()
            parameter += 0.5 * torch.rand_like(parameter)
            assert not torch.allclose(model(tokens), before), name
            parameter.copy_(kept)
    assert torch.equal(model(tokens), before)


def test_a_field_that_a_shape_does_not_have_is_named():
    facts = FactTable.random_bijections(5, 2, 0)
    with pytest.raises(InputError, match=r"no field hidden_layers; .*n_hidden_layers"):
        OneLayerShape.of(facts, 5, 7, hidden_layers=2)


def test_a_shape_of_a_table_has_its_answers_alone():
    facts = FactTable.random_worlds(worlds=3, size=4, relations=2, seed=0)
    shape = OneLayerShape.of(facts, 5, 7, norm="rmsnorm")
    assert (shape.n_entities, shape.n_relations, shape.n_answers) == (12, 2, 4)
    assert shape.norm == "rmsnorm"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"n_hidden_layers": 4}, "n_hidden_layers must be an integer from 1 to 3; got 4"),
        ({"n_hidden_layers": 0}, "n_hidden_layers must be an integer from 1 to 3; got 0"),
        ({"attention": "hard"}, "attention must be one of 'uniform', 'softmax'; got 'hard'"),
        ({"norm": "batch"}, "norm must be one of None, 'rmsnorm', 'layernorm'; got 'batch'"),
        ({"n_answers": 6}, "6 answers are more than the 5 entities"),
        ({"d_model": 0}, "d_model must be an integer of at least 1; got 0"),
    ],
)
def test_shapes_that_there_are_none_of(changed, words):
    with pytest.raises(InputError, match=words):
        dataclasses.replace(OneLayerShape(5, 2, 5, 4, 4), **changed)
