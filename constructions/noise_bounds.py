"""How much noise the weights of a transformer bear, by norms: a bound on every logit's change, followed layer by layer.

Let every weight change by at most rho. For each coordinate at each position we follow an interval that holds its value
without noise, in real arithmetic, and a bound e on how far the value with noise, in floating point, is from that:

* a matrix W makes of errors e an error `|W| e + rho sum (|x| + e)`, and rounds by `(n + 2) u (|W| + rho) (|x| + e)`;
* ReLU is 1-Lipschitz, and a unit that is off with all errors stays off; sums add errors;
* scores that each move by at most eta change softmax weights p by factors within `e^(2 eta)`: all changes together are at
  most `e^(2 eta) - 1`, at most twice that of all weights but the largest, and at most 2. What a head reads changes by at
  most that times half the width of the values, and by the error of the values.

The intervals are those of a box of token sequences, and there are two ways to cover all queries with boxes:

* `norms`: one box, all tokens at every position. Here heads select because the theorem says so: at a position that answers
  their gap is at least `2 beta - 1` (Theorems 4.3 and 4.4). The logits that answer move by less than half the margin.
* `queries`: a box for each query, which is a point. Here nothing is taken from the construction: that the answer wins is
  decided from the intervals of the logits themselves.

A radius is the largest number found, by bisection, for which that holds; it holds whatever the bisection does. The proof is
in docs/forms.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from constructions.answering import Writing
from constructions.memory import require_memory
from constructions.model import FactModel, MarginClaim
from constructions.reformed import Reformed
from constructions.rounding import up
from constructions.selection import GAIN
from constructions.transformer import MLP, Attention, Transformer

By = Literal["norms", "queries"]
WAYS: tuple[By, ...] = get_args(By)

_LEAST, _MOST = -200.0, 10.0
"""Exponents of 2 between which a radius is looked for; below, products of errors would underflow."""
_STEPS = 24
"""Of bisection: the exponent is found to 1e-4."""
_AT_ONCE = 64
"""Queries that are bisected together."""
_UNIT = 2.0**-53
"""Of float64, in which the bounds are computed."""
_EXP = 2.0**-40
"""More than the relative rounding of an exponential."""
_LEAST_EXPONENT = -700.0
"""Exponentials of less are taken for that: they would underflow."""
_MEMORY = 256 * 2**20
_COPIES = 12
"""Tensors of the size of the widest vector, or of a pattern, that are held at once."""


@dataclass
class _Box:
    """Bounds on vectors, float64 (..., L, n): without noise, in real arithmetic, within low..high; with noise, in floating
    point, at most `error` away from that.
    """

    low: Tensor
    high: Tensor
    error: Tensor

    @property
    def largest(self) -> Tensor:
        """The largest absolute value without noise."""
        return torch.maximum(self.high, -self.low)

    @property
    def middle_and_half(self) -> tuple[Tensor, Tensor]:
        """The same interval as a point and a distance from it."""
        middle = (self.low + self.high) / 2
        return middle, up(torch.maximum(self.high - middle, middle - self.low))

    def relu(self) -> _Box:
        """What ReLU makes of it: both values lie between 0 and `high + error`."""
        return _Box(
            self.low.clamp(min=0), self.high.clamp(min=0), self.error.minimum(up(self.high + self.error).relu())
        )

    def channels(self, start: int, stop: int) -> _Box:
        """Some coordinates."""
        return _Box(self.low[..., start:stop], self.high[..., start:stop], self.error[..., start:stop])


@dataclass(frozen=True)
class _Noise:
    """What happens to weights and sums: changes of at most rho, rounding by u, and by `underflow` where a product underflows.
    Where a sum may exceed `most`, nothing is known: the error is NaN, and so is all that depends on it.
    """

    rho: float
    unit: float = 0.0
    underflow: float = 0.0
    most: float = math.inf

    @classmethod
    def of(cls, rho: float, dtype: torch.dtype) -> _Noise:
        """In a dtype with gradual underflow."""
        limits = torch.finfo(dtype)
        return cls(rho, limits.eps / 2, limits.smallest_normal * limits.eps, limits.max / 4)

    def rounds(self, sums: Tensor, terms: int) -> Tensor:
        """How far sums of so many products, of at most these absolute values together, are from the exact ones."""
        return torch.where(sums < self.most, terms * (self.unit * sums + self.underflow), torch.nan)

    def through(self, weight: Tensor, x: _Box) -> _Box:
        """W x."""
        size, n = weight.abs().mT, weight.shape[1]
        middle, half = x.middle_and_half
        ends, spread = middle @ weight.mT, up((half + (n + 4) * _UNIT * middle.abs()) @ size)
        total = x.largest + x.error
        noise = self.rho * total.sum(-1, keepdim=True)
        rounded = self.rounds(total @ size + noise, n + 2)
        return _Box(ends - spread, ends + spread, up(x.error @ size + noise + rounded))

    def plus(self, x: _Box, y: _Box) -> _Box:
        """x + y."""
        size, error = x.largest + y.largest, x.error + y.error
        spread = 4 * _UNIT * size
        ends = x.low + y.low - spread, x.high + y.high + spread
        return _Box(*ends, up(error + self.rounds(size + error, 1)))

    def head(self, asked: _Box, looked: _Box, read: _Box, selects_from: int | None) -> _Box:
        """What a head reads, from its queries, keys and values (..., L, width); selects_from: see `_Follower`."""
        n_positions, width = asked.low.shape[-2:]
        hidden = torch.ones(n_positions, n_positions, dtype=torch.bool).triu(1)
        (q, q_half), (k, k_half) = asked.middle_and_half, looked.middle_and_half
        scores = q @ k.mT
        rounded = (width + 4) * _UNIT * (q.abs() @ k.abs().mT)
        spread = up(q_half @ (k.abs() + k_half).mT + q.abs() @ k_half.mT + rounded)
        q_all, k_all = asked.largest + asked.error, looked.largest + looked.error
        rounded = self.rounds(q_all @ k_all.mT, width + 4)
        moved = up(asked.error @ k_all.mT + asked.largest @ looked.error.mT + rounded)
        eta = moved.masked_fill(hidden, 0).amax(-1)
        least, most, others = _softmax(scores - spread, scores + spread, hidden)
        if selects_from is not None:
            leak = (n_positions - 1) * math.exp(max(1 - 2 * GAIN, _LEAST_EXPONENT))
            others[..., selects_from:] = others[..., selects_from:].clamp(max=leak)

        # without noise
        floor, ceiling = read.low.cummin(-2).values, read.high.cummax(-2).values
        v, v_half = read.middle_and_half
        middle, half = (least + most) / 2, up((most - least) / 2)
        ends = middle @ v
        spread = up(half @ v.abs() + most @ v_half + (n_positions + 4) * _UNIT * (middle @ v.abs()))

        # with noise
        factor = torch.where(eta > -_LEAST_EXPONENT / 2, torch.inf, torch.expm1(2 * eta))
        change = torch.where(others > 0, (2 * others * factor).minimum(factor).clamp(max=2), 0.0)[..., None]
        worst = read.error.cummax(-2).values
        weights = (most * (1 + factor[..., None])).clamp(max=1).masked_fill(hidden, 0)
        rounded = self.rounds(torch.maximum(ceiling, -floor) + worst, 2 * n_positions + 16)
        error = (weights @ read.error).minimum(worst) + change * (ceiling - floor) / 2 + rounded
        return _Box(torch.maximum(ends - spread, floor), torch.minimum(ends + spread, ceiling), up(error))


def _softmax(low: Tensor, high: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Bounds on softmax weights (..., L, L) from those of scores, and (..., L) on all but the largest weight together.

    No upper bound of a visible position is 0; others are 0 where a single position is visible.
    """
    slack = _EXP + 2 * (low.shape[-1] + 16) * _UNIT
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
    at_least = torch.maximum(least.gather(-1, first), 1 - others[..., None] - 2 * _UNIT)
    return least.scatter(-1, first, at_least), most, others


