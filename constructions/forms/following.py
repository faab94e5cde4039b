"""What changes of the weights, and rounding, can make of every logit: bounds that are followed
layer by layer.

For each coordinate at each position we follow an interval that holds its value without the change,
in real arithmetic, and a bound e on how far the value with the change, in floating point, is from
that:

* a matrix W that becomes W + D makes of errors e an error `|W| e + |D| (|x| + e)`, and rounds;
* ReLU is 1-Lipschitz, and a unit that is off with all errors stays off; sums add errors;
* scores that each move by at most eta change softmax weights p by factors within `e^(2 eta)`: all
  changes together are at most `e^(2 eta) - 1`, at most twice that of all weights but the largest,
  and at most 2. What a head reads changes by at most that times half the width of the values, and
  by the error of the values.

The intervals are those of a box of token sequences, and there are two ways to cover all queries
with boxes:

* `norms`: one box, all tokens at every position. Here heads select because the theorem says so: at
  a position that answers their gap is at least `2 beta - 1` (Theorems 4.3 and 4.4), which the
  intervals do not show where layers are shared.
* `queries`: a box for each query, which is a point. Here nothing is taken from the construction:
  that the answer wins is decided from the intervals of the logits themselves.

What changes is a `Change`: noise (`constructions.forms.noise_bounds`) or another basis
(`constructions.forms.basis_bounds`). The proof is in docs/forms.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from constructions.decoders.model_form import ModelForm
from constructions.facts.limits import require_runnable
from constructions.guards.memory import require_memory
from constructions.model.answering import Answering
from constructions.model.fact_model import FactModel
from constructions.model.rounding import up
from constructions.model.transformer import MLP, Attention, Transformer
from constructions.writing.position_reading import GAIN

By = Literal["norms", "queries"]
WAYS: tuple[By, ...] = get_args(By)

UNIT = 2.0**-53
"""Of float64, in which the bounds are computed."""
_EXP = 2.0**-40
"""More than the relative rounding of an exponential."""
_LEAST_EXPONENT = -700.0
"""Exponentials of less are taken for that: they would underflow."""
_MEMORY = 256 * 2**20
_COPIES = 12
"""Tensors of the size of the widest vector, or of a pattern, that are held at once."""


@dataclass
class Box:
    """Bounds on vectors, float64 (..., L, n): without the change, in real arithmetic, within
    low..high; with it, in floating point, at most `error` away from that, but for a `shift`: up to
    so much, (..., L, 1), times a vector `along`, (n,), which is the same for all coordinates. What
    reads differences may cancel it.
    """

    low: Tensor
    high: Tensor
    error: Tensor
    shift: Tensor | None = None
    along: Tensor | None = None

    @property
    def largest(self) -> Tensor:
        """The largest absolute value without the change."""
        return torch.maximum(self.high, -self.low)

    @property
    def total(self) -> Tensor:
        """The largest absolute value with it."""
        total = self.largest + self.error
        return (
            total
            if self.shift is None or self.along is None
            else total + self.shift * self.along.abs()
        )

    def shifted(self, weight: Tensor) -> Tensor:
        """A bound on what the shift adds to `W x`."""
        if self.shift is None or self.along is None:
            return torch.zeros(())
        uncertain = (weight.shape[1] + 4) * UNIT * (weight.abs() @ self.along.abs())
        return self.shift * ((weight @ self.along).abs() + uncertain)

    @property
    def middle_and_half(self) -> tuple[Tensor, Tensor]:
        """The same interval as a point and a distance from it."""
        middle = (self.low + self.high) / 2
        return middle, up(torch.maximum(self.high - middle, middle - self.low))

    def relu(self) -> Box:
        """What ReLU makes of it: both values lie between 0 and `high + error`."""
        error = self.error.minimum(up(self.high + self.error).relu())
        return Box(self.low.clamp(min=0), self.high.clamp(min=0), error)

    def part(self, *index: slice) -> Box:
        """Some positions, or coordinates: of the last axes; where there is a shift, positions
        alone.
        """
        where: tuple[Any, ...] = (..., *index)
        shift = None if self.shift is None else self.shift[where]
        return Box(self.low[where], self.high[where], self.error[where], shift, self.along)


class Change:
    """What happens to weights and sums: here nothing but rounding, by half a unit in the last
    place.

    Products, sums and their terms may be flushed to 0 where they would be subnormal; but in
    float16, where none are. Where a sum may exceed a quarter of the largest number of the dtype
    nothing is known: the error is NaN, and so is all that depends on it.
    """

    def __init__(self, dtype: torch.dtype):
        limits = torch.finfo(dtype)
        self.unit, self.most = limits.eps / 2, limits.max / 4
        self.flushed = 0.0 if dtype == torch.float16 else limits.smallest_normal
        # a product and a sum, or a product
        self.underflow = 2 * self.flushed or limits.smallest_normal * limits.eps

    def table(self, name: str, weight: Tensor) -> Tensor:
        """Bounds on the changes of a table's rows, (rows, d_model); a view where all are the same:
        the table may be large.
        """
        return weight.new_zeros(()).expand_as(weight)

    def moved(self, name: str, weight: Tensor, total: Tensor) -> Tensor:
        """A bound on |D x| for all |x| <= total."""
        return torch.zeros(())

    def rounds(self, sums: Tensor, terms: int | Tensor) -> Tensor:
        """How far sums of so many products, of at most these absolute values together, are from
        the exact ones.
        """
        return torch.where(
            sums < self.most, terms * (self.unit * sums + self.underflow), torch.nan
        )

    def terms(self, weight: Tensor) -> Tensor | int:
        """How many products each row of a changed weight makes that are not 0: (rows,). Adding a 0
        does not round.
        """
        return (weight != 0).sum(1)

    def rounded(self, name: str, weight: Tensor, total: Tensor, moved: Tensor) -> Tensor:
        """How far `(W + D) x` is from that in floating point, for all |x| <= total; moved: the
        bound on |D x|.
        """
        sums = total @ weight.abs().mT + moved
        return self.rounds(sums, self.terms(weight) + 2) + self.flushed * (
            weight.abs().sum(1) + total.sum(-1, keepdim=True)
        )

    def through(self, name: str, weight: Tensor, x: Box) -> Box:
        """W x."""
        size, n = weight.abs().mT, weight.shape[1]
        middle, half = x.middle_and_half
        ends, spread = middle @ weight.mT, up((half + (n + 4) * UNIT * middle.abs()) @ size)
        moved = up(self.moved(name, weight, x.total))
        rounded = self.rounded(name, weight, x.total, moved)
        return Box(
            ends - spread, ends + spread, up(x.error @ size + x.shifted(weight) + moved + rounded)
        )

    def rounded_sum(self, x: Tensor, y: Tensor) -> Tensor:
        """How far x + y is from that in floating point, for streams of at most these absolute
        values.
        """
        return self.rounds(x + y, 1) + 2 * self.flushed

    def plus(self, x: Box, y: Box) -> Box:
        """x + y, where x may have a shift."""
        spread = torch.where(y.largest > 0, 4 * UNIT * (x.largest + y.largest), 0.0)
        error = x.error + y.error + self.rounded_sum(x.total, y.total)
        return Box(x.low + y.low - spread, x.high + y.high + spread, up(error), x.shift, x.along)

    def quotient(self, x: Box, number: float) -> Box:
        """x / number, where the number may be rounded too."""
        spread = 4 * UNIT * x.largest / number
        error = (x.error + 3 * self.unit * x.total) / number + self.underflow
        return Box(x.low / number - spread, x.high / number + spread, up(error))

    def head(self, asked: Box, looked: Box, read: Box, selects_from: int | None) -> Box:
        """What a head reads, from its queries, keys and values (..., L, width); selects_from: the
        first position at which it is known to select, None if at none.
        """
        n_positions, width = asked.low.shape[-2:]
        hidden = torch.ones(n_positions, n_positions, dtype=torch.bool).triu(1)
        (q, q_half), (k, k_half) = asked.middle_and_half, looked.middle_and_half
        scores = q @ k.mT
        rounded = (width + 4) * UNIT * (q.abs() @ k.abs().mT)
        spread = up(q_half @ (k.abs() + k_half).mT + q.abs() @ k_half.mT + rounded)
        flushed = self.flushed * (
            asked.total.sum(-1)[..., None] + looked.total.sum(-1)[..., None, :]
        )
        rounded = self.rounds(asked.total @ looked.total.mT, width + 4) + flushed
        moved = up(asked.error @ looked.total.mT + asked.largest @ looked.error.mT + rounded)
        eta = moved.masked_fill(hidden, 0).amax(-1)
        least, most, others = softmax(scores - spread, scores + spread, hidden)
        if selects_from is not None:
            leak = (n_positions - 1) * math.exp(max(1 - 2 * GAIN, _LEAST_EXPONENT))
            others[..., selects_from:] = others[..., selects_from:].clamp(max=leak)

        # without the change
        floor, ceiling = read.low.cummin(-2).values, read.high.cummax(-2).values
        v, v_half = read.middle_and_half
        middle, half = (least + most) / 2, up((most - least) / 2)
        ends = middle @ v
        spread = up(half @ v.abs() + most @ v_half + (n_positions + 4) * UNIT * (middle @ v.abs()))

        # with it
        factor = torch.where(eta > -_LEAST_EXPONENT / 2, torch.inf, torch.expm1(2 * eta))
        change = torch.where(others > 0, (2 * others * factor).minimum(factor).clamp(max=2), 0.0)[
            ..., None
        ]
        worst = read.error.cummax(-2).values
        weights = (most * (1 + factor[..., None])).clamp(max=1).masked_fill(hidden, 0)
        largest = torch.maximum(ceiling, -floor) + worst
        rounded = self.rounds(largest, 2 * n_positions + 16) + self.flushed * n_positions * (
            1 + largest
        )
        error = (weights @ read.error).minimum(worst) + change * (ceiling - floor) / 2 + rounded
        return Box(
            torch.maximum(ends - spread, floor), torch.minimum(ends + spread, ceiling), up(error)
        )


def softmax(low: Tensor, high: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Bounds on softmax weights (..., L, L) from those of scores, and (..., L) on all but the
    largest weight together.

    No upper bound of a visible position is 0; others are 0 where a single position is visible.
    """
    slack = _EXP + 2 * (low.shape[-1] + 16) * UNIT
    top = high.masked_fill(hidden, -torch.inf).amax(-1, keepdim=True)
    above = (high - top).clamp(min=_LEAST_EXPONENT).exp().masked_fill(hidden, 0) * (1 + slack)
    below = (low - top).exp().masked_fill(hidden, 0) * (1 - slack)
    sum_above, sum_below = above.sum(-1, keepdim=True), below.sum(-1, keepdim=True)
    beside_above = (sum_above - above + slack * sum_above).clamp(min=0)
    beside_below = (sum_below - below - slack * sum_below).clamp(min=0)
    most = (above / (above + beside_below) * (1 + slack)).clamp(max=1).masked_fill(hidden, 0)
    least = (below / (below + beside_above) * (1 - slack)).masked_fill(hidden, 0)
    first = most.argmax(-1, keepdim=True)
    others = up(most.scatter(-1, first, 0.0).sum(-1))
    at_least = torch.maximum(least.gather(-1, first), 1 - others[..., None] - 2 * UNIT)
    return least.scatter(-1, first, at_least), most, others


