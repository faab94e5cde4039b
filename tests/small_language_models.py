"""Small models of Hugging Face, trained on sentences from a fact table, in a second or two.

    python tests/small_language_models.py

measures five of each kind, trained and not, and prints the table of docs/pretrained.md. Training
was chosen with the seeds 100 to 109; those of the table are 200 to 204.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from torch.nn import functional
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from constructions import FactTable

TEMPLATES = {
    "home": "{subject} lives in",
    "work": "{subject} works as",
    "friend": "the friend of {subject} is",
}
PER_RELATION = 5
"""Answers of each relation."""


def people(n=60, seed=0):
    """People, every other one of two words, and three relations to some answers each."""
    generator = np.random.default_rng(seed)
    return FactTable.from_triples(
        (f"Dr Name{i}" if i % 2 else f"Name{i}", relation, f"{relation}{answer}")
        for i in range(n)
        for relation, answer in zip(
            TEMPLATES, generator.integers(PER_RELATION, size=3), strict=True
        )
    )


def tokenizer_of(texts):
    """A tokenizer whose tokens are the words of these texts."""
    words = dict.fromkeys(word for text in texts for word in text.split())
    numbers = {word: number for number, word in enumerate(["<unk>", *words])}
    inner = Tokenizer(WordLevel(numbers, unk_token="<unk>"))
    inner.pre_tokenizer = WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="<unk>")


def sentences(facts, templates):
    """The prompt of each fact, and its answer."""
    return [
        (templates[relation].replace("{subject}", subject), answer)
        for subject, relation, answer in facts.rows()
    ]


def shaped(kind, n_tokens, width=32, layers=2, positions=16):
    """A model of random weights."""
    ends = {"bos_token_id": 0, "eos_token_id": 0, "initializer_range": 0.2}
    sizes = {"vocab_size": n_tokens, "hidden_size": width, "num_hidden_layers": layers}
    sizes |= {"num_attention_heads": 4, "max_position_embeddings": positions}
    if kind == "gpt2":
        no_dropout = {"resid_pdrop": 0, "embd_pdrop": 0, "attn_pdrop": 0}
        return GPT2LMHeadModel(GPT2Config(**sizes, **ends, **no_dropout))
    return LlamaForCausalLM(LlamaConfig(**sizes, **ends, intermediate_size=3 * width))


def train(model, tokenizer, pairs, steps, decay, rate=1e-2):
    """Full batches of prompts; the loss is that of the last token, the answer."""
    rows = [tokenizer(f"{prompt} {answer}")["input_ids"] for prompt, answer in pairs]
    longest = max(map(len, rows))
    tokens = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
    last = torch.tensor([len(row) - 1 for row in rows])
    every = torch.arange(len(rows))
    optimizer = torch.optim.AdamW(model.parameters(), rate, weight_decay=decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: min(1, (step + 1) / 20) * (0.5 + 0.5 * np.cos(np.pi * step / max(1, steps))),
    )
    for _ in range(steps):
        optimizer.zero_grad()
        logits = model(input_ids=tokens).logits[every, last - 1]
        functional.cross_entropy(logits, tokens[every, last]).backward()
        optimizer.step()
        schedule.step()
    return model


TRAINING = {"gpt2": {"steps": 120, "decay": 1.0}, "llama": {"steps": 100, "decay": 2.0}}
"""With which all seeds that were tried learn all facts of `people`."""


def saved(folder, kind, facts, templates=TEMPLATES, seed=100, **training):
    """A model, trained if nothing else is said, and its tokenizer in a folder."""
    torch.manual_seed(seed)
    pairs = sentences(facts, templates)
    tokenizer = tokenizer_of(f"{prompt} {answer}" for prompt, answer in pairs)
    model = shaped(kind, len(tokenizer))
    train(model, tokenizer, pairs, **TRAINING[kind] | training)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


REPORTED = range(200, 205)
NAMES = ("accuracy", "R^2", "move", "keep", "both", "LRE", "right")


def measured_at_layer_0(kind, seed, **training):
    """Value and null of each of the names, (7, 2)."""
    from verify.learned.language_models.loading import of
    from verify.learned.language_models.measured import Choices, measured
    from verify.learned.language_models.templates import template

    torch.manual_seed(seed)
    facts = people()
    pairs = sentences(facts, TEMPLATES)
    tokenizer = tokenizer_of(f"{prompt} {answer}" for prompt, answer in pairs)
    model = train(
        shaped(kind, len(tokenizer)), tokenizer, pairs, **TRAINING[kind] | training
    ).eval()
    templates = {relation: template(relation, text) for relation, text in TEMPLATES.items()}
    found = measured(of(model, tokenizer), facts, templates, Choices(layers=(0,)))
    measures = [found.accuracy, *found.at[0].measures][: len(NAMES)]
    return [[float(one.value), float(one.null)] for one in measures]


def main():
    torch.set_num_threads(1)
    kinds = [(kind, steps) for kind in TRAINING for steps in ({}, {"steps": 0})]
    found = [
        np.array([measured_at_layer_0(kind, seed, **steps) for seed in REPORTED])
        for kind, steps in kinds
    ]
    print("means over the seeds 200 to 204 +- their standard deviation (mean null)")
    heads = (f"{kind}{', untrained' if steps else ''}" for kind, steps in kinds)
    print(f"{'':9}" + "".join(f"{head:>22}" for head in heads))
    for place, name in enumerate(NAMES):
        each = [(some[:, place].mean(0), some[:, place, 0].std(ddof=1)) for some in found]
        cells = [f"{value:.2f} +- {spread:.2f} ({null:.2f})" for (value, null), spread in each]
        print(f"{name:9}" + "".join(f"{cell:>22}" for cell in cells))


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    main()
