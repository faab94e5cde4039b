"""A construction inside a larger decoder: all facts recalled, the rest of the decoder as it was, everything trainable."""

import copy
import re
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from test_standard import FORMS, built, last_logits, named, recalls_all

from constructions import CATALOGUE, InputError, StandardDecoder, needed_shape, seed_into
from verify.recall import check_recall

EXTRA = {"d_vocab": 5, "d_model": 16, "n_layers": 3, "n_heads": 2, "d_head": 3, "d_mlp": 12, "n_positions": 4}


def larger(shape, dtype=torch.float64, scale=0.02, seed=0):
    """A random decoder with more of everything."""
    more = {name: getattr(shape, name) + extra for name, extra in EXTRA.items()}
    torch.manual_seed(seed)
    decoder = StandardDecoder(replace(shape, **more), dtype)
    decoder.reset_parameters(scale)
    return decoder


# ------------------------------------------------------------------ the same function


@pytest.mark.parametrize("form", FORMS, ids=named)
@pytest.mark.parametrize("name", CATALOGUE)
def test_all_facts_are_recalled_with_the_same_logits(name, form):
    model, facts, hops = built(name, dtype=torch.float64)
    seeded = seed_into(larger(needed_shape(model, **form)), model, first_block=1)
    recalls_all(seeded, facts, hops)
    if not model.margin.rounds and form["norm"] != "layernorm":
        assert seeded.logit_error == 0
    n_own = len(model.vocabulary)
    own = last_logits(seeded, facts, hops)
    difference = (own[:, :n_own] - last_logits(model, facts, hops)).abs().max().item()
    assert difference <= seeded.logit_error * (2 if model.margin.rounds else 1)
    further = own[:, n_own:] - own[:, [facts.n_entities]]  # they have the logits of relation 0
    assert further.abs().max().item() <= 2 * seeded.logit_error


@pytest.mark.parametrize("form", [form for form in FORMS if form["norm"] != "layernorm"], ids=named)
@pytest.mark.parametrize("name", CATALOGUE)
def test_float32_is_enough_but_for_layernorm(name, form):
    model, facts, hops = built(name)
    recalls_all(seed_into(larger(needed_shape(model, **form), torch.float32), model), facts, hops)


@pytest.mark.parametrize("form", [form for form in FORMS if form["norm"]], ids=named)
def test_gains_and_biases_of_the_target_are_accounted_for(form):
    model, facts, hops = built("precomputed", dtype=torch.float64)
    target = larger(needed_shape(model, **form), scale=0.1)
    with torch.no_grad():
        for parameter in target.parameters():
            if parameter.dim() == 1:
                parameter += torch.randn_like(parameter) / 5
    seeded = seed_into(target, model)
    recalls_all(seeded, facts, hops)
    difference = last_logits(seeded, facts, hops)[:, : len(model.vocabulary)] - last_logits(model, facts, hops)
    assert difference.abs().max().item() <= seeded.logit_error


@pytest.mark.parametrize(
    ("norm", "name"), [("rmsnorm", "selector"), ("layernorm", "selector"), ("layernorm", "key_value_rows")]
)
def test_with_pre_norm_the_rest_is_read_at_a_size_of_one_if_that_can_be_certified(norm, name):
    model, facts, hops = built(name, dtype=torch.float64)
    target = larger(needed_shape(model, norm, tied=True))
    size = (target.embedding.weight.square().mean() + target.positions.weight.square().mean()).sqrt().item()
    seeded = seed_into(target, model)
    assert seeded.rest_gain == (pytest.approx(1 / size) if name == "selector" else 1)
    assert target.blocks[0].mlp_norm.weight[-1].item() == pytest.approx(2**seeded.slack * seeded.rest_gain)
    recalls_all(seeded, facts, hops)


# ------------------------------------------------------------------ what becomes of the target


@pytest.mark.parametrize("form", FORMS, ids=named)
def test_the_rest_of_the_target_keeps_its_weights(form):
    model, _, _ = built("chain_of_thought", dtype=torch.float64)
    target = larger(needed_shape(model, **form))
    before = copy.deepcopy(target)
    places = seed_into(target, model, first_block=2).places
    rest, d_head = places.rest, target.shape.d_head
    assert len(rest) == EXTRA["d_model"]
    assert torch.equal(target.positions.weight[:, rest], before.positions.weight[:, rest])
    if not form["tied"]:
        assert torch.equal(target.embedding.weight[:, rest], before.embedding.weight[:, rest])
    assert not target.unembedding.weight[:, rest].any()
    for index, (block, old) in enumerate(zip(target.blocks, before.blocks, strict=True)):
        used = index - places.first_block if index in places.blocks else None
        heads = len(places.heads[used]) * d_head if used is not None else 0
        units = places.units[used] if used is not None else 0
        sees = np.setdiff1d(np.arange(target.shape.d_model), places.slack)
        for name in ("query", "key", "value"):
            new, kept = getattr(block.attention, name).weight[heads:], getattr(old.attention, name).weight[heads:]
            assert torch.equal(new[:, sees], kept[:, sees])
            assert not new[:, places.slack].any()
        assert torch.equal(block.mlp.matrix(0)[units:, sees], old.mlp.matrix(0)[units:, sees])
        assert torch.equal(block.attention.output.weight[rest, heads:], old.attention.output.weight[rest, heads:])
        assert torch.equal(block.mlp.matrix(1)[rest, units:], old.mlp.matrix(1)[rest, units:])
        assert not block.attention.output.weight[places.own, heads:].any()
        assert not block.mlp.matrix(1)[places.own, units:].any()


