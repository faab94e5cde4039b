"""Measures along the training of memories of a graph."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Along:
    """How measures rise and fall along training.

    Attributes:
        steps: after which memories were measured.
        values: by the name of a measure, at each of these steps, of each seed.
        plane: the first seed's embeddings after the last step in the plane of the two leading
            eigenvectors, a pair for each node.
    """

    steps: tuple[int, ...]
    values: dict[str, tuple[tuple[float, ...], ...]]
    plane: tuple[tuple[float, float], ...]
