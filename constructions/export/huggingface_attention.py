"""Attention as Hugging Face transformers asks for it: under a mask, and after the tokens in a
cache.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from transformers.cache_utils import Cache, DynamicCache, DynamicLayer, StaticLayer

from constructions.guards.errors import InputError
from constructions.model.parts import Attention, split_heads

EXACT_LAYERS = (DynamicLayer, StaticLayer)
"""The layers of a cache that give back the numbers that they got, all of them."""


class Seen:
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
                    "the attention mask must have a column for each token, also those in the"
                    f" cache: {(tokens.shape[0], int(self.length))}; got {(*self.mask.shape,)}"
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


def _as_seen(mask: Tensor) -> Tensor:
    """A mask as bool: of 4 axes 0 is seen if it is added to scores; of 2 axes 1 is."""
    if mask.dim() == 4:
        return mask if mask.dtype == torch.bool else mask == 0
    if mask.dim() == 2:
        return mask != 0
    raise InputError(
        f"an attention mask has the shape (batch, tokens), or 4 axes; got {(*mask.shape,)}"
    )


def usable_cache(cache: Cache | None, older: Cache | None, use_cache: bool | None) -> Cache | None:
    """The cache to use, under its newer or its older name; a new one if it is asked for, or None.

    Raises:
        InputError: the arguments contradict one another, or the cache may not give back what it
            got.
    """
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


def attend(
    attention: Attention, x: Tensor, seen: Seen, cache: Cache | None, index: int
) -> tuple[Tensor, Tensor]:
    """What the heads of a block add to x (batch, L, d_model), and patterns: see
    `Attention.forward`.
    """
    n_heads, width = len(attention.heads), attention.heads[0].d_qk
    query, key, value = (
        split_heads(part(x), 0, n_heads, width)
        for part in (attention.query, attention.key, attention.value)
    )
    if cache is not None:
        key, value = cache.update(key, value, index)
    scores = (query @ key.mT / math.sqrt(width)).masked_fill(
        seen.hidden(key.shape[-2]), -torch.inf
    )
    pattern = scores.softmax(-1)
    return attention.output((pattern @ value).transpose(-3, -2).flatten(-2)), pattern
