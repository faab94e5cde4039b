"""The architecture of the paper's Section 2.2, as plain modules.

`X <- X + sum_h softmax(Q_h K_h^T + causal mask) V_h`, then `X <- X + MLP(X)` position by position
with ReLU and one or more hidden layers, then an unembedding. Token embeddings, learned positions
where asked for. No biases (a constant coordinate of the stream serves), no normalization, no
1/sqrt(d) in the scores. Heads may differ in their query/key and value widths; a query/key width of
0 makes every score 0, which is uniform attention.

Every method takes any number of leading batch axes, and a cache whose leading axes broadcast
against those of the tokens: one subject's cache serves all relations that are asked of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import torch
from torch import Tensor, nn

from constructions.model.as_written import Kind
from constructions.model.parts import Layer, Weight, appended
from constructions.model.shapes import TransformerShape
from constructions.model.trace import Cache, KeysAndValues, Trace, Traced


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
        """Token embeddings plus those of the positions, which follow those in the cache."""
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
        (`constructions.following.static_prefix.prefix_is_static`).
        """
        x = self._embedded(tokens, cache)
        earlier = iter(cache or [])
        later: Cache = []
        for layer in self.layer_sequence():
            if layer.attention is not None:
                new = KeysAndValues(layer.attention.key(x), layer.attention.value(x))
                past = next(earlier, None)
                later.append(KeysAndValues(*map(appended, past, new)) if past else new)
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
    """An embedding whose rows are all zero."""
    return nn.Embedding(rows, columns, _weight=torch.zeros(rows, columns, dtype=dtype))
