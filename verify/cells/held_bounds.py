"""A user's own bound, held against all constructions at many sizes.

    check_bound(mine)       # from Python; `bound --with path/file.py:mine` on the command line

A construction of the catalogue exists, and its sizes are exact. So a bound that says it needs more
than it has is wrong, or is about fewer models than its hypotheses say.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bounds.lower_bound import LowerBound
from bounds.plans import plans
from bounds.theorem_4_2 import LOWER_BOUNDS
from constructions.entry import Construction
from constructions.guards.errors import InputError
from constructions.guards.wording import printable, shortened
from verify.cells.against_bounds import hold_against
from verify.queries.evidence import Evidence

GRID_ENTITIES = (2, 5, 16, 64, 256, 4096, 65536, 2**20)
GRID_RELATIONS = (1, 2, 4, 16)
GRID_HOPS = (1, 2, 3)
GRID = tuple(itertools.product(GRID_ENTITIES, GRID_RELATIONS, GRID_HOPS))
"""(N, R, k) of every size at which a bound is held against the constructions."""
MOST_REPORTED = 3
"""So many of the constructions that lie below a bound are named."""


@dataclass(frozen=True)
class Held:
    """A construction beside the bound at a size.

    Attributes:
        label: of the construction, with its options.
        size: N, R, k.
        embedding_bits: its B_e, at which the bound is evaluated.
        what: `dense` bits, or bits of `facts`.
        have: its bits inside.
        need: what the bound says.
    """

    label: str
    size: tuple[int, int, int]
    embedding_bits: int
    what: str
    have: int
    need: float

    def __str__(self) -> str:
        n, r, k = self.size
        kind = "" if self.what == "dense" else f" of {self.what}"
        return (
            f"{self.label} at N = {n:,}, R = {r:,}, k = {k:,} has B_T = {shortened(self.have)}"
            f" bits{kind} inside, B_e = {shortened(self.embedding_bits)}, and the bound says at"
            f" least {self.need:,.6g}"
        )


@dataclass(frozen=True)
class BoundHeld(Evidence):
    """A bound beside all constructions.

    Attributes:
        bound: that was held.
        sizes: how many sizes (N, R, k).
        applied: how many comparisons it was part of.
        positive: of these, those in which it is positive.
        below: the constructions that lie below it.
        nearest: the one that is nearest above it, where it is positive.
    """

    bound: LowerBound
    sizes: int
    applied: int
    positive: int
    below: tuple[Held, ...]
    nearest: Held | None

    def faults(self) -> Iterator[str]:
        """Every construction that lies below the bound, the first ones in full."""
        yield from map(str, self.below[:MOST_REPORTED])
        if len(self.below) > MOST_REPORTED:
            yield f"and {len(self.below) - MOST_REPORTED:,} more lie below it"

    def doubts(self) -> Iterator[str]:
        """Where nothing was compared that could have been below."""
        if not self.applied:
            yield "it applies to no construction at any of these sizes"
        elif not self.positive:
            yield "it is positive nowhere where it applies, and so says nothing there"

    def __str__(self) -> str:
        """The verdict, and in further lines why, with both sides of what lies below."""
        said = [
            f"{self.verdict}: {self.bound.name} is held against all constructions at"
            f" {self.sizes:,} sizes",
            f"it applies {self.applied:,} times, {self.positive:,} times positive",
        ]
        if self.verdict == "FAIL":
            said += ["the bound is wrong, or lacks a hypothesis:", *self.faults()]
        elif self.verdict == "UNKNOWN":
            said += self.doubts()
        else:
            said += ["nothing lies below it; the nearest:", str(self.nearest)]
        return "\n    ".join(map(printable, said))


def check_bound(
    bound: LowerBound,
    own: Sequence[Construction] = (),
    sizes: Sequence[tuple[int, int, int]] = GRID,
) -> BoundHeld:
    """Hold a bound against every construction, with every choice of options, at every size.

    Args:
        bound: with its hypotheses.
        own: constructions of the user's, beside those of the catalogue.
        sizes: (N, R, k); by default `GRID`.

    Returns:
        What was found; its `verdict` is FAIL if a construction to which the bound applies has
        fewer bits, UNKNOWN if nothing was compared, and `str` says which and by how much.

    Raises:
        InputError: it is no `LowerBound`, or returns no number; or a size is out of range.
        UserCodeError: the user's function has raised an error.
    """
    if not isinstance(bound, LowerBound):
        raise InputError(
            f"a LowerBound is needed: LowerBound(function, unembedding=...); got a"
            f" {type(bound).__name__}"
        )
    require_new_bound(bound)
    applied, compared = 0, list[Held]()
    for size in sizes:
        for plan in plans(*size, own):
            costs, entry = plan.costs, plan.entry
            check = hold_against(
                bound, costs, *size, entry.takes_bijections, functions=not entry.needs
            )
            if not check.applies:
                continue
            for what, have, embedding, need in (
                ("dense", costs.internal_bits, costs.embedding_bits, check.bits),
                ("facts", costs.internal_fact_bits, costs.embedding_fact_bits, check.fact_bits),
            ):
                if need is not None:
                    applied += 1
                    compared.append(Held(plan.label, size, embedding, what, have, need))
    below = tuple(one for one in compared if not one.have >= one.need)
    positive = [one for one in compared if one.need > 0]
    nearest = min(positive, key=lambda one: one.have / one.need, default=None)
    return BoundHeld(bound, len(sizes), applied, len(positive), below, nearest)


def require_new_bound(bound: LowerBound) -> None:
    """Raise InputError if a user's bound has the name of one of ours."""
    if bound.name in LOWER_BOUNDS and LOWER_BOUNDS[bound.name] is not bound:
        raise InputError(
            f"your bound is named {bound.name!r}, as is one of Theorem 4.2; give it another name"
        )
