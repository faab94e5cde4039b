"""What the pass over all queries has found: how many answers are wrong, undecided or missing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from constructions.guards.wording import shortened
from verify.queries.evidence import Evidence

Logits = Literal["auto", "fast", "full", "both"]
LOGITS: tuple[Logits, ...] = ("auto", "fast", "full", "both")


@dataclass
class Recall(Evidence):
    """What the pass over all queries found.

    Attributes:
        planned: how many queries are claimed, N R^k or those that are stored, of the subjects
            that were asked for.
        queries: how many were run.
        wrong: how many have no margin > 0, in whatever order sums are added (a NaN counts).
        unknown: how many have a margin that rounding may have made, or may take; none where the
            arithmetic is exact.
        margin: the smallest margin over all queries, as computed; with `fast`, a lower bound that
            is exact where states hold codes.
        logits: how the queries were decided: "fast", "full" or "both".
        counterexamples: the first few wrong queries in words.
        defect: why there is no verdict from the states, e.g. an unembedding that is not as
            declared; None if sound.
        reason: why queries are undecided: all of them, if the module is not plain; None if
            none is.
    """

    planned: int = 0
    queries: int = 0
    wrong: int = 0
    unknown: int = 0
    margin: float = float("inf")
    logits: str = ""
    counterexamples: list[str] = field(default_factory=list)
    defect: str | None = None
    reason: str | None = None

    @property
    def judged(self) -> bool:
        """Whether queries were run, or should have been: not where the module is not plain."""
        return self.reason is None or self.queries > 0

    def faults(self) -> Iterator[str]:
        """A defect, queries that were left out, wrong answers, a margin that is not positive."""
        if self.defect is not None:
            yield self.defect
        if self.judged and self.queries != self.planned:
            planned = shortened(self.planned)
            yield f"{self.queries:,} queries were run, of {planned} that are claimed"
        if self.wrong != 0:
            yield f"{self.wrong} wrong answers"
        if self.judged and not self.margin > 0 and not self.unknown:
            yield f"the smallest margin is {self.margin}, not positive"

    def doubts(self) -> Iterator[str]:
        """Why less than all queries are decided."""
        if self.unknown:
            yield f"{self.unknown} of {self.queries} queries are undecided: {self.reason}"
        elif self.reason is not None:
            yield self.reason
        elif not self.queries:
            yield "no query was run"
