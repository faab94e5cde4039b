"""The parts of a transformer: attention and MLP, without biases, and the layer that holds both."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from constructions.model.shapes import HeadShape, LayerShape
from constructions.model.trace import KeysAndValues


class Weight(nn.Linear):
    """A matrix without bias that starts at zero: constructions write what they need and nothing
    else.
    """

    def __init__(self, n_in: int, n_out: int, dtype: torch.dtype | None = None):
        super().__init__(n_in, n_out, bias=False, dtype=dtype)

    def reset_parameters(self) -> None:
        """All zero."""
        nn.init.zeros_(self.weight) if self.weight.numel() else None


class Attention(nn.Module):
    """Causal multi-head attention. The rows of `query`, `key` and `value`, and the columns of
    `output`, are the channels of head 0, then of head 1, and so on. Scores are divided by the
    square root of a head's width if `scaled`.
    """

    def __init__(
        self,
        d_model: int,
        heads: tuple[HeadShape, ...],
        dtype: torch.dtype | None = None,
        scaled: bool = False,
    ):
        super().__init__()
        self.heads = heads
        self.scaled = scaled
        d_qk, d_v = sum(head.d_qk for head in heads), sum(head.d_v for head in heads)
        self.query = Weight(d_model, d_qk, dtype)
        self.key = Weight(d_model, d_qk, dtype)
        self.value = Weight(d_model, d_v, dtype)
        self.output = Weight(d_v, d_model, dtype)

    def forward(
        self, x: Tensor, past: KeysAndValues | None = None
    ) -> tuple[Tensor, Tensor, KeysAndValues]:
        """Attend from the positions of x (..., L, d_model) to those of `past` and of x.

        Returns:
            The output (..., L, d_model), the patterns (..., heads, L, past + L), and the memory
            for later positions.
        """
        query, key, value = self.query(x), self.key(x), self.value(x)
        if past is not None:
            key, value = appended(past.keys, key), appended(past.values, value)
        n_new, n_all = x.shape[-2], value.shape[-2]
        hidden = torch.ones(n_new, n_all, dtype=torch.bool, device=x.device).triu(
            n_all - n_new + 1
        )
        mixed, patterns = [], []
        at_qk = at_v = 0
        for n, d_qk, d_v in _runs(self.heads):
            q = split_heads(query, at_qk, n, d_qk)
            k = split_heads(key, at_qk, n, d_qk)
            v = split_heads(value, at_v, n, d_v)
            scores = q @ k.mT / math.sqrt(d_qk) if self.scaled else q @ k.mT
            pattern = scores.masked_fill(hidden, -torch.inf).softmax(-1)
            mixed.append((pattern @ v).transpose(-3, -2).flatten(-2))
            patterns.append(pattern)
            at_qk += n * d_qk
            at_v += n * d_v
        return (
            self.output(torch.cat(mixed, -1)),
            torch.cat(patterns, -3),
            KeysAndValues(key, value),
        )


class MLP(nn.Module):
    """ReLU network `W_n ReLU(... ReLU(W_0 x))`, applied to each position; `weights[i]` is W_i."""

    def __init__(self, d_model: int, d_mlp: tuple[int, ...], dtype: torch.dtype | None = None):
        super().__init__()
        widths = (d_model, *d_mlp, d_model)
        self.weights = nn.ModuleList(Weight(a, b, dtype) for a, b in pairwise(widths))

    def matrix(self, index: int) -> Tensor:
        """W_index, shape (out, in)."""
        return cast("Weight", self.weights[index]).weight

    def forward(self, x: Tensor) -> Tensor:
        """(..., d_model) to (..., d_model)."""
        first, *rest = self.weights
        hidden: Tensor = first(x)
        for weight in rest:
            hidden = weight(hidden.relu())
        return hidden


class Layer(nn.Module):
    """Attention, then MLP, each added to the stream. Either may be absent (None)."""

    def __init__(self, d_model: int, shape: LayerShape, dtype: torch.dtype | None = None):
        super().__init__()
        self.attention = Attention(d_model, shape.heads, dtype) if shape.heads else None
        self.mlp = MLP(d_model, shape.d_mlp, dtype) if shape.d_mlp else None


def appended(past: Tensor, new: Tensor) -> Tensor:
    """Concatenate along the positions, the leading axes broadcast."""
    lead = np.broadcast_shapes(past.shape[:-2], new.shape[:-2])
    return torch.cat(
        [past.expand(*lead, *past.shape[-2:]), new.expand(*lead, *new.shape[-2:])], -2
    )


def _runs(heads: tuple[HeadShape, ...]) -> list[tuple[int, int, int]]:
    """How many heads in a row have one shape, and its widths: (heads, d_qk, d_v). (torch.compile
    follows no groupby.)
    """
    runs: list[tuple[int, int, int]] = []
    for head in heads:
        n, d_qk, d_v = runs.pop() if runs else (0, head.d_qk, head.d_v)
        if (d_qk, d_v) != (head.d_qk, head.d_v):
            runs.append((n, d_qk, d_v))
            n = 0
        runs.append((n + 1, head.d_qk, head.d_v))
    return runs


def split_heads(channels: Tensor, start: int, n_heads: int, width: int) -> Tensor:
    """The channels of `n_heads` equal heads, (..., L, channels) to (..., n_heads, L, width)."""
    part = channels[..., start : start + n_heads * width]
    return part.reshape(*part.shape[:-1], n_heads, width).transpose(-3, -2)
