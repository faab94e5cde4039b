"""TransformerLens, and its traps."""

import random
import re
from importlib import import_module

import numpy as np
import pytest
import torch
from export_tools import booted, lens
from hand_made import built

from constructions import (
    StandardDecoder,
    StandardShape,
    standard,
)
from constructions.decoders.seeding import needed_shape
from constructions.export import export, to_transformerlens
from verify.queries.exported import ask


@lens
def test_lens_activations_are_those_of_the_decoder_and_can_be_changed(family):
    decoder = standard(family)
    bridge = to_transformerlens(family, margin=0)
    tokens = family.prompt(*(torch.tensor(x).numpy() for x in ([0, 1], [[0, 1], [0, 0]])))
    logits, cache = bridge.run_with_cache(tokens)
    trace = decoder.trace(tokens)
    assert torch.equal(logits, trace.logits)
    for layer in range(decoder.shape.n_layers):
        assert torch.equal(
            cache[f"blocks.{layer}.attn.hook_pattern"], trace.patterns[f"layers.{layer}"]
        )
        assert torch.equal(
            cache[f"blocks.{layer}.hook_resid_post"], trace.residual[f"layers.{layer}.post"]
        )
    blind = bridge.run_with_hooks(
        tokens, fwd_hooks=[("blocks.0.attn.hook_pattern", lambda pattern, hook: pattern * 0)]
    )
    assert not torch.equal(blind, logits)


@lens
def test_lens_divides_scores_whatever_its_options_say_so_queries_are_scaled():
    model = built("attention_selector", 5, 2, dtype=torch.float64)
    decoder = standard(model)
    root = decoder.shape.d_head**0.5
    assert root > 1
    own = model.layers[0].attention.query.weight.abs().max()
    assert (
        to_transformerlens(model).state_dict()["blocks.0.attn.q.weight"].abs().max() == own * root
    )
    with pytest.raises(ValueError, match="unscaled"):
        booted(decoder.shape, attn_scale=1.0)
    # gaps as small as in a model that is trained: then a wrong scale shows
    decoder.reset_parameters(0.3)
    state = to_transformerlens(decoder, margin=0).state_dict()
    bridge = booted(decoder.shape, use_attn_scale=False).double()
    bridge.load_state_dict(state, strict=True)
    tokens = torch.tensor([[0, 1], [4, 6]])
    torch.testing.assert_close(bridge(tokens), decoder(tokens))  # use_attn_scale=False is ignored
    bridge.load_state_dict(
        state | {name: state[name] / root for name in state if "attn.q" in name}, strict=True
    )
    assert (bridge(tokens) - decoder(tokens)).abs().max() > 1e-4


@lens
def test_lens_ignores_the_dtype_of_a_config_so_it_is_given_to_boot_native(tmp_path):
    model = built("selector", 4, 2, dtype=torch.float64)
    assert {p.dtype for p in booted(standard(model).shape, dtype=torch.float64).parameters()} == {
        torch.float32
    }
    assert {p.dtype for p in to_transformerlens(model).parameters()} == {torch.float64}
    export(model, "transformerlens", tmp_path / "out")
    loaded = import_module("constructions.export.transformerlens").load(tmp_path / "out")
    assert {p.dtype for p in loaded.parameters()} == {torch.float64}


@lens
def test_lens_always_has_positions_so_the_table_is_zero():
    model = built("selector", 4, 2)
    assert model.positions is None
    with pytest.raises(ValueError, match="positional_embedding_type"):
        booted(standard(model).shape, positional_embedding_type="none")
    assert not to_transformerlens(model).state_dict()["pos_embed.weight"].any()


@lens
# three and two hidden layers
@pytest.mark.parametrize("name", ["key_value_rows", "hybrid_shared"])
def test_lens_has_one_width_and_one_hidden_layer_so_mlps_are_padded_and_split(name):
    model = built(name)
    state = to_transformerlens(model).state_dict()
    widths = [
        len(value)
        for key, value in state.items()
        if re.fullmatch(r"blocks\.\d+\.mlp\.in\.weight", key)
    ]
    assert len(set(widths)) == 1
    assert len(widths) >= model.shape.repeats * sum(
        len(layer.d_mlp) for layer in model.shape.layers
    )
    unused = [
        not value.any(1).all() for key, value in state.items() if key.endswith("mlp.in.weight")
    ]
    assert any(unused)  # units without a weight: zero-padded
    assert not any(value.any() for key, value in state.items() if key.endswith("bias"))


