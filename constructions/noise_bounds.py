"""How much noise the weights of a transformer bear, by norms: a bound on every logit's change, followed layer by layer.

Let every weight change by at most rho. Over all tokens and positions we follow, for each coordinate, an interval that holds
its value without noise, and a bound e on how far the value with noise, computed in floating point, is from that:

* a matrix W makes of errors e an error `|W| e + rho sum (|x| + e)`, and rounds by `(n + 2) u (|W| + rho) (|x| + e)`;
* ReLU is 1-Lipschitz; sums add errors;
* scores that each move by at most eta change softmax weights by factors within `e^(2 eta)`: what a head reads changes by at
  most `min(e^(2 eta) - 1, 2) max |v|`, and by the error of the values.

At the position that answers, the heads of a construction with positions select: their gap is at least `2 beta - 1` and the
leak at most `(L - 1) e^(1 - 2 beta)` (Theorems 4.3 and 4.4), with noise `(L - 1) e^(1 + 2 eta - 2 beta)`; twice both
together bounds the change. So errors are followed twice: `here`, at the position that answers, and `any`, at all others,
which it reads.

Two logits together move by at most twice the largest error. The radius is the largest number found, by bisection, for which
that is below the margin in real arithmetic; a number for which it is holds whatever the bisection does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor

from constructions.model import MarginClaim
from constructions.rounding import OUTWARD, up
from constructions.selection import GAIN
from constructions.transformer import MLP, Attention, Transformer

_STEPS = 24
"""Of bisection: the exponent is found to 1e-4."""


@dataclass
class _Range:
    """Bounds on a vector over all tokens and positions, float64 (n,): without noise within low..high, with errors `any`
    and, at the position that answers, `here`.
    """

    low: Tensor
    high: Tensor
    any: Tensor
    here: Tensor

    @property
    def largest(self) -> Tensor:
        """The largest absolute value without noise."""
        return torch.maximum(self.high, -self.low)

    def plus(self, other: _Range, unit: float) -> _Range:
        """The sum, rounded."""
        total = _Range(self.low + other.low, self.high + other.high, self.any + other.any, self.here + other.here)
        size = self.largest + other.largest
        return _outward(total, size, *(error + unit * (size + error) for error in (total.any, total.here)))


def _outward(x: _Range, size: Tensor, any_error: Tensor, here: Tensor) -> _Range:
    """Intervals and errors, widened by the rounding of this computation; size: what the intervals were summed from."""
    return _Range(x.low - OUTWARD * size, x.high + OUTWARD * size, up(any_error), up(here))


@dataclass(frozen=True)
class _Noise:
    """What happens to weights and sums: changes of at most rho, rounding by u."""

    rho: float
    unit: float

    def through(self, weight: Tensor, x: _Range) -> _Range:
        """W x."""
        plus, minus, size, n = weight.clamp(min=0), weight.clamp(max=0), weight.abs(), weight.shape[1]
        ends = _Range(plus @ x.low + minus @ x.high, plus @ x.high + minus @ x.low, x.any, x.here)
        errors = []
        for error in (x.any, x.here):
            total = x.largest + error
            noise = self.rho * total.sum()
            errors.append(size @ error + noise + (n + 2) * self.unit * (size @ total + noise))
        return _outward(ends, size @ x.largest, *errors)

    def softmax(self, asked: _Range, looked: _Range, error: Tensor, n_positions: int, selects: bool) -> float:
        """A bound on the sum of absolute changes of a head's weights; error: of the query."""
        exponentials = (2 * n_positions + 16) * self.unit  # and the sum that they weigh
        q, k = asked.largest + error, looked.largest + looked.any
        rounded = (len(q) + 4) * self.unit * (q @ k)
        eta = up(error @ k + asked.largest @ looked.any + rounded).item()
        moved = min(math.expm1(min(2 * eta, 2.0)), 2.0)
        gap = 2 * GAIN - 1 - 2 * eta
        if selects and gap > 0:
            moved = min(moved, 4 * (n_positions - 1) * math.exp(-min(gap, 700.0)))
        return moved * (1 + exponentials) + exponentials


def noise_radius_of(model: Transformer, margin: MarginClaim, hops: int, selects: bool) -> float:
    """See `constructions.forms.noise_radius`; hops: of the paths; selects: whether heads with queries select a position."""
    weights = {name: weight.detach().double().cpu() for name, weight in model.named_parameters()}

    def survives(rho: float) -> bool:
        moved = 2 * _moved_logits(model, weights, rho, hops, selects)
        return math.isfinite(moved) and Fraction(moved) < margin.real

    if not survives(0.0):
        return 0.0
    good, bad, found = -1000.0, 10.0, 0.0  # exponents of 2
    for _ in range(_STEPS):
        middle = (good + bad) / 2
        if survives(2.0**middle):
            good, found = middle, 2.0**middle
        else:
            bad = middle
    return found


def _moved_logits(model: Transformer, weights: dict[str, Tensor], rho: float, hops: int, selects: bool) -> float:
    """A bound on how far any logit may be from that without noise and rounding."""
    noise, zero = (
        _Noise(rho, torch.finfo(model.embedding.weight.dtype).eps / 2),
        torch.zeros(model.shape.d_model).double(),
    )
    x = _Range(zero, zero, zero, zero)
    for table in (weights[f"{name}.weight"] for name in ("embedding", "positions") if f"{name}.weight" in weights):
        error = torch.full_like(zero, rho)
        x = x.plus(_Range(table.amin(0), table.amax(0), error, error), noise.unit)
    for index, layer in enumerate(model.layer_sequence()):
        name = f"layers.{index % len(model.shape.layers)}"
        if layer.attention is not None:
            x = _attend(
                x, layer.attention, weights, f"{name}.attention", noise, selects, model.shape.n_positions or hops + 1
            )
        if layer.mlp is not None:
            x = x.plus(_mlp(x, layer.mlp, weights, f"{name}.mlp", noise), noise.unit)
    return noise.through(weights["unembedding.weight"], x).here.max().item()


def _mlp(x: _Range, mlp: MLP, weights: dict[str, Tensor], name: str, noise: _Noise) -> _Range:
    for index in range(len(mlp.weights)):
        if index:
            x = _Range(x.low.clamp(min=0), x.high.clamp(min=0), x.any, x.here)
        x = noise.through(weights[f"{name}.weights.{index}.weight"], x)
    return x


def _attend(
    x: _Range,
    attention: Attention,
    weights: dict[str, Tensor],
    name: str,
    noise: _Noise,
    selects: bool,
    n_positions: int,
) -> _Range:
    """The stream after all heads of a layer. All positions may be read, so that values have the errors of any."""
    query, key, value, output = (weights[f"{name}.{part}.weight"] for part in ("query", "key", "value", "output"))
    mixed, at_qk, at_v = [], 0, 0
    for head in attention.heads:
        rows, next_v = slice(at_qk, at_qk + head.d_qk), at_v + head.d_v
        asked, looked, read = (noise.through(part, x) for part in (query[rows], key[rows], value[at_v:next_v]))
        chooses = selects and bool(query[rows].any())
        anywhere = noise.softmax(asked, looked, asked.any, n_positions, selects=False)
        here = noise.softmax(asked, looked, asked.here, n_positions, chooses)
        errors = (up(read.any + moved * (read.largest + read.any)) for moved in (anywhere, here))
        mixed.append(_Range(read.low, read.high, *errors))
        at_qk, at_v = rows.stop, next_v
    ends = (torch.cat([getattr(part, end) for part in mixed]) for end in ("low", "high", "any", "here"))
    return x.plus(noise.through(output, _Range(*ends)), noise.unit)
