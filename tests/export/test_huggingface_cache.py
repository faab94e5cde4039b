"""A cache, padding and search change no answer of an export in Hugging Face transformers."""

import itertools

import numpy as np
import pytest
import torch
from export_tools import hugging_face
from huggingface_questions import FORMS, close, count_right, padded, questions

from constructions import (
    FactTable,
    chain_of_thought,
)
from constructions.export import to_huggingface

pytestmark = hugging_face


@pytest.fixture(params=list(FORMS))
def form(request):
    """A construction, and its export."""
    model = FORMS[request.param]()
    return model, to_huggingface(model)


def test_logits_with_a_cache_are_those_without_however_the_tokens_are_split(form, rng):
    model, exported = form
    asked, _ = questions(model, 12, rng)
    tokens, mask = padded(
        [question + [0] * (model.hops + 1 - len(question)) for question in asked], 1, rng, more=4
    )
    width = tokens.shape[1]
    real = mask.bool()
    unpadded = exported(tokens[:, -model.hops - 1 :]).logits.flatten(0, 1)
    assert close(form, exported(tokens, mask).logits[real], unpadded), "padding changes logits"
    for _ in range(3):
        cuts = sorted({0, width, *rng.integers(width + 1, size=2).tolist()})
        cache, parts = None, []
        for start, stop in itertools.pairwise(cuts):
            out = exported(
                tokens[:, start:stop], mask[:, :stop], past_key_values=cache, use_cache=True
            )
            cache = out.cache if hasattr(out, "cache") else out.past_key_values
            parts.append(out.logits)
        assert close(form, torch.cat(parts, 1)[real], unpadded), f"cut at {cuts}"


def test_padding_on_the_right_is_not_seen_either(form, rng):
    model, exported = form
    asked, _ = questions(model, 6, rng)
    tokens = torch.tensor([question[: min(map(len, asked))] for question in asked])
    more = torch.cat([tokens, torch.ones_like(tokens)], 1)
    mask = torch.cat([torch.ones_like(tokens), torch.zeros_like(tokens)], 1)
    assert close(form, exported(more, mask).logits[:, : tokens.shape[1]], exported(tokens).logits)


def test_generate_gives_the_same_with_every_cache_and_search(form, rng):
    model, exported = form
    asked, wanted = questions(model, 12, rng)
    tokens, mask = padded(asked, exported.config.pad_token_id, rng, more=3)
    for options in (
        {},
        {"use_cache": False},
        {"cache_implementation": "static"},
        {"num_beams": 3},
        {"prefill_chunk_size": 2},
        {"max_new_tokens": 50},
        {"max_length": 60},
        {"return_dict_in_generate": True},
    ):
        made = exported.generate(tokens, attention_mask=mask, **options)
        made = made.sequences if "return_dict_in_generate" in options else made
        assert torch.equal(made[:, : tokens.shape[1]], tokens), (
            "what is given comes first, as it was given"
        )
        assert count_right(made[:, tokens.shape[1] :], wanted) == len(asked), options
    three = exported.generate(tokens, attention_mask=mask, do_sample=True, num_return_sequences=3)
    assert torch.equal(three[:, : tokens.shape[1]], tokens.repeat_interleave(3, 0))
    assert count_right(three[::3, tokens.shape[1] :], wanted) == len(asked)
    inferred = exported.generate(tokens)  # without a mask, padding is reported by its token
    assert count_right(inferred[:, tokens.shape[1] :], wanted) == len(asked)


def test_sampling_gives_the_same_tokens_with_a_cache_and_without(rng):
    """At a margin of 1 over few tokens, half of what is sampled is wrong: the same half."""
    exported = to_huggingface(chain_of_thought(FactTable.random_bijections(9, 3, 0), 3), margin=0)
    tokens = torch.from_numpy(
        np.stack([rng.integers(9, size=40), *rng.integers(9, 12, size=(3, 40))], 1)
    )
    written = []
    for use_cache in (True, False):
        torch.manual_seed(0)
        written.append(exported.generate(tokens, do_sample=True, use_cache=use_cache))
    assert torch.equal(*written)
    assert not torch.equal(written[0], exported.generate(tokens)), "nothing was sampled"


def test_hidden_states_and_attentions_are_the_streams_and_patterns_of_the_decoder(form, rng):
    model, exported = form
    asked, _ = questions(model, 5, rng)
    tokens, _ = padded(
        [question + [0] * (model.hops + 1 - len(question)) for question in asked], 0, rng
    )
    out = exported(tokens, output_hidden_states=True, output_attentions=True)
    trace = exported.decoder.trace(tokens)
    n_layers = exported.config.num_hidden_layers
    expected = [
        trace.residual["embedding"],
        *(trace.residual[f"layers.{i}.post"] for i in range(n_layers)),
    ]
    expected[-1] = exported.decoder.final_norm(expected[-1])
    assert len(out.hidden_states) == n_layers + 1
    assert len(out.attentions) == n_layers
    for mine, theirs in zip(out.hidden_states, expected, strict=True):
        torch.testing.assert_close(mine, theirs)
    for index, pattern in enumerate(out.attentions):
        torch.testing.assert_close(pattern, trace.patterns[f"layers.{index}"])
        torch.testing.assert_close(
            pattern.sum(-1), torch.ones(pattern.shape[:-1], dtype=pattern.dtype)
        )
    scaled = exported.decoder.unembedding(out.hidden_states[-1]) * exported.config.logit_scale
    assert torch.equal(scaled, out.logits)
    assert exported(tokens).hidden_states is None
    assert exported(tokens).attentions is None
    assert torch.equal(exported(tokens, logits_to_keep=1).logits, out.logits[:, -1:])
    assert torch.equal(exported(tokens, return_dict=False)[0], out.logits)
