"""A `StandardDecoder` as a `PreTrainedModel` of Hugging Face transformers 5.x.

Cache, masks, generation, loss, dtype. The position of a token is the number of tokens that it sees
before it: so padding, on either side, is as if it were not there, and there are no `position_ids`.
What `forward` and `generate` cannot do right is refused, by an InputError.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn
from transformers import GenerationMixin, PreTrainedConfig, PreTrainedModel
from transformers.cache_utils import Cache, DynamicCache, DynamicLayer, StaticLayer
from transformers.modeling_outputs import CausalLMOutputWithPast

from constructions.decoders.standard_decoder import Norm, Placement, StandardDecoder, StandardShape
from constructions.guards.errors import InputError
from constructions.guards.wording import printable
from constructions.model.arithmetic import autocast_dtype, rounded_products
from constructions.model.transformer import Attention, _split_heads

MODEL_TYPE = "geometric-factual-recall"
CACHE = (
    "cache"
    if "cache" in {field.name for field in fields(CausalLMOutputWithPast)}
    else "past_key_values"
)
"""What transformers calls the cache in a model's output: renamed within 5.x."""

EXACT_LAYERS = (DynamicLayer, StaticLayer)
"""The layers of a cache that give back the numbers that they got, all of them."""

NOT_TRAINED = -100
"""The label of a token that is not trained."""

LENGTHS = ("max_length", "max_new_tokens")
"""The options that say how much is generated."""

REFUSED = {
    "position_ids": "positions are counted from the attention mask: give that",
    "inputs_embeds": "tokens are looked up here: give input_ids",
    "token_type_ids": "tokens have no types",
}


