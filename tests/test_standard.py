"""Every construction as a standard decoder: the same answers, and the same logits up to what is
stated.
"""

import itertools
import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import all_queries, bijections, disjoint, functions
from tiers import diagonal

from constructions import (
    CATALOGUE,
    FactTable,
    InputError,
    StandardDecoder,
    StandardShape,
    add_noise,
    needed_shape,
    selector,
    standard,
)
from constructions.decoders import blocks, identity_norms, plan_writing
from constructions.guards.errors import DoesNotFit
from constructions.model.answering import Writing
from verify.queries.recall import check_recall

FORMS = [
    {"norm": norm, "placement": placement, "tied": tied}
    for norm, placement, tied in itertools.product(
        (None, "rmsnorm", "layernorm"), ("pre", "post"), (False, True)
    )
    if norm or placement == "pre"
]
LAYERNORM = [form for form in FORMS if form["norm"] == "layernorm"]
EXACT = [form for form in FORMS if form not in LAYERNORM]
DTYPES = [torch.float32, torch.float64]


def named(form):
    return "-".join([str(form["norm"]), form["placement"], "tied" if form["tied"] else "untied"])


def built(name, facts=None, hops=2, dtype=torch.float32):
    entry = CATALOGUE[name]
    facts = facts or entry.random_facts(7, 3, 1)
    hops = hops if entry.multi_hop else 1
    return entry.build(facts, hops, dtype=dtype), facts, hops


def last_logits(model, facts, hops):
    """After each query; of a chain of thought, those of its first written token."""
    subjects, paths = all_queries(facts, hops)
    columns = [torch.from_numpy(subjects)[:, None], facts.n_entities + torch.from_numpy(paths)]
    tokens = model.prompt(subjects, paths) if isinstance(model, Writing) else torch.cat(columns, 1)
    with torch.no_grad():
        return model(tokens)[:, -1]


def recalls_all(model, facts, hops):
    recall = check_recall(model, facts, hops, logits="full")
    assert recall.defect is None
    assert recall.queries == facts.n_entities * facts.n_relations**hops
    assert recall.wrong == 0, recall.counterexamples


def has_the_logits_of(other, model, facts, hops):
    """To the last bit, unless a bound is stated; it must leave the margin."""
    difference = (
        (last_logits(other, facts, hops) - last_logits(model, facts, hops)).abs().max().item()
    )
    assert difference <= other.logit_error * (2 if model.margin.rounds else 1)
    assert 2 * other.logit_error < model.margin.real


# ------------------------------------------------------------------ the same function


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
    elif entry.random_partial_facts is None:
        facts = data.draw(bijections(**sizes))
    else:
        facts = data.draw(functions(**sizes))
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


# ------------------------------------------------------------------ the architecture


@pytest.mark.parametrize("norm", [None, "rmsnorm", "layernorm"])
@pytest.mark.parametrize("placement", ["pre", "post"])
def test_the_decoder_is_torchs_own_encoder_layer_with_a_causal_mask(norm, placement):
    """Written out with torch's functions, head by head."""
    decoder = StandardDecoder(StandardShape(9, 12, 2, 3, 5, 7, 6, norm, placement), torch.float64)
    decoder.reset_parameters(0.5)
    tokens = torch.randint(9, (4, 6))
    with torch.no_grad():
        x = decoder.embedding.weight[tokens] + decoder.positions.weight
        for block in decoder.blocks:
            before = block.attention_norm(x) if placement == "pre" else x
            q, k, v = (
                getattr(block.attention, name)(before).unflatten(-1, (3, 5)).transpose(1, 2)
                for name in ("query", "key", "value")
            )
            mixed = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + block.attention.output(mixed.transpose(1, 2).flatten(2))
            x = x if placement == "pre" else block.attention_norm(x)
            before = block.mlp_norm(x) if placement == "pre" else x
            x = x + torch.relu(before @ block.mlp.matrix(0).T) @ block.mlp.matrix(1).T
            x = x if placement == "pre" else block.mlp_norm(x)
        x = decoder.final_norm(x)
        torch.testing.assert_close(decoder(tokens), x @ decoder.unembedding.weight.T)
        first, cache = decoder.states(tokens[:, :2])
        rest, _ = decoder.states(tokens[:, 2:], cache)
        torch.testing.assert_close(torch.cat([first, rest], 1), x)
        trace = decoder.trace(tokens)
    assert list(trace.residual) == [
        "embedding",
        "layers.0.mid",
        "layers.0.post",
        "layers.1.mid",
        "layers.1.post",
    ]
    assert trace.patterns["layers.1"].shape == (4, 3, 6, 6)
    with pytest.raises(ValueError, match="7 tokens are too many: this model has 6 positions"):
        decoder(torch.zeros(1, 7, dtype=torch.int64))


