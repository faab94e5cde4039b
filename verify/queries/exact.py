"""Which numbers of a forward pass are exact, whatever the order of summation.

While an `Exactness` is active it watches the calls of torch that a plain module makes, and notes
of each result whether it is proven: all its entries are multiples of one power of two, the grid,
and equal to those of real arithmetic, in which a softmax weight that underflows is 0. The rules:

* A weight is on the grid of its entries; rows of it, and views, are on the same one.
* Products of two grids are on the product of both. A sum of products is exact, in any order, if
  the sum of their absolute values is at most `2 / eps` steps of its grid: then every partial sum
  is such a multiple, and so is held exactly.
* A sum of two, and a quotient by a power of two, stays on a grid, and is exact while it is held.
* Softmax is exact where all scores but the largest are lower by at least `ONE_HOT_GAP`, so that
  their exponentials are 0 in every dtype, and the largest stands alone or is an exact tie of 2, 4,
  8, ... positions.
* RMSNorm beside a slack is exact, on a CPU, under the conditions at `_rms_norm`.
* What only moves entries (views, rows, heads side by side) or makes them 0 (ReLU) keeps what is
  known; of anything else nothing is known.

So a result that is proven is the same for every shape of the batch, with or without a cache. The
bounds are computed from the numbers of the very batch, hence are proofs about its queries and no
others.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from constructions.model.rounding import up

ONE_HOT_GAP = 800
"""e^-800 underflows to 0 in every dtype."""
_AT_ONCE = 2**22
"""Entries of a weight that are looked at together."""
_SMALL = 2**20
"""Weights of up to so many entries may be read once for each batch."""
_FIRST = 4096
"""Entries of which mostly one is odd, which saves looking at all."""
_MANTISSA = 53
_LARGEST_GRID = 900


@dataclass(frozen=True)
class _Known:
    """Of a tensor: all entries are multiples of 2^grid, off by at most `error` from those of real
    arithmetic.

    The grid is infinite where all entries are 0. An error is only known of scores; of patterns
    (..., heads, L, L) it may be known which heads, bool (heads,), are unsure, and the error is
    infinite then: what is 0 they still read exactly.
    """

    grid: float
    error: float = 0.0
    unsure: Tensor | None = None


@dataclass(frozen=True)
class _Weight:
    """Of a weight (out, in), in absolute values: the largest sum of a row, and the largest entry
    of each column, float64 (in,).
    """

    known: _Known | None
    row: float
    columns: Tensor


class Exactness(TorchFunctionMode):
    """Notes what is exact of the results of torch's functions while it is active (`with exactness:
    ...`).
    """

    def __init__(self, dtype: torch.dtype):
        super().__init__()
        limits = torch.finfo(dtype)
        self.dtype, self.unit = dtype, limits.eps / 2
        self.steps, self.most, self.least = (
            2 / limits.eps,
            limits.max / 4,
            math.log2(limits.smallest_normal),
        )
        self.weights: dict[int, tuple[Tensor, _Weight]] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call it, and note what is known of the result."""
        result = func(*args, **(kwargs or {}))
        rule = _RULES.get(func)
        if rule is not None and type(result) is Tensor:
            known = rule(self, result, *args, **(kwargs or {}))
            if known is not None:
                result.exactly = known  # type: ignore[attr-defined]
        return result

    def is_exact(self, tensor: Tensor) -> bool:
        """Whether every entry is proven to be what it is in real arithmetic."""
        known = self.known(tensor)
        return known is not None and known.error == 0

    def exact_product(self, x: Tensor, weight: Tensor) -> bool:
        """Whether `x @ weight.T` is exact, for x (..., in) and weight (out, in); it is not
        computed.
        """
        return self._product(x, weight) is not None

    def known(self, tensor: Tensor) -> _Known | None:
        """What is known of a tensor, or of all entries of a parameter."""
        if isinstance(tensor, nn.Parameter):
            return self._weight(tensor).known
        return getattr(tensor, "exactly", None)

    def _weight(self, weight: Tensor) -> _Weight:
        if id(weight) not in self.weights:
            self.weights[id(weight)] = weight, _looked_at(weight.detach())
        return self.weights[id(weight)][1]

    def _fits(self, most: float, grid: float) -> bool:
        """Whether all sums of absolute values up to `most`, on this grid, are exact."""
        if grid == math.inf:
            return most == 0
        return grid >= self.least and most < self.most and most <= self.reach(grid)

    def reach(self, grid: float) -> float:
        """Multiples of 2^grid are held exactly up to this."""
        return self.steps * math.ldexp(1.0, int(grid)) if grid < _LARGEST_GRID else math.inf

    def _product(self, x: Tensor, weight: Tensor) -> _Known | None:
        mine, its = self.known(x), self._weight(weight)
        if mine is None or mine.error or its.known is None:
            return None
        grid = mine.grid + its.known.grid
        if not x.numel() or not weight.numel():
            return _Known(math.inf)
        if self._fits(_largest(x) * its.row, grid):
            return _Known(grid)
        size = _columns(x)
        if self._fits(up(size @ its.columns).item(), grid):
            return _Known(grid)
        if weight.numel() <= _SMALL and self._fits(
            up(weight.detach().abs().double() @ size).amax().item(), grid
        ):
            return _Known(grid)
        return _Known(grid) if self._fits(up(self._row_by_row(x, weight)).item(), grid) else None

    def _row_by_row(self, x: Tensor, weight: Tensor) -> Tensor:
        """The largest sum of absolute values in `x @ weight.T`, for each row of x by itself; never
        too small.
        """
        wide = torch.promote_types(self.dtype, torch.float32)
        slack = 1 + 2 * (x.shape[-1] + 2) * torch.finfo(wide).eps
        return (x.abs().to(wide) @ weight.detach().abs().to(wide).mT).amax().double() * slack


def _largest(x: Tensor) -> float:
    """The largest absolute value; noted, as several weights may read the same vectors."""
    if not hasattr(x, "largest"):
        least, most = x.aminmax()
        x.largest = max(-least.item(), most.item())  # type: ignore[attr-defined]
        x.largest = x.largest if least == least else math.nan  # type: ignore[attr-defined]
    return float(x.largest)  # type: ignore[attr-defined]


def _columns(x: Tensor) -> Tensor:
    """The largest absolute value of each coordinate of vectors (..., n), float64 (n,)."""
    least, most = x.reshape(-1, x.shape[-1]).aminmax(dim=0)
    return torch.maximum(-least, most).double()


# ------------------------------------------------------------------ one rule for each function


def _same(watch: Exactness, result: Tensor, source: Tensor, *_: Any, **__: Any) -> _Known | None:
    """Entries of the source, in another order; or 0."""
    return watch.known(source)


def _looked_up(
    watch: Exactness, result: Tensor, tokens: Tensor, weight: Tensor, *_: Any, **__: Any
) -> _Known | None:
    return watch.known(weight)


def _linear(
    watch: Exactness, result: Tensor, x: Tensor, weight: Tensor, bias: Tensor | None = None
) -> _Known | None:
    return watch._product(x, weight) if bias is None else None


def _sum(watch: Exactness, result: Tensor, a: Any, b: Any, **others: Any) -> _Known | None:
    """The sum of two numbers on a grid is on it, and rounds only if it is as large as what no
    longer fits, and none is 0.
    """
    known = [watch.known(part) if isinstance(part, Tensor) else None for part in (a, b)]
    if others or known[0] is None or known[1] is None or known[0].error or known[1].error:
        return None
    grid = min(known[0].grid, known[1].grid)
    if not result.numel() or grid == math.inf:
        return _Known(grid)
    if not _largest(result) < watch.most:
        return None
    most = watch.reach(grid)
    fits = _largest(result) < most or bool(((result.abs() < most) | (a == 0) | (b == 0)).all())
    return _Known(grid) if fits else None


def _joined(watch: Exactness, result: Tensor, parts: Any, *_: Any, **__: Any) -> _Known | None:
    known = [watch.known(part) for part in parts]
    if any(one is None for one in known):
        return None
    found = [one for one in known if one is not None]
    return _Known(min(one.grid for one in found), max(one.error for one in found))


def _matmul(watch: Exactness, result: Tensor, a: Tensor, b: Tensor) -> _Known | None:
    """Of (..., n, w) and (..., w, m): scores, or what a head reads. Scores that round have a bound
    on their error.
    """
    mine, its = watch.known(a), watch.known(b)
    if mine is None or its is None or its.error:
        return None
    if mine.unsure is not None:
        read = (b != 0).movedim(-3, 0).flatten(1).any(1)
        mine = None if bool((read & mine.unsure).any()) else _Known(mine.grid)
    if mine is None or mine.error:
        return None
    width = a.shape[-1]
    if not a.numel() or not b.numel():
        return _Known(math.inf)
    grid = mine.grid + its.grid
    if watch._fits(_largest(a) * _largest(b) * width, grid):
        return _Known(grid)
    rows, columns = _columns(a), _columns(b.mT)
    most = up(rows @ columns).item()
    if watch._fits(most, grid):
        return _Known(grid)
    if not most < watch.most:
        return None
    return _Known(grid, (width + 2) * (watch.unit * most + 2 * 2.0**watch.least))


def _quotient(
    watch: Exactness, result: Tensor, a: Tensor, number: Any, **others: Any
) -> _Known | None:
    known = watch.known(a)
    if (
        known is None
        or others
        or not isinstance(number, int | float)
        or math.frexp(number)[0] != 0.5
    ):
        return None
    grid = known.grid - math.log2(number)
    return _Known(grid, known.error / number) if grid >= watch.least else None


def _hidden(
    watch: Exactness, result: Tensor, a: Tensor, mask: Tensor, value: Any
) -> _Known | None:
    return watch.known(a) if value == -math.inf else None


def _softmax(
    watch: Exactness, result: Tensor, scores: Tensor, dim: int = -1, **others: Any
) -> _Known | None:
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
        return _Known(grid)
    unsure = ~sure.movedim(-3, 0).flatten(1).all(1) if sure.dim() > 2 else None
    return (
        None
        if unsure is None or not bool(result.isfinite().all())
        else _Known(grid, math.inf, unsure)
    )


def _rms_norm(
    watch: Exactness,
    result: Tensor,
    x: Tensor,
    shape: Any,
    weight: Tensor | None = None,
    eps: float | None = None,
) -> _Known | None:
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
    return _Known(grid) if grid >= watch.least else None


_RULES: dict[Any, Callable[..., _Known | None]] = {
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


def _looked_at(weight: Tensor) -> _Weight:
    """A weight (out, in), some rows at a time."""
    grids, rows, columns = (
        [math.inf],
        [0.0],
        torch.zeros(weight.shape[1], dtype=torch.float64, device=weight.device),
    )
    at_once = max(1, _AT_ONCE // max(1, weight.shape[1]))
    for some in torch.split(weight, at_once) if weight.numel() else ():
        size = some.abs().double()
        columns = torch.maximum(columns, size.amax(0))
        rows.append(size.sum(1).amax().item())
        grids.append(_grid(some, size))
    # max keeps a NaN
    grid, row = min(grids), up(torch.tensor(rows, dtype=torch.float64, device="cpu")).max().item()
    return _Weight(None if grid == -math.inf else _Known(grid), row, columns)


def _whole_grid(size: Tensor) -> float:
    """The largest e such that all of these integers >= 0, not all 0, are multiples of 2^e."""
    exponent, first = 0, size.ravel()[:_FIRST]
    while not any(bool((some % 2.0 ** (exponent + 1)).any()) for some in (first, size)):
        exponent += 1
    return float(exponent)


def _grid(weight: Tensor, size: Tensor) -> float:
    """The largest e such that all entries are multiples of 2^e, or some such e; -inf if an entry
    is not finite.
    """
    largest = size.amax()
    if not largest.isfinite():
        return -math.inf
    if weight.dtype in (torch.float32, torch.float64) and not weight.frac().any():
        return _whole_grid(size) if bool(largest > 0) else math.inf
    mantissa, exponent = torch.frexp(size)
    digits = (mantissa * 2.0**_MANTISSA).long()
    # which of the 53 binary digits is the last 1
    lowest = torch.frexp((digits & -digits).double()).exponent - 1
    places = (exponent - _MANTISSA + lowest)[size > 0]
    return float(places.amin()) if places.numel() else math.inf