class Follower:
    """Boxes of token sequences, through the layers of a transformer whose weights change.

    Raises:
        DoesNotFit: the bounds need more memory than there is.
    """

    def __init__(self, model: Transformer, n_positions: int):
        require_memory(
            8 * model.shape.n_parameters() + _bytes(model, n_positions),
            f"bounds for {n_positions:,} positions",
        )
        self.model = model
        self.weights = {
            name: weight.detach().double().cpu() for name, weight in model.named_parameters()
        }

    def box(self, n_positions: int, change: Change) -> Box:
        """All tokens at all positions."""
        table = self.weights["embedding.weight"]
        ends = table.amin(0), table.amax(0), change.table("embedding.weight", table).amax(0)
        return Box(*(end.expand(n_positions, -1) for end in ends))

    def points(self, tokens: Tensor, change: Change) -> Box:
        """Token sequences (..., L), a box for each."""
        table = self.weights["embedding.weight"]
        return Box(table[tokens], table[tokens], change.table("embedding.weight", table)[tokens])

    def logits(self, x: Box, change: Change, said: int, selects: bool = False) -> Box:
        """The logits at the last `said` positions, (..., said, d_vocab).

        Args:
            x: the embeddings (..., L, d_model).
            change: of the weights.
            said: positions that answer.
            selects: whether heads with queries are known to select a position where it answers.
        """
        n_positions = x.low.shape[-2]
        if "positions.weight" in self.weights:
            table = self.weights["positions.weight"]
            rows, error = (
                table[:n_positions],
                change.table("positions.weight", table)[:n_positions],
            )
            x = change.plus(x, Box(rows, rows, error))
        for index, layer in enumerate(self.model.layer_sequence()):
            name = f"layers.{index % len(self.model.shape.layers)}"
            if layer.attention is not None:
                selects_from = n_positions - said if selects else None
                x = change.plus(
                    x, self._attend(x, layer.attention, f"{name}.attention", change, selects_from)
                )
            if layer.mlp is not None:
                x = change.plus(x, self._mlp(x, layer.mlp, f"{name}.mlp", change))
        last = x.part(slice(n_positions - said, None), slice(None))
        return change.through("unembedding.weight", self.weights["unembedding.weight"], last)

    def _attend(
        self, x: Box, attention: Attention, name: str, change: Change, selects_from: int | None
    ) -> Box:
        names = [f"{name}.{part}.weight" for part in ("query", "key", "value")]
        asked, looked, read = (change.through(part, self.weights[part], x) for part in names)
        mixed, at_qk, at_v = [], 0, 0
        for head in attention.heads:
            qk, v = slice(at_qk, at_qk + head.d_qk), slice(at_v, at_v + head.d_v)
            chooses = bool(self.weights[names[0]][qk].any())
            query = asked.part(qk)
            query = change.quotient(query, math.sqrt(head.d_qk)) if attention.scaled else query
            mixed.append(
                change.head(
                    query, looked.part(qk), read.part(v), selects_from if chooses else None
                )
            )
            at_qk, at_v = qk.stop, v.stop
        ends = (
            torch.cat([getattr(part, end) for part in mixed], -1)
            for end in ("low", "high", "error")
        )
        return change.through(
            f"{name}.output.weight", self.weights[f"{name}.output.weight"], Box(*ends)
        )

    def _mlp(self, x: Box, mlp: MLP, name: str, change: Change) -> Box:
        for index in range(len(mlp.weights)):
            part = f"{name}.weights.{index}.weight"
            x = change.through(part, self.weights[part], x.relu() if index else x)
        return x


