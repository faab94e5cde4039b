"""How long paths may be, and how many queries are run, or counted."""

from __future__ import annotations

from constructions.guards.errors import DoesNotFit, InputError
from constructions.guards.wording import shortened

MOST_HOPS = 2048
"""The longest paths that models are built for: each hop takes a position or more, mostly a layer
of its own.
"""
MOST_QUERIES = 10**9
"""So many are run one by one, which may take hours; of more a proof decides, or nothing does.
Where nothing is asked for a proof decides of far fewer: `verify.cells.decided_by`.
"""
MOST_BITS = 10**6
"""Of the number of queries, wherever it is reported."""


def require_path(hops: int, name: str = "hops") -> None:
    """Raise DoesNotFit, with both numbers, if paths are longer than `MOST_HOPS`."""
    if hops > MOST_HOPS:
        raise DoesNotFit(
            f"{name} is {shortened(hops)}, and models are built for up to {MOST_HOPS:,}"
        )


def require_runnable(queries: int) -> None:
    """Raise InputError, with both numbers, if there are more than `MOST_QUERIES`."""
    if queries > MOST_QUERIES:
        raise InputError(
            f"there are {shortened(queries)} queries, and at most {MOST_QUERIES:,} are run one"
            " by one"
        )
