"""Boxes of token sequences, through the layers of a network whose weights change.

The proof is in docs/forms.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from constructions.following.boxes import Box
from constructions.following.changes import Change
from constructions.following.mixtures import Selection, mixture
from constructions.following.norms import layer_norm, rms_norm
from constructions.following.walk import Heads, Matrix, MatrixRules, Network, Norm, follow
from constructions.guards.memory import require_memory
from constructions.model.answering import Widths

_COPIES = 12
"""Tensors of the size of the widest vector, or of a pattern, that are held at once."""


class Follower:
    """Boxes of token sequences, through the layers of a network.

    Attributes:
        network: see `constructions.following.walk`.
        weights: all of it in float64, by name.

    Raises:
        DoesNotFit: the bounds need more memory than there is.
    """

    def __init__(self, network: Network, n_positions: int):
        given = {matrix.name: matrix.weight for matrix in network.matrices()}
        given |= {name: weight for norm in network.norms() for name, weight in norm.weights()}
        require_memory(
            8 * sum(weight.numel() for weight in given.values())
            + bytes_held(network.shape, n_positions),
            f"bounds for {n_positions:,} positions",
        )
        self.network = network
        self.weights = {name: weight.detach().double().cpu() for name, weight in given.items()}

    def box(self, n_positions: int, change: Change) -> Box:
        """All tokens at all positions."""
        table = self.weights["embedding.weight"]
        ends = table.amin(0), table.amax(0), change.table("embedding.weight", table).amax(0)
        return Box(*(end.expand(n_positions, -1) for end in ends))

    def points(self, tokens: Tensor, change: Change) -> Box:
        """Token sequences (..., L), a box for each."""
        table = self.weights["embedding.weight"]
        return Box(table[tokens], table[tokens], change.table("embedding.weight", table)[tokens])

    def logits(self, x: Box, change: Change, n_answers: int, gap: float | None = None) -> Box:
        """The logits at the last `n_answers` positions, (..., n_answers, d_vocab).

        Args:
            x: the embeddings (..., L, d_model).
            change: of the weights.
            n_answers: how many positions answer.
            gap: where it is known that heads with queries select a position there: by how much
                its score is above all others, at least.
        """
        n_positions = x.low.shape[-2]
        selection = None if gap is None else Selection(n_positions - n_answers, gap)
        rules = _BoxRules(self.weights, change, selection)
        if self.network.positions is not None:
            name = self.network.positions.name
            table = self.weights[name]
            rows, error = table[:n_positions], change.table(name, table)[:n_positions]
            x = change.plus(x, Box(rows, rows, error))
        x = follow(self.network, x, rules)
        last = x.part(slice(n_positions - n_answers, None), slice(None))
        return rules.through(self.network.unembedding, last).unscaled()


@dataclass(frozen=True)
class _BoxRules(MatrixRules[Box]):
    """What each step makes of a box, by the float64 weights of these names under a change."""

    weights: dict[str, Tensor]
    change: Change
    selection: Selection | None

    def through(self, matrix: Matrix, x: Box) -> Box:
        """(W + D) x."""
        return self.change.through(matrix.name, self.weights[matrix.name], x)

    def relu(self, x: Box) -> Box:
        """Intervals are cut, and errors of units that are off."""
        return x.relu()

    def plus(self, x: Box, update: Box) -> Box:
        """The sum, rounded."""
        return self.change.plus(x, update)

    def normed(self, x: Box, norm: Norm) -> Box:
        """See `constructions.following.norms`."""
        gain, eps = self.weights[f"{norm.name}.weight"], norm.module.eps
        if isinstance(norm.module, nn.LayerNorm):
            bias = self.weights.get(f"{norm.name}.bias")
            return layer_norm(x, gain, bias, float(norm.module.eps), self.change)
        return rms_norm(x, gain, 2 * self.change.unit if eps is None else float(eps), self.change)

    def mixed(self, heads: Heads, query: Box, key: Box, value: Box) -> Box:
        """What each head reads, one after the other; positions may have different factors, which
        count as errors here.
        """
        found: list[Box] = []
        query, key, value = (part.unscaled() for part in (query, key, value))
        for head, (scored, read) in zip(heads.shapes, heads.channels(), strict=True):
            queries = query.part(scored)
            if heads.scaled:
                queries = self.change.quotient(queries, math.sqrt(head.d_qk))
            has_queries = bool(self.weights[heads.query.name][scored].any())
            selection = self.selection if has_queries else None
            keys, values = key.part(scored), value.part(read)
            found.append(mixture(self.change, queries, keys, values, selection))
        ends = (
            torch.cat([getattr(part, end) for part in found], -1)
            for end in ("low", "high", "error")
        )
        return Box(*ends)


def bytes_held(shape: Widths, n_positions: int) -> int:
    """The bytes that are held at once while the bounds of one sequence are followed."""
    vectors = n_positions * max(shape.d_model, shape.widest_layer, shape.d_vocab)
    return _COPIES * 8 * (vectors + n_positions**2)
