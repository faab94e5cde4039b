"""Proofs for all prompts with noise tokens: heads that leak unlike, and what floating point makes of
scores and of sums.
"""

import copy

import numpy as np
import pytest
import torch

from constructions import FactTable, read_among_noise, scalar_selector, selector
from constructions.model.noise_reader import NoiseReader
from constructions.model.shapes import HeadShape, LayerShape, TransformerShape
from constructions.model.transformer import Transformer
from verify.queries.noise_proof import _Proof, prove_all_prompts

FACTS = FactTable.random_bijections(8, 2, seed=1)
MODEL = selector(FACTS)
ZEROS = np.zeros((4, MODEL.shape.d_model))


@pytest.fixture
def reader():
    """One with given noise rows, which are 0."""
    return read_among_noise(MODEL, 16, 4, ZEROS)


def larger(reader, heads, columns=0):
    """A reader with these heads and so many further coordinates, in which all stands that stood
    before.
    """
    old = reader.network
    shape = TransformerShape(
        old.shape.d_vocab,
        old.shape.d_model + columns,
        (LayerShape(tuple(HeadShape(*one) for one in heads), old.shape.layers[0].d_mlp),),
    )
    network, weights = Transformer(shape, torch.float32), dict(old.named_parameters())
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            weight = weights[name]
            parameter.zero_()
            parameter[: weight.shape[0], : weight.shape[1]] = weight
    return NoiseReader(network, reader.prompts, MODEL)


@torch.no_grad()
def test_two_heads_that_select_by_a_gap_are_not_understood(reader):
    """Each leaks its own share, so that what they copy need not cancel as their limits do."""
    d = MODEL.shape.d_model
    two = larger(reader, [(1, d), (1, 1)])
    attention = two.network.layers[0].attention
    assert prove_all_prompts(larger(reader, [(1, d)])).verdict == "PASS"
    attention.query.weight[1] = attention.query.weight[0]
    attention.key.weight[1] = attention.key.weight[0]
    proven = prove_all_prompts(two)
    assert (proven.verdict, "each leaks its own share" in proven.reason) == ("UNKNOWN", True)


@torch.no_grad()
def test_scores_that_overflow_are_not_exact():
    model = selector(FACTS, dtype=torch.float16)
    reader = read_among_noise(model, 16, 4, ZEROS)
    assert prove_all_prompts(reader).exact == "float16"
    reader.network.layers[0].attention.key.weight[0, -1] = 64
    assert prove_all_prompts(reader).exact is None
    tokens = torch.from_numpy(reader.prompts.tokens(np.array([1]), np.array([1]), 0))
    assert reader(tokens).isnan().all()  # the score is 64 * 1024


@torch.no_grad()
def test_a_key_that_nothing_asks_for_may_not_overflow_either(reader):
    d = MODEL.shape.d_model
    wider = larger(reader, [(2, d)], columns=1)
    noise = wider.prompts.noise
    for value, exact in ((3, "float32"), (0.5, None), (3e38, None)):
        wider.network.layers[0].attention.key.weight[1, d + 1] = 2
        wider.network.embedding.weight[noise[0], d + 1] = value
        proven = prove_all_prompts(wider)
        assert (proven.verdict, proven.exact) == ("PASS", exact)
    tokens = wider.prompts.tokens(np.array([3]), np.array([1]), 0)
    tokens[0, (tokens[0] >= noise[0]) & (tokens[0] <= noise[-1])] = noise[0]
    assert wider(torch.from_numpy(tokens)).isnan().any()


@torch.no_grad()
def test_keys_that_round_are_not_exact(reader):
    """2^24 + 1 + 1 and 2^24 + 2 are alike, and float32 adds up the first to 2^24."""
    d = MODEL.shape.d_model
    wider = larger(reader, [(1, d)], columns=3)
    attention, rows = wider.network.layers[0].attention, wider.network.embedding.weight
    attention.key.weight[0, d] = 0
    attention.key.weight[0, d + 1 :] = 1
    rows[:8, d + 1 :] = torch.tensor([2.0**24, 1, 1])
    rows[8:10, d + 1 :] = torch.tensor([2.0**24, 2, 0])
    proven = prove_all_prompts(wider)
    assert (proven.verdict, proven.exact) == ("PASS", None)


def test_sums_that_are_too_large_for_a_dtype_are_not_exact():
    facts = FactTable.random_bijections(40, 3, seed=0)
    reader = read_among_noise(scalar_selector(facts), 32, 4)
    assert prove_all_prompts(reader).exact == "float32"
    reader.network.half()
    proven = prove_all_prompts(reader)
    assert (proven.verdict, proven.exact) == ("PASS", None)


def test_a_dtype_that_is_not_known_is_not_exact():
    reader = read_among_noise(MODEL, 16, 4)
    reader.network.to(torch.float8_e4m3fn)
    assert prove_all_prompts(reader).exact is None


@torch.no_grad()
def test_the_leak_takes_from_what_is_asked_and_adds_what_the_end_token_holds(reader):
    reader.network.layers[0].attention.query.weight[0, -1] = -12
    proven = prove_all_prompts(reader)
    assert proven.margin == 2
    assert proven.real_margin < 2  # though noise and end token copy nothing
    holding = copy.deepcopy(reader)
    holding.network.embedding.weight[reader.prompts.end, 0] = 3
    assert _Proof(holding)._moved() > _Proof(reader)._moved() > 0


@torch.no_grad()
@pytest.mark.parametrize(("length", "passes"), [(4, True), (32, False)])
def test_noise_counts_as_often_as_it_may_stand_there(length, passes):
    reader = read_among_noise(MODEL, length, 4)
    rows = reader.network.embedding.weight
    rows[:10] *= 64  # and the margin with them
    rows[reader.prompts.noise[0], 0] = 3
    assert (prove_all_prompts(reader).verdict == "PASS") == passes


@pytest.mark.parametrize("change", ["hook", "padding", "forward"])
def test_a_reader_that_computes_something_else_is_not_understood(reader, change):
    if change == "hook":
        reader.register_forward_hook(lambda module, given, logits: -logits)
    elif change == "padding":
        reader.padded = lambda tokens: tokens
    else:
        reader.forward = lambda tokens: -NoiseReader.forward(reader, tokens)
    proven = prove_all_prompts(reader)
    assert proven.verdict == "UNKNOWN"
    assert "the reader is not as it was made" in proven.reason
