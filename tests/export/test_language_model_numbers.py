"""What is read of language models is what their own forward passes and derivatives say."""

from fractions import Fraction
from itertools import permutations, product

import numpy as np
import pytest
import torch
from export_tools import hugging_face
from random_language_models import TEXTS, hidden_states, known_of, made
from torch import nn

from constructions import InputError

pytestmark = hugging_face


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_streams_are_the_hidden_states_of_the_last_token_of_each_name(kind):
    language = made(kind, batch=5)
    known = known_of(language)
    asked = known.asked
    for (r, relation), (s, subject) in product(
        enumerate(asked.relations), enumerate(asked.subjects)
    ):
        tokens, place = asked.tokens[r][s], asked.places[r, s]
        start = TEXTS[relation].split("{subject}")[0] + subject
        assert language.tokenizer.decode(tokens[: place + 1]) == start
        states = hidden_states(language, tokens)
        for layer in range(2):
            assert np.allclose(known.streams[layer, r, s], states[layer][place], atol=1e-6)
        model = language.model
        norm = model.transformer.ln_f if kind == "gpt2" else model.model.norm
        normed = norm(torch.from_numpy(known.streams[2, r, s]).double()).detach().numpy()
        assert np.allclose(normed, states[-1][place], atol=1e-5)
        assert np.allclose(known.states[r, s], states[-1][-1], atol=1e-6)
        assert not np.allclose(known.streams[1, r, s], states[1][place - 1], atol=1e-2)


@pytest.mark.parametrize("scoring", ["first", "whole"])
def test_with_the_row_of_another_a_subject_is_answered_as_that_one(scoring):
    """At layer 0, where the stream is an embedding; in whole answers too."""
    from verify.learned.language_models.layer_decoder import LayerDecoder

    rows = [
        (f"{letter}", "of", f"{answer}") for letter, answer in zip("ABCDEF", "uvwxyz", strict=True)
    ]
    known = known_of(made(), rows=rows, texts={"of": "The one of {subject} is"}, scoring=scoring)
    every, zero = np.arange(6), np.zeros(6, np.int64)
    decoder, donors = LayerDecoder(known, 0), np.roll(every, 1)
    changed = decoder.with_rows(decoder.rows()[donors])
    expected = decoder.logits(donors, zero)
    assert np.allclose(changed.logits(every, zero), expected, atol=1e-5)
    assert not np.allclose(decoder.logits(every, zero), expected, atol=1e-2)
    later = LayerDecoder(known, 2)
    moved = later.with_rows(later.rows()[donors]).logits(every, zero)
    assert np.allclose(moved, decoder.logits(every, zero), atol=1e-5), "nobody reads it there"


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_jacobians_are_differences_of_passes_with_a_shift(kind):
    from verify.learned.language_models.linear_relations import linearised
    from verify.learned.language_models.passes import Shift, run

    language = made(kind)
    known = known_of(language)
    asked, examples = known.asked, np.array([2, 0])
    step, allowed = (1e-4, 1e-5) if kind == "gpt2" else (1e-3, 2e-3)  # whose norms are in float32

    def last(layer, shift):
        """The last states where the subjects' streams are shifted, (2, d_state)."""
        tokens = [asked.tokens[1][s] for s in examples]
        by = Shift(layer, asked.places[1, examples], torch.from_numpy(shift))
        return run(language, tokens, [[len(x) - 1] for x in tokens], shift=by).states[:, 0].numpy()

    def slope(layer, direction):
        """The derivative along a direction for each example, (2, d_state)."""
        both = [last(layer, sign * step * direction) for sign in (1, -1)]
        return (both[0] - both[1]) / (2 * step)

    around = linearised(known, 1, examples, [0, 1, 2])
    for layer in (0, 1):
        columns = [slope(layer, np.tile(axis, (2, 1))).mean(axis=0) for axis in np.eye(16)]
        assert np.allclose(around[layer].mean, np.stack(columns, axis=1), atol=allowed)
        s = known.streams[layer, 1, examples].astype(np.float64)
        for j in range(2):
            expected = slope(layer, np.tile(s[j], (2, 1)))
            assert np.allclose(around[layer].through[:, j], expected, atol=10 * allowed)
        own = np.stack([around[layer].through[i, i] for i in range(2)])
        assert np.allclose(around[layer].bias, (known.states[1, examples] - own).mean(axis=0))
    assert not around[2].mean.any(), "what no layer reads has no derivative"


