"""One rule for each function of torch that a plain module calls: what is known of its result,
given what is known of its arguments. The rules are stated in `verify.queries.exact`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from constructions.model.rounding import up
from verify.queries.exact_arithmetic import Arithmetic
from verify.queries.exact_numbers import Known, columns, held_entries, largest, sizes

ONE_HOT_GAP = 800
"""e^-800 underflows to 0 in every dtype."""


def _moves(function: Callable[..., Tensor]) -> Callable[..., Known | None]:
    """The rule of a function that moves entries, or makes them 0: so are those of `loose`."""

    def rule(
        watch: Arithmetic, result: Tensor, source: Tensor, *args: Any, **named: Any
    ) -> Known | None:
        """Entries of the source, in another order; or 0."""
        known = watch.known(source)
        if known is None:
            return None
        held = Known(known.grid, known.error)
        if known.loose is None:
            return held
        return watch.with_loose(held, function(known.loose, *args, **named))

    return rule


def _looked_up(
    watch: Arithmetic, result: Tensor, tokens: Tensor, weight: Tensor, *_: Any, **__: Any
) -> Known | None:
    """Rows of an embedding."""
    return watch.known(weight)


def _linear(
    watch: Arithmetic, result: Tensor, x: Tensor, weight: Tensor, bias: Tensor | None = None
) -> Known | None:
    """A product with a weight; nothing is known where a bias is added."""
    return watch.product(x, weight) if bias is None else None


def _sum(watch: Arithmetic, result: Tensor, a: Any, b: Any, **others: Any) -> Known | None:
    """The sum of two numbers on a grid is on it, and rounds only if it is as large as what no
    longer fits, and none is 0.
    """
    mine, its = (watch.known(part) if isinstance(part, Tensor) else None for part in (a, b))
    if others or mine is None or its is None or mine.error or its.error:
        return None
    held, beside = Known(min(mine.grid, its.grid)), None
    if mine.loose is not None or its.loose is not None:
        (size, loose), (its_size, its_loose) = sizes(a, mine), sizes(b, its)
        beside = torch.where(loose | its_loose, (size + its_size) * watch.rounded_up(2), 0.0)
        result, a, b = (torch.where(beside > 0, 0, part) for part in (result, a, b))
    if result.numel() and held.grid != math.inf:
        if not largest(result) < watch.most:
            return None
        most = watch.reach(held.grid)
        if not (
            largest(result) < most or bool(((result.abs() < most) | (a == 0) | (b == 0)).all())
        ):
            return None
    return held if beside is None else watch.with_loose(held, beside)


def _joined(
    watch: Arithmetic, result: Tensor, parts: Any, dim: int = 0, **others: Any
) -> Known | None:
    """Parts side by side, on the finest of their grids."""
    found = [known for part in parts if (known := watch.known(part)) is not None]
    if others or len(found) < len(parts):
        return None
    held = Known(min(one.grid for one in found), max(one.error for one in found))
    if all(one.loose is None for one in found):
        return held
    loose = [
        torch.zeros_like(part, dtype=torch.float64) if one.loose is None else one.loose
        for part, one in zip(parts, found, strict=True)
    ]
    return watch.with_loose(held, torch.cat(loose, dim))


def _matmul(watch: Arithmetic, result: Tensor, a: Tensor, b: Tensor) -> Known | None:
    """Of (..., n, w) and (..., w, m): scores, or what a head reads. Scores that round have a bound
    on their error.
    """
    mine, its = watch.known(a), watch.known(b)
    if mine is None or its is None or mine.error or its.error:
        return None
    if not a.numel() or not b.numel():
        return Known(math.inf)
    held = _held_matmul(watch, held_entries(a, mine), held_entries(b, its), mine.grid + its.grid)
    if mine.loose is None and its.loose is None:
        return held
    return watch.beside_loose(held, a, mine, b, its)


def _held_matmul(watch: Arithmetic, a: Tensor, b: Tensor, grid: float) -> Known | None:
    """As `_matmul`, of tensors of which no entry is loose; grid: of the products."""
    width = a.shape[-1]
    if watch.fits(largest(a) * largest(b) * width, grid):
        return Known(grid)
    most = up(columns(a) @ columns(b.mT)).item()
    if watch.fits(most, grid):
        return Known(grid)
    if not most < watch.most:
        return None
    return Known(grid, (width + 2) * (watch.unit * most + 2 * 2.0**watch.least))


def _quotient(
    watch: Arithmetic, result: Tensor, a: Tensor, number: Any, **others: Any
) -> Known | None:
    """A quotient by a power of two, which only moves the grid."""
    known = watch.known(a)
    if (
        known is None
        or others
        or not isinstance(number, int | float)
        or math.frexp(number)[0] != 0.5
    ):
        return None
    grid = known.grid - math.log2(number)
    if grid < watch.least:
        return None
    held = Known(grid, known.error / number)
    if known.loose is None:
        return held
    smallest = (known.loose > 0) * 2.0**watch.least
    return watch.with_loose(held, known.loose / number + smallest)


def _hidden(
    watch: Arithmetic, result: Tensor, a: Tensor, mask: Tensor, value: Any
) -> Known | None:
    """Scores of which some are hidden: minus infinity, which softmax makes 0."""
    known = watch.known(a) if value == -math.inf else None
    if known is None or known.loose is None:
        return known
    return watch.with_loose(replace(known, loose=None), known.loose.masked_fill(mask, 0))


def _softmax(
    watch: Arithmetic, result: Tensor, scores: Tensor, dim: int = -1, **others: Any
) -> Known | None:
    """Weights of attention: exact where the largest score stands alone, or is tied, by far. Where
    it is not, all weights that are not hidden are loose.
    """
    known = watch.known(scores)
    if known is None or others or dim != -1 or not result.numel():
        return None
    held, beside = scores, torch.full_like(scores[..., :1], -torch.inf, dtype=torch.float64)
    if known.loose is not None:
        free = known.loose > 0
        held = scores.masked_fill(free, -torch.inf)
        beside = known.loose.masked_fill(~free, -torch.inf).amax(-1, keepdim=True)
    top = held.amax(-1, keepdim=True)
    first = held == top
    beside = held.masked_fill(first, -torch.inf).amax(-1, keepdim=True).double().maximum(beside)
    count = first.sum(-1, keepdim=True)
    # 0 where it is a power of 2, or alone
    tied = (count & (count - 1)) if known.error == 0 else count - 1
    # both scores are off by at most the error, here and in any other order of summation; the
    # difference rounds by less than 1/100
    gap = 1.01 * (ONE_HOT_GAP + 4 * known.error)
    sure = (top.double() - beside >= gap) & (top > -torch.inf) & (tied == 0)
    sure &= (result == first / count).all(-1, keepdim=True)
    if not bool(result.isfinite().all()):
        return None
    count = torch.where(sure, count, 1)
    held_weights = Known(-math.ceil(math.log2(count.amax().item())), mixes=True)
    if bool(sure.all()):
        return held_weights
    most = watch.rounded_up(2 * scores.shape[-1] + 16)
    return watch.with_loose(held_weights, torch.where(sure | (scores == -torch.inf), 0.0, most))


def _rms_norm(
    watch: Arithmetic,
    result: Tensor,
    x: Tensor,
    shape: Any,
    weight: Tensor | None = None,
    eps: float | None = None,
) -> Known | None:
    """Vectors beside a slack: see `constructions.decoders.identity_norms` for why no order of the
    sum of squares matters.

    Let 2^k be the root of the mean square, rounded to a power of two. Squares of entries of at
    least 2^k are multiples of 4^k, and add up to just n 4^k; twice the sum of all others is at
    most half a last place of 4^k, and so is eps. Then each vector is multiplied by 2^-k, and by
    gains that are powers of two. Loose entries count as others with their largest size.
    """
    mine, eps = watch.known(x), watch.unit * 2 if eps is None else eps
    # CPUs divide by n
    if mine is None or mine.error or weight is None or not x.numel() or x.device.type != "cpu":
        return None
    wide, n = held_entries(x, mine).double(), x.shape[-1]
    beside = wide.abs() if mine.loose is None else wide.abs().maximum(mine.loose)
    root = wide.square().mean(-1, keepdim=True).sqrt()
    power = torch.ldexp(torch.ones_like(root), torch.frexp(root * 1.25).exponent - 1)
    parts, gains = wide / power, weight.detach().double()
    large = parts.abs() >= 1
    small = up(2 * (beside / power).masked_fill(large, 0).square().sum(-1))
    whole = parts.masked_fill(~large, 0)
    sure = (
        (whole == whole.round())
        & (whole.square().sum(-1, keepdim=True) == n)
        & (n < watch.steps / 4)
    )
    sure &= (small.maximum(eps / power[..., 0].square()) <= watch.unit / 2)[..., None]
    sure &= (torch.frexp(gains).mantissa == 0.5) | (gains == 0)
    sure &= (result.double() == parts * gains) | (beside > wide.abs())
    sure &= (power.square() * n < watch.most) & (power.log2() * 2 >= watch.least)
    if not bool(sure.all()):
        return None
    factors = (gains / power)[(gains != 0).expand_as(parts)].log2()
    grid = mine.grid + (factors.amin().item() if factors.numel() else math.inf)
    if grid < watch.least:
        return None
    if mine.loose is None:
        return Known(grid)
    most = mine.loose * gains.abs() / power
    return watch.with_loose(Known(grid), most + (most > 0) * 2.0**watch.least)


RULES: dict[Any, Callable[..., Known | None]] = {
    nn.functional.embedding: _looked_up,
    nn.functional.linear: _linear,
    nn.functional.rms_norm: _rms_norm,
    Tensor.add: _sum,
    torch.add: _sum,
    Tensor.matmul: _matmul,
    torch.matmul: _matmul,
    Tensor.div: _quotient,
    Tensor.masked_fill: _hidden,
    Tensor.softmax: _softmax,
    torch.cat: _joined,
    **{
        function: _moves(function)
        for function in (
            Tensor.__getitem__,
            Tensor.expand,
            Tensor.flatten,
            Tensor.mT.__get__,  # type: ignore[attr-defined]
            Tensor.relu,
            Tensor.reshape,
            Tensor.transpose,
        )
    },
}
