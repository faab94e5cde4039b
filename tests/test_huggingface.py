"""Exports in Hugging Face transformers, asked and trained as their users do it.

The first test asks every construction in every way. It is small here; with 10,000 names and 1,000
questions, in some minutes, it is

    HUGGINGFACE_NAMES=10000 HUGGINGFACE_QUESTIONS=1000 pytest -s tests/test_huggingface.py -k
    every_way
"""

import copy
import dataclasses
import itertools
import json
import os
import random
import re
import warnings
from importlib import import_module

import numpy as np
import pytest
import torch
from hand_made import built
from test_export import FAMILY, hugging_face, offline  # noqa: F401  # the fixture is for all here

from constructions import (
    CATALOGUE,
    FactTable,
    InputError,
    StandardDecoder,
    StandardShape,
    chain_of_thought,
    save,
    seed_into,
    selector,
    standard,
)
from constructions.export import export, to_huggingface
from constructions.export.scale import MOST_WRONG
from constructions.model.answering import Writing
from verify.queries.exported import ask
from verify.queries.recall import check_recall

pytestmark = hugging_face

NAMES = int(os.environ.get("HUGGINGFACE_NAMES", "40"))
QUESTIONS = int(os.environ.get("HUGGINGFACE_QUESTIONS", "60"))
ONE_HOT = ("key_value_rows", "key_value_rows_shared", "hybrid", "hybrid_shared")
"""Their standard decoders carry one coordinate for each entity from block to block: at most 2,000
names.
"""

MODEL = "constructions.export.huggingface_model"
ODD = ["<end> of it", "a<pad>b", "Who ? I 'm not .", "ὕδωρ, 水", "Zürich", "mother", "<unknown>"]


@pytest.fixture
def rng():
    seed = random.getrandbits(32)
    print(f"seed {seed}")
    return np.random.default_rng(seed)


def named(facts):
    """The table with names that are hard on a tokenizer: spaces, other scripts, special tokens
    within.
    """
    n, relations = facts.n_entities, [f"best friend no {i}" for i in range(facts.n_relations - 1)]
    names = [*ODD, *(f"名前 Nº {i} d'Été" for i in range(n))][:n]
    return FactTable(facts.answers, names, [*relations, "mother"])


def loaded(folder):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    return AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)


def questions(model, count, rng):
    """Drawn questions as token ids, one list each, and the tokens that are to be written; of a
    chain of all lengths.
    """
    chain, facts = isinstance(model, Writing), model.facts
    asked, wanted = [], []
    for hops in range(1, model.hops + 1) if chain else [model.hops]:
        share = count // model.hops if chain else count
        index = rng.integers(facts.n_entities * facts.n_relations**hops, size=share)
        subjects, paths = facts.queries(index, hops)
        tokens, said = model.training_examples(subjects, paths)
        asked += tokens[:, : hops + 1].tolist()
        wanted += said.tolist()
    return asked, wanted


def padded(asked, pad, rng, more=0):
    """Questions padded on the left, each batch by up to `more` further tokens, and the mask."""
    width = max(map(len, asked)) + (int(rng.integers(more + 1)) if more else 0)
    tokens = torch.tensor([[pad] * (width - len(question)) + question for question in asked])
    mask = torch.tensor(
        [[0] * (width - len(question)) + [1] * len(question) for question in asked]
    )
    return tokens, mask


def count_right(written, wanted):
    """How many rows begin with what is wanted (and END was among that, if it is a chain)."""
    return sum(
        row[: len(answer)] == answer for row, answer in zip(written.tolist(), wanted, strict=True)
    )


def ways_of_asking(model, tokenizer, asked, wanted, rng):
    """(way, questions asked, how many of them are answered right, with the whole chain of
    thought).
    """
    from transformers import pipeline

    def generated(questions, **options):
        tokens, mask = padded(questions, model.config.pad_token_id, rng, more=5)
        return model.generate(tokens, attention_mask=mask, **options)[:, tokens.shape[1] :]

    order = rng.permutation(len(asked))
    asked, wanted = [asked[i] for i in order], [wanted[i] for i in order]
    batches = [(asked[i : i + 250], wanted[i : i + 250]) for i in range(0, len(asked), 250)]
    for way, options in {
        "cache": {},
        "no cache": {"use_cache": False},
        "cache, sampled": {"do_sample": True},
        "no cache, sampled": {"do_sample": True, "use_cache": False},
    }.items():
        right = sum(count_right(generated(part, **options), answers) for part, answers in batches)
        yield way, len(asked), right
    alone = [*zip(asked, wanted, strict=True)][: QUESTIONS if NAMES > 1000 else 10]
    right = sum(
        count_right(model.generate(torch.tensor([q])), [q + answer]) for q, answer in alone
    )
    yield "one by one", len(alone), right
    ask = pipeline("text-generation", model=model, tokenizer=tokenizer)
    texts = ["\t".join(tokenizer.convert_ids_to_tokens(question)) for question in asked]
    found = [*itertools.chain(*ask(texts, batch_size=250))]
    end = model.config.eos_token_id
    right = sum(
        tokenizer(made["generated_text"])["input_ids"]
        == [*q, *(token for token in answer if token != end)]
        for made, q, answer in zip(found, asked, wanted, strict=True)
    )
    yield "pipeline", len(asked), right