class _Follower:
    """Boxes of token sequences, through the layers of a transformer whose weights have noise."""

    def __init__(self, model: Transformer):
        self.model = model
        self.weights = {name: weight.detach().double().cpu() for name, weight in model.named_parameters()}
        self.dtype = model.embedding.weight.dtype

    def box(self, n_positions: int) -> tuple[Tensor, Tensor]:
        """All tokens at all positions: the ends of the embedding's columns."""
        table = self.weights["embedding.weight"]
        return tuple(end.expand(n_positions, -1) for end in (table.amin(0), table.amax(0)))  # type: ignore[return-value]

    def points(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Token sequences (..., L), a box for each."""
        rows = self.weights["embedding.weight"][tokens]
        return rows, rows

    def logits(self, ends: tuple[Tensor, Tensor], rho: float, said: int, selects: bool = False) -> _Box:
        """The logits at the last `said` positions, (..., said, d_vocab).

        Args:
            ends: of the embeddings (..., L, d_model).
            rho: the largest change of a weight.
            said: positions that answer.
            selects: whether heads with queries are known to select a position where it answers.
        """
        noise, weights = _Noise.of(rho, self.dtype), self.weights
        n_positions = ends[0].shape[-2]
        x = _Box(*ends, torch.full_like(ends[0], rho))
        if "positions.weight" in weights:
            rows = weights["positions.weight"][:n_positions]
            x = noise.plus(x, _Box(rows, rows, torch.full_like(rows, rho)))
        for index, layer in enumerate(self.model.layer_sequence()):
            name = f"layers.{index % len(self.model.shape.layers)}"
            if layer.attention is not None:
                selects_from = n_positions - said if selects else None
                read = self._attend(x, layer.attention, f"{name}.attention", noise, selects_from)
                x = noise.plus(x, read)
            if layer.mlp is not None:
                x = noise.plus(x, self._mlp(x, layer.mlp, f"{name}.mlp", noise))
        last = _Box(*(part[..., n_positions - said :, :] for part in (x.low, x.high, x.error)))
        return noise.through(weights["unembedding.weight"], last)

    def _attend(self, x: _Box, attention: Attention, name: str, noise: _Noise, selects_from: int | None) -> _Box:
        assert not attention.scaled
        query, key, value, output = (
            self.weights[f"{name}.{part}.weight"] for part in ("query", "key", "value", "output")
        )
        asked, looked, read = (noise.through(weight, x) for weight in (query, key, value))
        mixed, at_qk, at_v = [], 0, 0
        for head in attention.heads:
            next_qk, next_v = at_qk + head.d_qk, at_v + head.d_v
            chooses = bool(query[at_qk:next_qk].any())
            boxes = (asked.channels(at_qk, next_qk), looked.channels(at_qk, next_qk), read.channels(at_v, next_v))
            mixed.append(noise.head(*boxes, selects_from if chooses else None))
            at_qk, at_v = next_qk, next_v
        return noise.through(output, _Box(*(torch.cat([getattr(part, end) for part in mixed], -1) for end in _PARTS)))

    def _mlp(self, x: _Box, mlp: MLP, name: str, noise: _Noise) -> _Box:
        for index in range(len(mlp.weights)):
            if index:
                x = x.relu()
            x = noise.through(self.weights[f"{name}.weights.{index}.weight"], x)
        return x


_PARTS = ("low", "high", "error")


@torch.no_grad()
def radius_by_norms(model: Transformer, margin: MarginClaim, hops: int, selects: bool) -> float:
    """See `constructions.forms.noise_radius`; hops: of the paths; selects: whether heads with queries select a position."""
    n_positions = model.shape.n_positions or hops + 1
    _require_memory(model, n_positions, 1)
    follower = _Follower(model)

    def survives(rho: float) -> bool:
        moved = follower.logits(follower.box(n_positions), rho, n_positions - hops, selects).error.max().item()
        return math.isfinite(moved) and 2 * Fraction(moved) < margin.real

    return _largest(survives, _MOST)


@torch.no_grad()
def radius_by_queries(model: FactModel | Reformed, progress: Callable[[int], None] = lambda queries: None) -> float:
    """See `constructions.forms.noise_radius`. Streamed: each batch is tried at the smallest radius so far, and that is
    bisected for some queries that do not bear it until none is left.
    """
    follower, found, queries = _Follower(model), math.exp2(_MOST), 0
    for batch in _sequences(model):
        left = _lost(follower, *batch, found)
        while len(left[0]):
            some = left[0][:_AT_ONCE], left[1][:_AT_ONCE]

            def survive(rho: float, some: tuple[Tensor, Tensor] = some) -> bool:
                return not len(_lost(follower, *some, rho)[0])

            found = _largest(survive, math.log2(found))
            if not found:
                return 0.0
            left = _lost(follower, *left, found)
        queries += len(batch[0])
        progress(queries)
    return found


def _lost(follower: _Follower, tokens: Tensor, said: Tensor, rho: float) -> tuple[Tensor, Tensor]:
    """Those of the queries, token sequences (Q, L) and answers (Q, A), that are not certain to be answered right."""
    logits = follower.logits(follower.points(tokens), rho, said.shape[-1])
    own = (logits.low - logits.error).gather(-1, said[..., None])[..., 0]
    others = (logits.high + logits.error).scatter(-1, said[..., None], -torch.inf).amax(-1)
    lost = ~(own > others).all(-1)
    return tokens[lost], said[lost]


def _largest(survives: Callable[[float], bool], most: float) -> float:
    """A number that survives, near the largest that does; 0 if none is found."""
    good, bad = _LEAST, most  # exponents of 2
    if not survives(math.exp2(good)):
        return 0.0
    for _ in range(_STEPS):
        middle = (good + bad) / 2
        if survives(math.exp2(middle)):
            good = middle
        else:
            bad = middle
    return math.exp2(good)


def _require_memory(model: Transformer, n_positions: int, sequences: int) -> None:
    require_memory(sequences * _bytes(model, n_positions), f"bounds for {n_positions:,} positions")


def _bytes(model: Transformer, n_positions: int) -> int:
    """Held at once for a sequence."""
    shape = model.shape
    vectors = n_positions * max(shape.d_model, shape.widest_layer, shape.d_vocab)
    return _COPIES * 8 * (vectors + n_positions**2)


def _sequences(model: FactModel | Reformed) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of all queries: see `Answering.lesson`."""
    at_once = max(1, _MEMORY // _bytes(model, model.shape.n_positions or model.hops + 1))
    for hops in range(1, model.hops + 1) if isinstance(model, Writing) else (model.hops,):
        total = model.facts.n_entities * model.facts.n_relations**hops
        for start in range(0, total, at_once):
            yield model.lesson(*model.facts.queries(np.arange(start, min(start + at_once, total)), hops))
