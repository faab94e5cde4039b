import copy

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from constructions import FactTable, selector
from constructions.model.shapes import HeadShape, LayerShape, TransformerShape
from constructions.model.transformer import Transformer

SHAPE = TransformerShape(
    d_vocab=7,
    d_model=5,
    layers=(
        LayerShape((HeadShape(2, 3), HeadShape(2, 3), HeadShape(0, 4)), (6,)),
        LayerShape((HeadShape(1, 2),), ()),
        LayerShape((HeadShape(3, 1), HeadShape(1, 3)), (4, 3)),
    ),
    n_positions=6,
)


def random_model(seed=0, shape=SHAPE):
    model = Transformer(shape, torch.float64)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(
                torch.randn(parameter.shape, generator=generator, dtype=torch.float64) / 2
            )
    return model


def plain_logits(model, tokens):
    """Section 2.2 of the paper, position by position and head by head, in numpy, from the state
    dict alone.
    """
    w = {name: value.numpy() for name, value in model.state_dict().items()}
    x = w["embedding.weight"][tokens] + w["positions.weight"][: len(tokens)]
    for index, layer in enumerate(model.shape.layers):
        total = np.zeros_like(x)
        at_qk = at_v = 0
        for head in layer.heads:
            qk, v = slice(at_qk, at_qk + head.d_qk), slice(at_v, at_v + head.d_v)
            query, key = (
                x @ w[f"layers.{index}.attention.{name}.weight"][qk].T for name in ("query", "key")
            )
            value = x @ w[f"layers.{index}.attention.value.weight"][v].T
            for i in range(len(tokens)):
                scores = np.array([query[i] @ key[j] for j in range(i + 1)])
                weights = np.exp(scores - scores.max())
                mixed = (weights / weights.sum()) @ value[: i + 1]
                total[i] += w[f"layers.{index}.attention.output.weight"][:, v] @ mixed
            at_qk, at_v = qk.stop, v.stop
        x = x + total
        if layer.d_mlp:
            hidden = x
            for depth in range(len(layer.d_mlp)):
                hidden = np.maximum(hidden @ w[f"layers.{index}.mlp.weights.{depth}.weight"].T, 0)
            x = x + hidden @ w[f"layers.{index}.mlp.weights.{len(layer.d_mlp)}.weight"].T
    return x @ w["unembedding.weight"].T


@given(seed=st.integers(0, 50), tokens=st.lists(st.integers(0, 6), min_size=1, max_size=6))
def test_forward_is_the_architecture_of_section_2_2(seed, tokens):
    model = random_model(seed)
    logits = model(torch.tensor([tokens]))[0].detach().numpy()
    np.testing.assert_allclose(logits, plain_logits(model, tokens), rtol=1e-9, atol=1e-9)


def test_the_comparison_notices_a_broken_module():
    model = random_model()
    broken = copy.deepcopy(model)
    with torch.no_grad():
        broken.layers[2].mlp.weights[1].weight[0, 0] += 1
    tokens = [1, 2, 3, 4]
    assert not np.allclose(
        broken(torch.tensor([tokens]))[0].detach().numpy(), plain_logits(model, tokens)
    )


def test_attention_is_causal():
    model = random_model()
    one, other = torch.tensor([[1, 2, 3]]), torch.tensor([[1, 2, 4]])
    assert torch.equal(model(one)[:, :2], model(other)[:, :2])
    assert not torch.equal(model(one)[:, 2], model(other)[:, 2])


@given(split=st.integers(1, 5))
def test_a_cache_continues_where_it_ended(split):
    model = random_model()
    tokens = torch.tensor([[0, 3, 1, 6, 2, 5], [4, 4, 1, 0, 2, 2]])
    whole, _ = model.states(tokens)
    _, cache = model.states(tokens[:, :split])
    rest, _ = model.states(tokens[:, split:], cache)
    torch.testing.assert_close(rest, whole[:, split:])


def test_a_cache_broadcasts_over_continuations():
    model = random_model()
    subjects, relations = torch.tensor([0, 1, 2]), torch.tensor([3, 4])
    _, cache = model.states(subjects[:, None])
    cache = [type(memory)(*(part.unsqueeze(1) for part in memory)) for memory in cache]
    states, _ = model.states(relations[:, None], cache)
    assert states.shape == (3, 2, 1, 5)
    for i, s in enumerate(subjects):
        for j, r in enumerate(relations):
            alone, _ = model.states(torch.stack([s, r])[None])
            torch.testing.assert_close(states[i, j, 0], alone[0, 1])


def test_trace_names_every_point_of_the_residual_stream():
    model = random_model()
    tokens = torch.tensor([[0, 3, 1]])
    trace = model.trace(tokens)
    names = ["embedding", *(f"layers.{i}.{point}" for i in range(3) for point in ("mid", "post"))]
    assert list(trace.residual) == names
    assert all(state.shape == (1, 3, 5) for state in trace.residual.values())
    assert torch.equal(trace.logits, model(tokens))
    assert torch.equal(model.unembedding(trace.residual["layers.2.post"]), trace.logits)
    assert [pattern.shape[1] for pattern in trace.patterns.values()] == [3, 1, 2]
    for pattern in trace.patterns.values():
        torch.testing.assert_close(pattern.sum(-1), torch.ones_like(pattern[..., 0]))
    uniform = trace.patterns["layers.0"][0, 2]
    assert torch.equal(uniform[2], torch.full((3,), 1 / 3, dtype=torch.float64))


def test_parameters_are_counted_and_all_trainable():
    model = random_model()
    assert SHAPE.n_parameters() == sum(p.numel() for p in model.parameters())
    assert (SHAPE.n_heads, SHAPE.d_mlp) == (3, 6)
    model(torch.tensor([[0, 3, 1]])).square().sum().backward()
    assert all(
        p.grad is not None and p.grad.isfinite().all() and p.grad.any() for p in model.parameters()
    )


def test_a_built_model_trains_moves_and_is_copied():
    facts = FactTable.random_bijections(6, 2)
    model = selector(facts)
    clone = copy.deepcopy(model).double()
    assert clone.answer(3, [1]) == facts.answer(3, [1])
    clone.load_state_dict(selector(FactTable.random_bijections(6, 2, seed=1)).state_dict())
    loss = torch.nn.functional.cross_entropy(
        model(torch.tensor([[0, 6]]))[:, -1], torch.tensor([1])
    )
    loss.backward()
    step = torch.optim.SGD(model.parameters(), lr=0.1)
    before = model.embedding.weight.detach().clone()
    step.step()
    assert not torch.equal(before, model.embedding.weight)
    handles = []
    seen = []
    handles.append(
        model.layers[0].mlp.register_forward_hook(lambda module, x, y: seen.append(y.shape))
    )
    model(torch.tensor([[0, 6]]))
    assert seen == [torch.Size([1, 2, model.shape.d_model])]


@pytest.mark.parametrize("name", ["embedding", "positions"])
def test_internal_weights_exclude_the_tables_that_name_tokens(name):
    names = [key for key, _ in random_model().internal_weights()]
    assert any(key.startswith("layers.") for key in names)
    assert ("positions.weight" in names) == (name == "positions") or name == "embedding"
    assert "embedding.weight" not in names
    assert "unembedding.weight" not in names
