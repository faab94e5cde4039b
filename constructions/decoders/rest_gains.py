"""What norms that no longer normalize multiply the rest of the stream by."""

from __future__ import annotations

import math

from constructions.decoders.standard_decoder import StandardDecoder
from constructions.guards.errors import InputError


def gains_on_the_rest(target: StandardDecoder, rest_size: float | None) -> tuple[float, ...]:
    """What norms are to multiply the rest of the stream by, the first that can be certified.

    Raises:
        InputError: a size is given and is no size, or there is no norm that could make it so.
    """
    normed = target.shape.norm is not None and target.shape.placement == "pre"
    if rest_size is None:
        size = _size_of_tokens(target) if normed else 0.0
        return (1 / size, 1.0) if size else (1.0,)
    if isinstance(rest_size, bool) or not (
        isinstance(rest_size, int | float) and 0 < rest_size < math.inf
    ):
        raise InputError(f"rest_size must be a finite number above 0; got {rest_size!r}")
    size = _size_of_tokens(target) if normed else 0.0
    if not size:
        raise InputError(
            "rest_size is for decoders with norms before each part, and with tokens that are not 0"
        )
    return (rest_size / size,)


def _size_of_tokens(target: StandardDecoder) -> float:
    """The root mean square of an embedded token's coordinates."""
    tables = target.embedding.weight, target.positions.weight
    return math.sqrt(sum(table.double().square().mean().item() for table in tables))
