"""What another tool, or another form of a model, has answered: queries, logits and how they
differ.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from verify.queries.evidence import Evidence


@dataclass
class Asked(Evidence):
    """What the other tool answered.

    Attributes:
        allowed: how far a logit may differ: twice `StandardModel.logit_error`, as both sides may
            be so far from the construction's logit in real arithmetic, times `scale`. 0 where
            every number is exact.
        dtype: of the model; another tool's logits must have the same.
        scale: the other tool's logits are to be the module's times this power of two.
        least_margin: what the smallest margin is to be.
        queries: how many were asked.
        all_queries: how many there are, of those that the model claims to answer.
        not_claimed: how many others there are.
        wrong: how many have some token that is not the only one with the largest logit (a NaN
            counts).
        unknown: how many are right as they were asked, but within `2 allowed` of another token
            somewhere: logits of the other tool are off by half of `allowed` each, however sums are
            added, so that in another batch they may be wrong.
        difference: the largest |logit of the other tool - scale * logit of the module|, over all
            tokens of the module at the positions that answer (others may round); NaN if any is.
        margin: the smallest logit margin in the other tool; NaN if any is.
        wrong_probability: the largest probability, over all steps of all queries, that who samples
            from the other tool's logits at temperature 1 draws any wrong token; NaN if any is.
        other_dtype: a dtype of the other tool's logits that is not `dtype`; None if there is none.
    """

    allowed: float
    dtype: str
    scale: float = 1.0
    least_margin: float = 0.0
    queries: int = 0
    all_queries: int = 0
    not_claimed: int = 0
    wrong: int = 0
    unknown: int = 0
    difference: float = 0.0
    margin: float = math.inf
    wrong_probability: float = 0.0
    other_dtype: str | None = None

    def faults(self) -> Iterator[str]:
        """No query, a wrong answer, a logit that differs too much, a margin that is too small, or
        another dtype.
        """
        if not self.queries > 0:
            yield "no query was asked"
        if self.wrong != 0:
            yield f"{self.wrong:,} wrong answers"
        if not self.difference <= self.allowed:
            yield f"a logit is off by {self.difference}, allowed is at most {self.allowed}"
        if not self.margin >= self.least_margin:
            yield f"the smallest margin is {self.margin}, asked for is {self.least_margin}"
        if self.other_dtype is not None:
            yield f"the other tool computes in {self.other_dtype}, the model in {self.dtype}"

    def doubts(self) -> Iterator[str]:
        """Queries that rounding may decide."""
        if self.unknown:
            yield f"{self.unknown:,} queries are undecided within rounding"

    @property
    def right(self) -> bool:
        """Whether the verdict is PASS."""
        return self.verdict == "PASS"

    def lines(self, to: str) -> list[str]:
        """The verdict in words, and the figures of sampling."""
        sample = "" if self.queries == self.all_queries else f" drawn from {self.all_queries:,}"
        kind = "stored queries" if self.not_claimed else "queries"
        others = f"; {self.not_claimed:,} others are not claimed" if self.not_claimed else ""
        other = (
            ""
            if self.other_dtype is None
            else f", but the other tool computes in {self.other_dtype}"
        )
        undecided = f", {self.unknown:,} undecided within rounding" if self.unknown else ""
        small = (
            ""
            if not self.margin < self.least_margin
            else f", below the {self.least_margin:.3g} asked for (--margin)"
        )
        return [
            (
                f"{self.verdict}: {self.queries:,} {kind}{sample} asked in {to}, {self.wrong:,}"
                f" wrong{undecided}; largest logit difference {self.difference:.3g} in"
                f" {self.dtype} (allowed: {self.allowed:.3g}){other}{others}"
            ),
            (
                f"logits times {self.scale:g}: smallest margin {self.margin:.4g}{small}; sampled"
                " at temperature 1, a wrong token has a probability of at most"
                f" {self.wrong_probability:.2g}"
            ),
        ]

    def as_json(self, to: str) -> str:
        """All of it."""
        numbers = {
            name: value if not isinstance(value, float) or math.isfinite(value) else None
            for name, value in asdict(self).items()
        }
        found = {"verdict": self.verdict, "to": to, **numbers}
        return json.dumps(found, indent=1, allow_nan=False) + "\n"


def larger(one: float, other: float) -> float:
    """The larger number, or NaN if one is."""
    return max(one, other, key=lambda number: (math.isnan(number), number))


def smaller(one: float, other: float) -> float:
    """The smaller number, or NaN if one is."""
    return min(one, other, key=lambda number: (not math.isnan(number), number))
