"""The sizes of a sweep."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from bounds.lower_bound import LARGEST_SIZE
from constructions.guards.errors import InputError
from constructions.guards.integers import whole

Sizes = int | Iterable[int]
Size = tuple[int, int, int]


def grid(N: Sizes, R: Sizes, k: Sizes, most: int) -> list[Size]:
    """All sizes of a sweep, N slowest, each a tuple (N, R, k).

    Raises:
        InputError: a size is out of range, or there are more of them than `most`.
    """
    axes = []
    for name, given in (("N", N), ("R", R), ("k", k)):
        several = given if isinstance(given, Iterable) else (given,)
        axes.append(tuple(dict.fromkeys(whole(name, one, 1, LARGEST_SIZE) for one in several)))
    count = len(axes[0]) * len(axes[1]) * len(axes[2])
    if count > most:
        named = ", ".join(
            f"{name} has {len(axis):,}" for name, axis in zip("NRk", axes, strict=True)
        )
        raise InputError(
            f"a sweep takes at most {most:,} sizes (N, R, k); {named} values, which are {count:,}"
        )
    return list(itertools.product(axes[0], axes[1], axes[2]))
