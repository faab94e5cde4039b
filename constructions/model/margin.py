"""What is claimed of the logit margins of a construction."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction


@dataclass(frozen=True)
class MarginClaim:
    """What a construction claims of its logits: the answer's logit minus the largest other one,
    over all queries.

    Attributes:
        real: a lower bound of the smallest margin in real arithmetic, where softmax never
            saturates.
        in_dtype: a lower bound of the smallest margin of the module in its dtype, rounding
            included.
        attained: whether some query has exactly the margin `in_dtype`.
        rounds: whether the forward pass rounds; if not, all its numbers are exact (a leak that
            underflows is a 0).
    """

    real: Fraction
    in_dtype: Fraction
    attained: bool = False
    rounds: bool = False

    @classmethod
    def exactly(cls, margin: int) -> MarginClaim:
        """Integers all the way: the same margin in real arithmetic and in the dtype, and some
        query has it.
        """
        return cls(Fraction(margin), Fraction(margin), attained=True)

    @classmethod
    def at_least(cls, margin: int) -> MarginClaim:
        """Integers all the way: the same lower bound in real arithmetic and in the dtype."""
        return cls(Fraction(margin), Fraction(margin))

    def times(self, scale: int) -> MarginClaim:
        """The claim for a module whose logits are these times a power of two, bit for bit."""
        return replace(self, real=self.real * scale, in_dtype=self.in_dtype * scale)

    def less(self, logit_error: float) -> MarginClaim | None:
        """The claim for a module whose logits, rounding included, are within so much of these in
        real arithmetic; None if nothing is left of the margin.
        """
        if logit_error == 0 and not self.rounds:
            return self
        if not math.isfinite(logit_error):
            return None
        left = self.real - 2 * Fraction(logit_error)
        return MarginClaim(left, left, rounds=True) if left > 0 else None
