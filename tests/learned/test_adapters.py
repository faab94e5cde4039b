"""Modules of every kind as decoders: the same logits, other rows, nothing changed."""

import numpy as np
import pytest
import torch
from decoders_to_measure import BIJECTIONS, GEOMETRIC, N, R, generator
from export_tools import needs

from constructions import FactTable, StandardDecoder, StandardShape, selector
from constructions.guards.errors import InputError
from constructions.learning.one_layer import OneLayer, OneLayerShape
from verify.learned.adapters import of, of_module, scrambled
from verify.learned.attention import attention
from verify.learned.decoder import pieces, said
from verify.learned.selection import selection

QUERIES = np.array([5, 0, 63]), np.array([1, 3, 0])
KINDS = [
    {},
    {"attention": "softmax", "value": True, "norm": "rmsnorm"},
    {"norm": "layernorm", "n_hidden_layers": 3, "tied": True},
]


def one_layer(**others):
    torch.manual_seed(0)
    return OneLayer(OneLayerShape.of(BIJECTIONS, 12, 20, **others))


@pytest.mark.parametrize("others", KINDS)
def test_a_one_layer_model_gives_its_own_logits(others):
    model = one_layer(**others)
    subjects, relations = map(torch.from_numpy, QUERIES)
    expected = model(model.tokens(subjects, relations)).detach().numpy()
    assert of(model).logits(*QUERIES) == pytest.approx(expected, abs=1e-5)
    assert of(model).states(*QUERIES).shape == (3, 12)


@pytest.mark.parametrize("others", KINDS)
def test_other_rows_are_those_of_another_model_and_leave_a_tied_unembedding(others):
    model, rows = one_layer(**others), generator().standard_normal((N, 12))
    read = model.unembedding.detach().double().numpy().copy()
    changed = of(model).with_rows(rows)
    states = changed.states(*QUERIES)
    with torch.no_grad():
        model.entities.copy_(torch.from_numpy(rows))
    assert states == pytest.approx(of(model).states(*QUERIES), abs=1e-6)
    assert changed.logits(*QUERIES) == pytest.approx(states @ read.T, abs=1e-4)


@pytest.mark.parametrize("name", ["selector", "precomputed", "selector with RMSNorm"])
def test_a_construction_gives_its_own_logits(name):
    model = GEOMETRIC[name]()
    decoder = of(model)
    subjects, words = QUERIES
    tokens = np.column_stack([subjects, decoder.prompts[words]])
    expected = model(torch.from_numpy(tokens))[:, -1].detach().numpy()
    assert decoder.logits(subjects, words) == pytest.approx(expected, abs=1e-5)


def test_units_and_heads_of_a_one_layer_model():
    model = one_layer(attention="softmax", n_hidden_layers=2)
    tokens = model.tokens(*map(torch.from_numpy, QUERIES))
    stream, shares = model.attended(tokens)
    expected = torch.cat(model.hidden(stream)[:2], -1).detach().numpy()
    assert of(model).units(*QUERIES) == pytest.approx(expected)
    assert of(model).attention(*QUERIES)[:, 0] == pytest.approx(shares.detach().numpy())
    assert selection(of(model)).score.shape == (40,)
    assert attention(of(model)).by_head.shape == (R, 1)


def test_gradients_reach_the_rows():
    decoder = of(one_layer())
    rows = torch.from_numpy(decoder.rows()).requires_grad_()
    decoder.logits_of(rows, *QUERIES)[:, 2].sum().backward()
    touched = torch.unique(rows.grad.nonzero()[:, 0]).tolist()
    assert touched == sorted(QUERIES[0].tolist())


def test_a_standard_decoder_is_read_in_the_vocabulary_of_its_facts():
    sizes = {"d_vocab": N + R + 1, "d_model": 8, "n_layers": 2, "n_heads": 1, "d_head": 8}
    shape = StandardShape(**sizes, d_mlp=8, n_positions=3, norm="layernorm", tied=True)
    model = StandardDecoder(shape)
    expected = model(torch.tensor([[5, N + 1, N + 2]]))[0, -1].detach().numpy()
    decoder = of(model, BIJECTIONS, hops=2)
    found = decoder.logits(np.array([5]), np.array([1 * R + 2]))
    assert found[0] == pytest.approx(expected, abs=1e-6)
    assert decoder.units(*QUERIES).shape == (3, 16)
    with pytest.raises(InputError, match="the facts it was trained on"):
        of(model)


