"""What is known exactly of the numbers of a tensor: on which grid of multiples of a power of two
they lie, and how large they are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from constructions.model.rounding import up

_AT_ONCE = 2**22
"""Entries of a weight that are looked at together."""
_FIRST = 4096
"""Entries of which mostly one is odd, which saves looking at all."""
_MANTISSA = 53


@dataclass(frozen=True)
class Known:
    """Of a tensor: all entries are multiples of 2^grid, off by at most `error` from those of real
    arithmetic; but for those that are loose.

    The grid is infinite where all these entries are 0. An error is only known of scores.

    loose: float64, of the tensor's shape: 0 for the entries above; for others how large their
        absolute value is at most, in whatever order sums are added. None if no entry is loose.
    mixes: whether rows are the weights of a mixture: not negative, and 1 together, but for
        rounding.
    """

    grid: float
    error: float = 0.0
    loose: Tensor | None = None
    mixes: bool = False


@dataclass(frozen=True)
class Weight:
    """Of a weight (out, in), in absolute values: the largest sum of a row, and the largest entry
    of each column, float64 (in,).
    """

    known: Known | None
    row: float
    columns: Tensor


def held_entries(x: Tensor, known: Known) -> Tensor:
    """The tensor with 0 in place of its loose entries: all others are as they are known."""
    if known.loose is None:
        return x
    held = x.masked_fill(known.loose > 0, 0)
    held.exactly = replace(known, loose=None)  # type: ignore[attr-defined]
    return held


def sizes(x: Tensor, known: Known) -> tuple[Tensor, Tensor]:
    """The absolute values of a tensor, in whatever order sums are added, at most; and which of
    its entries are loose.
    """
    size = x.detach().abs().double()
    if known.loose is None:
        return size, torch.zeros_like(size, dtype=torch.bool)
    loose = known.loose > 0
    return torch.where(loose, known.loose, size), loose


def largest(x: Tensor) -> float:
    """The largest absolute value; noted, as several weights may read the same vectors."""
    if not hasattr(x, "largest"):
        least, most = x.aminmax()
        x.largest = max(-least.item(), most.item())  # type: ignore[attr-defined]
        x.largest = x.largest if least == least else math.nan  # type: ignore[attr-defined]
    return float(x.largest)  # type: ignore[attr-defined]


def columns(x: Tensor) -> Tensor:
    """The largest absolute value of each coordinate of vectors (..., n), float64 (n,)."""
    least, most = x.reshape(-1, x.shape[-1]).aminmax(dim=0)
    return torch.maximum(-least, most).double()


def looked_at(weight: Tensor) -> Weight:
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
    return Weight(None if grid == -math.inf else Known(grid), row, columns)


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