def test_a_tied_decoder_has_one_table():
    model = standard(built("selector")[0], tied=True)
    assert model.unembedding.weight is model.embedding.weight
    assert sum(name.endswith("embedding.weight") for name, _ in model.named_parameters()) == 1


# ------------------------------------------------------------------ sizes and refusals


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


# ------------------------------------------------------------------ controls: each part of the
# proof is needed


def broken(monkeypatch, module, name, change):
    original = getattr(module, name)
    monkeypatch.setattr(module, name, lambda *args: change(original(*args), *args))


def notices(name, **form):
    model, facts, hops = built(name, dtype=torch.float64)
    other = standard(model, **form)
    with pytest.raises(AssertionError):
        has_the_logits_of(other, model, facts, hops)


def test_a_scratch_that_is_not_cleared_is_noticed(monkeypatch):
    def keep(steps, mlp, stream, scratch):
        for _, write in steps:
            write[scratch.columns] = write[scratch.columns].clamp(min=0)
        return steps

    broken(monkeypatch, blocks, "_mlp_steps", keep)
    notices("key_value_rows")


def test_an_answer_slot_that_is_not_cleared_is_noticed(monkeypatch):
    def keep(block, stream, answer, *rest):
        block.write[answer.columns] *= (block.read[:, answer.columns] == 0).all(1)
        return block

    broken(monkeypatch, blocks, "_move_to_answer", keep)
    notices("selector", tied=True)


@pytest.mark.parametrize("norm", ["rmsnorm", "layernorm"])
@pytest.mark.parametrize("placement", ["pre", "post"])
def test_a_gain_that_is_off_is_noticed(monkeypatch, norm, placement):
    def off(_, decoder, *rest):
        with torch.no_grad():
            decoder.blocks[0].mlp_norm.weight[0] *= 1.001

    broken(monkeypatch, identity_norms, "_write_slack", off)
    notices("selector", norm=norm, placement=placement)


def test_a_slack_that_is_no_sum_of_squares_is_noticed(monkeypatch):
    monkeypatch.setattr(identity_norms, "four_squares", lambda n: (math.isqrt(n), 0, 0, 0))
    notices("selector", norm="rmsnorm")


def test_a_missing_mirror_is_noticed(monkeypatch):
    def one_sided(tall, matrix, embedding_map):
        tall[embedding_map.mirror] = 0
        return tall

    broken(monkeypatch, plan_writing, "_writing", one_sided)
    notices("selector", norm="layernorm")


def test_scores_that_are_not_scaled_are_noticed():
    model, facts, hops = built("attention_selector", dtype=torch.float64)
    other = standard(model)
    assert other.shape.d_head > 1
    stated = other.logit_error
    for block in other.blocks:
        block.attention.scaled = False
    assert (
        last_logits(other, facts, hops) - last_logits(model, facts, hops)
    ).abs().max() > 2 * stated
    with pytest.raises(InputError, match=r"blocks\.0\.attention\.scaled is False, and was True"):
        has_the_logits_of(other, model, facts, hops)
