"""Options of `seed_into` that change no answer: scales, closed columns, the size of the rest."""

from dataclasses import replace
from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from larger_decoders import a_target, is_refused, larger
from standard_decoders import EXACT, FORMS, built, last_logits, named, recalls_all
from tiers import diagonal, few

from constructions import (
    CATALOGUE,
    DoesNotFit,
    InputError,
    StandardDecoder,
    Transformer,
    needed_shape,
    seed_into,
)
from constructions.decoders import scaling

SCALES = {"stream_scale": 8, "unembedding_scale": 4}
PRE = [form for form in FORMS if form["norm"] and form["placement"] == "pre"]


@pytest.mark.parametrize(("name", "form"), diagonal(CATALOGUE, FORMS))
def test_all_logits_are_scaled_and_all_facts_recalled(name, form):
    model, facts, hops = built(name, dtype=torch.float64)
    seeded = seed_into(larger(needed_shape(model, **form)), model, **SCALES)
    assert (seeded.stream_scale, seeded.logit_scale) == (8, 32)
    recalls_all(seeded, facts, hops)
    own = last_logits(seeded, facts, hops)[:, : len(model.vocabulary)]
    difference = (own - 32 * last_logits(model, facts, hops)).abs().max().item()
    if model.margin.rounds:
        assert difference <= 2 * seeded.logit_error
        assert seeded.margin.real == 32 * model.margin.real - 2 * Fraction(seeded.logit_error)
    elif form["norm"] == "layernorm":
        assert difference <= seeded.logit_error
    else:
        assert difference == seeded.logit_error == 0
        assert seeded.margin == replace(
            model.margin, real=32 * model.margin.real, in_dtype=32 * model.margin.in_dtype
        )


@given(st.integers(0, 20), st.integers(0, 20))
def test_every_pair_of_scales_is_exact_in_float32(stream, unembedding):
    model, facts, hops = built("chain_of_thought")
    scales = {"stream_scale": 2**stream, "unembedding_scale": 2**unembedding}
    seeded = seed_into(larger(needed_shape(model), torch.float32), model, **scales)
    own = last_logits(seeded, facts, hops)[:, : len(model.vocabulary)]
    assert torch.equal(own, 2 ** (stream + unembedding) * last_logits(model, facts, hops))
    assert seeded.logit_error == 0


def test_scores_that_are_not_divided_select_too_sharply(monkeypatch):
    """A control: what `scaled` does to queries is needed."""
    model, facts, hops = built("attention_selector", dtype=torch.float64)

    def undivided(plan, stream, unembedding):
        return replace(plan, embedding=plan.embedding * stream)

    before = last_logits(model, facts, hops)
    for scale, same in ((scaling.scaled, True), (undivided, False)):
        monkeypatch.setattr("constructions.decoders.seeding.scaled", scale)
        seeded = seed_into(larger(needed_shape(model)), model, stream_scale=8, proven=False)
        own = last_logits(seeded, facts, hops)[:, : len(model.vocabulary)]
        assert torch.allclose(own, 8 * before, rtol=1e-9, atol=0) == same


def test_slots_are_read_and_set_as_the_construction_has_them():
    model, _, _ = built("precomputed", dtype=torch.float64)
    seeded = seed_into(larger(needed_shape(model, "layernorm")), model, **SCALES)
    tokens = torch.tensor([[3, 8, 9]])
    trace, original = (one.trace(tokens) for one in (seeded, model))
    states = trace.residual["layers.1.post"]
    expected = model.slot_state(original.residual["layers.1.post"], "answers")
    torch.testing.assert_close(seeded.slot_state(states, "answers"), expected, rtol=0, atol=1e-6)
    changed = seeded.set_slot(states, "answers", 2 * expected)
    torch.testing.assert_close(seeded.slot_state(changed, "answers"), 2 * expected)
    assert expected.any()


@pytest.mark.parametrize("name", SCALES)
@pytest.mark.parametrize("scale", [0, -2, 3, 2**21, 1.5, True, "2"])
def test_scales_that_are_no_powers_of_two_are_refused(name, scale):
    is_refused(a_target(), name, **{name: scale})


