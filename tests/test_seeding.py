"""A construction inside a larger decoder: all facts recalled, the rest of the decoder as it was,
everything trainable.
"""

import copy
import re
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from test_standard import FORMS, built, last_logits, named, recalls_all
from tiers import diagonal
from torch import nn

from constructions import CATALOGUE, InputError, StandardDecoder, needed_shape, seed_into
from constructions.decoders import seeding
from verify.queries.recall import check_recall

EXTRA = {
    "d_vocab": 5,
    "d_model": 16,
    "n_layers": 3,
    "n_heads": 2,
    "d_head": 3,
    "d_mlp": 12,
    "n_positions": 4,
}


def larger(shape, dtype=torch.float64, scale=0.02, seed=0):
    """A random decoder with more of everything."""
    more = {name: getattr(shape, name) + extra for name, extra in EXTRA.items()}
    torch.manual_seed(seed)
    decoder = StandardDecoder(replace(shape, **more), dtype)
    decoder.reset_parameters(scale)
    return decoder


# ------------------------------------------------------------------ the same function


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


# ------------------------------------------------------------------ what becomes of the target


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
    assert embedding_map.heads == model.head_names
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


@pytest.mark.parametrize(
    "size",
    [field.name for field in fields(needed_shape(built("hybrid")[0])) if field.name in EXTRA],
)
def test_a_target_that_is_too_small_is_refused_and_left_alone(size):
    model, _, _ = built("hybrid")
    needed = needed_shape(model, "rmsnorm")
    widest = max(max(head.d_qk, head.d_v) for layer in model.shape.layers for head in layer.heads)
    has = widest - 1 if size == "d_head" else getattr(needed, size) - 1
    target = StandardDecoder(replace(needed, **{size: has}))
    before = copy.deepcopy(target.state_dict())
    with pytest.raises(
        InputError, match=rf"hybrid needs {has + 1} .* \(it has {has}\); use a larger decoder"
    ):
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
        replace(
            needed_shape(model, "layernorm"), d_model=needed_shape(model, "layernorm").d_model + 1
        )
    )
    with pytest.raises(InputError, match="LayerNorm as the identity needs an even d_model"):
        seed_into(odd, model)


def is_refused(target, said, model=None, **options):
    before = {
        name: weight.detach().clone()
        for name, weight in target.named_parameters(remove_duplicate=False)
    }
    with pytest.raises(InputError, match=said):
        seed_into(target, model or built("selector", dtype=torch.float64)[0], **options)
    for name, weight in target.named_parameters(remove_duplicate=False):
        assert weight.is_meta or torch.equal(weight.nan_to_num(), before[name].nan_to_num())


def a_target(**form):
    return larger(needed_shape(built("selector")[0], **form))


@pytest.mark.parametrize(
    ("form", "number", "name"),
    diagonal(
        FORMS,
        [torch.nan, torch.inf, 1e200],
        [
            f"blocks.0.{part}.weight"
            for part in ("attention.value", "attention.output", "mlp.weights.1")
        ],
    ),
)
def test_numbers_that_no_bound_can_be_computed_of_are_refused(name, number, form):
    target = a_target(**form)
    with torch.no_grad():
        target.get_parameter(name)[-1, -1] = number
    said = (
        "numbers of a forward pass may reach inf|that enters a norm together"
        if number == 1e200
        else f"{name} .* not finite"
    )
    is_refused(target, said)


def test_the_target_is_restored_whatever_is_raised(monkeypatch):
    def stop(*args):
        raise KeyboardInterrupt

    target = a_target(norm="rmsnorm")
    before = copy.deepcopy(target.state_dict())
    monkeypatch.setattr(seeding, "make_norms_the_identity", stop)
    with pytest.raises(KeyboardInterrupt):
        seed_into(target, built("selector", dtype=torch.float64)[0])
    assert all(torch.equal(value, before[name]) for name, value in target.state_dict().items())


def tied_by_hand(target):
    target.unembedding.weight = target.embedding.weight


def tied_by_a_view(target):
    target.unembedding.weight = nn.Parameter(target.embedding.weight.data[:])


def untied_by_hand(target):
    target.unembedding.weight = nn.Parameter(target.unembedding.weight.detach().clone())


def one_row_for_all(target):
    target.unembedding.weight = nn.Parameter(
        target.unembedding.weight.data[:1].expand(target.shape.d_vocab, -1)
    )


def a_block_twice(target):
    target.blocks[3] = target.blocks[0]


def normed_weights(target):
    nn.utils.parametrizations.weight_norm(target.blocks[0].attention.value)


def a_bias(target):
    target.unembedding.bias = nn.Parameter(torch.ones(target.shape.d_vocab, dtype=torch.float64))


