"""The sizes of a transformer, which tell the shape of every weight."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from constructions.guards.integers import require_integer_fields, whole


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
        """How many numbers attention remembers of a position, in all layers that a token
        passes.
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
