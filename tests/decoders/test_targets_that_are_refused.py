"""Targets that are too small, damaged or no decoders are refused, and left as they were."""

import copy
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from larger_decoders import EXTRA, a_target, is_refused, larger
from standard_decoders import FORMS, built, last_logits, recalls_all
from tiers import diagonal
from torch import nn

from constructions import InputError, StandardDecoder, needed_shape, seed_into
from constructions.decoders import seeding


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
