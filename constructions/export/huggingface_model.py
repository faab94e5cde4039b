"""A `StandardDecoder` as a `PreTrainedModel` of Hugging Face transformers 5.x: tables of tokens,
the forward pass, the loss. What attention sees, the arithmetic and `generate` are files of their
own.

The position of a token is the number of tokens that it sees before it: so padding, on either side,
is as if it were not there, and there are no `position_ids`.
What `forward` and `generate` cannot do right is refused, by an InputError.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.cache_utils import Cache
from transformers.modeling_outputs import CausalLMOutputWithPast

from constructions.decoders.standard_decoder import StandardDecoder
from constructions.export.huggingface_arithmetic import (
    note_narrow_weights,
    require_exported_arithmetic,
)
from constructions.export.huggingface_attention import Seen, attend, usable_cache
from constructions.export.huggingface_config import FactualRecallConfig
from constructions.export.huggingface_questions import QuestionGenerationMixin, require_questions
from constructions.guards.errors import InputError

CACHE = (
    "cache"
    if "cache" in {field.name for field in fields(CausalLMOutputWithPast)}
    else "past_key_values"
)
"""What transformers calls the cache in a model's output: renamed within 5.x."""

NOT_TRAINED = -100
"""The label of a token that is not trained."""

REFUSED = {
    "position_ids": "positions are counted from the attention mask: give that",
    "inputs_embeds": "tokens are looked up here: give input_ids",
    "token_type_ids": "tokens have no types",
}


