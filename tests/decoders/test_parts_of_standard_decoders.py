"""The architecture is the ordinary one, and each part of the proof is needed."""

import math

import pytest
import torch
from standard_decoders import built, has_the_logits_of, last_logits

from constructions import (
    InputError,
    StandardDecoder,
    StandardShape,
    standard,
)
from constructions.decoders import block_writing, blocks, identity_norms


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

    broken(monkeypatch, block_writing, "_writing", one_sided)
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
