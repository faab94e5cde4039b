"""Questions of an export in Hugging Face transformers, in every way that its users ask."""

import itertools
import os

import torch
from hand_made import built

from constructions import (
    FactTable,
    StandardDecoder,
    StandardShape,
    chain_of_thought,
    seed_into,
    selector,
    standard,
)

NAMES = int(os.environ.get("HUGGINGFACE_NAMES", "40"))
QUESTIONS = int(os.environ.get("HUGGINGFACE_QUESTIONS", "60"))
ONE_HOT = ("key_value_rows", "key_value_rows_shared", "hybrid", "hybrid_shared")
"""Their standard decoders carry one coordinate for each entity from block to block: at most 2,000
names.
"""
MODEL = "constructions.export.huggingface_model"
ODD = ["<end> of it", "a<pad>b", "Who ? I 'm not .", "ὕδωρ, 水", "Zürich", "mother", "<unknown>"]


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
    chain = model.hops_per_token > 0
    asked, wanted = [], []
    for hops in range(1, model.hops + 1) if chain else [model.hops]:
        share = count // model.hops if chain else count
        index = rng.integers(model.n_queries(hops), size=share)
        subjects, paths = model.queries(index, hops)
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


def close(form, logits, expected):
    """Bit for bit where all arithmetic is exact, else within twice the bound on rounding."""
    model, exported = form
    decoder = model if hasattr(model, "logit_error") else standard(model)
    allowed = 2 * exported.config.logit_scale * decoder.logit_error
    return (logits - expected).abs().max().item() <= allowed