@lens
def test_lens_has_no_hooked_transformer():
    with pytest.raises(ImportError, match="removed in TransformerLens 4"):
        _ = import_module("transformer_lens").HookedTransformer


def in_compatibility_mode(bridge):
    """The bridge after TransformerLens has processed its weights; upstream logs that a bridge
    without norms is one.
    """
    bridge.enable_compatibility_mode(disable_warnings=True)
    return lambda tokens: bridge(tokens).detach()


SQUARE = [
    ("selector", 4, 4, 1), ("selector", 9, 3, 1),
    ("attention_selector", 12, 2, 1), ("superposition", 2, 3, 1), ("key_value", 5, 2, 2), ("key_value_shared", 13, 2, 2),
    ("precomputed", 3, 1, 2), ("precomputed_depth_1", 3, 1, 2), ("hybrid", 22, 1, 1), ("meet_in_the_middle", 10, 1, 2),
    ("chain_of_thought", 23, 2, 2),
]  # fmt: skip
"""Construction, N, R, k of which the unembedding is square: d_vocab = d_model."""


def square_models():
    for name, entities, relations, hops in SQUARE:
        model = built(name, entities, relations, hops=hops)
        shape = needed_shape(model)
        assert shape.d_vocab == shape.d_model, (name, shape)
        yield model


@lens
def test_lens_compatibility_mode_keeps_every_answer_where_vocabulary_and_stream_are_as_large():
    """It guesses by shape which axis of the unembedding is the vocabulary, and a square one it
    reads along the other.
    """
    for model in square_models():
        bridge = to_transformerlens(model, margin=0)
        assert bridge.cfg.d_model == bridge.cfg.d_vocab + 1
        assert ask(itself_there(bridge), model, allowed=1e-3).right
        asked = ask(in_compatibility_mode(bridge), model)
        assert asked.wrong == 0, (model.construction, model.facts)


@lens
def test_lens_compatibility_mode_reads_a_square_unembedding_along_the_wrong_axis(monkeypatch):
    """The control: without the spare coordinate answers are wrong. Once upstream is mended, the
    coordinate may go.
    """
    monkeypatch.setattr(
        import_module("constructions.export.transformerlens"),
        "_spare_coordinates",
        lambda shape: 0,
    )
    assert any(
        ask(in_compatibility_mode(to_transformerlens(model, margin=0)), model).wrong
        for model in square_models()
    )


@lens
def test_lens_compatibility_mode_changes_logits_by_one_number_a_position_whatever_sizes_coincide():
    """Decoders of random weights, and of sizes so few that any two of them coincide again and
    again.
    """
    seed = random.getrandbits(32)
    rng = np.random.default_rng(seed)
    for _ in range(40):
        vocab, model, mlp, heads, width, places, layers = (
            int(rng.integers(2, 5)) for _ in range(7)
        )
        decoder = StandardDecoder(
            StandardShape(vocab, model, layers, heads, width, mlp, places), torch.float64
        )
        with torch.no_grad():
            for weight in decoder.parameters():
                weight.copy_(torch.from_numpy(rng.normal(size=tuple(weight.shape))) / 3)
        tokens = torch.from_numpy(rng.integers(vocab, size=(4, places)))
        module = import_module("constructions.export.transformerlens")
        bridge = module._booted(module._config(decoder.shape), torch.float64, torch.device("cpu"))
        bridge.load_state_dict(module._weights(decoder, 1.0), strict=True)
        wanted = decoder(tokens).detach()
        torch.testing.assert_close(
            bridge(tokens).detach(), wanted, msg=f"{decoder.shape}, seed {seed}"
        )
        moved = in_compatibility_mode(bridge)(tokens) - wanted
        uneven = (moved - moved.mean(-1, keepdim=True)).abs().max() / wanted.abs().max()
        # upstream processes weights in float32
        assert uneven < 1e-4, f"{decoder.shape}, seed {seed}"


@lens
def test_compatibility_mode_rounds_to_float32_so_large_numbers_need_it_without_processing():
    model = built("scalar_selector", 6000, 1, dtype=torch.float64)
    assert ask(in_compatibility_mode(to_transformerlens(model, margin=0)), model, most=1000).wrong
    bridge = to_transformerlens(model, margin=0)
    bridge.enable_compatibility_mode(disable_warnings=True, no_processing=True)
    assert ask(itself_there(bridge), model, most=1000).right


def itself_there(bridge):
    return lambda tokens: bridge(tokens).detach()
