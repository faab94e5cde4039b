"""Where a construction lies in a larger decoder."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from constructions.model.step import Step
from constructions.model.stream import Space


@dataclass(frozen=True)
class EmbeddingMap:
    """Where a construction lies in a standard decoder: columns of its stream, blocks, heads and
    units.

    Attributes:
        space: the construction's coordinates: slots `stream` (the construction's own stream),
            `scratch`, `answer`; see `constructions.decoders.blocks`.
        stream: the construction's own stream, with its slots by name.
        columns: int64 (space.width,): the column of each coordinate.
        mirror: int64 (space.width,): the column that holds its negative, where LayerNorm needs
            one; else empty.
        slack: int64: the columns that hold the norms' slack; empty without norms.
        d_model: columns of the decoder.
        first_block: the decoder's block in which the construction begins.
        heads: for each block from there on the names of its heads; they are heads 0, 1, ... of the
            decoder's block.
        units: for each of these blocks how many units it has; they are units 0, 1, ... of the
            decoder's block.
        d_vocab: how many tokens are the construction's; they come first.
        steps: what each of these heads and units does, by the decoder's own numbers; None of a
            construction that was trained or edited before, of which that is not known.
    """

    space: Space
    stream: Space
    columns: NDArray[np.int64]
    mirror: NDArray[np.int64]
    slack: NDArray[np.int64]
    d_model: int
    first_block: int
    heads: tuple[tuple[str, ...], ...]
    units: tuple[int, ...]
    d_vocab: int
    steps: tuple[Step, ...] | None

    def slot(self, name: str) -> NDArray[np.int64]:
        """The columns of a slot of the construction's stream, in the slot's shape."""
        columns: NDArray[np.int64] = self.columns[self.stream[name].columns]
        return columns

    @property
    def blocks(self) -> range:
        """The decoder's blocks that the construction uses."""
        return range(self.first_block, self.first_block + len(self.units))

    @property
    def own(self) -> NDArray[np.int64]:
        """All columns that only the construction writes: coordinates, mirrors and slack."""
        return np.concatenate([self.columns, self.mirror, self.slack])

    @property
    def rest(self) -> NDArray[np.int64]:
        """All other columns."""
        return np.setdiff1d(np.arange(self.d_model), self.own)
