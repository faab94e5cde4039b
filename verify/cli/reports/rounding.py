"""Numbers that are printed as lower bounds, and so are rounded down."""

from __future__ import annotations

import math
from decimal import ROUND_FLOOR, Context, Decimal

# every float is an integer part of at most 309 digits and six decimals
_WIDE = Context(prec=400, rounding=ROUND_FLOOR)


def down(bits: float, digits: int = 6) -> str:
    """A number rounded down to so many decimals: what is printed is still a lower bound."""
    if math.isinf(bits):  # below the smallest float
        return "-inf"
    return f"{Decimal(bits).quantize(Decimal(1).scaleb(-digits), context=_WIDE):,}"


def factor(number: float) -> str:
    """Four digits, rounded down: at least so many times."""
    exact = Decimal(number)
    return f"{exact.quantize(Decimal(10) ** (exact.adjusted() - 3), ROUND_FLOOR):f}"
