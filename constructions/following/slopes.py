"""Errors followed backwards: what each rounding does to a difference of two logits, with signs.

A box loses, at every matrix, that errors may cancel: its bounds grow tenfold from part to part of
a decoder where the truth hardly grows. Here the derivative of the difference is taken at the
point, by torch, and each step's own error is weighed with it. The bound is proven for whatever
vectors torch returns as derivatives.

**Lemma.** Let v_0, v_1, ... be the vectors of a forward pass, `v_(k+1) = F_k(v_0, ..., v_k)`, each
of them a step of `constructions.following.walk`. Let y_k be numbers near them, and delta_k the
distance of the module's number (in its dtype, with any order of summation) from y_k, with
`|delta_k| <= e_k`. Let J be the derivative of F_k at the y's, and

    |delta_(k+1) - J delta| <= l_k

the *own error* of the step: what float64 makes of y_(k+1) beside F_k(y), what the module rounds,
and what F_k is not linear. Then for any vectors lambda_k, of which the last one is c,

    |c delta_K| <= sum_k |lambda_(k+1)| l_k + sum_k |r_k| e_k,

where r_k is by how much lambda_k is not the sum of `lambda_(j+1) J` over the steps j that read
v_k. Proof: add up `lambda_(k+1) (delta_(k+1) - J delta)` over all k; the sums telescope but for
the r_k. With lambda from torch's backward pass in float64, r_k is what that rounds: at most 2^-30
of the absolute values that are added there, for up to 2^20 terms; these times e are counted into
l: for the derivative of a step it is part of what the box of the step is off by, but of a softmax,
whose terms cancel, it is added. ∎

*What F is not linear*, for |delta| <= e:

* Matrices and sums: 0. ReLU: at most e where |y| <= e, else 0.
* A norm: see `constructions.following.norm_slopes`.
* A head: scores move by at most `H = max (|q| e_k + e_q |k| + e_q e_k)`, of which at most
  `K = max e_q e_k` is not linear. On the way from s to s + Delta the second derivative of a weight
  is `p_j ((Delta_j - mean)^2 - variance)`, at most `4 H^2 e^(2 H)` times the weight at the start.
  So weights are linear but for `2 H^2 e^(2 H) p_j`, which add up to 0 over j; with R the range of
  the values, what is read is linear but for `K R + H^2 e^(2 H) R + (e^(2 H) - 1) max e_v`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from constructions.following.boxes import Box
from constructions.following.follower import BoxRules
from constructions.following.norm_slopes import norm_at
from constructions.following.points import Point
from constructions.following.walk import Heads, Matrix, MatrixRules, Norm
from constructions.model.rounding import up

_LARGE = 2.0**-14
"""Errors of the stream that are larger, beside its root mean square, are taken from slopes."""
_MOST_DERIVATIVES = 1024
_BACKWARD = 2.0**-30
"""More than a derivative is rounded by, of the absolute values that are added."""


@dataclass
class Slopes(MatrixRules[Point]):
    """What each step makes of points; its own error is kept beside a 0 that is added to what it
    returns, by which the derivative is taken.
    """

    crude: BoxRules
    wide: BoxRules
    real: BoxRules
    own: list[tuple[Tensor, Tensor]] = field(default_factory=list)

    def entered(self, x: Box) -> Point:
        """The embedded tokens: points."""
        return self._kept(x.low, x.error + (x.high - x.low), x.error + (x.high - x.low))

    def through(self, matrix: Matrix, x: Point) -> Point:
        """W x."""
        weight = self.crude.weights[matrix.name].weight
        return self._step(x.at @ weight.mT, lambda rules, box: rules.through(matrix, box), x)

    def layer(self, matrix: Matrix, x: Point) -> Point:
        """W x + b."""
        if matrix.bias is None:
            return self.through(matrix, x)
        weight = self.crude.weights[matrix.name].weight
        made = x.at @ weight[:, :-1].mT + weight[:, -1]
        return self._step(made, lambda rules, box: rules.layer(matrix, box), x)

    def relu(self, x: Point) -> Point:
        """Linear but where the sign is open."""
        at = x.at.detach()
        error = x.box().relu().error
        return self._kept(x.at.relu(), torch.where(at.abs() <= x.error, x.error, 0.0), error)

    def plus(self, x: Point, update: Point) -> Point:
        """The sum."""
        found = self._step(x.at + update.at, lambda rules, *both: rules.plus(*both), x, update)
        size = found.at.detach().square().mean(-1, keepdim=True).sqrt()
        large = bool((~(found.error <= _LARGE * size)).any())
        n_derivatives = found.at.shape[-1] * self.crude.prefixes.n_positions
        return self._sharper(found) if large and n_derivatives <= _MOST_DERIVATIVES else found

    def _sharper(self, x: Point) -> Point:
        """The same with errors from slopes, where these are smaller: by the Lemma, with one
        coordinate at one position for c.
        """
        error, length = x.error.clone(), self.crude.prefixes.n_positions
        for position in range(length):
            rows = self.crude.prefixes.position == position
            for column in range(x.at.shape[-1]):
                bound = weighed(self.own, x.at[rows, column].sum(), int(rows.sum()))
                error[rows, column] = torch.fmin(error[rows, column], bound)
        return Point(x.at, error)

    def normed(self, x: Point, norm: Norm) -> Point:
        """See `constructions.following.norm_slopes`."""
        weights = self.crude.weights
        gain, bias = weights[f"{norm.name}.weight"].weight, weights.get(f"{norm.name}.bias")
        added = None if bias is None else bias.weight
        made, bent, rounded = norm_at(x, norm, gain, added, self.crude.change)

        def rule(rules: BoxRules, box: Box) -> Box:
            """The norm of a box."""
            return rules.normed(box, norm)

        return self._step(made, rule, x, bent=bent, rounded=rounded)

    def mixed(self, heads: Heads, query: Point, key: Point, value: Point) -> Point:
        """What heads read, one after the other."""
        made, bent = [], []
        for head, (scored, read) in zip(heads.shapes, heads.channels(), strict=True):
            root = math.sqrt(head.d_qk) if heads.scaled else 1.0
            q, k, v = (
                Point(part.at[:, some], part.error[:, some])
                for part, some in ((query, scored), (key, scored), (value, read))
            )
            found, off = self._read(q, k, v, root)
            made.append(found)
            bent.append(off)

        def rule(rules: BoxRules, *boxes: Box) -> Box:
            """The boxes of all heads."""
            return rules.mixed(heads, *boxes)

        return self._step(torch.cat(made, -1), rule, query, key, value, bent=torch.cat(bent, -1))

    def _read(self, query: Point, key: Point, value: Point, root: float) -> tuple[Tensor, Tensor]:
        """What one head reads (P, d_v), and how far that is not linear."""
        at, hidden = self.crude.prefixes.sees
        k, v = key.at[at], value.at[at]  # (P, L, n)
        scores = (k @ query.at[..., None])[..., 0] / root
        weights = scores.masked_fill(hidden, -torch.inf).softmax(-1)
        q, e = query.at.detach().abs(), query.error[..., None]
        not_linear = (key.error[at] @ e)[..., 0]
        moved = (key.error[at] @ q[..., None] + k.detach().abs() @ e)[..., 0] + not_linear
        most, bend = (
            up(each.masked_fill(hidden, 0).amax(-1, keepdim=True) / root)
            for each in (moved, not_linear)
        )
        values = v.detach()
        spread = values.amax(-2) - values.amin(-2)  # hidden places repeat a visible one
        off = value.error[at].amax(-2)
        bent = bent_scores(most, bend) * spread + torch.expm1(2 * most) * off
        # what the derivative of a softmax rounds by, where its terms cancel
        bent = bent + _BACKWARD * (2 * most * values.abs().amax(-2) + off)
        return (weights[..., None, :] @ v)[..., 0, :], bent

    def _step(
        self,
        made: Tensor,
        rule: Callable[..., Box],
        *read: Point,
        bent: Tensor | float = 0.0,
        rounded: Tensor | None = None,
    ) -> Point:
        """A step that makes these numbers.

        Args:
            made: what float64 makes of the points, with derivatives.
            rule: the same of boxes.
            read: the points.
            bent: how far the step is not linear.
            rounded: by how much the module rounds; by default the rule says it.
        """
        at = made.detach()
        exact = plain(rule(self.real, *(each.exactly() for each in read)))
        crude = plain(rule(self.crude, *(each.box() for each in read)))
        if rounded is None:
            rounded = plain(rule(self.wide, *(each.around() for each in read))).error
        beside, error = (
            torch.maximum(box.high - at, at - box.low) + box.error for box in (exact, crude)
        )
        return self._kept(made, beside + rounded + bent + _BACKWARD * error, up(error))

    def _kept(self, made: Tensor, own: Tensor, error: Tensor) -> Point:
        """A point, its own error kept."""
        zero = torch.zeros_like(made, requires_grad=True)
        self.own.append((zero, up(own).detach()))
        return Point(made + zero, error.detach())


def bent_scores(most: Tensor, bend: Tensor) -> Tensor:
    """How far what is read is from linear in its scores, as a share of the range of the values:
    scores move by at most `most`, of which at most `bend` is not linear.
    """
    return bend + most * most * torch.exp(2 * most)


def plain(box: Box) -> Box:
    """The same without factor and shift: both are errors."""
    box = box.unscaled()
    if box.shift is None or box.along is None:
        return box
    return Box(box.low, box.high, box.error + box.shift * box.along.abs())


def weighed(own: list[tuple[Tensor, Tensor]], total: Tensor, count: int) -> Tensor:
    """The right side of the Lemma, (Q,): own errors, weighed with the derivatives of a sum to
    which each of so many queries adds one number; NaN where an own error is not known.
    """
    zeros = [zero for zero, _ in own]
    slopes = torch.autograd.grad(total, zeros, retain_graph=True, allow_unused=True)
    bound = torch.zeros(count, dtype=torch.float64)
    for slope, (_, error) in zip(slopes, own, strict=True):
        if slope is not None:
            bound += (slope.abs() * error).reshape(count, -1).sum(1)
    return up(up(bound))
