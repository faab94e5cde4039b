"""The stored numbers of a memory, rounded as coarsely as it still recalls so much.

Every tensor goes to a grid of 2^b levels, by `verify.learned.quantised`, b = 1, 2, ...: at first
with one scale for all tensors, until enough is recalled; from there downwards with a scale for
each tensor, as long as enough is recalled. Nothing is fine-tuned afterwards, so that all memories
are rounded alike. What is known of a precision serves every level.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from torch import nn

from bounds.grids import grid_of
from verify.learned.answered import Prompts
from verify.learned.quantised import BITS_OF_B, MOST_BITS, quantise


@dataclass(frozen=True)
class Coarsest:
    """What is stored.

    Attributes:
        precision: bits of a number, the most of all tensors.
        rounded: whether they were rounded; False where 16 bits are too few.
        bits: of all numbers, their grids, and b.
    """

    precision: int
    rounded: bool
    bits: int


class _Tried(NamedTuple):
    """A precision: how many answers are right, bits of a number at most, and all bits."""

    right: int
    precision: int
    bits: int


class Rounded:
    """A memory, and what it recalls with its numbers rounded."""

    def __init__(self, module: nn.Module, prompts: Prompts):
        self._module, self._prompts = module, prompts
        self._known: dict[tuple[int, bool], _Tried] = {}

    def coarsest(self, wrong: int) -> Coarsest:
        """With the fewest bits a number with which all but so many answers are right.

        Raises:
            InputError: a number is not finite.
        """
        enough = len(self._prompts.tokens) - wrong
        for bits in range(1, MOST_BITS + 1):
            found = self._at(bits, by_tensor=False)
            if found.right >= enough:
                break
        else:
            return self._as_it_is()
        for fewer in range(bits - 1, 0, -1):
            coarser = self._at(fewer, by_tensor=True)
            if coarser.right < enough:
                break
            found = coarser
        return Coarsest(found.precision, True, found.bits)

    def _at(self, bits: int, by_tensor: bool) -> _Tried:
        """With so many bits a number; one bit more for each tensor says whether it is rounded, or
        lies on its own grid.
        """
        key = (bits, by_tensor)
        if key not in self._known:
            found = quantise(self._module, self._prompts, bits, tensor_by_tensor=by_tensor)
            precision = max((grid.width for grid in found.grids.values()), default=0)
            bits_in_all = found.total_bits + len(found.grids)
            self._known[key] = _Tried(found.score.right, precision, bits_in_all)
        return self._known[key]

    def _as_it_is(self) -> Coarsest:
        """Every tensor on the coarsest grid that holds it."""
        tensors = [one.detach().double().cpu() for one in self._module.parameters()]
        grids = [grid_of([one.numpy()]) for one in tensors]
        bits = sum(
            one.numel() * grid.width + grid.description_bits()
            for one, grid in zip(tensors, grids, strict=True)
        )
        return Coarsest(max((one.width for one in grids), default=0), False, BITS_OF_B + bits)
