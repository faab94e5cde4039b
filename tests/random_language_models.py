"""Random small models with byte-level tokenizers, and what they say of a small table."""

import torch

from constructions import FactTable

ROWS = [
    ("Zürich", "twin", "New York"),
    ("Ann Lee", "twin", "New Delhi"),
    ("Köln", "twin", "Paris"),
    ("Zürich", "port", "Paris"),
    ("Ann Lee", "port", "New York"),
    ("Köln", "port", "New York"),
]
TEXTS = {"twin": "The twin of {subject} is", "port": "{subject}'s port:"}


def spelled(texts, normalizer=None):
    """A byte-level BPE tokenizer, as GPT-2 has one, trained on texts."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    if normalizer is not None:
        inner.normalizer = normalizer
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=290, initial_alphabet=alphabet, show_progress=False, special_tokens=["<end>"]
    )
    inner.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="<end>")


SPELT = ("is New York", "is New Delhi", "is Paris", "twin of", *(f"is {x}" for x in "uvwxyz"))
"""Texts whose words, with the space before them, become tokens."""


def made(kind="gpt2", texts=SPELT, **options):
    """A random model with a byte-level tokenizer, in float64."""
    from small_language_models import shaped

    from verify.learned.language_models.loading import of

    torch.manual_seed(5)
    tokenizer = spelled(texts, options.pop("normalizer", None))
    model = shaped(kind, len(tokenizer), width=16, positions=64).double()
    return of(model, tokenizer, **options)


def asked_of(language, rows=ROWS, texts=TEXTS, scoring="auto"):
    """The questions of a table."""
    from verify.learned.language_models.prompts import prompts
    from verify.learned.language_models.templates import template

    facts = FactTable.from_triples(rows)
    return prompts(language, facts, {r: template(r, text) for r, text in texts.items()}, scoring)


def known_of(language, **options):
    """What it says of all questions."""
    from verify.learned.language_models.known import known

    return known(language, asked_of(language, **options), lambda done: None)


def hidden_states(language, tokens):
    """All hidden states of one prompt alone, by the model's own account."""
    with torch.no_grad():
        found = language.model(torch.tensor([tokens]), output_hidden_states=True)
    return [x[0].numpy() for x in found.hidden_states]
