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

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import ClassVar, Literal, NamedTuple, cast

import torch
from torch import Tensor, nn

from constructions.decoders.embedding_map import EmbeddingMap
from constructions.guards.errors import InputError
from constructions.guards.integers import require_integer_fields
from constructions.model.answering import Answering, Writing
from constructions.model.as_written import Kind
from constructions.model.fact_model import FactModel, MarginClaim
from constructions.model.stated import Stated, Stating, Value, require_arithmetic
from constructions.model.transformer import (
    MLP,
    Attention,
    Cache,
    HeadShape,
    KeysAndValues,
    Trace,
    Traced,
    Weight,
)

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

    @property
    def n_norms(self) -> int:
        """How many norms a token passes."""
        return 0 if self.norm is None else 2 * self.n_layers + (self.placement == "pre")


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
    """A standard decoder; weights start Gaussian with standard deviation 0.02, gains of norms at
    1, biases at 0.
    """

    def __init__(self, shape: StandardShape, dtype: torch.dtype | None = None):
        super().__init__()
        self.shape = shape
        self.embedding = nn.Embedding(shape.d_vocab, shape.d_model, dtype=dtype)
        self.positions = nn.Embedding(shape.n_positions, shape.d_model, dtype=dtype)
        self.blocks = nn.ModuleList(Block(shape, dtype) for _ in range(shape.n_layers))
        self.final_norm = _norm(shape, dtype) if shape.placement == "pre" else nn.Identity()
        self.unembedding: nn.Linear = Weight(shape.d_model, shape.d_vocab, dtype)
        if shape.tied:
            self.unembedding.weight = self.embedding.weight
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self, scale: float = INITIAL_SCALE) -> None:
        """Draw all weights anew, Gaussian with the given standard deviation; norms
        are left alone.
        """
        for parameter in self.matrices():
            parameter.normal_(0, scale)

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


class Bounds(NamedTuple):
    """What is proven of a standard decoder in which a construction stands: see `StandardModel`.

    The first two are None where the slack is too small for a bound.
    """

    distortion: Fraction | None
    logit_error: float | None
    margin: MarginClaim | None


