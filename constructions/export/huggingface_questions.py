"""Questions as `generate` of Hugging Face transformers takes them, and how it ends."""

from __future__ import annotations

import copy
from typing import Any, cast

import torch
from torch import Tensor
from transformers import GenerationMixin

from constructions.decoders.standard_decoder import StandardDecoder
from constructions.guards.errors import InputError
from constructions.guards.wording import printable

LENGTHS = ("max_length", "max_new_tokens")
"""The options that say how much is generated."""


class QuestionGenerationMixin(GenerationMixin):
    """`generate` of a model: it takes questions, and ends after the answer.

    Attributes:
        config: a `FactualRecallConfig`.
        decoder: the `StandardDecoder` that answers.
    """

    config: Any
    decoder: StandardDecoder

    def generate(
        self, inputs: Tensor | None = None, generation_config: Any = None, **options: Any
    ) -> Any:
        """As Hugging Face's, for questions (batch, length): a subject and relations, padded on the
        left.

        It ends after the answer, or at END. A chain of thought takes paths of 1 to `hops`
        relations, of different lengths in one batch. They are filled up with PAD inside; what is
        returned does not show it: the given tokens, then what was written.

        Raises:
            InputError: a question is none, or has more or fewer relations than this model takes; a
                cache is given that holds tokens.
        """
        given = options.pop("input_ids", None) if inputs is None else inputs
        if given is None or "inputs_embeds" in options:
            raise InputError(
                "give questions as token ids (batch, length): a subject and its relations"
            )
        if self.config.n_tokens is None:
            return super().generate(given, generation_config, **options)
        for name in ("cache", "past_key_values"):
            if (held := options.get(name)) is not None and (
                n_held := int(held.get_seq_length())
            ) > 0:
                raise InputError(
                    f"{name} holds {n_held} tokens already, in whose place the question would not"
                    " be read; give each call of generate an empty cache, or none"
                )
        lengths = [
            getattr(source, name, None)
            for source in (generation_config, self.generation_config)
            for name in LENGTHS
        ]
        if all(length is None for length in [*lengths, *(options.get(name) for name in LENGTHS)]):
            options["max_new_tokens"] = self.config.written
        seen = self._questions(given, options.pop("attention_mask", None))
        if not self.config.chain:
            return super().generate(
                given, generation_config, attention_mask=seen.long(), **options
            )
        asked = given.new_full((len(given), self.config.hops + 1), self.config.pad_token_id)
        asked[torch.arange(asked.shape[1], device=given.device) < seen.sum(-1, keepdim=True)] = (
            given[seen]
        )
        longer = asked.shape[1] - given.shape[1]
        if options.get("max_length") is not None:
            options["max_length"] += longer
        if generation_config is not None and generation_config.max_length is not None:
            generation_config = copy.deepcopy(generation_config)
            generation_config.max_length += longer
        made = super().generate(
            asked, generation_config, attention_mask=torch.ones_like(asked), **options
        )
        written = made if isinstance(made, Tensor) else made.sequences
        given = given.repeat_interleave(len(written) // len(given), 0)
        sequences = torch.cat([given.to(written.device), written[:, asked.shape[1] :]], -1)
        if isinstance(made, Tensor):
            return sequences
        made.sequences = sequences
        return made

    def prepare_inputs_for_generation(self, input_ids: Tensor, **kwargs: Any) -> dict[str, Any]:
        """As Hugging Face's; float64 logits below the largest, as `generate` rounds to float32."""
        inputs: dict[str, Any] = super().prepare_inputs_for_generation(input_ids, **kwargs)
        if self.decoder.embedding.weight.dtype == torch.float64:
            inputs["below_the_largest"] = True
        return inputs

    def _questions(self, tokens: Tensor, mask: Tensor | None) -> Tensor:
        """Which tokens (batch, length) are a question's, padding left out; bool."""
        config = self.config
        if tokens.dim() != 2 or not tokens.numel():
            shape = f"{(*tokens.shape,)}"
            raise InputError(
                f"questions have the shape (batch, length), at least one token; got {shape}"
            )
        seen = tokens != config.pad_token_id
        if mask is not None:
            if mask.shape != tokens.shape:
                raise InputError(
                    f"the attention mask must have the shape of the tokens, {(*tokens.shape,)};"
                    f" got {(*mask.shape,)}"
                )
            seen = mask.to(tokens.device).bool() & (seen if config.chain else True)
        seen = cast("Tensor", seen)
        rank = seen.cumsum(-1)
        asked, least = rank[:, -1], 2 if config.chain else config.hops + 1
        relations = (
            f"1 to {config.hops} relations"
            if config.chain
            else f"{config.hops} relation{'s' * (config.hops > 1)}"
        )
        for row in ((asked < least) | (asked > config.hops + 1)).nonzero()[:1, 0].tolist():
            raise InputError(
                f"a question of {printable(config.construction)} is a subject and {relations};"
                f" question {row} has {int(asked[row])} token{'s' * (int(asked[row]) != 1)}"
            )
        runs = seen[:, 0].long() + (seen[:, 1:] & ~seen[:, :-1]).sum(-1)
        padded_right = ~seen[:, -1] if not config.chain else torch.zeros_like(seen[:, -1])
        for row in ((runs != 1) | padded_right).nonzero()[:1, 0].tolist():
            raise InputError(
                f"question {row} has padding within it or behind it; pad on the left"
                " (padding_side='left')"
            )
        require_questions(config, tokens, rank - 1, seen)
        return seen

    def _prepare_generated_length(self, generation_config: Any, **given: Any) -> Any:
        """As Hugging Face's, but no more than the answer."""
        found = super()._prepare_generated_length(generation_config=generation_config, **given)
        if self.config.n_tokens is not None:
            found.max_length = min(
                found.max_length, given["input_ids_length"] + self.config.written
            )
        return found


def require_questions(config: Any, tokens: Tensor, places: Tensor, asking: Tensor) -> None:
    """Raise InputError unless tokens that ask are a subject at place 0, relations or PAD later.

    Args:
        config: the `FactualRecallConfig` of an export, whose vocabulary is known.
        tokens, places: int64 (batch, L), token ids and their positions.
        asking: bool (batch, L), which of them are a question's.
    """
    after = config.n_entities + config.n_relations
    relation = (tokens >= config.n_entities) & (tokens < after)
    if config.chain:
        relation |= tokens == config.pad_token_id
    fits = (
        torch.where(places == 0, tokens < config.n_entities, relation)
        | (tokens >= config.n_tokens)
        | ~asking
    )
    for row, column in (~fits).nonzero()[:1].tolist():
        place = int(places[row, column])
        kind = "the subject, an entity" if place == 0 else f"relation {place} of {config.hops}"
        filled = f"; fill up shorter paths with PAD, token {config.pad_token_id}"
        raise InputError(
            f"sequence {row} has token {int(tokens[row, column])} in the place of {kind};"
            f" entities are the tokens from 0 on, relations those from {config.n_entities} to"
            f" {after - 1}" + filled * (config.chain and place > 0)
        )
