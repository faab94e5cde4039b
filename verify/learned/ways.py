"""How our own modules are read at the last position: states, hidden units, attention."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from constructions.decoders.standard_decoder import Block, StandardDecoder
from constructions.guards.errors import InputError
from constructions.learning.one_layer import OneLayer
from constructions.model.parts import MLP
from constructions.model.trace import Trace, Traced
from constructions.model.transformer import Transformer
from verify.learned.seen import END, SUBJECT, Place, Seen

Way = Callable[[Any, Tensor], Tensor]


@dataclass(frozen=True)
class Ways:
    """How a kind of module is read: functions of the module and of tokens (Q, L).

    Attributes:
        states: what the unembedding reads at the last position, (Q, d_state).
        units: activations of all hidden layers there, (Q, n_units).
        attention: from there to all positions, (Q, n_heads, L).
        writes: of the module alone: what a unit adds to the stream for each 1 of its activation,
            (n_units, d); NaN of those that another hidden layer reads.
        seen: all that can be watched there, layer by layer, and at the position of the subject,
            which is given too. These four are None where nobody has said how they are found.
    """

    states: Way
    units: Way | None = None
    attention: Way | None = None
    writes: Callable[[Any], Tensor] | None = None
    seen: Callable[[Any, Tensor, int], Seen[Tensor]] | None = None


def _last_state(module: Traced, tokens: Tensor) -> Tensor:
    """Of a transformer or standard decoder of ours: (Q, d)."""
    return module.states(tokens)[0][..., -1, :]


def _hidden_units(module: Traced, tokens: Tensor) -> Tensor:
    """Of the same: all hidden units (Q, n_units) at the last position."""
    trace = Trace()
    module.states(tokens, trace=trace)
    found = [units for _, units in _hidden(module, trace)]
    empty = torch.empty(len(tokens), 0, device=tokens.device)
    return torch.cat(found, dim=-1) if found else empty


def _hidden(module: Traced, trace: Trace) -> list[tuple[int, Tensor]]:
    """For each hidden layer the number of its layer, and its units (Q, n_units) there."""
    found = []
    for index, (mlp, block) in enumerate(_mlps(module)):
        x = trace.residual[f"layers.{index}.mid"][..., -1, :]
        if block is not None and block.pre:
            x = block.mlp_norm(x)
        if mlp is not None:
            for weight in list(mlp.weights)[:-1]:
                x = weight(x).relu()
                found.append((index, x))
    return found


def _seen(module: Traced, tokens: Tensor, subject: int) -> Seen[Tensor]:
    """Of the same: all of it. The stream at the subject is watched where a layer follows, and the
    last position is another.
    """
    trace = Trace()
    states, _ = module.states(tokens, trace=trace)
    last = list(trace.residual)[-1]
    streams = {}
    apart = subject < tokens.shape[-1] - 1
    for point, x in trace.residual.items():
        if apart and (point == "embedding" or (point.endswith(".post") and point != last)):
            streams[Place(point, SUBJECT)] = x[..., subject, :]
        streams[Place(point, END)] = x[..., -1, :]
    if states is not trace.residual[last]:
        streams[Place("final", END)] = states[..., -1, :]
    patterns = [
        (int(name.split(".")[1]), pattern[..., -1, :]) for name, pattern in trace.patterns.items()
    ]
    return Seen(streams, _hidden(module, trace), patterns)


def _mlps(module: Traced) -> list[tuple[MLP | None, Block | None]]:
    """The MLP of each layer in the order of application, and its block if it has norms."""
    if isinstance(module, StandardDecoder):
        return [(block.mlp, block) for block in module.block_sequence()]
    if isinstance(module, Transformer):
        return [(layer.mlp, None) for layer in module.layer_sequence()]
    raise InputError(f"the MLPs of a {type(module).__name__} are not known")


def _written(module: Traced) -> Tensor:
    """Of the same: what all hidden units write to the stream, (n_units, d)."""
    mlps = [mlp for mlp, _ in _mlps(module) if mlp is not None]
    d = module.unembedding.weight.shape[1]
    found = [_of_one_mlp([mlp.matrix(i) for i in range(len(mlp.weights))]) for mlp in mlps]
    return torch.cat(found) if found else torch.empty(0, d)


def _of_one_mlp(weights: list[Tensor]) -> Tensor:
    """What the units of an MLP with these matrices write, (n_units, d); NaN for the units of all
    hidden layers but the last.
    """
    *inner, last = weights
    unread = sum(len(weight) for weight in inner[:-1])
    return torch.cat([last.new_full((unread, len(last)), torch.nan), last.mT])


def _heads(module: Traced, tokens: Tensor) -> Tensor:
    """Of the same: attention (Q, n_heads, L) from the last position."""
    trace = Trace()
    module.states(tokens, trace=trace)
    found = [pattern[..., -1, :] for pattern in trace.patterns.values()]
    empty = torch.empty(len(tokens), 0, tokens.shape[-1], device=tokens.device)
    return torch.cat(found, dim=-2) if found else empty


def _units_of_one_layer(module: OneLayer, tokens: Tensor) -> Tensor:
    """All hidden units (Q, n_units) of a one-layer model."""
    stream, _ = module.attended(tokens)
    return torch.cat(module.hidden(stream)[:-1], dim=-1)


def _seen_in_one_layer(module: OneLayer, tokens: Tensor, subject: int) -> Seen[Tensor]:
    """All that can be watched of a one-layer model, whose prompts are subject and relation."""
    stream, shares = module.attended(tokens)
    *hidden, added = module.hidden(stream)
    after = stream + added
    n = module.shape.n_entities
    streams = {
        Place("embedding", SUBJECT): module.entities[tokens[..., subject]],
        Place("embedding", END): module.relations[tokens[..., 1] - n],
        Place("layers.0.mid", END): stream,
        Place("layers.0.post", END): after,
    }
    if not isinstance(module.final_norm, nn.Identity):
        streams[Place("final", END)] = module.final_norm(after)
    return Seen(streams, [(0, units) for units in hidden], [(0, shares[:, None, :])])


TRACED = Ways(_last_state, _hidden_units, _heads, _written, _seen)
ONE_LAYER = Ways(
    lambda module, tokens: module.states(tokens),
    _units_of_one_layer,
    lambda module, tokens: module.attended(tokens)[1][:, None, :],
    lambda module: _of_one_mlp(list(module.weights)),
    _seen_in_one_layer,
)
