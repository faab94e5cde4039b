"""The points of an experiment: models of one shape, one for each seed, and what is measured of
them. Without torch, so that they can be listed at once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from verify.learned.geometry.on_graph import OnGraph

Measured = Literal["rows", "intervention", "transfer", "selection", "attention"]
Attention = Literal["uniform", "softmax"]
NormName = Literal["", "rmsnorm", "layernorm"]
Table = Literal["entities", "relations", "answers"]
CHOOSING = (0, 1, 2, 3, 4)
"""Seeds with which settings, sizes and expectations were chosen."""
REPORTED = (100, 101, 102, 103, 104)
"""Seeds of which results are reported; no setting was chosen by them."""


@dataclass(frozen=True)
class OneHop:
    """One-layer models that learn one hop; see `constructions.OneLayer`.

    A seed decides the facts, the initial weights and all that measures draw.

    Attributes:
        worlds, size, relations: of the facts, see `FactTable.random_worlds`; one world has the
            bijections of Theorem 4.1.
        d_model, d_mlp, hidden_layers, attention, norm: of the model; "" for no norm.
        frozen: tables that stay as they were drawn.
        weight_decay, steps: of the training; see `constructions.fit`.
        until: training ends at this share of right answers; 0.0 to train on.
        measured: what is measured beside recall.
        seeds: one model each.
    """

    worlds: int
    size: int
    relations: int
    d_model: int
    d_mlp: int
    hidden_layers: int = 1
    attention: Attention = "uniform"
    norm: NormName = ""
    frozen: tuple[Table, ...] = ()
    weight_decay: float = 0.0
    steps: int = 1500
    until: float = 0.99
    measured: tuple[Measured, ...] = ()
    seeds: tuple[int, ...] = ()

    @property
    def subjects(self) -> int:
        """N."""
        return self.worlds * self.size

    @property
    def n_r_k(self) -> tuple[int, int, int]:
        """N, R, k."""
        return self.subjects, self.relations, 1

    @property
    def queries(self) -> int:
        """How many facts each model learns."""
        return self.subjects * self.relations

    @property
    def numbers(self) -> int:
        """How many numbers a step computes for all models: logits and hidden units, roughly."""
        units = self.hidden_layers * self.d_mlp * (self.d_model + 16) / 16
        return int(len(self.seeds) * self.queries * (self.size + units))


@dataclass(frozen=True)
class ManyHops:
    """Standard decoders (pre-norm, RMSNorm) that learn paths of k relations, and every single hop.

    Attributes:
        size, relations, hops: N, R, k of the facts, random bijections.
        d_model, layers, heads: of the decoder; its MLPs have 4 d units.
        written: hops for each written token of a chain of thought; 0 to answer at once.
        held_out: the share of paths that are not trained on.
        steps: of the training.
        seeds: one model each.
    """

    size: int
    relations: int
    hops: int
    d_model: int
    layers: int
    written: int = 0
    held_out: float = 0.0
    heads: int = 4
    steps: int = 1500
    seeds: tuple[int, ...] = ()

    @property
    def n_r_k(self) -> tuple[int, int, int]:
        """N, R, k."""
        return self.size, self.relations, self.hops

    @property
    def queries(self) -> int:
        """How many paths and single hops there are."""
        return int(self.size * (self.relations**self.hops + self.relations))

    @property
    def numbers(self) -> int:
        """As of `OneHop`."""
        length = self.hops + 1 + (self.hops if self.written else 0)
        inside = 10 * self.d_model * self.layers
        return int(len(self.seeds) * self.queries * length * (self.size + inside))


Point = OneHop | ManyHops | OnGraph


def seeded(points: list[Point], seeds: tuple[int, ...]) -> list[Point]:
    """The same points with these seeds."""
    return [replace(point, seeds=seeds) for point in points]
