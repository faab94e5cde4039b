"""The decoder-only transformer as most tools have it, so that constructions can live in other
people's architectures.

Token embedding plus learned positions; blocks of causal multi-head attention with heads of one
width, scores divided by `sqrt(d_head)`, and of an MLP with one hidden layer of ReLU; RMSNorm,
LayerNorm or none, before each part ("pre": `x + f(norm x)`, and a last norm before the
unembedding) or after it ("post": `norm(x + f(x))`); an unembedding of its own or the token
embedding's ("tied"). No biases but LayerNorm's own.

`constructions.decoders.seeding` writes any construction into such a decoder.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

import torch
from torch import Tensor, nn

from constructions.guards.errors import InputError
from constructions.guards.integers import require_integer_fields
from constructions.model.as_written import Kind
from constructions.model.parts import MLP, Attention, Weight
from constructions.model.shapes import HeadShape
from constructions.model.trace import Cache, KeysAndValues, Trace, Traced

Norm = Literal["rmsnorm", "layernorm"]
Placement = Literal["pre", "post"]
NORMS: dict[str, type[nn.RMSNorm] | type[nn.LayerNorm]] = {
    "rmsnorm": nn.RMSNorm,
    "layernorm": nn.LayerNorm,
}
PLACEMENTS = ("pre", "post")
INITIAL_SCALE = 0.02


@dataclass(frozen=True)
class StandardShape:
    """All sizes of a standard decoder.

    Attributes:
        d_vocab, d_model: tokens, and coordinates of the residual stream.
        n_layers: blocks, each with attention and an MLP.
        n_heads, d_head: heads of each block, and the width of their queries, keys and values.
        d_mlp: hidden units of each MLP.
        n_positions: rows of the positional embedding.
        norm: "rmsnorm", "layernorm" or None.
        placement: where the norms stand: "pre" or "post".
        tied: whether the token embedding is the unembedding.
    """

    d_vocab: int
    d_model: int
    n_layers: int
    n_heads: int
    d_head: int
    d_mlp: int
    n_positions: int
    norm: Norm | None = None
    placement: Placement = "pre"
    tied: bool = False

    def __post_init__(self) -> None:
        require_integer_fields(self)
        for name, value, known in (
            ("norm", self.norm, (None, *NORMS)),
            ("placement", self.placement, PLACEMENTS),
        ):
            if value not in known:
                raise InputError(
                    f"{name} must be one of {', '.join(map(repr, known))}; got {value!r}"
                )

    @property
    def heads(self) -> tuple[HeadShape, ...]:
        """The heads of each block."""
        return (HeadShape(self.d_head, self.d_head),) * self.n_heads

    @property
    def widest_layer(self) -> int:
        """How many numbers a block computes for each position beside the stream: see
        `verify.queries.recall`.
        """
        return 4 * self.n_heads * self.d_head + self.d_mlp

    @property
    def cached_widths(self) -> int:
        """How many numbers attention remembers of a position, in all blocks."""
        return 2 * self.n_layers * self.n_heads * self.d_head

    @property
    def depth(self) -> int:
        """How many blocks a token passes."""
        return self.n_layers


class Block(nn.Module):
    """Attention, then MLP, each added to the stream, with a norm before or after."""

    def __init__(self, shape: StandardShape, dtype: torch.dtype | None = None):
        super().__init__()
        self.attention_norm = _norm(shape, dtype)
        self.attention = Attention(shape.d_model, shape.heads, dtype, scaled=True)
        self.mlp_norm = _norm(shape, dtype)
        self.mlp = MLP(shape.d_model, (shape.d_mlp,), dtype)
        self.pre = shape.placement == "pre"

    def attend(
        self, x: Tensor, past: KeysAndValues | None = None
    ) -> tuple[Tensor, Tensor, KeysAndValues]:
        """The stream (..., L, d_model) after the attention, the patterns and the memory: see
        `Attention`.
        """
        update, patterns, memory = self.attention(self.read_by_attention(x), past)
        return self.after_attention(x, update), patterns, memory

    def read_by_attention(self, x: Tensor) -> Tensor:
        """What the attention reads of the stream x (..., d_model)."""
        return cast("Tensor", self.attention_norm(x)) if self.pre else x

    def after_attention(self, x: Tensor, update: Tensor) -> Tensor:
        """The stream (..., d_model) with what the attention adds to it."""
        return x + update if self.pre else cast("Tensor", self.attention_norm(x + update))

    def forward(self, x: Tensor) -> Tensor:
        """The stream (..., d_model) after the MLP, from that after the attention."""
        return (
            x + self.mlp(self.mlp_norm(x))
            if self.pre
            else cast("Tensor", self.mlp_norm(x + self.mlp(x)))
        )


class StandardDecoder(Traced):
    """A standard decoder; weights start Gaussian with the given standard deviation, gains of norms
    at 1, biases at 0.
    """

    def __init__(
        self,
        shape: StandardShape,
        dtype: torch.dtype | None = None,
        scale: float = INITIAL_SCALE,
    ):
        super().__init__()
        self.shape = shape
        self.embedding = _table(shape.d_vocab, shape.d_model, dtype)
        self.positions = _table(shape.n_positions, shape.d_model, dtype)
        self.blocks = nn.ModuleList(Block(shape, dtype) for _ in range(shape.n_layers))
        self.final_norm = _norm(shape, dtype) if shape.placement == "pre" else nn.Identity()
        self.unembedding: nn.Linear = Weight(shape.d_model, shape.d_vocab, dtype)
        if shape.tied:
            self.unembedding.weight = self.embedding.weight
        self.reset_parameters(scale)

    @torch.no_grad()
    def reset_parameters(self, scale: float = INITIAL_SCALE) -> None:
        """Draw all weights anew, Gaussian with the given standard deviation; norms
        are left alone, and so is the meta device.
        """
        for parameter in self.matrices():
            if not parameter.is_meta:
                parameter.normal_(0, scale) if scale else parameter.zero_()

    def matrices(self) -> list[nn.Parameter]:
        """All parameters but those of norms."""
        return [parameter for parameter in self.parameters() if parameter.dim() == 2]

    def norms(self) -> list[nn.RMSNorm | nn.LayerNorm]:
        """All norms."""
        return [
            module for module in self.modules() if isinstance(module, nn.RMSNorm | nn.LayerNorm)
        ]

    def block_sequence(self) -> list[Block]:
        """The blocks in the order in which they are applied."""
        return [cast("Block", block) for block in self.blocks]

    def readers(self) -> list[nn.Parameter]:
        """All matrices (n, d_model) that read the stream, the unembedding included."""
        inside = [
            weight
            for block in self.block_sequence()
            for weight in (
                *(getattr(block.attention, name).weight for name in ("query", "key", "value")),
                block.mlp.matrix(0),
            )
        ]
        return [*inside, self.unembedding.weight]

    def forward(self, tokens: Tensor) -> Tensor:
        """Token ids (..., L), int64, to logits (..., L, d_vocab)."""
        logits: Tensor = self.unembedding(self.states(tokens)[0])
        return logits

    def states(
        self, tokens: Tensor, cache: Cache | None = None, trace: Trace | None = None
    ) -> tuple[Tensor, Cache]:
        """What the unembedding reads, the last norm included; arguments, cache and trace as
        `Transformer.states`.
        """
        start = cache[0].values.shape[-2] if cache else 0
        end = start + tokens.shape[-1]
        if end > self.shape.n_positions:
            raise ValueError(
                f"{end} tokens are too many: this model has {self.shape.n_positions} positions"
            )
        x: Tensor = self.embedding(tokens) + self.positions.weight[start:end]
        if trace:
            x = trace.pass_on("embedding", x)
        later: Cache = []
        for index, block in enumerate(self.block_sequence()):
            x, patterns, memory = block.attend(x, cache[index] if cache else None)
            later.append(memory)
            if trace:
                trace.patterns[f"layers.{index}"] = patterns
                x = trace.pass_on(f"layers.{index}.mid", x)
            x = block(x)
            if trace:
                x = trace.pass_on(f"layers.{index}.post", x)
        return self.final_norm(x), later


STANDARD_DECODER = Kind(StandardDecoder, StandardShape)


def _table(rows: int, columns: int, dtype: torch.dtype | None) -> nn.Embedding:
    """An embedding with Gaussian rows. On the meta device nothing is drawn: torch would first
    import its compiler, which takes seconds.
    """
    weight = torch.empty(0, columns, dtype=dtype)
    if weight.is_meta:
        return nn.Embedding(rows, columns, _weight=weight.new_empty(rows, columns))
    return nn.Embedding(rows, columns, dtype=dtype)


def _norm(shape: StandardShape, dtype: torch.dtype | None) -> nn.Module:
    """A norm of the kind that the shape has; `nn.Identity` for none."""
    return nn.Identity() if shape.norm is None else NORMS[shape.norm](shape.d_model, dtype=dtype)
