"""One forward pass as it can be watched, edited, and continued from a cache."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor, nn


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