@pytest.mark.parametrize("name", list(CATALOGUE))
def test_every_way_of_asking_gives_the_right_answer(name, tmp_path, rng):
    wide = name == "scalar_selector"  # its numbers grow as N^2
    hops = 2 if CATALOGUE[name].multi_hop else 1
    options = {"max_hops": 2} if name == "chain_of_thought" else {}
    names = min(NAMES, 2000) if name in ONE_HOT else NAMES
    facts = named(CATALOGUE[name].random_facts(names, 3, int(rng.integers(2**31))))
    native = CATALOGUE[name].build(
        facts, hops, options, dtype=torch.float64 if wide else torch.float32
    )
    export(native, "huggingface", tmp_path / "out")
    model, tokenizer = loaded(tmp_path / "out")
    asked, wanted = questions(native, QUESTIONS, rng)
    for way, count, right in ways_of_asking(model, tokenizer, asked, wanted, rng):
        print(f"{name:24}{names:>7,} names  {way:20}{right:,} of {count:,} right", flush=True)
        assert right == count, f"{name}, {way}: {right} of {count} right"


def test_asking_in_every_way_notices_other_facts(tmp_path, rng):
    facts, others = (FactTable.random_bijections(20, 3, seed) for seed in (1, 2))
    export(selector(others), "huggingface", tmp_path / "out")
    asked, wanted = questions(selector(facts), 40, rng)
    for way, count, right in ways_of_asking(*loaded(tmp_path / "out"), asked, wanted, rng):
        assert right < count, way


# ------------------------------------------------------------------ cache and padding


FORMS = {
    "selector": lambda: selector(FactTable.random_bijections(9, 3, 0)),
    "chain_of_thought": lambda: chain_of_thought(FactTable.random_functions(9, 3, 0, 0.3), 3),
    "chain, two hops a token": lambda: built(
        "chain_of_thought", 7, 2, hops=3, given={"hops_per_token": 2}
    ),
    "key_value_shared": lambda: built("key_value_shared", 7, 2, hops=3),
    "attention_selector": lambda: built("attention_selector", 9, 3),
    "rmsnorm, tied": lambda: standard(built("selector", 9, 3), norm="rmsnorm", tied=True),
    "seeded": lambda: seed_into(
        StandardDecoder(StandardShape(30, 64, 3, 4, 16, 48, 9, norm="rmsnorm")),
        built("chain_of_thought", 5, 2, hops=2),
    ),
    "layernorm, post": lambda: standard(
        built("selector", 9, 3, dtype=torch.float64), norm="layernorm", placement="post"
    ),
}


@pytest.fixture(params=list(FORMS))
def form(request):
    """A construction, and its export."""
    model = FORMS[request.param]()
    return model, to_huggingface(model)


def close(form, logits, expected):
    """Bit for bit where all arithmetic is exact, else within twice the bound on rounding."""
    model, exported = form
    decoder = model if hasattr(model, "logit_error") else standard(model)
    allowed = 2 * exported.config.logit_scale * decoder.logit_error
    return (logits - expected).abs().max().item() <= allowed


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


def test_a_model_has_verdict_and_margin_after_transformers_has_added_to_torchs_modules():
    model = selector(facts := FactTable.from_triples(FAMILY))
    to_huggingface(model)
    assert hasattr(torch.nn.Module, "smart_apply"), (
        "transformers no longer adds it: see constructions.decoders.plain"
    )
    assert (check_recall(model, facts).reason, model.margin.real) == (None, 2)


@pytest.mark.parametrize("kind", ["DynamicCache", "StaticCache"])
@pytest.mark.parametrize("build", [selector, lambda facts: chain_of_thought(facts, max_hops=2)])
def test_generate_reads_no_question_from_the_cache_of_another(build, kind):
    """A cache that has served one question would hide the next one behind its tokens."""
    import transformers

    facts = FactTable.from_triples(FAMILY)
    model = to_huggingface(build(facts))
    asked = torch.tensor([[0, 4]])
    wanted = [0, 4, int(facts.answer(0, [0]))]
    limits = {} if kind == "DynamicCache" else {"config": model.config, "max_cache_len": 16}
    for name in ("cache", "past_key_values"):
        cache = getattr(transformers, kind)(**limits)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the older name
            assert model.generate(asked, **{name: cache})[0, :3].tolist() == wanted, (
                "an empty cache is taken"
            )
        with pytest.raises(InputError, match=f"{name} holds [2-9] tokens already"):
            model.generate(torch.tensor([[1, 4]]), **{name: cache})
    for _ in range(2):  # a static cache that transformers keeps from call to call is emptied
        assert model.generate(asked, cache_implementation="static")[0, :3].tolist() == wanted


