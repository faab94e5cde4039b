"""An option of a construction: an integer argument of its builder, and what is known of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import MISSING, dataclass, fields

from constructions.guards.integers import require_integer_fields
from constructions.sizes.symbols import Symbols

RESERVED = tuple(
    one.name for one in fields(Symbols) if one.default is MISSING or one.name == "options"
)
"""The symbols that no option may have."""


@dataclass(frozen=True)
class Option:
    """An integer argument of a builder beside the facts and the hops.

    Attributes:
        name: of the builder's argument.
        symbol: in the size formulas.
        help: what it is, in one line.
        default: (relations, hops) to the value where none is given; of an option that is `found`,
            the one that serves tables with all facts.
        choices: (relations, hops) to all values that are worth comparing.
        least: the smallest value that the builder takes, for which the formulas hold.
        most: (relations, hops) to the largest value that the builder takes; None where that is not
            so easily said.
        counts_hops: whether it is a number of hops, so that it is as long as a path may be.
        longest_path: whether it is the length of the longest path that the model answers, with
            tokens that it writes; the builder gets it in place of the hops, and the model answers
            every shorter path, too.
        found: whether the builder finds a value of the facts where none is given.
    """

    name: str
    symbol: str
    help: str
    default: Callable[[int, int], int]
    choices: Callable[[int, int], Iterable[int]]
    least: int = 0
    most: Callable[[int, int], int] | None = None
    counts_hops: bool = False
    longest_path: bool = False
    found: bool = False

    def __post_init__(self) -> None:
        require_integer_fields(self)
