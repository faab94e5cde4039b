"""Shapes by which constructions differ without colours, as paths of SVG around 0."""

from __future__ import annotations

import math


def _polygon(corners: int, turned: float, radius: float = 6.0, inner: float = 0.0) -> str:
    """A regular polygon, turned by a share of a full turn; with `inner` a star."""
    radii = [radius, inner] * corners if inner else [radius] * corners
    points = [
        (
            round(one * math.sin(2 * math.pi * (i / len(radii) + turned)), 1),
            round(-one * math.cos(2 * math.pi * (i / len(radii) + turned)), 1),
        )
        for i, one in enumerate(radii)
    ]
    return "M" + " ".join(f"{x:g},{y:g}" for x, y in points) + "z"


MARKS = (
    "M-5,0a5,5 0 1 0 10,0a5,5 0 1 0 -10,0z",
    _polygon(4, 1 / 8),
    _polygon(4, 0),
    _polygon(3, 0, 6.5),
    _polygon(3, 1 / 2, 6.5),
    _polygon(4, 0, 6.0, 2.2),
    _polygon(5, 0, 6.5, 2.6),
    _polygon(3, 1 / 4, 6.5),
    _polygon(3, 3 / 4, 6.5),
    _polygon(5, 0),
    _polygon(6, 0),
    _polygon(4, 1 / 8, 6.5, 2.4),
    _polygon(3, 0, 6.5, 2.2),
)