def lost(logits: Box, said: Tensor) -> Tensor:
    """Which of the queries, with logits (Q, A, d_vocab) and answers (Q, A), are not certain to be
    answered right.
    """
    own = (logits.low - logits.error).gather(-1, said[..., None])[..., 0]
    others = (logits.high + logits.error).scatter(-1, said[..., None], -torch.inf).amax(-1)
    return ~(own > others).all(-1)


def sequences(model: FactModel | ModelForm) -> Iterator[tuple[Tensor, Tensor]]:
    """All queries, streamed in batches whose bounds need little memory: see
    `Answering.training_examples`.
    """
    at_once = sequences_at_once(model, positions_of(model))
    require_runnable(sum(map(model.facts.n_queries, model.path_lengths)))
    for hops in model.path_lengths:
        total = model.facts.n_queries(hops)
        for start in range(0, total, at_once):
            tokens, said = model.training_examples(
                *model.facts.queries(np.arange(start, min(start + at_once, total)), hops)
            )
            yield tokens.cpu(), said.cpu()


def sequences_at_once(model: Answering, n_positions: int) -> int:
    """How many sequences of this length are followed together, with little memory."""
    return max(1, _MEMORY // _bytes(model, n_positions))


def positions_of(model: FactModel | ModelForm) -> int:
    """The longest sequence."""
    return model.shape.n_positions or model.hops + 1


def _bytes(model: Transformer | Answering, n_positions: int) -> int:
    """Held at once for a sequence."""
    shape = model.shape
    vectors = n_positions * max(shape.d_model, shape.widest_layer, shape.d_vocab)
    return _COPIES * 8 * (vectors + n_positions**2)
