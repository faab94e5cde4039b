"""One rule for each function of torch that a plain module calls: what is known of its result,
given what is known of its arguments. The rules are stated in `verify.queries.exact`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from constructions.model.rounding import up
from verify.queries.exact_arithmetic import Arithmetic
from verify.queries.exact_numbers import Known, columns, largest

ONE_HOT_GAP = 800
"""e^-800 underflows to 0 in every dtype."""


def _same(watch: Arithmetic, result: Tensor, source: Tensor, *_: Any, **__: Any) -> Known | None:
    """Entries of the source, in another order; or 0."""
    return watch.known(source)


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
    known = [watch.known(part) if isinstance(part, Tensor) else None for part in (a, b)]
    if others or known[0] is None or known[1] is None or known[0].error or known[1].error:
        return None
    grid = min(known[0].grid, known[1].grid)
    if not result.numel() or grid == math.inf:
        return Known(grid)
    if not largest(result) < watch.most:
        return None
    most = watch.reach(grid)
    fits = largest(result) < most or bool(((result.abs() < most) | (a == 0) | (b == 0)).all())
    return Known(grid) if fits else None


def _joined(watch: Arithmetic, result: Tensor, parts: Any, *_: Any, **__: Any) -> Known | None:
    """Parts side by side, on the finest of their grids."""
    known = [watch.known(part) for part in parts]
    if any(one is None for one in known):
        return None
    found = [one for one in known if one is not None]
    return Known(min(one.grid for one in found), max(one.error for one in found))


def _matmul(watch: Arithmetic, result: Tensor, a: Tensor, b: Tensor) -> Known | None:
    """Of (..., n, w) and (..., w, m): scores, or what a head reads. Scores that round have a bound
    on their error.
    """
    mine, its = watch.known(a), watch.known(b)
    if mine is None or its is None or its.error:
        return None
    if mine.unsure is not None:
        read = (b != 0).movedim(-3, 0).flatten(1).any(1)
        mine = None if bool((read & mine.unsure).any()) else Known(mine.grid)
    if mine is None or mine.error:
        return None
    width = a.shape[-1]
    if not a.numel() or not b.numel():
        return Known(math.inf)
    grid = mine.grid + its.grid
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
    return Known(grid, known.error / number) if grid >= watch.least else None


def _hidden(
    watch: Arithmetic, result: Tensor, a: Tensor, mask: Tensor, value: Any
) -> Known | None:
    """Scores of which some are hidden: minus infinity, which softmax makes 0."""
    return watch.known(a) if value == -math.inf else None


def _softmax(
    watch: Arithmetic, result: Tensor, scores: Tensor, dim: int = -1, **others: Any
) -> Known | None:
    """Weights of attention: exact where the largest score stands alone, or is tied, by far."""
    known = watch.known(scores)
    if known is None or others or dim != -1 or not result.numel():
        return None
    top = scores.amax(-1, keepdim=True)
    first = scores == top
    beside = scores.masked_fill(first, -torch.inf).amax(-1, keepdim=True)
    count = first.sum(-1, keepdim=True)
    # 0 where it is a power of 2, or alone
    tied = (count & (count - 1)) if known.error == 0 else count - 1
    gap = 1.01 * (ONE_HOT_GAP + 2 * known.error)  # the difference rounds by less than 1/100
    sure = (top.double() - beside.double() >= gap) & (tied == 0) & (result == first / count)
    grid = -math.ceil(math.log2(count.amax().item()))
    if bool(sure.all()):
        return Known(grid)
    unsure = ~sure.movedim(-3, 0).flatten(1).all(1) if sure.dim() > 2 else None
    return (
        None
        if unsure is None or not bool(result.isfinite().all())
        else Known(grid, math.inf, unsure)
    )


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
    gains that are powers of two.
    """
    mine, eps = watch.known(x), watch.unit * 2 if eps is None else eps
    # CPUs divide by n
    if mine is None or mine.error or weight is None or not x.numel() or x.device.type != "cpu":
        return None
    wide, n = x.double(), x.shape[-1]
    root = wide.square().mean(-1, keepdim=True).sqrt()
    power = torch.ldexp(torch.ones_like(root), torch.frexp(root * 1.25).exponent - 1)
    parts, gains = wide / power, weight.detach().double()
    large = parts.abs() >= 1
    small = up(2 * parts.masked_fill(large, 0).square().sum(-1))
    whole = parts.masked_fill(~large, 0)
    sure = (
        (whole == whole.round())
        & (whole.square().sum(-1, keepdim=True) == n)
        & (n < watch.steps / 4)
    )
    sure &= (small.maximum(eps / power[..., 0].square()) <= watch.unit / 2)[..., None]
    sure &= (torch.frexp(gains).mantissa == 0.5) | (gains == 0)
    sure &= result.double() == parts * gains
    sure &= (power.square() * n < watch.most) & (power.log2() * 2 >= watch.least)
    if not bool(sure.all()):
        return None
    factors = (gains / power)[(gains != 0).expand_as(parts)].log2()
    grid = mine.grid + (factors.amin().item() if factors.numel() else math.inf)
    return Known(grid) if grid >= watch.least else None


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
    **dict.fromkeys(
        (
            Tensor.__getitem__,
            Tensor.expand,
            Tensor.flatten,
            Tensor.mT.__get__,  # type: ignore[attr-defined]
            Tensor.relu,
            Tensor.reshape,
            Tensor.transpose,
        ),
        _same,
    ),
}
