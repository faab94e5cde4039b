"""Exports in Hugging Face transformers, asked as their users do it.

The first test asks every construction in every way. It is small here; with 10,000 names and 1,000
questions, in some minutes, it is

    HUGGINGFACE_NAMES=10000 HUGGINGFACE_QUESTIONS=1000 pytest -s -k every_way
    tests/export/test_huggingface_asking.py
"""

import dataclasses
import json
import warnings

import pytest
import torch
from export_tools import FAMILY, hugging_face
from hand_made import built
from huggingface_questions import (
    NAMES,
    ONE_HOT,
    QUESTIONS,
    count_right,
    loaded,
    named,
    padded,
    questions,
    ways_of_asking,
)

from constructions import (
    CATALOGUE,
    FactTable,
    InputError,
    chain_of_thought,
    selector,
    standard,
)
from constructions.export import export, to_huggingface
from verify.queries.recall import check_recall

pytestmark = hugging_face


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
