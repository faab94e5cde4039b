"""The architecture of the paper's Section 2.2, as plain modules.

`X <- X + sum_h softmax(Q_h K_h^T + causal mask) V_h`, then `X <- X + MLP(X)` position by position
with ReLU and one or more hidden layers, then an unembedding. Token embeddings, learned positions
where asked for. No biases (a constant coordinate of the stream serves), no normalization, no
1/sqrt(d) in the scores. Heads may differ in their query/key and value widths; a query/key width of
0 makes every score 0, which is uniform attention.

Every method takes any number of leading batch axes, and a cache whose leading axes broadcast
against those of the
tokens: one subject's cache serves all relations that are asked of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn

from constructions.guards.integers import require_integer_fields, whole
from constructions.model.as_written import Kind


@dataclass(frozen=True)
class HeadShape:
    """The widths of one attention head."""

    d_qk: int
    d_v: int

    def __post_init__(self) -> None:
        require_integer_fields(self)


@dataclass(frozen=True)
class LayerShape:
    """One layer: its heads, and the widths of the hidden layers of its MLP (none: no MLP)."""

    heads: tuple[HeadShape, ...] = ()
    d_mlp: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "d_mlp", tuple(whole("d_mlp", width, 0) for width in self.d_mlp))


@dataclass(frozen=True)
class TransformerShape:
    """All sizes of a transformer.

    Attributes:
        d_vocab, d_model: tokens, and coordinates of the residual stream.
        layers: the layers that are stored.
        n_positions: rows of the positional embedding; 0 for none.
        repeats: how often the stored layers are applied, one pass after the other, with the same
            weights.
    """

    d_vocab: int
    d_model: int
    layers: tuple[LayerShape, ...]
    n_positions: int = 0
    repeats: int = 1

    def __post_init__(self) -> None:
        require_integer_fields(self)

    @property
    def depth(self) -> int:
        """How many layers a token passes."""
        return self.repeats * len(self.layers)

    @property
    def n_heads(self) -> int:
        """The most heads in a layer."""
        return max(len(layer.heads) for layer in self.layers)

    @property
    def d_mlp(self) -> int:
        """The widest hidden layer of any MLP, 0 for none."""
        return max((width for layer in self.layers for width in layer.d_mlp), default=0)

    @property
    def widest_layer(self) -> int:
        """The most numbers that one layer computes for a position beside the stream: queries,
        keys, values, hidden units.
        """
        of_layer = (
            2 * sum(head.d_v + head.d_qk for head in layer.heads) + sum(layer.d_mlp)
            for layer in self.layers
        )
        return max(of_layer, default=0)

    @property
    def cached_widths(self) -> int:
        """How many numbers attention remembers of a position, in all layers that a
        token passes.
        """
        return self.repeats * sum(
            head.d_qk + head.d_v for layer in self.layers for head in layer.heads
        )

    def tensor_shapes(self) -> dict[str, tuple[int, ...]]:
        """The names and shapes (out, in) of all weights, those of `state_dict()`."""
        d = self.d_model
        found: dict[str, tuple[int, ...]] = {
            "embedding.weight": (self.d_vocab, d),
            "unembedding.weight": (self.d_vocab, d),
        }
        if self.n_positions:
            found["positions.weight"] = (self.n_positions, d)
        for i, layer in enumerate(self.layers):
            if layer.heads:
                d_qk, d_v = (
                    sum(head.d_qk for head in layer.heads),
                    sum(head.d_v for head in layer.heads),
                )
                parts = {
                    "query": (d_qk, d),
                    "key": (d_qk, d),
                    "value": (d_v, d),
                    "output": (d, d_v),
                }
                found |= {
                    f"layers.{i}.attention.{name}.weight": size for name, size in parts.items()
                }
            widths = (d, *layer.d_mlp, d) if layer.d_mlp else ()
            found |= {
                f"layers.{i}.mlp.weights.{j}.weight": (b, a)
                for j, (a, b) in enumerate(pairwise(widths))
            }
        return found

    def n_parameters(self) -> int:
        """The number of weights, embeddings and unembedding included."""
        total = (2 * self.d_vocab + self.n_positions) * self.d_model
        for layer in self.layers:
            total += 2 * self.d_model * sum(head.d_qk + head.d_v for head in layer.heads)
            widths = (self.d_model, *layer.d_mlp, self.d_model)
            total += sum(a * b for a, b in pairwise(widths)) if layer.d_mlp else 0
        return total


class KeysAndValues(NamedTuple):
    """What one layer remembers of the positions it has seen: (..., positions, total d_qk) and
    (..., positions, total d_v).
    """

    keys: Tensor
    values: Tensor


Cache = list[KeysAndValues]


@dataclass
class Trace:
    """Everything that can be watched in one forward pass, by name, and what is to be changed on
    the way.

    Attributes:
        edits: for some of the points of `residual`, a function: the stream goes on as what it
            makes of it.
        residual: the residual stream (..., positions, d_model) at `embedding`, and in each layer
            l, counted in the order of application, after the attention, `layers.l.mid`, and after
            the MLP, `layers.l.post`.
        patterns: `layers.l`: the attention patterns (..., heads, queries, keys).
        logits: (..., positions, d_vocab).
    """

    edits: Mapping[str, Callable[[Tensor], Tensor]] = field(default_factory=dict)
    residual: dict[str, Tensor] = field(default_factory=dict)
    patterns: dict[str, Tensor] = field(default_factory=dict)
    logits: Tensor = field(default_factory=lambda: torch.empty(0))

    def pass_on(self, point: str, x: Tensor) -> Tensor:
        """The stream at a point, edited if that is asked for, and noted."""
        self.residual[point] = self.edits[point](x) if point in self.edits else x
        return self.residual[point]


class Traced(nn.Module):
    """A module whose forward pass can be watched and edited."""

    unembedding: nn.Linear

    def states(
        self, tokens: Tensor, cache: Cache | None = None, trace: Trace | None = None
    ) -> tuple[Tensor, Cache]:
        """What the unembedding reads, and the cache: see `Transformer.states`."""
        raise NotImplementedError

    def trace(
        self, tokens: Tensor, edits: Mapping[str, Callable[[Tensor], Tensor]] | None = None
    ) -> Trace:
        """One forward pass of tokens (..., L) with all that happens on the way: residual stream,
        patterns, logits.

        Args:
            tokens: int64 (..., L).
            edits: see `Trace`; e.g. `{"layers.0.mid": lambda x: model.set_slot(x, "answer",
                other)}`.

        Raises:
            ValueError: an edit is for a point that does not exist.
        """
        trace = Trace(edits or {})
        states, _ = self.states(tokens, trace=trace)
        if unknown := set(trace.edits) - set(trace.residual):
            raise ValueError(
                f"there is no point {sorted(unknown)[0]!r}; there are {', '.join(trace.residual)}"
            )
        trace.logits = self.unembedding(states)
        return trace


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
            key, value = _appended(past.keys, key), _appended(past.values, value)
        n_new, n_all = x.shape[-2], value.shape[-2]
        hidden = torch.ones(n_new, n_all, dtype=torch.bool, device=x.device).triu(
            n_all - n_new + 1
        )
        mixed, patterns = [], []
        at_qk = at_v = 0
        for n, d_qk, d_v in _runs(self.heads):
            q = _split_heads(query, at_qk, n, d_qk)
            k = _split_heads(key, at_qk, n, d_qk)
            v = _split_heads(value, at_v, n, d_v)
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


class Transformer(Traced):
    """A decoder-only transformer of the given shape; all weights start at zero and are trainable
    as they stand.
    """

    def __init__(self, shape: TransformerShape, dtype: torch.dtype | None = None):
        super().__init__()
        self.shape = shape
        self.embedding = _zero_table(shape.d_vocab, shape.d_model, dtype)
        self.positions = (
            _zero_table(shape.n_positions, shape.d_model, dtype) if shape.n_positions else None
        )
        self.layers = nn.ModuleList(Layer(shape.d_model, layer, dtype) for layer in shape.layers)
        self.unembedding: nn.Linear = Weight(shape.d_model, shape.d_vocab, dtype)

    def forward(self, tokens: Tensor) -> Tensor:
        """Token ids (..., L), int64, to logits (..., L, d_vocab)."""
        logits: Tensor = self.unembedding(self.states(tokens)[0])
        return logits

    def states(
        self, tokens: Tensor, cache: Cache | None = None, trace: Trace | None = None
    ) -> tuple[Tensor, Cache]:
        """The final residual stream at the given positions, continuing after those in the cache.

        Args:
            tokens: int64 (..., L); its leading axes broadcast against those of the cache.
            cache: what an earlier call returned, or None to start at position 0. It is not
                changed.
            trace: filled with every intermediate state, if given.

        Returns:
            States (..., L, d_model) and the cache that includes the new positions.
        """
        x = self._embedded(tokens, cache)
        if trace:
            x = trace.pass_on("embedding", x)
        earlier = iter(cache or [])
        later: Cache = []
        for index, layer in enumerate(self.layer_sequence()):
            if layer.attention is not None:
                update, pattern, memory = layer.attention(x, next(earlier, None))
                x = x + update
                later.append(memory)
                if trace:
                    trace.patterns[f"layers.{index}"] = pattern
            if trace:
                x = trace.pass_on(f"layers.{index}.mid", x)
            if layer.mlp is not None:
                x = x + layer.mlp(x)
            if trace:
                x = trace.pass_on(f"layers.{index}.post", x)
        return x, later

    def _embedded(self, tokens: Tensor, cache: Cache | None) -> Tensor:
        x: Tensor = self.embedding(tokens)
        if self.positions is not None:
            start = cache[0].values.shape[-2] if cache else 0
            if start + tokens.shape[-1] > self.shape.n_positions:
                raise ValueError(
                    f"{start + tokens.shape[-1]} tokens are too many: this model has"
                    f" {self.shape.n_positions} positions"
                )
            x = x + self.positions.weight[start : start + tokens.shape[-1]]
        return x

    def remember(self, tokens: Tensor, cache: Cache | None = None) -> Cache:
        """The cache that `states` returns, from embeddings alone: right if heads read nothing else
        (`constructions.following.largest.prefix_is_static`).
        """
        x = self._embedded(tokens, cache)
        earlier = iter(cache or [])
        later: Cache = []
        for layer in self.layer_sequence():
            if layer.attention is not None:
                new = KeysAndValues(layer.attention.key(x), layer.attention.value(x))
                past = next(earlier, None)
                later.append(KeysAndValues(*map(_appended, past, new)) if past else new)
        return later

    def layer_sequence(self) -> list[Layer]:
        """The layers in the order in which they are applied."""
        return [cast("Layer", layer) for layer in self.layers] * self.shape.repeats

    def writes_stream(self, name: str) -> bool:
        """Whether the rows of a weight (out, in) are coordinates of the stream: the last matrix of
        each part.
        """
        layer, _, part = name.partition(".mlp.weights.")
        if part:
            mlp = self.get_submodule(f"{layer}.mlp.weights")
            return int(part.split(".")[0]) == len(list(mlp.children())) - 1
        return name.endswith("output.weight")

    def reads_stream(self, name: str) -> bool:
        """Whether the columns of a weight are coordinates of the stream: tables, and the first
        matrix of each part.
        """
        return name.endswith(
            (
                "embedding.weight",
                "positions.weight",
                "query.weight",
                "key.weight",
                "value.weight",
                "weights.0.weight",
            )
        )

    def internal_weights(self) -> Iterator[tuple[str, nn.Parameter]]:
        """All named parameters but the token embedding and the unembedding: attention, MLPs and
        positions.
        """
        for name, parameter in self.named_parameters():
            if not name.startswith(("embedding.", "unembedding.")):
                yield name, parameter


TRANSFORMER = Kind(Transformer, TransformerShape)


def _zero_table(rows: int, columns: int, dtype: torch.dtype | None) -> nn.Embedding:
    return nn.Embedding(rows, columns, _weight=torch.zeros(rows, columns, dtype=dtype))


def _appended(past: Tensor, new: Tensor) -> Tensor:
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


def _split_heads(channels: Tensor, start: int, n_heads: int, width: int) -> Tensor:
    """The channels of `n_heads` equal heads, (..., L, channels) to (..., n_heads, L, width)."""
    part = channels[..., start : start + n_heads * width]
    return part.reshape(*part.shape[:-1], n_heads, width).transpose(-3, -2)
