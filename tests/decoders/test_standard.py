"""Every construction as a standard decoder: the same answers, and the same logits up to what is stated."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from standard_decoders import (
    DTYPES,
    EXACT,
    FORMS,
    LAYERNORM,
    built,
    has_the_logits_of,
    last_logits,
    named,
    recalls_all,
)
from strategies import bijections, disjoint, functions
from tiers import diagonal

from constructions import (
    CATALOGUE,
    FactTable,
    InputError,
    StandardShape,
    add_noise,
    needed_shape,
    selector,
    standard,
)
from constructions.decoders import identity_norms
from constructions.guards.errors import DoesNotFit


@pytest.mark.parametrize(("name", "form", "dtype"), diagonal(CATALOGUE, EXACT, DTYPES))
def test_the_same_logits_to_the_last_bit_without_norms_and_with_rmsnorm(name, form, dtype):
    model, facts, hops = built(name, dtype=dtype)
    other = standard(model, **form)
    assert (other.logit_error == 0) == (not model.margin.rounds)
    has_the_logits_of(other, model, facts, hops)
    recalls_all(other, facts, hops)


@pytest.mark.parametrize(("name", "form"), diagonal(CATALOGUE, LAYERNORM))
def test_the_stated_logits_with_layernorm(name, form):
    model, facts, hops = built(name, dtype=torch.float64)
    other = standard(model, **form)
    assert 0 < other.logit_error < 1e-4
    has_the_logits_of(other, model, facts, hops)
    recalls_all(other, facts, hops)


@pytest.mark.parametrize("form", LAYERNORM, ids=named)
@pytest.mark.parametrize(
    "name", [name for name, entry in CATALOGUE.items() if "key_value" not in entry.file]
)
def test_layernorm_in_float32_holds_what_it_states_or_refuses(name, form):
    model, facts, hops = built(name)
    if name.startswith("hybrid"):
        with pytest.raises(
            DoesNotFit, match=r"two logits may be off by .*, and the margin is 2; use float64"
        ):
            standard(model, **form)
        return
    other = standard(model, **form)
    has_the_logits_of(other, model, facts, hops)
    recalls_all(other, facts, hops)


@settings(max_examples=40)
@given(name=st.sampled_from(list(CATALOGUE)), form=st.sampled_from(FORMS), data=st.data())
def test_any_table_in_any_form(name, form, data):
    sizes = {"entities": st.integers(1, 9), "relations": st.integers(1, 3)}
    entry = CATALOGUE[name]
    if not entry.takes_bijections:
        facts = data.draw(disjoint(**sizes))
    elif not entry.missing:
        facts = data.draw(bijections(**sizes))
    else:
        facts = data.draw(functions(**sizes))
    assume(facts.n_facts or not entry.stored_only)
    model, facts, hops = built(name, facts, data.draw(st.integers(1, 3)), torch.float64)
    other = standard(model, **form)
    has_the_logits_of(other, model, facts, hops)
    recalls_all(other, facts, hops)


def test_a_smaller_slack_distorts_as_stated():
    model, facts, hops = built("precomputed", dtype=torch.float64)
    differences = []
    for slack in (11, 13, 15):
        other = standard(model, norm="rmsnorm", slack=slack)
        assert other.slack == slack
        has_the_logits_of(other, model, facts, hops)
        recalls_all(other, facts, hops)
        assert other.distortion < identity_norms.MOST_DELTA
        differences.append(
            (last_logits(other, facts, hops) - last_logits(model, facts, hops)).abs().max().item()
        )
    assert differences[0] > 8 * differences[1] > 64 * differences[2] > 0  # 4^-k


@pytest.mark.parametrize("placement", ["pre", "post"])
def test_norms_multiply_every_vector_by_a_factor_within_the_distortion(placement):
    """In float64, for a slack so small that the distortion is far above rounding; on all tokens at
    all positions.
    """
    model, facts, _ = built("precomputed", dtype=torch.float64)
    other = standard(model, norm="rmsnorm", placement=placement, slack=13)
    factors, stated = [], float(other.distortion)
    for norm in other.norms():
        norm.register_forward_hook(
            lambda norm, x, y: factors.append(y[..., columns] / x[0][..., columns])
        )
    columns = torch.from_numpy(other.embedding_map.columns)
    last_logits(other, facts, 2)
    factors = [part[part.isfinite()] for part in factors]
    furthest = max((1 - part).abs().max().item() for part in factors)
    assert 1e-11 < furthest <= stated


def test_sizes_are_those_of_the_construction():
    # two hidden layers, applied twice, heads of width 4 and less
    model, _, _ = built("hybrid_shared")
    wide, narrow = model.shape.layers[0].d_mlp
    shape = needed_shape(model)
    assert shape == standard(model).shape
    assert (shape.n_layers, shape.d_mlp, shape.n_heads) == (
        4,
        max(wide, wide + narrow),
        model.shape.n_heads,
    )
    assert shape.d_model == model.shape.d_model + wide
    assert math.isqrt(shape.d_head) ** 2 == shape.d_head & -shape.d_head
    assert needed_shape(model, "rmsnorm") == replace(
        shape, norm="rmsnorm", d_model=shape.d_model + 4
    )
    assert needed_shape(model, "layernorm").d_model == 2 * shape.d_model + 8
    assert needed_shape(model, tied=True).n_layers == 5


def test_four_squares():
    for n in (*range(1, 200), 1023, 4096, 65535):
        assert sum(part * part for part in identity_norms.four_squares(n)) == n


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"slack": 9}, "a slack of 2\\^9 is for norms, and this decoder has none"),
        ({"norm": "rmsnorm", "slack": 1}, "a slack of 2\\^1 is too small"),
        ({"norm": "rmsnorm", "slack": 70}, "a slack of 2\\^70 is too large"),
        (
            {"dtype": torch.bfloat16},
            "was built in torch.float32, and the target is in torch.bfloat16",
        ),
        (
            {"norm": "layernorm", "slack": 36},
            r"two logits may be off by .* together, and the margin is 2",
        ),
        ({"norm": "rmsnorm", "slack": 70, "proven": False}, "a slack of 2\\^70 is too large"),
        ({"norm": "rmsnorm", "slack": 600, "proven": False}, "a slack of 2\\^600 is too large"),
        (
            {"norm": "layernorm", "slack": 10**12, "proven": False},
            "a slack of 2\\^1000000000000 is too large",
        ),
        ({"norm": "rmsnorm", "slack": "a"}, "slack must be an integer; got 'a'"),
        ({"norm": "rmsnorm", "slack": 1.5, "proven": False}, "slack must be an integer; got 1.5"),
        (
            {"norm": "rmsnorm", "slack": -2000, "proven": False},
            "a slack of 2\\^-2000 is too small",
        ),
        (
            {"norm": "batchnorm"},
            r"norm must be one of None, 'rmsnorm', 'layernorm'; got 'batchnorm'",
        ),
        (
            {"norm": "rmsnorm", "placement": "middle"},
            "placement must be one of 'pre', 'post'; got 'middle'",
        ),
        ({"dtype": torch.int64}, "dtype must be one of floating point; got torch.int64"),
        ({"dtype": "float64"}, "dtype must be one of floating point; got 'float64'"),
    ],
)
def test_refusals_name_both_sides(options, said):
    with pytest.raises(InputError, match=said):
        standard(built("selector")[0], **options)


def test_what_is_no_construction_is_refused():
    model = built("selector")[0]
    for other in (3, standard(model), add_noise(model, 0.0)):
        for make in (standard, needed_shape):
            with pytest.raises(
                InputError,
                match=f"must be a FactModel, as a builder makes it; got a {type(other).__name__}",
            ):
                make(other)
    with pytest.raises(InputError, match="norm must be one of"):
        needed_shape(model, "batchnorm")
    with pytest.raises(InputError, match="placement must be one of"):
        StandardShape(9, 8, 2, 2, 4, 8, 6, placement="middle")


@pytest.mark.long
@pytest.mark.parametrize("hops", [2, 3])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_without_proof_running_all_queries_decides(dtype, hops):
    facts = FactTable.random_bijections(64, 3, seed=0)
    model = CATALOGUE["key_value_rows"].build(facts, hops, dtype=dtype)
    with pytest.raises(DoesNotFit):
        standard(model, norm="layernorm", slack=16)
    other = standard(model, norm="layernorm", slack=16, proven=False)
    assert other.logit_error > 1
    recalls_all(other, facts, hops)


def test_it_answers_like_any_model():
    facts = FactTable.from_triples(
        [("Ann", "mother", "Beth"), ("Beth", "mother", "Carla"), ("Ann", "sister", "Dora")]
    )
    model = standard(selector(facts), norm="layernorm", tied=True)
    assert facts.entity_name(model.answer("Ann", ["mother"])) == "Beth"
    assert model.answer("Carla", ["mother"]) == -1
    chain = standard(CATALOGUE["chain_of_thought"].build(facts, 3), norm="rmsnorm")
    assert facts.entity_name(chain.answer("Ann", ["mother", "mother"])) == "Carla"
