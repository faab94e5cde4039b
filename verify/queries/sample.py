"""What a sample of queries, run beside a proof by `verify.queries.sampled`, has answered."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from constructions.guards.wording import shortened
from verify.kernel.verdict import Verdict as Proven
from verify.queries.evidence import Evidence

SEED = 0
RESOLVED = 2**-26
"""A proven margin of less than this share of the largest logit is below what a run shows."""


@dataclass(frozen=True)
class Sample(Evidence):
    """What a sample of queries has answered.

    Attributes:
        proven: what the checker says, which is held against it.
        queries: how many were run.
        all_queries: how many there are.
        wrong: how many have a token that is not the only one with the largest logit.
        margin: the smallest logit margin; NaN if any is.
        largest: the largest absolute logit of an answer.
        dtype: in which they were run.
        first_wrong: in words, the first query that is answered wrong.
        not_run: why none was run; empty if some were.
        seed: of the random choice.
    """

    proven: Proven
    queries: int = 0
    all_queries: int = 0
    wrong: int = 0
    margin: float = math.inf
    largest: float = 0.0
    dtype: str = ""
    first_wrong: str = ""
    not_run: str = ""
    seed: int = SEED

    @property
    def resolved(self) -> bool:
        """Whether the run could show a margin as small as the proven one."""
        return self.proven.exact is not None or self.proven.real_margin > RESOLVED * self.largest

    def faults(self) -> Iterator[str]:
        """A wrong answer, and a margin below the proven one."""
        if self.not_run or not self.resolved:
            return
        if self.wrong != 0:
            yield (
                f"the checker has proven a model that answers {self.wrong} of"
                f" {self.asked()} wrong, run in {self.dtype}: {self.first_wrong}"
            )
        elif self.proven.exact is not None and not self.margin >= self.proven.margin:
            yield (
                f"the checker has proven a margin of {shortened(self.proven.margin)}; of"
                f" {self.asked()}, run in {self.dtype}, one has {self.margin}"
            )

    def doubts(self) -> Iterator[str]:
        """Why no query was run, or none shows anything."""
        if self.not_run:
            yield f"no sample was run: {self.not_run}"
        elif not self.resolved:
            yield "the proven margin is below what a run in float64 shows"

    def in_words(self) -> str:
        """The line that stands below a proof."""
        if self.not_run:
            return f"sample: not run, {self.not_run}"
        found = f"{self.wrong:,} wrong, smallest margin {self.margin:.6g}"
        if not self.resolved:
            found = "of which the smallest margins are too small to be shown by a run"
        return f"sample: {self.asked()} run in {self.dtype}, {found}"

    def asked(self) -> str:
        """Which queries were run, in words."""
        kind = "stored queries" if self.proven.not_claimed else "queries"
        if self.queries == self.all_queries:
            return f"all {self.queries:,} {kind}"
        return f"{self.queries:,} random {kind} (seed {self.seed})"