class StandardModel(Stating, StandardDecoder, Answering):
    """A standard decoder in which a construction stands. It shares its modules with the decoder it
    was made from.

    Attributes:
        construction: its name in the catalogue.
        places: which columns, heads and units the construction has; see `EmbeddingMap`.
        slack: k, where norms act on vectors with a slack of 2^k; None without norms.
        rest_gain: what norms multiply the rest of the stream by, beside the gains it came with;
            see `constructions.decoders.seeding`.
    """

    places: EmbeddingMap
    slack: int | None
    rest_gain: float
    _stated: Stated[Bounds]
    may_raise: ClassVar = frozenset({"distortion", "logit_error", "margin"})

    def __init__(self, decoder: StandardDecoder, model: FactModel):
        nn.Module.__init__(self)
        self.shape = decoder.shape
        for name, module in decoder.named_children():
            self.add_module(name, module)
        self.construction = model.construction
        self.vocabulary, self.facts, self.hops = model.vocabulary, model.facts, model.hops

    @property
    def distortion(self) -> Fraction:
        """In real arithmetic each norm multiplies what the construction reads of a position by a
        factor within `distortion` of 1; one factor for all coordinates of a position, whatever the
        tokens. 0 without norms.

        Raises:
            InputError: as `logit_error`.
        """
        return self._bounded("the distortion", lambda bounds: bounds.distortion)

    @property
    def logit_error(self) -> float:
        """How far any logit of this module at a position that answers, rounding included, may be
        from the construction's logit in real arithmetic. 0 where every number that leads there is
        provably the construction's own. Of a construction that was edited before (`proven=False`):
        from its own logit.

        Raises:
            InputError: the module has changed since this was proven, or torch does not compute in
                its dtype here, and what has changed is named; or the slack is too small for a
                bound.
        """
        return self._bounded("the error of the logits", lambda bounds: bounds.logit_error)

    @property
    def margin(self) -> MarginClaim | None:
        """What is proven of the logits: the construction's margin, less twice the `logit_error`
        where that is not 0; None if nothing is left, or was proven of the construction.

        Raises:
            InputError: as `logit_error`.
        """
        return self._found("the margin").margin

    def _bounded(self, name: str, bound: Callable[[Bounds], Value | None]) -> Value:
        found = bound(self._found(name))
        if found is None:
            raise InputError(
                f"{name} is not bounded: with a slack of 2^{self.slack} norms after each part are"
                " no identities"
            )
        return found

    def _found(self, name: str) -> Bounds:
        found = self._stated.of(self, name)
        require_arithmetic(self, name, STANDARD_DECODER)
        return found

    def state(self, bounds: Bounds) -> None:
        """State what is proven of the module as it is now."""
        self._stated = Stated(self, bounds)

    def slot_state(self, states: Tensor, slot: str) -> Tensor:
        """What a slot of the construction holds in states (..., d_model): (..., *slot shape), as
        `FactModel.slot_state`.
        """
        return states[..., torch.from_numpy(self.places.slot(slot)).to(states.device)]

    def set_slot(self, states: Tensor, slot: str, value: Tensor | float) -> Tensor:
        """The same states with another value in a slot, and in its mirror if it has one: as
        `FactModel.set_slot`.
        """
        columns, changed = torch.from_numpy(self.places.slot(slot)), states.clone()
        changed[..., columns.to(states.device)] = torch.as_tensor(value, device=states.device).to(
            states
        )
        if len(self.places.mirror):
            mirrors = torch.from_numpy(self.places.mirror)[columns - int(self.places.columns[0])]
            changed[..., mirrors.to(states.device)] = -torch.as_tensor(
                value, device=states.device
            ).to(states)
        return changed

    def keep_slack_unread(self) -> None:
        """Keep the weights that read the slack at 0 while training, by hooks on their gradients.

        Needed with post-norm alone, where 2^k would multiply each step of an optimizer; with
        pre-norm nothing sees the slack.
        """
        slack = torch.from_numpy(self.places.slack).to(self.embedding.weight.device)
        # (torch gives register_hook no types)
        for weight in self.readers():
            weight.register_hook(lambda gradient: gradient.index_fill(1, slack, 0))  # type: ignore[no-untyped-call]

    def construction_entries(self) -> dict[str, Tensor]:
        """Which entries of each parameter make up the construction, as bool tensors by name: its
        tokens' rows of the unembedding, and in all others whatever lies in its columns, reads for
        its heads and units, or reads the slack.

        While they stay as they are, so do the logits of its own tokens (with norms: while the rest
        of the stream stays small against the slack). Those of further tokens may come to exceed
        them.
        """
        places, d_head = self.places, self.shape.d_head
        own, slack = torch.from_numpy(places.own), torch.from_numpy(places.slack)
        entries = {
            name: torch.zeros(p.shape, dtype=torch.bool, device="cpu")
            for name, p in self.named_parameters()
        }
        for name, mask in entries.items():
            if mask.dim() == 1 or name.startswith(("embedding", "positions", "unembedding")):
                mask[..., own] = True  # norms and tables
            elif name.endswith(("output.weight", "weights.1.weight")):
                mask[own] = True
            else:
                mask[:, slack] = True
        for index, heads, units in zip(places.blocks, places.heads, places.units, strict=True):
            for name in ("query", "key", "value"):
                entries[f"blocks.{index}.attention.{name}.weight"][: len(heads) * d_head] = True
            entries[f"blocks.{index}.mlp.weights.0.weight"][:units] = True
        entries["embedding.weight" if self.shape.tied else "unembedding.weight"][
            : places.d_vocab
        ] = True
        return entries

    def hold_construction(self) -> None:
        """Keep the construction as it is while the rest is trained: its entries get no gradient
        (use no weight decay).
        """
        for name, mask in self.construction_entries().items():
            parameter = self.get_parameter(name)
            here = mask.to(parameter.device)
            parameter.register_hook(partial(Tensor.masked_fill, mask=here, value=0))  # type: ignore[no-untyped-call]


class StandardWriter(Writing, StandardModel):
    """A standard decoder in which a chain of thought stands; see `Writing`."""

    def __init__(self, decoder: StandardDecoder, model: FactModel):
        super().__init__(decoder, model)
        if not isinstance(model, Writing):
            raise InputError(
                f"{model.construction} is no chain of thought, so that no decoder of it writes"
                " tokens"
            )
        self.hops_per_token = model.hops_per_token


def _norm(shape: StandardShape, dtype: torch.dtype | None) -> nn.Module:
    return nn.Identity() if shape.norm is None else NORMS[shape.norm](shape.d_model, dtype=dtype)
