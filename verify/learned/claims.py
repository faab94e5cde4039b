"""What is proven of a trained model, claim by claim."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from textwrap import indent, wrap
from typing import Literal

from torch import Tensor

from constructions.guards.wording import joined, printable, shortened
from verify.queries.evidence import worst

Verdict = Literal["PASS", "FAIL", "UNKNOWN"]


@dataclass(frozen=True)
class Wrong:
    """A query that is answered wrong.

    Attributes:
        subject, path: by their ids.
        answer, wins: tokens, the right one and one whose logit is not below it; the right one
            itself where there is no other, and its logit is no number.
        own, other: intervals that hold their logits.
        text: the query in names.
    """

    subject: int
    path: tuple[int, ...]
    answer: int
    wins: int
    own: tuple[float, float]
    other: tuple[float, float]
    text: str

    def in_words(self) -> str:
        """In one line, with both intervals."""
        if any(map(math.isnan, (*self.own, *self.other))):
            return f"{self.text}; its numbers may overflow"
        own, other = (f"[{low:.9g}, {high:.9g}]" for low, high in (self.own, self.other))
        return f"{self.text}: its logit lies in {other}, the answer's in {own}"


@dataclass
class Claim:
    """That all queries are answered right, in one arithmetic.

    Attributes:
        queries: how many there are.
        proven, refuted: of how many it is decided.
        exactly: how many were computed in rational numbers.
        margin: the least distance of the right logit from the next one, at least, over those that
            are proven from intervals; None where there are none; infinite where a model has one
            answer and no other.
        first_wrong: the first refuted query.
        why: why nothing is decided, where that is so.
        seconds: of the work.
    """

    queries: int
    proven: int = 0
    refuted: int = 0
    exactly: int = 0
    margin: float | None = None
    first_wrong: Wrong | None = None
    why: str = ""
    seconds: float = 0.0

    def prove(self, margins: Tensor) -> None:
        """So many more are proven, by these margins at least, (n,)."""
        self.proven += len(margins)
        found = [] if self.margin is None else [self.margin]
        self.margin = min([*found, *margins.sort().values[:1].tolist()], default=None)

    def prove_exactly(self) -> None:
        """One more is proven, in rational numbers."""
        self.proven += 1

    def refute(self, count: int) -> None:
        """So many more are refuted."""
        self.refuted += count

    @property
    def verdict(self) -> Verdict:
        """PASS, FAIL or UNKNOWN."""
        if self.refuted:
            return "FAIL"
        proven = self.queries > 0 and self.proven == self.queries
        return "PASS" if proven and not self.why else "UNKNOWN"

    @property
    def undecided(self) -> float:
        """The share of queries that are neither proven nor refuted, 0 to 1."""
        return 1 - (self.proven + self.refuted) / self.queries if self.queries else 1.0

    @property
    def _shown_margin(self) -> str:
        """The margin in digits; "" of none, and where there is no other answer to be above."""
        if self.margin is None or math.isinf(self.margin):
            return ""
        return shortened(Fraction(self.margin))

    def __str__(self) -> str:
        """The verdict, and how many queries are decided, in lines of at most 95 columns."""
        decided = f"decided: {1 - self.undecided:.2%} of {self.queries:,} queries"
        if self._shown_margin:
            decided += f", margin of those that are proven: {self._shown_margin}"
        return joined(
            part
            for line in (self.in_words(), decided)
            for part in wrap(printable(line), 95, subsequent_indent="    ")
        )

    def in_words(self) -> str:
        """The verdict in one line."""
        if self.why:
            return f"UNKNOWN: {self.why}"
        if self.first_wrong is not None:
            return (
                f"FAIL: {self.refuted:,} of {self.queries:,} queries are answered wrong, first"
                f" {self.first_wrong.in_words()}"
            )
        if self.verdict == "PASS":
            return f"PASS: all {self.queries:,} queries are answered right{self._by()}"
        return (
            f"UNKNOWN: {self.queries - self.proven - self.refuted:,} of {self.queries:,} queries"
            f" ({self.undecided:.2%}) are undecided"
        )

    def _by(self) -> str:
        """By which margin, in words."""
        if self.margin is None:
            return ""
        if math.isinf(self.margin):
            return "; there is no other answer"
        return f", by {self._shown_margin} at least"


@dataclass(frozen=True)
class Proof:
    """Both claims.

    Attributes:
        real: in real arithmetic.
        in_dtype: in the dtype of the weights, in any order of summation.
        dtype: that one.
    """

    real: Claim
    in_dtype: Claim
    dtype: str

    @property
    def verdict(self) -> Verdict:
        """The worse one of both."""
        return worst((self.real.verdict, self.in_dtype.verdict))

    def __str__(self) -> str:
        """Both, each under its name."""
        return (
            f"in real arithmetic:\n{indent(str(self.real), '    ')}\n"
            f"in {self.dtype}, in any order:\n{indent(str(self.in_dtype), '    ')}"
        )

    def in_words(self) -> str:
        """Both in two lines."""
        return (
            f"in real arithmetic: {self.real.in_words()}\n"
            f"in {self.dtype}, in any order: {self.in_dtype.in_words()}"
        )
