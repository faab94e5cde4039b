"""What an export in Hugging Face transformers refuses by name, and which names it takes."""

import copy

import pytest
import torch
from export_tools import FAMILY, hugging_face
from hand_made import built
from huggingface_questions import named

from constructions import (
    FactTable,
    InputError,
    chain_of_thought,
    selector,
    standard,
)
from constructions.export import to_huggingface

pytestmark = hugging_face


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
    for call, reported in (
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
        with pytest.raises(ValueError, match=reported):
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
    ("which", "tokens", "mask", "reported"),
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
def test_what_is_no_question_of_the_model_is_refused(which, tokens, mask, reported, request):
    model = request.getfixturevalue(which)
    with pytest.raises(InputError, match=reported):
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


def test_names_that_clash_or_hold_special_tokens_have_tokens_of_their_own():
    facts = FactTable(
        [[1, 2, 0, 3]] * 2, ["mother", "mother:", "<unknown>", "a<pad>:"], ["mother", "is a"]
    )
    from constructions.export.huggingface_tokenizer import tokenizer as made
    from constructions.export.names import distinct_names

    names = distinct_names(selector(facts))
    assert names == ["mother", "mother:", "<unknown>", "a<pad>:", "mother::", "is a", "<unknown>:"]
    tokenizer = made(selector(facts))
    assert tokenizer("\t".join(names))["input_ids"] == list(range(7))
    assert tokenizer.pad_token == "<pad>::"
    assert tokenizer("a<pad>:\t<pad>::")["input_ids"] == [3, 7]


def test_text_encodes_back_to_the_same_tokens(rng):
    from constructions.export.huggingface_tokenizer import tokenizer as made

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
    from constructions.export.huggingface_tokenizer import tokenizer as made

    tokenizer = made(selector(FactTable.from_triples(FAMILY)))
    for text, reported in (
        ("Alice\tnobody", "'nobody'"),
        (["Alice\tmother", "Alic\tmother"], "'Alic'.*did you mean 'Alice'"),
        ("Alice mother", "'Alice mother'"),
        ("mother\x1b[0m", r"\\x1b"),
    ):
        with pytest.raises(InputError, match=reported):
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