def test_a_model_made_from_its_config_and_weights_generates_right(rng):
    """Without the saved generation config, and with no option at all."""
    from transformers import AutoModelForCausalLM

    native = chain_of_thought(FactTable.random_bijections(9, 3, 0), 3)
    exported = to_huggingface(native)
    config = type(exported.config).from_dict(json.loads(exported.config.to_json_string()))
    model = AutoModelForCausalLM.from_config(config)
    model.load_state_dict(exported.state_dict())
    asked, wanted = questions(native, 60, rng)
    tokens, mask = padded(asked, config.pad_token_id, rng)
    assert count_right(
        model.generate(tokens, attention_mask=mask)[:, tokens.shape[1] :], wanted
    ) == len(asked)


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


def test_what_is_saved_is_loaded_and_nothing_is_pickled(chain, tmp_path):
    chain.save_pretrained(tmp_path)
    model = type(chain).from_pretrained(tmp_path)
    assert not model.training
    for a, b in zip(chain.state_dict().values(), model.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    own = standard(chain_of_thought(FactTable.from_triples(FAMILY), max_hops=2)).shape
    assert model.config.shape == dataclasses.replace(own, n_positions=own.n_positions + 1)
    assert (model.config.construction, model.config.hops, model.config.logit_scale) == (
        "chain_of_thought",
        2,
        8,
    )
    assert not [path for path in tmp_path.iterdir() if path.suffix in (".bin", ".pt", ".pkl")]


def test_names_go_in_and_the_entities_on_the_way_come_out(tmp_path):
    export(
        chain_of_thought(FactTable.from_triples(FAMILY), max_hops=2),
        "huggingface",
        tmp_path / "out",
    )
    model, tokenizer = loaded(tmp_path / "out")
    prompts = [
        ["Alice", "mother", "mother"],
        ["Alice", "best friend"],
        ["Carla", "mother", "mother"],
    ]
    tokens = tokenizer(
        ["\t".join(prompt) for prompt in prompts], return_tensors="pt", padding=True
    )
    written = model.generate(**tokens)[:, 3:]
    assert [tokenizer.convert_ids_to_tokens(row) for row in written] == [
        ["Beth", "Carla", "<end>"],
        ["Dora", "<end>", "<pad>"],
        ["<unknown>", "<unknown>", "<end>"],
    ]
    texts = tokenizer.batch_decode(written, skip_special_tokens=True)
    assert texts == [
        "\tBeth\tCarla",
        "\tDora",
        "\t<unknown>\t<unknown>",
    ], "an unknown answer is not skipped"


def test_hugging_face_has_no_such_architecture_itself():
    """GPT-2 stands for its native decoders: there is a norm that no option takes away."""
    from transformers import GPT2Config, GPT2LMHeadModel

    gpt = GPT2LMHeadModel(GPT2Config(n_layer=1, n_embd=4, n_head=1, vocab_size=5, n_positions=3))
    assert any(isinstance(module, torch.nn.LayerNorm) for module in gpt.modules())
    assert not standard(built("selector")).norms()


# ------------------------------------------------------------------ what is refused, by name


@pytest.fixture(scope="module")
def chain():
    return to_huggingface(chain_of_thought(FactTable.from_triples(FAMILY), max_hops=2))


@pytest.fixture(scope="module")
def single():
    return to_huggingface(selector(FactTable.from_triples(FAMILY)))


def test_every_keyword_that_is_not_honoured_is_refused(chain):
    tokens = torch.tensor([[0, 4, 4]])
    for name in (
        "position_ids",
        "inputs_embeds",
        "token_type_ids",
        "attention_msk",
        "head_mask",
        "output_router_logits",
    ):
        with pytest.raises(InputError, match=name):
            chain(tokens, **{name: tokens})
    chain(tokens, position_ids=None)
    for call, named in (
        (lambda: chain(tokens, attention_mask=torch.ones(1, 4)), "column for each token"),
        (lambda: chain(tokens, attention_mask=torch.ones(3)), "4 axes"),
        (lambda: chain(tokens.repeat(1, 3)), "9 tokens are too many: this model has 6 positions"),
        (lambda: chain(tokens, labels=tokens[:, 1:]), "shape of input_ids"),
        (lambda: chain(tokens, labels=tokens), "train nothing"),
        (lambda: chain(tokens, labels=tokens, logits_to_keep=1), "logits_to_keep"),
        (lambda: chain(tokens, cache=((1, 2),)), "tuple"),
        (lambda: chain.generate(tokens, position_ids=tokens), "position_ids"),
        (lambda: chain.generate(), "token ids"),
        (lambda: chain.generate(torch.zeros(1, 0, dtype=torch.int64)), "at least one token"),
    ):
        with pytest.raises(ValueError, match=named):
            call()
    with pytest.raises(ValueError, match="attention_msk"):
        chain.generate(tokens, attention_msk=torch.ones(1, 3))


def test_a_config_that_makes_no_sense_is_refused_and_what_it_says_is_shown_escaped():
    from constructions.export.huggingface_config import FactualRecallConfig

    for option in (
        {"exported_dtype": "nn"},
        {"narrowed_to": "\x1b"},
        {"logit_scale": 0},
        {"logit_scale": float("nan")},
    ):
        with pytest.raises(InputError, match=next(iter(option))) as error:
            FactualRecallConfig(**option)
        assert str(error.value).isprintable()
    forged = to_huggingface(selector(FactTable.from_triples(FAMILY)))
    forged.config.construction = "selector\nPASS"
    with pytest.raises(InputError, match=r"selector\\nPASS"):
        forged.generate(torch.tensor([[0]]))


def test_a_cache_that_rounds_is_refused(chain):
    from transformers.cache_utils import Cache, DynamicCache, DynamicLayer

    class Rounding(DynamicLayer):
        pass

    tokens = torch.tensor([[0, 4, 4]])
    with pytest.raises(InputError, match="Rounding may forget or round"):
        chain(tokens, cache=Cache(layer_class_to_replicate=Rounding))
    with pytest.raises(InputError, match="use_cache=False"):
        chain(tokens, cache=DynamicCache(), use_cache=False)
    with pytest.raises(InputError, match="the same"):
        chain(tokens, cache=DynamicCache(), past_key_values=DynamicCache())


@pytest.mark.parametrize(
    ("which", "tokens", "mask", "named"),
    [
        ("single", [[0, 4, 4]], None, "a subject and 1 relation; question 0 has 3 tokens"),
        ("single", [[0, 4], [0, 7]], None, "question 1 has 1 token"),
        ("single", [[0, 4, 7]], None, "pad on the left"),
        ("single", [[0, 4, 1]], [[1, 1, 0]], "pad on the left"),
        ("single", [[0, 7, 4]], None, "pad on the left"),
        ("single", [[4, 0]], None, "token 4 in the place of the subject"),
        ("single", [[0, 1]], None, "token 1 in the place of relation 1 of 1"),
        ("single", [[6, 4]], None, "token 6 in the place of the subject"),
        ("single", [[0, 4]], [[1, 1, 1]], "shape of the tokens"),
        ("chain", [[0]], None, "1 to 2 relations; question 0 has 1 token"),
        ("chain", [[0, 4, 4, 4]], None, "question 0 has 4 tokens"),
        ("chain", [[0, 4, 4, 1]], None, "question 0 has 4 tokens"),
        ("chain", [[0, 4], [4, 0]], None, "question 1|sequence 1"),
        ("chain", [[0, 7, 4]], None, "padding within"),
        ("chain", [[0, 8, 7]], None, "token 8 in the place of relation 1 of 2"),
    ],
)
def test_what_is_no_question_of_the_model_is_refused(which, tokens, mask, named, request):
    model = request.getfixturevalue(which)
    with pytest.raises(InputError, match=named):
        model.generate(
            torch.tensor(tokens), attention_mask=None if mask is None else torch.tensor(mask)
        )


def test_a_chain_takes_pad_after_a_path_and_padding_on_either_side(chain):
    pad, end, dora, beth, carla = 7, 8, 3, 1, 2
    for tokens, written in (
        ([[0, 5]], [dora, end]),
        ([[0, 5, pad]], [dora, end]),
        ([[pad, 0, 5]], [dora, end]),
        ([[pad, 0, 5, pad]], [dora, end]),
        ([[0, 4, 4]], [beth, carla, end]),
    ):
        assert chain.generate(torch.tensor(tokens)).tolist() == [tokens[0] + written]
    both = chain.generate(torch.tensor([[0, 4, 4], [pad, 0, 5]]))
    assert both.tolist() == [[0, 4, 4, beth, carla, end], [pad, 0, 5, dora, end, pad]]
    assert chain.generate(torch.tensor([[0, 5]]), max_length=3).tolist() == [[0, 5, dora]]
    assert chain.generate(torch.tensor([[0, 5]]), max_new_tokens=1).tolist() == [[0, 5, dora]]


# ------------------------------------------------------------------ names


def test_names_that_clash_or_hold_special_tokens_have_tokens_of_their_own():
    facts = FactTable(
        [[1, 2, 0, 3]] * 2, ["mother", "mother:", "<unknown>", "a<pad>:"], ["mother", "is a"]
    )
    from constructions.export.huggingface import tokenizer as made
    from constructions.export.names import distinct_names

    names = distinct_names(selector(facts))
    assert names == ["mother", "mother:", "<unknown>", "a<pad>:", "mother::", "is a", "<unknown>:"]
    tokenizer = made(selector(facts))
    assert tokenizer("\t".join(names))["input_ids"] == list(range(7))
    assert tokenizer.pad_token == "<pad>::"
    assert tokenizer("a<pad>:\t<pad>::")["input_ids"] == [3, 7]


def test_text_encodes_back_to_the_same_tokens(rng):
    from constructions.export.huggingface import tokenizer as made

    tokenizer = made(chain_of_thought(named(FactTable.random_bijections(40, 3, 0)), 2))
    for _ in range(100):
        ids = rng.integers(len(tokenizer), size=5).tolist()
        assert tokenizer(tokenizer.decode(ids))["input_ids"] == ids
        front, back = (
            tokenizer.decode(ids[:2]),
            tokenizer.decode(ids[2:], clean_up_tokenization_spaces=True),
        )
        assert tokenizer(front + back)["input_ids"] == ids, (
            "what is decoded goes on with what is there"
        )
    assert "token_type_ids" not in tokenizer("Zürich")


def test_names_that_there_are_not_are_refused_by_name(single):
    from constructions.export.huggingface import tokenizer as made

    tokenizer = made(selector(FactTable.from_triples(FAMILY)))
    for text, named in (
        ("Alice\tnobody", "'nobody'"),
        (["Alice\tmother", "Alic\tmother"], "'Alic'.*did you mean 'Alice'"),
        ("Alice mother", "'Alice mother'"),
        ("mother\x1b[0m", r"\\x1b"),
    ):
        with pytest.raises(InputError, match=named):
            tokenizer(text)


def test_tables_of_tokens_can_be_exchanged_and_enlarged_and_answers_stay():
    for model in (
        selector(FactTable.from_triples(FAMILY)),
        standard(built("selector", 4, 2), tied=True),
    ):
        exported = to_huggingface(model)
        tokens = torch.tensor([[s, r] for s in range(4) for r in (4, 5)])
        before, logits = exported.generate(tokens), exported(tokens).logits
        exported.set_input_embeddings(copy.deepcopy(exported.get_input_embeddings()))
        exported.set_output_embeddings(copy.deepcopy(exported.get_output_embeddings()))
        exported.tie_weights()
        for options in ({"new_num_tokens": 11}, {"pad_to_multiple_of": 16}):
            enlarged = exported.resize_token_embeddings(**options)
            assert (
                len(enlarged.weight)
                == exported.config.vocab_size
                == exported(tokens).logits.shape[-1]
            )
            own, more = exported(tokens).logits.tensor_split([logits.shape[-1]], -1)
            assert torch.equal(own, logits)
            assert torch.equal(more, logits[..., 4:5].expand_as(more)), (
                "further tokens are as relation 0"
            )
            assert torch.equal(exported.generate(tokens), before)
            assert torch.equal(exported.generate(tokens, do_sample=True), before)
        with pytest.raises(InputError, match="cannot be cut to 5"):
            exported.resize_token_embeddings(5)


# ------------------------------------------------------------------ scale


@pytest.mark.parametrize("n", [2, 300, 10_000])
def test_a_sampler_draws_a_wrong_token_less_than_once_in_a_million(n):
    facts = FactTable.random_bijections(n, 2, seed=0)
    exported = to_huggingface(selector(facts))
    scale = exported.config.logit_scale
    tokens, wanted = selector(facts).training_examples(
        np.arange(min(n, 50)), np.zeros((min(n, 50), 1), dtype=np.int64)
    )
    logits = exported(tokens).logits[:, -1].double()
    own = logits.log_softmax(-1).gather(-1, wanted).exp()
    assert (1 - own).max() < MOST_WRONG
    assert scale == 2.0 ** round(np.log2(scale))
    assert torch.equal(logits[:, : 2 + n + 1].float(), selector(facts)(tokens)[:, -1] * scale)
    if n > 2:  # half of it would not do
        assert 1 - (logits / 2).softmax(-1).gather(-1, wanted).min() > MOST_WRONG


def test_the_pipeline_samples_so_a_margin_of_2_over_many_tokens_is_too_small(tmp_path, rng):
    from transformers import pipeline

    native = selector(named(FactTable.random_bijections(3000, 1, seed=0)))
    export(native, "huggingface", tmp_path / "out", margin=0)
    model, tokenizer = loaded(tmp_path / "out")
    ask = pipeline("text-generation", model=model, tokenizer=tokenizer, top_k=0, temperature=1.0)
    asked, wanted = questions(native, 60, rng)
    texts = ["\t".join(tokenizer.convert_ids_to_tokens(question)) for question in asked]
    right = sum(
        tokenizer(made[0]["generated_text"])["input_ids"] == [*question, *answer]
        for made, question, answer in zip(ask(texts, batch_size=60), asked, wanted, strict=True)
    )
    assert right < 50


def test_the_margin_is_an_option_stated_in_config_and_card(tmp_path, monkeypatch, capsys):
    from verify.__main__ import main

    monkeypatch.chdir(tmp_path)
    save(selector(FactTable.from_triples(FAMILY)), "model")
    for given, scale, margin in (
        ([], 8, 16),
        (["--margin", "0"], 1, 2),
        (["--margin", "5"], 4, 8),
    ):
        out = f"out{scale}"
        assert (
            main(["export", "model", "--to", "huggingface", out, *given, "--json", "found.json"])
            == 0
        )
        assert f"logits times {scale}: smallest margin {margin};" in capsys.readouterr().out
        assert json.loads((tmp_path / out / "config.json").read_text())["logit_scale"] == scale
        about = (tmp_path / out / "README.md").read_text()
        assert (
            f"times {scale}, a power of two" if scale > 1 else "the construction's own"
        ) in about
        reported = json.loads((tmp_path / "found.json").read_text())
        assert (reported["scale"], reported["margin"], reported["least_margin"] <= margin) == (
            scale,
            margin,
            True,
        )
    for bad in ("-1", "nan", "inf", "x"):
        with pytest.raises(SystemExit):
            main(["export", "model", "--to", "huggingface", "other", f"--margin={bad}"])


def test_a_scale_that_overflows_the_dtype_is_refused():
    model = built("scalar_selector", 5, 2, dtype=torch.float16)
    assert to_huggingface(model).config.logit_scale == 16
    with pytest.raises(InputError, match=r"may exceed what torch\.float16 holds"):
        to_huggingface(model, margin=1e5)
    with pytest.raises(InputError, match="margin of an export"):
        to_huggingface(model, margin=-1.0)


def test_a_margin_that_is_smaller_than_asked_for_is_noticed():
    model = selector(FactTable.from_triples(FAMILY))
    for least, right in ((8, True), (8.01, False)):
        asked = ask(lambda tokens: model(tokens).detach() * 4, model, scale=4, least_margin=least)
        assert (asked.wrong, asked.difference, asked.margin, asked.right) == (0, 0, 8, right)
    assert (
        "smallest margin 8, below the 8.01 asked for (--margin)" in asked.lines("huggingface")[1]
    )
    assert "FAIL" in asked.lines("huggingface")[0]


# ------------------------------------------------------------------ dtype and arithmetic


def test_float64_logits_survive_the_rounding_to_float32_of_generate_and_of_the_loss(
    rng, monkeypatch
):
    """Logits of 10^9 with margins of 32: float32 has no room for both, and `generate` computes in
    it.
    """
    native = CATALOGUE["scalar_selector"].build(
        FactTable.random_bijections(7000, 1, 0), dtype=torch.float64
    )
    exported = to_huggingface(native)
    asked, wanted = (torch.tensor(part) for part in questions(native, 200, rng))
    rounded = exported(asked).logits[:, -1].float()
    assert (rounded.argmax(-1) != wanted[:, 0]).sum() > 20, (
        "the control: the logits themselves do not survive it"
    )
    for options in ({}, {"do_sample": True}, {"num_beams": 2}):
        assert torch.equal(exported.generate(asked, **options), torch.cat([asked, wanted], 1))
    sequences = torch.cat([asked, wanted], 1)
    assert exported(sequences, labels=sequences).loss < MOST_WRONG
    monkeypatch.setattr(import_module(MODEL), "_below_the_largest", lambda logits: logits)
    assert not torch.equal(exported.generate(asked), sequences), (
        "generate no longer rounds logits to float32"
    )


NARROWER = [torch.float16, torch.bfloat16]
CHANGES = {
    "half": lambda model, dtype: model.to(dtype),
    "back": lambda model, dtype: model.to(dtype).float(),
    "one table": lambda model, dtype: model.decoder.positions.to(dtype),
    "saved": lambda model, dtype: model.to(dtype),
}


@pytest.mark.parametrize("dtype", NARROWER)
@pytest.mark.parametrize("change", list(CHANGES))
def test_weights_that_are_no_longer_what_was_exported_are_noticed(change, dtype, tmp_path):
    exported = to_huggingface(chain_of_thought(FactTable.from_triples(FAMILY), 2))
    tokens = torch.tensor([[0, 4, 4]])
    CHANGES[change](exported, dtype)
    if change == "saved":
        exported.save_pretrained(tmp_path)
        exported = type(exported).from_pretrained(tmp_path, dtype=torch.float32)
    for call in (lambda: exported(tokens), lambda: exported.generate(tokens)):
        with pytest.raises(
            InputError,
            match=rf"exported in float32.*{str(dtype).removeprefix('torch.')}.*allow_other_dtype",
        ):
            call()


@pytest.mark.parametrize("dtype", NARROWER)
def test_loading_in_a_narrower_dtype_is_refused_unless_the_config_allows_it(dtype, tmp_path):
    exported = to_huggingface(selector(FactTable.from_triples(FAMILY)))
    exported.save_pretrained(tmp_path)
    tokens = torch.tensor([[0, 4]])
    narrow = type(exported).from_pretrained(tmp_path, dtype=dtype)
    with pytest.raises(InputError, match="exported in float32"):
        narrow(tokens)
    narrow.save_pretrained(tmp_path / "again")
    with pytest.raises(InputError, match="have been"):
        type(exported).from_pretrained(tmp_path / "again", dtype=torch.float32)(tokens)
    allowed = type(exported).from_pretrained(tmp_path, dtype=dtype, allow_other_dtype=True)
    assert allowed(tokens).logits.dtype == dtype
    for wider in (torch.float32, torch.float64):
        same = type(exported).from_pretrained(tmp_path, dtype=wider)
        assert torch.equal(same(tokens).logits.float(), exported(tokens).logits)
    assert torch.equal(exported.double().float()(tokens).logits, same(tokens).logits.float())


def test_a_narrow_export_may_be_widened_but_not_narrowed_otherwise():
    exported = to_huggingface(built("scalar_selector", 5, 2, dtype=torch.bfloat16))
    tokens = torch.tensor([[0, 5]])
    expected = exported(tokens).logits
    assert torch.equal(exported.float()(tokens).logits, expected.float())
    with pytest.raises(InputError, match="exported in bfloat16"):
        exported.half()(tokens)


def test_arithmetic_that_rounds_is_noticed(single):
    tokens = torch.tensor([[0, 4]])
    expected = single(tokens).logits
    compiled = torch.compile(single, fullgraph=True, backend="eager")
    compiled(tokens)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        with pytest.raises(InputError, match="multiplied in bfloat16"):
            single(tokens)
        with pytest.raises(Exception, match=r"multiplied in bfloat16|require_exported_arithmetic"):
            compiled(tokens)  # the compiler tells where it stopped, and not always why
        assert torch.equal(copy.deepcopy(single).double()(tokens).logits.float(), expected)
    torch.set_float32_matmul_precision("high")
    try:
        with pytest.raises(InputError, match="tf32"):
            single(tokens)
    finally:
        torch.set_float32_matmul_precision("highest")
    assert torch.equal(single(tokens).logits, expected)


# ------------------------------------------------------------------ compiled


MASKED = {
    "chain": ([[0, 4, 4, 1], [7, 0, 5, 7]], [[1, 1, 1, 1], [0, 1, 1, 1]]),
    "single": ([[7, 0, 5], [0, 4, 1]], [[0, 1, 1], [1, 1, 1]]),
}


def test_masks_labels_and_cache_are_compiled_as_one_graph(chain):
    tokens, mask = map(torch.tensor, MASKED["chain"])
    compiled = torch.compile(chain, fullgraph=True, backend="eager")
    assert torch.equal(compiled(tokens, mask, use_cache=True).logits, chain(tokens, mask).logits)
    assert torch.equal(compiled(tokens).logits, chain(tokens).logits)
    assert torch.equal(
        compiled(tokens, mask, labels=tokens).loss, chain(tokens, mask, labels=tokens).loss
    )


@pytest.mark.parametrize(("which", "strict"), [("chain", False), ("single", True)])
def test_masks_are_exported_as_an_input(which, strict, request):
    model = request.getfixturevalue(which)
    tokens, mask = map(torch.tensor, MASKED[which])
    batch = torch.export.Dim("batch")
    wide = (tokens.repeat(3, 1), mask.repeat(3, 1))
    program = torch.export.export(
        model, wide, strict=strict, dynamic_shapes=({0: batch}, {0: batch})
    ).module()
    for given in (mask, torch.ones_like(mask)):
        assert torch.equal(program(tokens, given).logits, model(tokens, given).logits)
    assert not torch.equal(
        program(tokens, mask).logits, program(tokens, torch.ones_like(mask)).logits
    )


# ------------------------------------------------------------------ training


@pytest.fixture(scope="module")
def lessons():
    """60 facts: the construction, sequences of question and answer (60, 3), and a function that
    makes a noisy export.
    """
    native = selector(FactTable.random_bijections(20, 3, seed=0))
    asked, answers = native.training_examples(*native.facts.queries(np.arange(60), 1))
    sequences = torch.cat([asked, answers], 1)

    def noisy(seed):
        exported, generator = to_huggingface(native), torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for parameter in exported.parameters():
                parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
        return exported

    return native, sequences, noisy


def known(model, sequences):
    return int((model.generate(sequences[:, :-1])[:, -1] == sequences[:, -1]).sum())


def test_the_loss_is_that_of_the_answer_alone(lessons):
    _, sequences, noisy = lessons
    model = noisy(0)
    for labels in (sequences, sequences.clone().index_fill_(1, torch.tensor([0, 1]), -100)):
        out = model(sequences, labels=labels)
        out.logits.retain_grad()
        out.loss.backward()
        moved = out.logits.grad.abs().amax((0, 2))
        assert moved[1] > 0, "the logits after the question are trained"
        assert moved[[0, 2]].max() == 0, "and no others"
        expected = torch.nn.functional.cross_entropy(out.logits[:, 1], sequences[:, -1])
        torch.testing.assert_close(out.loss, expected)


def test_a_chain_is_trained_on_what_it_writes_and_refuses_paths_that_are_not_filled_up(chain, rng):
    pad, end = 7, 8
    rows = [[0, 4, 4, 1, 2, end], [0, 5, pad, 3, end]]
    tokens, mask = padded(rows, pad, rng, more=3)
    labels = tokens.masked_fill(mask == 0, -100)
    out = chain(tokens, mask, labels=labels)
    out.logits.retain_grad()
    out.loss.backward()
    moved = out.logits.grad.abs().amax(-1) > 0
    expected = torch.zeros_like(moved)
    expected[0, -4:-1] = expected[1, -3:-1] = True
    assert torch.equal(moved, expected)
    with pytest.raises(
        InputError, match=r"relation 2 of 2.*fill up shorter paths with PAD, token 7"
    ):
        chain(torch.tensor([[0, 5, 3, end]]), labels=torch.tensor([[0, 5, 3, end]]))


def test_a_step_of_several_parts_has_the_gradient_of_one_large_batch(lessons, rng):
    _, sequences, noisy = lessons
    for cuts in ([60], [30, 30], [7, 50, 3]):
        model = noisy(0)
        for part in sequences.split(cuts):
            model(part, labels=part, num_items_in_batch=torch.tensor(60)).loss.backward()
        found = torch.cat([p.grad.flatten() for p in model.parameters()])
        whole = noisy(0)
        whole(sequences, labels=sequences).loss.backward()
        expected = torch.cat([p.grad.flatten() for p in whole.parameters()])
        assert (found - expected).norm() <= 1e-5 * expected.norm(), cuts


def test_facts_made_wrong_by_noise_are_learned_again_by_a_plain_loop(lessons):
    _, sequences, noisy = lessons
    model = noisy(random.getrandbits(32))
    assert known(model, sequences) < 45
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0)
    for _ in range(300):
        optimizer.zero_grad()
        model(sequences, labels=sequences).loss.backward()
        optimizer.step()
        if known(model, sequences) == 60:
            break
    assert known(model, sequences) == 60


@pytest.mark.parametrize(("batch", "accumulated"), [(60, 1), (20, 3), (12, 5), (7, 2), (4, 4)])
def test_facts_made_wrong_by_noise_are_learned_again_by_trainer(
    batch, accumulated, lessons, tmp_path
):
    from transformers import Trainer, TrainingArguments

    _, sequences, noisy = lessons
    model = noisy(batch)
    before = known(model, sequences)
    arguments = TrainingArguments(
        tmp_path,
        per_device_train_batch_size=batch,
        gradient_accumulation_steps=accumulated,
        max_steps=80,
        learning_rate=3e-3,
        lr_scheduler_type="constant",
        report_to=[],
        save_strategy="no",
        logging_strategy="no",
        use_cpu=True,
        disable_tqdm=True,
    )
    rows = [{"input_ids": row, "labels": row} for row in sequences]
    Trainer(model, arguments, train_dataset=rows).train()
    assert before < 45
    assert known(model, sequences) == 60


def test_the_readme_of_an_export_states_the_scale_once(tmp_path):
    export(selector(FactTable.from_triples(FAMILY)), "huggingface", tmp_path / "out")
    assert len(re.findall("power of two", (tmp_path / "out" / "README.md").read_text())) == 1
