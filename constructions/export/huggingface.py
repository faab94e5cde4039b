"""Hugging Face transformers 5.x: `AutoModelForCausalLM.from_pretrained(folder)`, offline, after importing this module.

No architecture of transformers is without norms, so a `StandardDecoder` is wrapped, and registered under the model type
`geometric-factual-recall`. No code travels with the weights, and none is trusted.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    GenerationConfig,
    GenerationMixin,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)
from transformers.modeling_outputs import CausalLMOutput
from transformers.utils import logging

from constructions.answering import Answering, Writing
from constructions.export import Runner
from constructions.export.names import as_standard, distinct_names
from constructions.standard_decoder import Norm, Placement, StandardDecoder, StandardShape

MODEL_TYPE = "geometric-factual-recall"
README = """# Facts in a transformer, for Hugging Face transformers 5.x

```python
import constructions.export.huggingface  # of geometric-factual-recall: registers the architecture
from transformers import AutoModelForCausalLM, AutoTokenizer

model = AutoModelForCausalLM.from_pretrained(".")
tokenizer = AutoTokenizer.from_pretrained(".")
logits = model(**tokenizer(tokenizer.decode([0]), return_tensors="pt")).logits
```

The tokenizer takes names with a tab between two: `tokenizer("Alice\\tmother", return_tensors="pt")`. A name that it does not
know is an error; a relation that is named as an entity has a colon behind. Special tokens are `<unknown>`, `<pad>`, `<end>`.
Where there are the last two, the model is a chain of thought: fill paths up to `hops` relations with `<pad>`; then
`model.generate(**tokenizer(...))` writes the entities on the way, the answer last, and `<end>`.
"""


class FactualRecallConfig(PreTrainedConfig):
    """The sizes of a `StandardShape` under Hugging Face's names, and which construction it is."""

    model_type = MODEL_TYPE

    def __init__(
        self,
        vocab_size: int = 1,
        hidden_size: int = 1,
        num_hidden_layers: int = 1,
        num_attention_heads: int = 1,
        head_dim: int = 1,
        intermediate_size: int = 1,
        max_position_embeddings: int = 1,
        norm: Norm | None = None,
        placement: Placement = "pre",
        tie_word_embeddings: bool = False,
        construction: str = "",
        hops: int = 1,
        **others: Any,
    ):
        self.vocab_size = vocab_size
        self.hidden_size = hidden_size
        self.num_hidden_layers = num_hidden_layers
        self.num_attention_heads = num_attention_heads
        self.head_dim = head_dim
        self.intermediate_size = intermediate_size
        self.max_position_embeddings = max_position_embeddings
        self.norm = norm
        self.placement = placement
        self.construction = construction
        self.hops = hops
        super().__init__(tie_word_embeddings=tie_word_embeddings, **others)

    @classmethod
    def of(cls, shape: StandardShape, **others: Any) -> FactualRecallConfig:
        """The config of a shape."""
        return cls(
            vocab_size=shape.d_vocab,
            hidden_size=shape.d_model,
            num_hidden_layers=shape.n_layers,
            num_attention_heads=shape.n_heads,
            head_dim=shape.d_head,
            intermediate_size=shape.d_mlp,
            max_position_embeddings=shape.n_positions,
            norm=shape.norm,
            placement=shape.placement,
            tie_word_embeddings=shape.tied,
            **others,
        )

    @property
    def shape(self) -> StandardShape:
        """The inverse of `of`."""
        return StandardShape(
            d_vocab=self.vocab_size,
            d_model=self.hidden_size,
            n_layers=self.num_hidden_layers,
            n_heads=self.num_attention_heads,
            d_head=self.head_dim,
            d_mlp=self.intermediate_size,
            n_positions=self.max_position_embeddings,
            norm=self.norm,
            placement=self.placement,
            tied=self.tie_word_embeddings,
        )


class FactualRecallForCausalLM(PreTrainedModel, GenerationMixin):
    """A `StandardDecoder` behind Hugging Face's interface. There is no cache: `generate` reads all tokens at each step."""

    config_class = FactualRecallConfig
    base_model_prefix = "decoder"
    _tied_weights_keys: ClassVar = {"decoder.unembedding.weight": "decoder.embedding.weight"}  # where the config ties

    def __init__(self, config: FactualRecallConfig):
        super().__init__(config)
        self.decoder = StandardDecoder(config.shape)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        """The token embedding."""
        return self.decoder.embedding

    def get_output_embeddings(self) -> nn.Module:
        """The unembedding."""
        return self.decoder.unembedding

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        **others: Any,
    ) -> CausalLMOutput:
        """Token ids (batch, length) to logits (batch, length, vocab_size), and to a loss where labels are given.

        Raises:
            ValueError: the mask hides a token, which no construction knows how to do without.
        """
        if attention_mask is not None and not bool(attention_mask.all()):
            raise ValueError("the attention mask hides tokens; give questions of one length, without padding")
        logits = self.decoder(input_ids)
        loss = None if labels is None else self.loss_function(logits, labels, self.config.vocab_size)
        return CausalLMOutput(loss=loss, logits=logits)

    def generate(self, inputs: Tensor | None = None, **options: Any) -> Any:
        """As Hugging Face's, for questions.

        Raises:
            ValueError: a question has more or fewer tokens than a subject and `hops` relations or <pad>.
        """
        given = options.get("input_ids") if inputs is None else inputs
        asked = self.config.hops + 1
        if given is not None and given.shape[-1] != asked:
            raise ValueError(
                f"a question has {asked} tokens, the subject and {self.config.hops} relations; got {given.shape[-1]}. "
                "A chain of thought takes shorter paths, filled up with <pad>"
            )
        return super().generate(inputs, **options)


AutoConfig.register(MODEL_TYPE, FactualRecallConfig)
AutoModelForCausalLM.register(FactualRecallConfig, FactualRecallForCausalLM)


def pretrained(model: Answering) -> FactualRecallForCausalLM:
    """The model as a `PreTrainedModel` with the same logits, on the model's device and in its dtype.

    `generate` is greedy, ends at the last position, and for a chain of thought at END, with which it fills up the rest.
    """
    decoder = as_standard(model)
    weight = decoder.embedding.weight
    config = FactualRecallConfig.of(decoder.shape, construction=decoder.construction, hops=model.hops)
    made: FactualRecallForCausalLM = FactualRecallForCausalLM(config).to(weight).eval()
    made.decoder.load_state_dict(decoder.state_dict())
    end = model.vocabulary.special("end") if isinstance(model, Writing) else None
    longest = decoder.shape.n_positions + 1
    made.generation_config = GenerationConfig(max_length=longest, use_cache=False, eos_token_id=end, pad_token_id=end)
    return made


def tokenizer(model: Answering) -> PreTrainedTokenizerFast:
    """Names separated by tabs to token ids; a name that there is not is an error. See `names.distinct_names`."""
    ids = {name: token for token, name in enumerate(distinct_names(model))}
    words = Tokenizer(models.WordLevel(ids))
    words.pre_tokenizer = pre_tokenizers.Split("\t", "removed")
    return PreTrainedTokenizerFast(tokenizer_object=words)


def save(model: Answering, folder: Path) -> None:
    """Write weights, configs and tokenizer, as `from_pretrained` reads them."""
    with _quiet():
        pretrained(model).save_pretrained(folder)
        tokenizer(model).save_pretrained(folder)


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