def too_narrow(target):
    weight = target.blocks[0].attention.query.weight
    target.blocks[0].attention.query.weight = nn.Parameter(weight.data[1:])


def two_dtypes(target):
    target.blocks[1].float()


def whole_numbers(target):
    target.embedding.weight = nn.Parameter(target.embedding.weight.long(), requires_grad=False)


def no_numbers(target):
    target.to("meta")


@pytest.mark.parametrize(
    ("change", "said", "tied"),
    [
        (tied_by_hand, "unembedding.weight .* shares memory with embedding.weight", False),
        (
            tied_by_a_view,
            (
                "unembedding.weight .* shares memory with embedding.weight|embedding.weight .*"
                " with unemb"
            ),
            False,
        ),
        (untied_by_hand, "unembedding.weight of the target is not embedding.weight", True),
        (one_row_for_all, "unembedding.weight .* shares memory with itself", False),
        (a_block_twice, r"blocks.3\..* shares memory with blocks.0\.", False),
        (
            normed_weights,
            "blocks.0.attention.value.weight .* has the shape none, .*without parametrizations",
            False,
        ),
        (a_bias, "unembedding.bias .* in a new StandardDecoder of its shape none", False),
        (too_narrow, r"blocks.0.attention.query.weight of the target has the shape \(", False),
        (
            two_dtypes,
            "blocks.1.* is torch.float32 on cpu, embedding.weight torch.float64 on cpu",
            False,
        ),
        (whole_numbers, "embedding.weight of the target is torch.int64", False),
        (no_numbers, "embedding.weight of the target is torch.float64 on meta", False),
    ],
)
def test_a_target_that_is_not_what_its_shape_says_is_refused(change, said, tied):
    target = a_target(tied=tied)
    change(target)
    is_refused(target, said)


def test_weights_in_one_memory_that_do_not_overlap_are_accepted():
    model, facts, hops = built("selector", dtype=torch.float64)
    target = a_target()
    memory = torch.empty(sum(p.numel() for p in target.parameters()), dtype=torch.float64)
    for parameter, part in zip(
        target.parameters(), memory.split([p.numel() for p in target.parameters()]), strict=True
    ):
        parameter.data = part.view(parameter.shape).copy_(parameter.data)
    recalls_all(seed_into(target, model), facts, hops)


def test_checking_a_target_draws_no_random_numbers():
    target, model = a_target(), built("selector", dtype=torch.float64)[0]
    before = torch.get_rng_state()
    seed_into(target, model)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("placement", ["pre", "post"])
@pytest.mark.parametrize("where", [0, -1])
def test_the_largest_eps_counts(placement, where):
    model, facts, hops = built("precomputed", dtype=torch.float64)
    for eps, exact in ((None, True), (1e24, False)):
        target = larger(needed_shape(model, "rmsnorm", placement))
        target.norms()[where].eps = eps
        seeded = seed_into(target, model, slack=60, proven=False)
        own = last_logits(seeded, facts, hops)[:, : len(model.vocabulary)]
        assert (seeded.logit_error == 0) == exact
        assert (own - last_logits(model, facts, hops)).abs().max().item() <= seeded.logit_error


@pytest.mark.parametrize("eps", [-1.0, torch.inf, torch.nan])
def test_an_eps_that_is_no_size_is_refused(eps):
    target = a_target(norm="rmsnorm")
    target.norms()[1].eps = eps
    is_refused(target, f"eps of a norm is {eps}")


def test_gains_that_would_overflow_are_not_written():
    model, facts, hops = built("selector")
    target = larger(needed_shape(model, "rmsnorm"), torch.float32, scale=1e-35)
    seeded = seed_into(target, model)
    assert all(weight.isfinite().all() for weight in seeded.parameters())
    recalls_all(seeded, facts, hops)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"first_block": "a"}, "first_block must be an integer; got 'a'"),
        ({"first_block": 1.0}, "first_block must be an integer; got 1.0"),
        ({"slack": np.float64(20.5)}, "slack must be an integer; got .*20.5"),
        ({"model": 3}, "the construction must be a FactModel, as a builder makes it; got a int"),
        (
            {"model": StandardDecoder},
            "the construction must be a FactModel, as a builder makes it; got a type",
        ),
    ],
)
def test_options_of_another_kind_are_refused(options, said):
    is_refused(a_target(norm="rmsnorm"), said, **options)


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
    page = (Path(__file__).parent.parent / "docs" / "seeding.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```", page, re.M | re.S)
    assert blocks
    for block in blocks:
        exec(compile(block, "seeding.md", "exec"), {})
