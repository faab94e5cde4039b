"""Tensors that lie in the same memory, whole or in part."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from torch import Tensor


def _range(weight: Tensor) -> tuple[int, int]:
    """Where its memory begins, and ends."""
    last = sum((n - 1) * stride for n, stride in zip(weight.shape, weight.stride(), strict=True))
    return weight.data_ptr(), weight.data_ptr() + (last + 1) * weight.element_size()


def shared_memory(weights: Iterable[tuple[str, Tensor]]) -> tuple[str, str] | None:
    """Two of these tensors of which one begins before the other ends; or a tensor twice, two of
    whose entries are one.
    """
    ranges: Iterator[tuple[int, int, str, int]] = (
        (*_range(weight), name, weight.numel() * weight.element_size())
        for name, weight in weights
        if weight.numel()
    )
    end, before = 0, ""
    for start, stop, name, size in sorted(ranges):
        if start < end or stop - start < size:
            return name, before if start < end else name
        end, before = stop, name
    return None
