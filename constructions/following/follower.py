"""Boxes of token sequences, through the layers of a network whose weights change.

The proof is in docs/forms.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from constructions.following.boxes import Box, side_by_side
from constructions.following.changes import Change, Entries, with_bias
from constructions.following.mixtures import Selection, mixture
from constructions.following.norms import layer_norm, rms_norm
from constructions.following.prefixes import Prefixes, one_for_each, prefixes_of
from constructions.following.walk import (
    Heads,
    Matrix,
    MatrixRules,
    Network,
    Norm,
    Pair,
    follow,
)
from constructions.guards.memory import require_memory
from constructions.model.answering import Widths

_COPIES = 12
"""Tensors of the size of the widest vector, or of a pattern, that are held at once."""


class Embedded(NamedTuple):
    """Token sequences (..., L) before their positions are added.

    Attributes:
        box: the embedding of the last token of each prefix, (P, d_model).
        prefixes: which sequences they belong to.
    """

    box: Box
    prefixes: Prefixes


class Follower:
    """Boxes of token sequences, through the layers of a network.

    Attributes:
        network: see `constructions.following.walk`.
        weights: all of it in float64, by name.

    Raises:
        DoesNotFit: the bounds need more memory than there is.
    """

    def __init__(self, network: Network, n_positions: int):
        given = {
            matrix.name: (matrix.weight, matrix.counts, matrix.bias)
            for matrix in network.matrices()
        }
        norms = (each for norm in network.norms() for each in norm.weights())
        given |= {name: (weight, None, None) for name, weight in norms}
        require_memory(
            8 * sum(weight.numel() for weight, _, _ in given.values())
            + bytes_held(network.shape, n_positions),
            f"bounds for {n_positions:,} positions",
        )
        self.network = network
        self.weights = {
            name: Entries(
                with_bias(_held(weight), None if bias is None else _held(bias)),
                None if counts is None else counts.cpu(),
            )
            for name, (weight, counts, bias) in given.items()
        }

    def box(self, n_positions: int, change: Change) -> Embedded:
        """All tokens at all positions."""
        name = self.network.embedding.name
        table = self.weights[name].weight
        ends = table.amin(0), table.amax(0), change.table(name, table).amax(0)
        box = Box(*(end.expand(n_positions, -1) for end in ends))
        return Embedded(box, one_for_each(n_positions))

    def points(self, tokens: Tensor, change: Change, prefixes: Prefixes | None = None) -> Embedded:
        """Token sequences (..., L), a box for each; prefixes: theirs, by default those that are
        distinct.
        """
        if self.network.pair is not None:
            return self._pairs(tokens, self.network.pair, change)
        prefixes = prefixes_of(tokens) if prefixes is None else prefixes
        return Embedded(self._rows(tokens.reshape(-1)[prefixes.first], change), prefixes)

    def _rows(self, tokens: Tensor, change: Change) -> Box:
        """The embeddings of some tokens (P,)."""
        name = self.network.embedding.name
        table = self.weights[name].weight
        low = table[tokens]
        return Box(low, low, change.table(name, table)[tokens])

    def _pairs(self, tokens: Tensor, pair: Pair, change: Change) -> Embedded:
        """Pairs of tokens (..., 2) as one vector each, at a single position."""
        subject, relation = (self._rows(each.reshape(-1), change) for each in tokens.unbind(-1))
        if pair.value is not None:
            name = pair.value.name
            subject = change.through(name, self.weights[name], subject)
        each = torch.arange(len(subject.low))
        alone = Prefixes(each.reshape(tokens[..., :1].shape), each, torch.zeros_like(each))
        return Embedded(change.plus(subject, relation), alone)

    def logits(
        self, embedded: Embedded, change: Change, n_answers: int, gap: float | None = None
    ) -> Box:
        """The logits at the last `n_answers` positions, (..., n_answers, d_vocab).

        Args:
            embedded: the token sequences (..., L).
            change: of the weights.
            n_answers: how many positions answer.
            gap: where it is known that heads with queries select a position there: by how much
                its score is above all others, at least.
        """
        prefixes = embedded.prefixes
        selection = None if gap is None else Selection(prefixes.n_positions - n_answers, gap)
        rules = BoxRules(self.weights, change, prefixes, selection)
        x = follow(self.network, self.placed(embedded, change), rules)
        x = x.at(prefixes.at[..., -n_answers:])
        return rules.through(self.network.unembedding, x).unscaled()

    def placed(self, embedded: Embedded, change: Change) -> Box:
        """The embedded tokens with their positions, (P, d_model)."""
        x, prefixes = embedded
        if self.network.positions is None:
            return x
        name = self.network.positions.name
        table, places = self.weights[name].weight, prefixes.position
        low = table[places]
        return change.plus(x, Box(low, low, change.table(name, table)[places]))


@dataclass(frozen=True)
class BoxRules(MatrixRules[Box]):
    """What each step makes of boxes, one for each prefix (P, n), by the float64 weights of these
    names under a change.
    """

    weights: dict[str, Entries]
    change: Change
    prefixes: Prefixes
    selection: Selection | None

    def through(self, matrix: Matrix, x: Box) -> Box:
        """(W + D) x."""
        return self.change.through(matrix.name, self.weights[matrix.name], x)

    def layer(self, matrix: Matrix, x: Box) -> Box:
        """A bias is a further column, which reads a coordinate that is 1."""
        return self.through(matrix, x if matrix.bias is None else x.with_one())

    def relu(self, x: Box) -> Box:
        """Intervals are cut, and errors of units that are off."""
        return x.relu()

    def plus(self, x: Box, update: Box) -> Box:
        """The sum, rounded."""
        return self.change.plus(x, update)

    def normed(self, x: Box, norm: Norm) -> Box:
        """See `constructions.following.norms`."""
        gain, eps = self.weights[f"{norm.name}.weight"].weight, norm.module.eps
        if isinstance(norm.module, nn.LayerNorm):
            bias = self.weights.get(f"{norm.name}.bias")
            added = None if bias is None else bias.weight
            return layer_norm(x, gain, added, float(norm.module.eps), self.change)
        if eps is not None:
            return rms_norm(x, gain, float(eps), self.change)
        # that of the dtype, or of float32, in which some versions of torch compute narrower ones
        of_dtype = self.change.eps
        least = min(of_dtype, torch.finfo(torch.float32).eps)
        return rms_norm(x, gain, least, self.change, of_dtype)

    def mixed(self, heads: Heads, query: Box, key: Box, value: Box) -> Box:
        """What each head reads, one after the other; positions may have different factors, which
        count as errors here.
        """
        found = []
        query, key, value = (part.unscaled() for part in (query, key, value))
        for head, (scored, read) in zip(heads.shapes, heads.channels(), strict=True):
            queries, keys, values = (
                part.channels(some)
                for part, some in ((query, scored), (key, scored), (value, read))
            )
            number = math.sqrt(head.d_qk) if heads.scaled else 1.0
            if heads.scaled:
                queries = self.change.quotient(queries, number)
            has_queries = bool(self.weights[heads.query.name].weight[scored].any())
            selection = self.selection if has_queries else None
            sees = self.prefixes.sees
            found.append(mixture(self.change, queries, keys, values, sees, selection, number))
        return side_by_side(found)


def _held(weight: Tensor) -> Tensor:
    """A weight as the bounds hold it: float64, beside no graph."""
    return weight.detach().double().cpu()


def bytes_held(shape: Widths, n_positions: int) -> int:
    """The bytes that are held at once while the bounds of one sequence are followed."""
    vectors = n_positions * max(shape.d_model, shape.widest_layer, shape.d_vocab)
    return _COPIES * 8 * (vectors + n_positions**2)
