"""The config of an export to Hugging Face transformers: its sizes, and what was exported."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from transformers import PreTrainedConfig

from constructions.decoders.standard_decoder import Norm, Placement, StandardShape
from constructions.guards.errors import InputError

MODEL_TYPE = "geometric-factual-recall"


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