class FactualRecallConfig(PreTrainedConfig):
    """The sizes of a `StandardShape` under Hugging Face's names, and what was exported.

    Attributes:
        construction: the name in the catalogue.
        hops: how many relations a question has; of a chain of thought the most.
        written: how many tokens `generate` writes at most: the answer; of a chain of thought also
            what comes before it, and END.
        chain: whether it is a chain of thought, so that shorter questions are filled up with
            `pad_token_id`.
        n_entities, n_relations, n_tokens: of the exported vocabulary: entities come first, then
            relations; all tokens, special ones included.
        logit_scale: the power of two by which `forward` multiplies the construction's logits.
        exported_dtype: of the exported weights; None: nothing is claimed of them.
        narrowed_to: a narrower dtype that the weights have been in since, or None.
        allow_other_dtype: compute in any dtype, at the risk of wrong answers.

    Raises:
        InputError: a dtype that there is not, or a scale that is no positive number.
    """

    model_type = MODEL_TYPE
    keys_to_ignore_at_inference: ClassVar = ["past_key_values", "cache"]

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
        written: int = 1,
        chain: bool = False,
        n_entities: int | None = None,
        n_relations: int | None = None,
        n_tokens: int | None = None,
        logit_scale: float = 1.0,
        exported_dtype: str | None = None,
        narrowed_to: str | None = None,
        allow_other_dtype: bool = False,
        pad_token_id: int | None = None,
        eos_token_id: int | None = None,
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
        self.written = written
        self.chain = chain
        self.n_entities = n_entities
        self.n_relations = n_relations
        self.n_tokens = n_tokens
        self.logit_scale = logit_scale
        self.exported_dtype = exported_dtype
        self.narrowed_to = narrowed_to
        self.allow_other_dtype = allow_other_dtype
        self.pad_token_id = pad_token_id
        self.eos_token_id = eos_token_id
        super().__init__(tie_word_embeddings=tie_word_embeddings, **others)
        for name in ("exported_dtype", "narrowed_to"):
            dtype = getattr(torch, str(getattr(self, name)), None)
            if getattr(self, name) is not None and not isinstance(dtype, torch.dtype):
                raise InputError(
                    f"{name} must be the name of a dtype, such as float32; got"
                    f" {getattr(self, name)!r}"
                )
        if not isinstance(logit_scale, int | float) or not 0 < logit_scale < math.inf:
            raise InputError(f"logit_scale must be a positive number; got {logit_scale!r}")

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
                f"the {exported} tokens of the exported vocabulary cannot be cut to "
                f"{new_num_tokens}; export other facts"
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
        self._note_narrow_weights()
        applied = super()._apply(fn, recurse)
        self._note_narrow_weights()
        return applied

    def save_pretrained(self, *arguments: Any, **options: Any) -> Any:
        """As Hugging Face's."""
        self._note_narrow_weights()
        return super().save_pretrained(*arguments, **options)

    def _note_narrow_weights(self) -> None:
        narrow = self._narrow_weights()
        if narrow is not None:
            self.config.narrowed_to = _name(narrow)

    def _narrow_weights(self) -> torch.dtype | None:
        """The dtype of some weight that cannot hold all numbers of the exported dtype."""
        if self.config.exported_dtype is None:
            return None
        exported = getattr(torch, self.config.exported_dtype)
        return next((p.dtype for p in self.parameters() if not _holds(p.dtype, exported)), None)

    def _require_exported_arithmetic(self) -> None:
        """Refuse weights, or an arithmetic, that may round where the exported did not."""
        if self.config.exported_dtype is None or self.config.allow_other_dtype:
            return
        exported, narrow = getattr(torch, self.config.exported_dtype), self._narrow_weights()
        weight = self.decoder.embedding.weight
        if narrow is not None:
            found = f"its weights are {_name(narrow)}"
        elif self.config.narrowed_to is not None:
            found = f"its weights have been {self.config.narrowed_to} since then"
        elif (products := autocast_dtype(weight)) is not None and not _holds(products, exported):
            found = f"matrices are multiplied in {_name(products)} (autocast)"
        elif (precision := rounded_products(weight)) is not None:
            found = f"torch.backends allows {precision} for products of float32 matrices"
        else:
            return
        raise InputError(
            f"this model was exported in {_name(exported)}, in which its answers are right;"
            f" {found}, which rounds, and answers may be wrong. Load it anew with"
            f" dtype=torch.{_name(exported)}, and compute in that; or, if wrong answers do not"
            " matter (in training, say), set model.config.allow_other_dtype = True, or give"
            " from_pretrained(..., allow_other_dtype=True)"
        )

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
        self._require_exported_arithmetic()
        _require_no_others(others)
        cache = _usable_cache(cache, past_key_values, use_cache)
        seen = _Seen(input_ids, attention_mask, cache)
        self._require_places(seen, input_ids, attention_mask)
        decoder = self.decoder
        x = decoder.embedding(input_ids) + decoder.positions(seen.places)
        stream, patterns = [x], []
        for index, block in enumerate(decoder.block_sequence()):
            update, pattern = _attend(
                block.attention, block.read_by_attention(x), seen, cache, index
            )
            x = block(block.after_attention(x, update))
            stream.append(x)
            patterns.append(pattern)
        stream[-1] = x = decoder.final_norm(x)
        kept = x if _is_zero(logits_to_keep) else x[:, _kept(logits_to_keep)]
        logits = decoder.unembedding(kept) * self.config.logit_scale
        if below_the_largest:
            logits = _below_the_largest(logits)
        loss = None
        if labels is not None:
            if not _is_zero(logits_to_keep):
                raise InputError(
                    "labels need the logits of all positions: leave logits_to_keep at 0"
                )
            answers = self._answers(input_ids, labels, seen)
            loss = self.loss_function(
                logits=_below_the_largest(logits) if logits.dtype == torch.float64 else logits,
                labels=answers,
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

    def _require_places(
        self, seen: _Seen, input_ids: Tensor, attention_mask: Tensor | None
    ) -> None:
        """Refuse more tokens than there are positions; where the graph is compiled, the table
        does.
        """
        rows = self.config.max_position_embeddings
        if torch.compiler.is_compiling() or (seen.length <= rows and attention_mask is None):
            return
        if input_ids.shape[-1] and (used := int(seen.places.max()) + 1) > rows:
            raise InputError(f"{used} tokens are too many: this model has {rows} positions")

    def _answers(self, input_ids: Tensor, labels: Tensor, seen: _Seen) -> Tensor:
        """The labels of what follows the question."""
        if labels.shape != input_ids.shape:
            shapes = f"{(*input_ids.shape,)}; got {(*labels.shape,)}"
            raise InputError(f"labels must have the shape of input_ids, {shapes}")
        hops, places = self.config.hops, seen.places.expand(input_ids.shape)
        shown = seen.shown(input_ids)
        answers = labels.masked_fill((places <= hops) | ~shown, NOT_TRAINED)
        if torch.compiler.is_compiling() or self.config.n_tokens is None:
            return answers
        self._require_questions(input_ids, places, shown & (places <= hops))
        if not bool((answers != NOT_TRAINED).any()):
            raise InputError(
                f"these labels train nothing: no sequence goes beyond its question of {hops + 1}"
                " tokens. Give input_ids and labels that hold the answer behind the question"
            )
        return answers

    def _require_questions(self, tokens: Tensor, places: Tensor, asking: Tensor) -> None:
        """Refuse tokens (batch, L) that ask, and are no subject at place 0, no relation or PAD
        later.
        """
        config = self.config
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

    # ------------------------------------------------------------ generate

    def generate(
        self, inputs: Tensor | None = None, generation_config: Any = None, **options: Any
    ) -> Any:
        """As Hugging Face's, for questions (batch, length): a subject and relations, padded on the
        left.

        It ends after the answer, or at END. A chain of thought takes paths of 1 to `hops`
        relations, of different lengths in one batch. They are filled up with PAD inside; what is
        returned does
        not show it: the given tokens, then what was written.

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
        self._require_questions(tokens, rank - 1, seen)
        return seen

    def _prepare_generated_length(self, generation_config: Any, **given: Any) -> Any:
        """As Hugging Face's, but no more than the answer."""
        found = super()._prepare_generated_length(generation_config=generation_config, **given)
        if self.config.n_tokens is not None:
            found.max_length = min(
                found.max_length, given["input_ids_length"] + self.config.written
            )
        return found


class _Seen:
    """What tokens (batch, L) see, after those in a cache, under a mask.

    Attributes:
        places: int64 (L,) or (batch, L), the position of each: how many tokens it sees before it.
        length: how many tokens there are, those in the cache and padding included.
    """

    def __init__(self, tokens: Tensor, mask: Tensor | None, cache: Cache | None):
        n_new = tokens.shape[-1]
        past = 0 if cache is None else cache.get_seq_length()
        self.length = past + n_new
        self.rows = torch.arange(n_new, device=tokens.device) + past
        self.mask = None if mask is None else _as_seen(mask.to(tokens.device))
        if self.mask is None:
            self.places = self.rows
        elif self.mask.dim() == 2:
            if self.mask.shape != (tokens.shape[0], self.length):
                raise InputError(
                    "the attention mask must have a column for each token, also those in the "
                    f"cache: {(tokens.shape[0], int(self.length))}; got {(*self.mask.shape,)}"
                )
            self.places = (self.mask.cumsum(-1)[:, -n_new:] - 1).clamp(min=0)
        else:
            self.places = (self.mask.sum(-1)[:, 0] - 1).clamp(min=0)

    def shown(self, tokens: Tensor) -> Tensor:
        """Bool (batch, L): which of the tokens the mask does not hide."""
        if self.mask is None or self.mask.dim() == 4:
            return torch.ones_like(tokens, dtype=torch.bool)
        shown: Tensor = self.mask[:, -tokens.shape[-1] :]
        return shown

    def hidden(self, n_keys: int) -> Tensor:
        """Bool (L, keys) or (batch, 1, L, keys): what is not attended to. All tokens see
        themselves.
        """
        keys, rows = torch.arange(n_keys, device=self.rows.device), self.rows[:, None]
        if self.mask is None:
            return keys > rows
        mask = (
            self.mask
            if self.mask.dim() == 4
            else nn.functional.pad(self.mask, (0, n_keys - self.mask.shape[1]))[:, None, None]
        )
        return ((keys > rows) | ~mask) & (keys != rows)


def _usable_cache(
    cache: Cache | None, older: Cache | None, use_cache: bool | None
) -> Cache | None:
    if cache is not None and older is not None:
        raise InputError("cache and past_key_values are the same; give one of them")
    cache = older if cache is None else cache
    if cache is None:
        return DynamicCache() if use_cache else None
    if use_cache is False:
        raise InputError("a cache is given, and use_cache=False; leave out one of them")
    if not isinstance(cache, Cache):
        kind = type(cache).__name__
        raise InputError(
            f"cache must be a transformers Cache, such as DynamicCache(); got a {kind}"
        )
    kinds = [type(layer) for layer in getattr(cache, "layers", [cache])]
    if (replicated := getattr(cache, "layer_class_to_replicate", None)) is not None:
        kinds.append(replicated)
    if other := [kind for kind in kinds if kind not in EXACT_LAYERS]:
        raise InputError(
            f"a cache of {other[0].__name__} may forget or round what it got; use a DynamicCache"
            " or a StaticCache"
        )
    return cache


def _attend(
    attention: Attention, x: Tensor, seen: _Seen, cache: Cache | None, index: int
) -> tuple[Tensor, Tensor]:
    """What the heads of a block add to x (batch, L, d_model), and patterns: see
    `Attention.forward`.
    """
    n_heads, width = len(attention.heads), attention.heads[0].d_qk
    query, key, value = (
        _split_heads(part(x), 0, n_heads, width)
        for part in (attention.query, attention.key, attention.value)
    )
    if cache is not None:
        key, value = cache.update(key, value, index)
    scores = (query @ key.mT / math.sqrt(width)).masked_fill(
        seen.hidden(key.shape[-2]), -torch.inf
    )
    pattern = scores.softmax(-1)
    return attention.output((pattern @ value).transpose(-3, -2).flatten(-2)), pattern


def _below_the_largest(logits: Tensor) -> Tensor:
    """Logits minus the largest of each position: the same to softmax, argmax and their gradients.

    What rounds float64 logits to float32, as `generate` and the loss of transformers do, then
    keeps a margin of 2 between logits of 10^8: the numbers that are close to the largest are
    small.
    """
    return logits - logits.detach().amax(-1, keepdim=True)


def _as_seen(mask: Tensor) -> Tensor:
    """A mask as bool: of 4 axes 0 is seen if it is added to scores; of 2 axes 1 is."""
    if mask.dim() == 4:
        return mask if mask.dtype == torch.bool else mask == 0
    if mask.dim() == 2:
        return mask != 0
    raise InputError(
        f"an attention mask has the shape (batch, tokens), or 4 axes; got {(*mask.shape,)}"
    )


def _require_no_others(others: Mapping[str, Any]) -> None:
    for name, value in others.items():
        if value is not None:
            raise InputError(
                f"{name} is no argument of this"
                f" model{': ' * (name in REFUSED)}{REFUSED.get(name, '')}. It takes input_ids,"
                " attention_mask, cache, labels, use_cache, output_attentions,"
                " output_hidden_states, return_dict, logits_to_keep and num_items_in_batch"
            )


def _kept(logits_to_keep: int | Tensor) -> slice | Tensor:
    return slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep


def _is_zero(logits_to_keep: int | Tensor) -> bool:
    return isinstance(logits_to_keep, int) and logits_to_keep == 0


def _holds(wide: torch.dtype, exported: torch.dtype) -> bool:
    """Whether every number of the exported dtype is one of the other: what was exact stays so."""
    if not wide.is_floating_point:
        return False
    if wide == exported:
        return True
    try:
        return (
            torch.finfo(wide).eps <= torch.finfo(exported).eps
            and torch.finfo(wide).max >= torch.finfo(exported).max
        )
    except NotImplementedError:
        return False


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