def test_places_name_what_the_construction_uses():
    model, _, _ = built("precomputed", dtype=torch.float64)
    seeded = seed_into(larger(needed_shape(model, "layernorm")), model, first_block=1)
    places = seeded.places
    assert (places.blocks, places.units) == (range(1, 3), tuple(layer.d_mlp[0] for layer in model.shape.layers))
    assert places.heads == model.head_names
    trace, original = (m.trace(torch.tensor([[3, 8, 9]])) for m in (seeded, model))
    found = trace.residual["layers.2.post"][..., torch.from_numpy(places.slot("answers"))]
    expected = model.slot_state(original.residual["layers.1.post"], "answers")
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-9)
    torch.testing.assert_close(
        found, -trace.residual["layers.2.post"][..., places.mirror[model.stream["answers"].columns]]
    )


@pytest.mark.parametrize(
    "size", [field.name for field in fields(needed_shape(built("hybrid")[0])) if field.name in EXTRA]
)
def test_a_target_that_is_too_small_is_refused_and_left_alone(size):
    model, _, _ = built("hybrid")
    needed = needed_shape(model, "rmsnorm")
    widest = max(max(head.d_qk, head.d_v) for layer in model.shape.layers for head in layer.heads)
    has = widest - 1 if size == "d_head" else getattr(needed, size) - 1
    target = StandardDecoder(replace(needed, **{size: has}))
    before = copy.deepcopy(target.state_dict())
    with pytest.raises(InputError, match=rf"hybrid needs {has + 1} .* \(it has {has}\); use a larger decoder"):
        seed_into(target, model)
    assert all(torch.equal(value, before[name]) for name, value in target.state_dict().items())


def test_refusals_leave_the_target_as_it_was():
    model, _, _ = built("key_value_rows")
    for form, said in (
        ({"norm": "layernorm"}, "use another slack or float64|use float64"),
        ({}, r"6 blocks from block 9 on \(it has 0\)"),
    ):
        target = larger(needed_shape(model, **form), torch.float32)
        before = copy.deepcopy(target.state_dict())
        with pytest.raises(InputError, match=said):
            seed_into(target, model, first_block=0 if form else 9)
        assert all(torch.equal(value, before[name]) for name, value in target.state_dict().items())
    with pytest.raises(InputError, match="got a Linear"):
        seed_into(torch.nn.Linear(3, 3), model)
    odd = StandardDecoder(
        replace(needed_shape(model, "layernorm"), d_model=needed_shape(model, "layernorm").d_model + 1)
    )
    with pytest.raises(InputError, match="LayerNorm as the identity needs an even d_model"):
        seed_into(odd, model)


def writes_into_the_stream(target, places):
    target.blocks[0].mlp.matrix(1)[places.columns] = 1


def attends_into_the_stream(target, places):
    target.blocks[0].attention.output.weight[places.columns] = 1


def embeds_positions_in_the_stream(target, places):
    target.positions.weight[:, places.columns] += 1


def reads_the_rest(target, places):
    target.blocks[1].mlp.matrix(0)[: places.units[0], places.rest] = 1


def adds_to_the_logits(target, places):
    target.unembedding.weight[:, places.rest] = torch.randn(len(target.unembedding.weight), len(places.rest)).double()


def lets_a_further_token_win(target, places):
    target.unembedding.weight[-1] = 2 * target.unembedding.weight[0]


@pytest.mark.parametrize(
    "damage",
    [
        writes_into_the_stream,
        attends_into_the_stream,
        embeds_positions_in_the_stream,
        reads_the_rest,
        adds_to_the_logits,
        lets_a_further_token_win,
    ],
)
def test_each_weight_that_is_set_to_zero_has_to_be(damage):
    model, facts, hops = built("precomputed", dtype=torch.float64)
    seeded = seed_into(larger(needed_shape(model), scale=1), model, first_block=1)
    recalls_all(seeded, facts, hops)
    with torch.no_grad():
        damage(seeded, seeded.places)
    assert check_recall(seeded, facts, hops, logits="full").wrong > 0


def test_the_python_of_the_page_runs():
    page = (Path(__file__).parent.parent / "docs" / "seeding.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```", page, re.M | re.S)
    assert blocks
    for block in blocks:
        exec(compile(block, "seeding.md", "exec"), {})