class FactualRecallForCausalLM(PreTrainedModel, QuestionGenerationMixin):
    """A `StandardDecoder` behind Hugging Face's interface."""

    config_class = FactualRecallConfig
    base_model_prefix = "decoder"
    accepts_loss_kwargs = True
    _can_compile_fullgraph = True
    # where the config ties
    _tied_weights_keys: ClassVar = {"decoder.unembedding.weight": "decoder.embedding.weight"}

    def __init__(self, config: FactualRecallConfig):
        super().__init__(config)
        self.decoder = StandardDecoder(config.shape)
        self.post_init()

    # ------------------------------------------------------------ tables of tokens

    def get_input_embeddings(self) -> nn.Module:
        """The token embedding."""
        return self.decoder.embedding

    def set_input_embeddings(self, value: nn.Embedding) -> None:
        """Another token embedding."""
        self.decoder.embedding = value

    def get_output_embeddings(self) -> nn.Module:
        """The unembedding."""
        return self.decoder.unembedding

    def set_output_embeddings(self, value: nn.Linear) -> None:
        """Another unembedding."""
        self.decoder.unembedding = value

    def resize_token_embeddings(
        self,
        new_num_tokens: int | None = None,
        pad_to_multiple_of: int | None = None,
        mean_resizing: bool = True,
    ) -> nn.Embedding:
        """As Hugging Face's, for more tokens; their logits are those of relation 0, never an
        answer.

        Raises:
            InputError: tokens that were exported would be cut off.
        """
        exported, before = self.config.n_tokens, self.config.vocab_size
        if new_num_tokens is not None and exported is not None and new_num_tokens < exported:
            raise InputError(
                f"the {exported} tokens of the exported vocabulary cannot be cut to"
                f" {new_num_tokens}; export other facts"
            )
        embedding = super().resize_token_embeddings(
            new_num_tokens, pad_to_multiple_of, mean_resizing and exported is None
        )
        self.decoder.shape = self.config.shape
        if exported is not None:
            rows = self.decoder.unembedding.weight.data
            rows[before:] = rows[self.config.n_entities]
        return cast("nn.Embedding", embedding)

    # ------------------------------------------------------------ dtype and arithmetic

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        """As torch's; a narrower dtype is noted: widening does not bring back what was lost."""
        note_narrow_weights(self.config, self.decoder)
        applied = super()._apply(fn, recurse)
        note_narrow_weights(self.config, self.decoder)
        return applied

    def save_pretrained(self, *arguments: Any, **options: Any) -> Any:
        """As Hugging Face's."""
        note_narrow_weights(self.config, self.decoder)
        return super().save_pretrained(*arguments, **options)

    # ------------------------------------------------------------ forward

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        cache: Cache | None = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        logits_to_keep: int | Tensor = 0,
        num_items_in_batch: Tensor | int | None = None,
        past_key_values: Cache | None = None,
        below_the_largest: bool = False,
        **others: Any,
    ) -> CausalLMOutputWithPast | tuple[Any, ...]:
        """Token ids to logits, to a loss where labels are given, and to a cache if it is asked
        for.

        Args:
            input_ids: int64 (batch, L); the tokens after those in the cache.
            attention_mask: (batch, past + L), 0 where a token is padding, on either side; or, as
                `generate` makes it for a static cache, (batch, 1, L, positions of the cache), True
                (or a 0 that is added to scores) where a token is seen.
            cache: of earlier tokens; it is extended. Dynamic or static, but not quantized.
            labels: int64 (batch, L): the tokens, -100 where nothing is to be learned. As
                everywhere in transformers, the logits of a position are held against the next
                token's label. Tokens of the question are not learned, whatever their labels: no
                construction says what is asked.
            use_cache: give a cache back; by default if one is given.
            output_attentions: give the patterns of each layer, (batch, heads, L, positions).
            output_hidden_states: give the stream, (batch, L, hidden_size), as embedded and after
                each layer; the last one is what the unembedding reads.
            return_dict: False for a tuple; by default as in the config.
            logits_to_keep: how many of the last positions get logits, or which; 0 for all.
            num_items_in_batch: by which the sum of the losses is divided; by default the number of
                labels that are trained.
            past_key_values: the same as `cache`, by its older name.
            below_the_largest: subtract from all logits of a position the largest of them.
            others: nothing else; they are refused.

        Returns:
            Logits (batch, L or kept, vocab_size), `logit_scale` times the construction's, and what
            was asked for.

        Raises:
            InputError: an argument that this model does not know; a dtype or an arithmetic
                narrower than the exported; too many tokens; labels without an answer.
        """
        require_exported_arithmetic(self.config, self.decoder)
        _require_no_others(others)
        cache = usable_cache(cache, past_key_values, use_cache)
        seen = Seen(input_ids, attention_mask, cache)
        self._require_places(seen, input_ids, attention_mask)
        stream, patterns = self._run(input_ids, seen, cache)
        kept = stream[-1][:, _kept(logits_to_keep)]
        logits = self.decoder.unembedding(kept) * self.config.logit_scale
        if below_the_largest:
            logits = _below_the_largest(logits)
        loss = None
        if labels is not None:
            if not isinstance(logits_to_keep, int) or logits_to_keep:
                raise InputError(
                    "labels need the logits of all positions: leave logits_to_keep at 0"
                )
            loss = self.loss_function(
                logits=_below_the_largest(logits) if logits.dtype == torch.float64 else logits,
                labels=self._answers(input_ids, labels, seen),
                vocab_size=self.config.vocab_size,
                num_items_in_batch=num_items_in_batch,
            )
        wants = self.config.output_attentions if output_attentions is None else output_attentions
        wants_stream = (
            self.config.output_hidden_states
            if output_hidden_states is None
            else output_hidden_states
        )
        found = CausalLMOutputWithPast(
            loss=loss,
            logits=logits,
            hidden_states=tuple(stream) if wants_stream else None,
            attentions=tuple(patterns) if wants else None,
            **{CACHE: cache},
        )
        return (
            found
            if (self.config.return_dict if return_dict is None else return_dict)
            else found.to_tuple()
        )

    def _run(
        self, tokens: Tensor, seen: Seen, cache: Cache | None
    ) -> tuple[list[Tensor], list[Tensor]]:
        """The stream (batch, L, d_model) as embedded and after each block, the last one as the
        unembedding reads it; and the pattern of each block.
        """
        decoder = self.decoder
        x = decoder.embedding(tokens) + decoder.positions(seen.places)
        stream, patterns = [x], []
        for index, block in enumerate(decoder.block_sequence()):
            read = block.read_by_attention(x)
            update, pattern = attend(block.attention, read, seen, cache, index)
            x = block(block.after_attention(x, update))
            stream.append(x)
            patterns.append(pattern)
        stream[-1] = decoder.final_norm(x)
        return stream, patterns

    def _require_places(
        self, seen: Seen, input_ids: Tensor, attention_mask: Tensor | None
    ) -> None:
        """Refuse more tokens than there are positions; where the graph is compiled, the table
        does.
        """
        rows = self.config.max_position_embeddings
        if torch.compiler.is_compiling() or (seen.length <= rows and attention_mask is None):
            return
        if input_ids.shape[-1] and (used := int(seen.places.max()) + 1) > rows:
            raise InputError(f"{used} tokens are too many: this model has {rows} positions")

    def _answers(self, input_ids: Tensor, labels: Tensor, seen: Seen) -> Tensor:
        """The labels of what follows the question."""
        if labels.shape != input_ids.shape:
            shapes = f"{(*input_ids.shape,)}; got {(*labels.shape,)}"
            raise InputError(f"labels must have the shape of input_ids, {shapes}")
        hops, places = self.config.hops, seen.places.expand(input_ids.shape)
        shown = seen.shown(input_ids)
        answers = labels.masked_fill((places <= hops) | ~shown, NOT_TRAINED)
        if torch.compiler.is_compiling() or self.config.n_tokens is None:
            return answers
        require_questions(self.config, input_ids, places, shown & (places <= hops))
        if not bool((answers != NOT_TRAINED).any()):
            raise InputError(
                f"these labels train nothing: no sequence goes beyond its question of {hops + 1}"
                " tokens. Give input_ids and labels that hold the answer behind the question"
            )
        return answers


def _below_the_largest(logits: Tensor) -> Tensor:
    """Logits minus the largest of each position: the same to softmax, argmax and their gradients.

    What rounds float64 logits to float32, as `generate` and the loss of transformers do, then
    keeps a margin of 2 between logits of 10^8: the numbers that are close to the largest are
    small.
    """
    return logits - logits.detach().amax(-1, keepdim=True)


def _require_no_others(others: Mapping[str, Any]) -> None:
    """Raise InputError, with all arguments that there are, for one that `forward` has not."""
    for name, value in others.items():
        if value is not None:
            raise InputError(
                f"{name} is no argument of this"
                f" model{': ' * (name in REFUSED)}{REFUSED.get(name, '')}. It takes input_ids,"
                " attention_mask, cache, labels, use_cache, output_attentions,"
                " output_hidden_states, return_dict, logits_to_keep and num_items_in_batch"
            )


def _kept(logits_to_keep: int | Tensor) -> slice | Tensor:
    """Which positions get logits: the last ones, all of them for 0, or those that are given."""
    return slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
