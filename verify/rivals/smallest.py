"""The smallest size of a memory with which so much is recalled, by bisection.

Recall need not rise with the size, so that bisection alone proves nothing: some sizes below the
one that it finds are tried as well, and what is found is the least of all sizes that were tried
and suffice. `not_enough_above` says where recall was seen not to be monotone.

    curve = Curve(right, least=1, most=4096)  # right(size): how many facts are recalled
    curve.smallest(wanted=2048)
"""

from __future__ import annotations

from collections.abc import Callable

from constructions.guards.errors import InputError


class Curve:
    """How much is recalled with each size; every size is tried once at most.

    Attributes:
        tried: what was recalled, by size.
    """

    def __init__(self, right: Callable[[int], int], least: int, most: int):
        """A curve between two sizes.

        Raises:
            InputError: there is no size between them.
        """
        if not 1 <= least <= most:
            raise InputError(f"sizes must be from 1 on and rise; got {least:,} to {most:,}")
        self._right, self._least, self._most = right, least, most
        self.tried: dict[int, int] = {}

    def at(self, size: int) -> int:
        """How much is recalled with that size."""
        if size not in self.tried:
            self.tried[size] = self._right(size)
        return self.tried[size]

    def smallest(self, wanted: int) -> int | None:
        """The least size that was tried and recalls so much; None where the largest does not."""
        found = self._risen(wanted)
        while found is not None:
            found = self._bisected(wanted, found)
            below = [size for size in self._below(found) if self.at(size) >= wanted]
            if not below:
                break
            found = min(below)
        return found

    def not_enough_above(self, wanted: int) -> list[int]:
        """The sizes above the smallest that were tried and recall less than that."""
        enough = [size for size, right in self.tried.items() if right >= wanted]
        return sorted(
            size
            for size, right in self.tried.items()
            if right < wanted and size > min(enough, default=self._most)
        )

    def _risen(self, wanted: int) -> int | None:
        """A size that suffices: of those that were tried, or by doubling the last that did not."""
        enough = [size for size, right in self.tried.items() if right >= wanted]
        if enough:
            return min(enough)
        size = max(self.tried, default=0)
        while size < self._most:
            size = min(max(self._least, 2 * size), self._most)
            if self.at(size) >= wanted:
                return size
        return None

    def _bisected(self, wanted: int, enough: int) -> int:
        """The least size between the largest below that does not suffice, and one that does."""
        small = [size for size, right in self.tried.items() if size < enough and right < wanted]
        low = max(small, default=self._least - 1)
        while enough - low > 1:
            middle = (low + enough) // 2
            if self.at(middle) >= wanted:
                enough = middle
            else:
                low = middle
        return enough

    def _below(self, size: int) -> list[int]:
        """Sizes below one that was found, to be tried as well: two less, and nine tenths and three
        quarters of it.
        """
        tries = {size - 2, size * 9 // 10, size * 3 // 4}
        return sorted(one for one in tries if self._least <= one < size)