def test_scales_are_for_dtypes_that_hold_small_numbers():
    model = built("selector", dtype=torch.bfloat16)[0]
    target = larger(needed_shape(model), torch.bfloat16)
    assert seed_into(target, model).logit_scale == 1
    is_refused(larger(needed_shape(model), torch.bfloat16), "float64", model, **SCALES)


def test_scales_that_may_make_a_logit_overflow_are_refused():
    model = built("selector")[0]
    target = larger(needed_shape(model), torch.float32)
    with torch.no_grad():
        target.embedding.weight *= 1e18
    scales = {"stream_scale": 2**20, "unembedding_scale": 2**20}
    is_refused(target, "logits times", model, **scales)
    assert seed_into(target, model).logit_scale == 1


@pytest.mark.parametrize("form", few(FORMS, *FORMS[::4]), ids=named)
def test_closed_columns_are_read_by_the_construction_alone(form):
    model, facts, hops = built("precomputed", dtype=torch.float64)
    reads = {}
    for closed in (True, False):
        seeded = seed_into(larger(needed_shape(model, **form)), model, closed=closed)
        recalls_all(seeded, facts, hops)
        own = torch.from_numpy(seeded.embedding_map.columns)
        entries = seeded.construction_entries()
        reads[closed] = sum(
            int((weight[:, own] != 0)[~entries[name][:, own]].sum())
            for name, weight in seeded.named_parameters()
            if name.endswith(("query.weight", "key.weight", "value.weight", "weights.0.weight"))
        )
        if form in EXACT:
            assert seeded.logit_error == 0
    assert reads[True] == 0 < reads[False]


@pytest.mark.parametrize("closed", [1, None, "yes"])
def test_closed_is_a_truth_value(closed):
    is_refused(a_target(), "closed must be True or False", closed=closed)


@pytest.mark.parametrize("form", PRE, ids=named)
def test_the_rest_is_read_at_the_size_that_is_given(form):
    """Tokens that a head outside of the construction reads have this root mean square."""
    model, facts, hops = built("selector", dtype=torch.float64)
    for size in (0.125, 0.4, 1.0):
        target = larger(needed_shape(model, **form), scale=0.1)
        tables = target.embedding.weight, target.positions.weight
        found = sum(table.square().mean().item() for table in tables) ** 0.5
        seeded = seed_into(target, model, rest_size=size)
        assert seeded.rest_gain == pytest.approx(size / found)
        recalls_all(seeded, facts, hops)
        if form["norm"] == "rmsnorm":
            own = last_logits(seeded, facts, hops)[:, : len(model.vocabulary)]
            assert torch.equal(own, last_logits(model, facts, hops))


@pytest.mark.parametrize("size", [0, -1.0, float("inf"), float("nan"), True, "1"])
def test_sizes_of_the_rest_that_are_none_are_refused(size):
    is_refused(a_target(norm="rmsnorm"), "rest_size must be", rest_size=size)


@pytest.mark.parametrize("form", [{"norm": None}, {"norm": "rmsnorm", "placement": "post"}])
def test_a_size_of_the_rest_needs_norms_before_each_part(form):
    is_refused(a_target(**form), "rest_size is for", rest_size=1.0)
    is_refused(
        StandardDecoder(replace(a_target(norm="rmsnorm").shape, **form), torch.float64),
        "rest_size is for",
        rest_size=1.0,
    )


def test_a_size_that_cannot_be_certified_is_refused_and_not_replaced():
    """The default falls back on the rest as it stands."""
    model = built("key_value_rows", dtype=torch.float64)[0]
    shape = needed_shape(model, "layernorm", tied=True)
    assert seed_into(larger(shape), model).rest_gain == 1
    target = larger(shape)
    before = {name: weight.clone() for name, weight in target.state_dict().items()}
    with pytest.raises(DoesNotFit):
        seed_into(target, model, rest_size=1.0)
    assert all(torch.equal(weight, before[name]) for name, weight in target.state_dict().items())


@pytest.mark.parametrize(
    "option", [{"rest_size": 1.0}, {"closed": True}, {"stream_scale": 2}, {"unembedding_scale": 2}]
)
def test_transformers_of_ours_take_none_of_them(option):
    model = built("selector")[0]
    with pytest.raises(InputError, match="are for standard decoders"):
        seed_into(Transformer(model.shape), model, **option)
