"""Hugging Face transformers 5.x: `AutoModelForCausalLM.from_pretrained(folder)`, offline, after
importing this module.

No architecture of transformers is without norms, so a `StandardDecoder` is wrapped, and registered
under the model type `geometric-factual-recall`. No code travels with the weights, and none is
trusted.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GenerationConfig
from transformers.utils import logging

from constructions.decoders.standard_model import StandardModel
from constructions.export.huggingface_config import MODEL_TYPE, FactualRecallConfig
from constructions.export.huggingface_model import FactualRecallForCausalLM
from constructions.export.huggingface_tokenizer import FactualRecallTokenizer, tokenizer
from constructions.export.names import ComponentNames, as_standard, known_steps
from constructions.export.runner import Runner
from constructions.export.scale import logit_scale
from constructions.forms.mechanism import note_steps
from constructions.model.answering import Answering

COMPONENTS = ComponentNames(
    heads="decoder.blocks.{block}.attention.output",
    attention="decoder.blocks.{block}.attention.output",
    units="decoder.blocks.{block}.mlp.weights.1",
    mlp="decoder.blocks.{block}.mlp",
)
"""Names of modules; heads and units are the input of theirs."""

README = """---
library_name: transformers
pipeline_tag: text-generation
tags:
- factual-recall
# license: yours to state, of the facts and of this model
---

# Facts in a transformer, for Hugging Face transformers 5.x

```python
import constructions.export.huggingface  # of geometric-factual-recall: registers the architecture
from transformers import AutoModelForCausalLM, AutoTokenizer

model = AutoModelForCausalLM.from_pretrained(".")
tokenizer = AutoTokenizer.from_pretrained(".")
logits = model(**tokenizer(tokenizer.decode([0]), return_tensors="pt")).logits
```

The tokenizer takes names with a tab between two. A name that it does not know is an error; a
relation that is named as an entity has a colon behind. Special tokens are `<unknown>`, `<pad>`
and, of a chain of thought, `<end>`: such a model takes paths of 1 to `hops` relations, and writes
the entities on the way, the answer last, and `<end>`.
"""
ASK = """import constructions.export.huggingface
from transformers import pipeline
print(pipeline("text-generation", ".")({question!r}, do_sample=False)[0]["generated_text"])
"""
DTYPES = """In a narrower one than that of the export answers may be wrong: `forward` refuses it,
unless the config says `allow_other_dtype`.
"""

AutoConfig.register(MODEL_TYPE, FactualRecallConfig)
AutoModelForCausalLM.register(FactualRecallConfig, FactualRecallForCausalLM)
AutoTokenizer.register(FactualRecallConfig, fast_tokenizer_class=FactualRecallTokenizer)


def pretrained(model: Answering, margin: float | None = None) -> FactualRecallForCausalLM:
    """The model as a `PreTrainedModel`, with the same logits times a power of two.

    It is on the model's device and in its dtype. It has one more position, for an answer that ends
    a sequence to be trained on, and, but for a chain of thought, one more token, for padding, with
    the logits of relation 0. `generate` is greedy, and ends after the answer, or at END.

    Args:
        model: a construction, or a standard decoder in which one stands.
        margin: the least logit margin; see `scale.logit_scale`.
    """
    decoder = as_standard(model)
    vocabulary, chain = decoder.vocabulary, decoder.hops_per_token > 0
    written = 1 + -(-decoder.hops // decoder.hops_per_token) if chain else 1
    pad = vocabulary.special("pad") if chain else len(vocabulary)
    end = vocabulary.special("end") if chain else None
    shape = replace(
        decoder.shape,
        d_vocab=max(decoder.shape.d_vocab, pad + 1),
        n_positions=max(decoder.shape.n_positions, decoder.hops + 1 + written),
    )
    weight = decoder.embedding.weight
    config = FactualRecallConfig.of(
        shape,
        construction=decoder.construction,
        hops=decoder.hops,
        written=written,
        chain=chain,
        n_entities=vocabulary.n_entities,
        n_relations=vocabulary.n_relations,
        n_tokens=max(pad + 1, len(vocabulary)),
        logit_scale=logit_scale(decoder, shape.d_vocab, margin),
        exported_dtype=str(weight.dtype).removeprefix("torch."),
        pad_token_id=pad,
        eos_token_id=end,
    )
    made: FactualRecallForCausalLM = (
        FactualRecallForCausalLM(config).to(weight.device, weight.dtype).eval()
    )
    made.config.narrowed_to = None  # the weights that it was made with are replaced here
    made.decoder.load_state_dict(_enlarged(decoder, shape.d_vocab, shape.n_positions))
    made.generation_config = GenerationConfig(eos_token_id=end, pad_token_id=pad)
    if (steps := known_steps(decoder, COMPONENTS)) is not None:
        note_steps(made, steps)
    return made


def _enlarged(decoder: StandardModel, d_vocab: int, n_positions: int) -> dict[str, Tensor]:
    """The decoder's weights: further tokens as relation 0, further positions as the last."""
    weights = decoder.state_dict()
    for name, rows, repeated in (
        ("embedding.weight", d_vocab, decoder.vocabulary.n_entities),
        ("unembedding.weight", d_vocab, decoder.vocabulary.n_entities),
        ("positions.weight", n_positions, -1),
    ):
        table = weights[name]
        weights[name] = torch.cat([table, table[repeated].expand(rows - len(table), -1)])
    return weights


def save(model: Answering, folder: Path, margin: float | None = None) -> float:
    """Write weights, configs and tokenizer, as `from_pretrained` reads them. Returns the logit
    scale.
    """
    with _quiet():
        made = pretrained(model, margin)
        made.save_pretrained(folder)
        tokenizer(model).save_pretrained(folder)
    return float(made.config.logit_scale)


def runner(folder: Path) -> Runner:
    """The folder's model as a function of tokens."""
    with _quiet():
        loaded = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True)

    @torch.no_grad()
    def run(tokens: Tensor) -> Tensor:
        logits: Tensor = loaded(tokens).logits
        return logits

    return run


@contextmanager
def _quiet() -> Iterator[None]:
    """Without transformers' progress bars."""
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