def test_what_last_states_say_is_what_the_model_says_with_a_bias_too():
    from verify.learned.language_models.linear_relations import firsts_of

    language = made()
    plain = known_of(language).firsts.argmax(axis=2)
    language.model.lm_head.bias = nn.Parameter(
        3 * torch.randn(language.model.config.vocab_size, dtype=torch.float64)
    )
    known = known_of(language)
    said = known.firsts.argmax(axis=2)
    assert np.array_equal(firsts_of(known, known.states.reshape(6, -1)), said.ravel())
    assert not np.array_equal(said, plain)


def test_encodings_are_tested_on_other_subjects_than_their_examples(rng):
    from verify.learned.language_models.linear_relations import encodings, firsts_of

    rows = [(f"{letter}", "of", f"is {rng.integers(3)}") for letter in "ABCDEFGHIJ"]
    known = known_of(made(), rows=rows, texts={"of": "The one of {subject} is"})
    found = encodings(known, [1], n_examples=4, beta=2.0, advance=lambda done: None)
    (one,) = found[1]
    assert sorted([*one.examples, *one.tested]) == list(range(10))
    s = known.streams[1, 0, one.tested]
    said = firsts_of(known, 2 * s @ one.weight.T + one.bias)
    model = known.firsts[0, one.tested].argmax(axis=1)
    assert one.measures[0].value == Fraction(int((said == model).sum()), 6)
    assert encodings(known, [1], n_examples=6, advance=lambda done: None) == {1: []}


def test_each_example_is_predicted_by_the_others_and_ranks_are_cut(rng):
    from verify.learned.language_models.linear_relations import Linearised, of_rank

    jacobians, s, o = (rng.standard_normal(shape) for shape in ((4, 5, 3), (4, 3), (4, 5)))
    through = np.einsum("ids,js->ijd", jacobians, s)
    found = Linearised(jacobians.mean(axis=0), through, o).without_each(1.7)
    for j in range(4):
        others = [i for i in range(4) if i != j]
        weight = jacobians[others].mean(axis=0)
        bias = np.mean([o[i] - jacobians[i] @ s[i] for i in others], axis=0)
        assert np.allclose(found[j], 1.7 * weight @ s[j] + bias)
    cut = of_rank(jacobians[0], 2)
    sizes = np.linalg.svd(jacobians[0], compute_uv=False)
    assert np.linalg.matrix_rank(cut) == 2
    assert np.linalg.norm(jacobians[0] - cut) == pytest.approx(sizes[2])


def test_the_null_of_an_encoding_is_the_mean_over_all_permutations(rng):
    from verify.learned.language_models.linear_relations import _of_others

    for _ in range(5):
        said, wanted = rng.integers(3, size=5), rng.integers(3, size=5)
        shares = [
            Fraction(int((said[list(order)] == wanted).sum()), 5)
            for order in permutations(range(5))
        ]
        assert _of_others(said, wanted, 3) == sum(shares) / len(shares)


def test_units_are_what_the_last_matrix_of_the_mlp_reads():
    from verify.learned.language_models.layer_decoder import LayerDecoder

    for kind, name in (
        ("gpt2", "transformer.h.1.mlp.c_proj"),
        ("llama", "model.layers.1.mlp.down_proj"),
    ):
        language = made(kind, batch=2)
        known, seen = known_of(language), []
        found = LayerDecoder(known, 1).units(np.array([0, 2, 1]), np.array([1, 0, 1]))
        module = dict(language.model.named_modules())[name]
        handle = module.register_forward_pre_hook(
            lambda _, given, seen=seen: seen.append(given[0])
        )
        for r, s in ((1, 0), (0, 2), (1, 1)):
            hidden_states(language, known.asked.tokens[r][s])
        handle.remove()
        expected = np.stack([one[0, -1].numpy() for one in seen])
        assert found.shape == (3, 64 if kind == "gpt2" else 48)
        assert np.allclose(found, expected, atol=1e-6)


def test_models_whose_layers_are_not_known_are_refused():
    from verify.learned.language_models.loading import decoder_layers
    from verify.learned.language_models.units import n_units

    language = made()
    assert decoder_layers(language.model) is language.layers
    language.model.more = nn.ModuleList([nn.Identity(), nn.Identity()])
    with pytest.raises(
        InputError, match=r"2 hidden layers .* transformer\.h, more of that length"
    ):
        decoder_layers(language.model)
    language.model.config.num_hidden_layers = 7
    with pytest.raises(InputError, match="no list of modules of that length"):
        decoder_layers(language.model)
    assert n_units(nn.Sequential(nn.Linear(16, 16), nn.LayerNorm(16)), 16) is None