@pytest.mark.parametrize("placement", ["pre", "post"])
def test_units_of_a_standard_decoder_are_those_that_its_mlps_compute(placement):
    """Watched by hooks on what each last matrix reads, behind norms that are no identities."""
    sizes = {"d_vocab": N + R + 1, "d_model": 8, "n_layers": 2, "n_heads": 2, "d_head": 4}
    torch.manual_seed(0)
    shape = StandardShape(**sizes, d_mlp=6, n_positions=2, norm="rmsnorm", placement=placement)
    model = StandardDecoder(shape)
    model.reset_parameters(0.5)
    read = []
    for block in model.block_sequence():
        block.mlp.weights[1].register_forward_pre_hook(lambda _, given: read.append(given[0]))
    model(torch.tensor([[5, N + 1]]))
    expected = torch.cat([one[0, -1].relu() for one in read]).detach().numpy()
    decoder = of(model, BIJECTIONS)
    found = decoder.units(np.array([5]), np.array([1]))[0]
    assert found == pytest.approx(expected, abs=1e-6)
    assert (found > 0).any()
    last = model.block_sequence()[1].mlp.matrix(1).detach().numpy()
    assert decoder.writes()[6:] == pytest.approx(last.T)


def test_units_that_another_hidden_layer_reads_write_nothing_that_is_known():
    writes = of(one_layer(n_hidden_layers=2)).writes()
    assert np.isnan(writes[:20]).all()
    assert writes[20:] == pytest.approx(one_layer(n_hidden_layers=2).weights[2].detach().numpy().T)


@needs("huggingface")
def test_a_model_of_hugging_face_by_a_function_of_tokens():
    from transformers import GPT2Config, GPT2LMHeadModel

    config = {"n_positions": 8, "n_embd": 16, "n_layer": 2, "n_head": 2}
    ends = {"bos_token_id": 0, "eos_token_id": 0}
    model = GPT2LMHeadModel(GPT2Config(vocab_size=80, **config, **ends)).eval()
    decoder = of_module(
        model,
        lambda module, tokens: module(tokens, output_hidden_states=True).hidden_states[-1][:, -1],
        table="transformer.wte.weight",
        subjects=np.arange(64),
        prompts=64 + np.arange(4)[:, None],
        unembedding=model.lm_head.weight,
    )
    expected = model(torch.tensor([[5, 65]])).logits[0, -1].detach().numpy()
    assert decoder.logits(*QUERIES)[0] == pytest.approx(expected, abs=1e-5)
    others = decoder.with_rows(decoder.rows()[::-1])
    assert others.states(*QUERIES)[1] == pytest.approx(
        decoder.states(np.array([63]), np.array([3]))[0], abs=1e-5
    )


def test_what_is_no_decoder_is_refused():
    with pytest.raises(InputError, match="use `of_module`"):
        of(torch.nn.Linear(2, 2))
    decoder = of(selector(BIJECTIONS))
    with pytest.raises(InputError, match="rows must be"):
        decoder.with_rows(np.zeros((3, 3)))
    given = {"subjects": np.arange(N), "prompts": np.zeros((R, 1), int)}
    read = torch.zeros(4, 25)
    with pytest.raises(InputError, match="there is no parameter 'rows'"):
        of_module(decoder.module, lambda m, t: t, table="rows", unembedding=read, **given)
    given["prompts"] = np.zeros(R, int)
    with pytest.raises(InputError, match="prompts must be integers with 2 axes"):
        of_module(
            decoder.module, lambda m, t: t, table="embedding.weight", unembedding=read, **given
        )


def test_pieces_change_nothing(monkeypatch):
    """Queries in pieces of a few, as of a large model."""
    decoder = of(selector(FactTable.random_bijections(40, 3, seed=1)))
    asked = np.repeat(np.arange(40), 3), np.tile(np.arange(3), 40)
    whole = decoder.logits(*asked)
    monkeypatch.setattr("verify.learned.module_decoder._NUMBERS_AT_ONCE", 500)
    monkeypatch.setattr("verify.learned.decoder._LOGITS_AT_ONCE", 100)
    assert (decoder.logits(*asked) == whole).all()
    assert (said(decoder, *asked) == whole.argmax(1)).all()
    assert said(decoder, np.zeros(0, int), np.zeros(0, int)).shape == (0,)
    assert [(one.start, one.stop) for one in pieces(5, 2)] == [(0, 2), (2, 4), (4, 5)]


def test_a_scrambled_decoder_has_the_same_numbers_elsewhere():
    decoder = of(one_layer())
    other = scrambled(decoder, seed=1)
    for name, parameter in decoder.module.named_parameters():
        mixed = other.module.get_parameter(name)
        assert torch.equal(parameter.flatten().sort().values, mixed.flatten().sort().values)
    assert (other.logits(*QUERIES) != decoder.logits(*QUERIES)).all()
