"""A construction inside a larger decoder: all facts recalled, the rest of the decoder as it was."""

import copy
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from larger_decoders import EXTRA, larger
from standard_decoders import FORMS, built, last_logits, named, recalls_all
from tiers import diagonal

from constructions import CATALOGUE, needed_shape, seed_into
from verify.queries.recall import check_recall


@pytest.mark.parametrize(("name", "form"), diagonal(CATALOGUE, FORMS))
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


@pytest.mark.parametrize(
    ("name", "form"),
    diagonal(CATALOGUE, [form for form in FORMS if form["norm"] != "layernorm"]),
)
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
    difference = last_logits(seeded, facts, hops)[:, : len(model.vocabulary)] - last_logits(
        model, facts, hops
    )
    assert difference.abs().max().item() <= seeded.logit_error


@pytest.mark.parametrize(
    ("norm", "name"),
    [("rmsnorm", "selector"), ("layernorm", "selector"), ("layernorm", "key_value_rows")],
)
def test_with_pre_norm_the_rest_is_read_at_a_size_of_one_if_that_can_be_certified(norm, name):
    model, facts, hops = built(name, dtype=torch.float64)
    target = larger(needed_shape(model, norm, tied=True))
    size = (
        (target.embedding.weight.square().mean() + target.positions.weight.square().mean())
        .sqrt()
        .item()
    )
    seeded = seed_into(target, model)
    assert seeded.rest_gain == (pytest.approx(1 / size) if name == "selector" else 1)
    assert target.blocks[0].mlp_norm.weight[-1].item() == pytest.approx(
        2**seeded.slack * seeded.rest_gain
    )
    recalls_all(seeded, facts, hops)


@pytest.mark.parametrize("form", FORMS, ids=named)
def test_the_rest_of_the_target_keeps_its_weights(form):
    model, _, _ = built("chain_of_thought", dtype=torch.float64)
    target = larger(needed_shape(model, **form))
    before = copy.deepcopy(target)
    embedding_map = seed_into(target, model, first_block=2).embedding_map
    rest, d_head = embedding_map.rest, target.shape.d_head
    assert len(rest) == EXTRA["d_model"]
    assert torch.equal(target.positions.weight[:, rest], before.positions.weight[:, rest])
    if not form["tied"]:
        assert torch.equal(target.embedding.weight[:, rest], before.embedding.weight[:, rest])
    assert not target.unembedding.weight[:, rest].any()
    for index, (block, old) in enumerate(zip(target.blocks, before.blocks, strict=True)):
        used = index - embedding_map.first_block if index in embedding_map.blocks else None
        heads = len(embedding_map.heads[used]) * d_head if used is not None else 0
        units = embedding_map.units[used] if used is not None else 0
        sees = np.setdiff1d(np.arange(target.shape.d_model), embedding_map.slack)
        for name in ("query", "key", "value"):
            new, kept = (
                getattr(block.attention, name).weight[heads:],
                getattr(old.attention, name).weight[heads:],
            )
            assert torch.equal(new[:, sees], kept[:, sees])
            assert not new[:, embedding_map.slack].any()
        assert torch.equal(block.mlp.matrix(0)[units:, sees], old.mlp.matrix(0)[units:, sees])
        assert torch.equal(
            block.attention.output.weight[rest, heads:], old.attention.output.weight[rest, heads:]
        )
        assert torch.equal(block.mlp.matrix(1)[rest, units:], old.mlp.matrix(1)[rest, units:])
        assert not block.attention.output.weight[embedding_map.own, heads:].any()
        assert not block.mlp.matrix(1)[embedding_map.own, units:].any()


def test_places_name_what_the_construction_uses():
    model, _, _ = built("precomputed", dtype=torch.float64)
    seeded = seed_into(larger(needed_shape(model, "layernorm")), model, first_block=1)
    embedding_map = seeded.embedding_map
    assert (embedding_map.blocks, embedding_map.units) == (
        range(1, 3),
        tuple(layer.d_mlp[0] for layer in model.shape.layers),
    )
    recorded = tuple(tuple(head.name for head in layer.heads) for layer in model.record.layers)
    assert embedding_map.heads == recorded
    trace, original = (m.trace(torch.tensor([[3, 8, 9]])) for m in (seeded, model))
    found = trace.residual["layers.2.post"][..., torch.from_numpy(embedding_map.slot("answers"))]
    expected = model.slot_state(original.residual["layers.1.post"], "answers")
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-9)
    torch.testing.assert_close(
        found,
        -trace.residual["layers.2.post"][
            ..., embedding_map.mirror[model.stream["answers"].columns]
        ],
    )


def writes_into_the_stream(target, embedding_map):
    target.blocks[0].mlp.matrix(1)[embedding_map.columns] = 1


def attends_into_the_stream(target, embedding_map):
    target.blocks[0].attention.output.weight[embedding_map.columns] = 1


def embeds_positions_in_the_stream(target, embedding_map):
    target.positions.weight[:, embedding_map.columns] += 1


def reads_the_rest(target, embedding_map):
    target.blocks[1].mlp.matrix(0)[: embedding_map.units[0], embedding_map.rest] = 1


def adds_to_the_logits(target, embedding_map):
    target.unembedding.weight[:, embedding_map.rest] = torch.randn(
        len(target.unembedding.weight), len(embedding_map.rest)
    ).double()


def lets_a_further_token_win(target, embedding_map):
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
        damage(seeded, seeded.embedding_map)
    found = check_recall(seeded, facts, hops, logits="full")
    # unknown where numbers are so large that rounding has no useful bound
    assert found.wrong + found.unknown > 0


def test_the_python_of_the_page_runs():
    page = (Path(__file__).parents[2] / "docs" / "seeding.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```", page, re.M | re.S)
    assert blocks
    for block in blocks:
        exec(compile(block, "seeding.md", "exec"), {})
