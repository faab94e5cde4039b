"""What can be watched of a forward pass at the last position: the residual stream, the hidden
units, the attention.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, Protocol, TypeVar

import numpy as np

from verify.learned.decoder import Decoder, Floats, Ints

Numbers = TypeVar("Numbers")
"""Tensors, or arrays of numpy."""
SUBJECT, END = "subject", "end"


class Place(NamedTuple):
    """Where the stream is watched.

    Attributes:
        point: as in `constructions.model.trace.Trace`: "embedding", "layers.0.mid",
            "layers.0.post"; "final" for what the unembedding reads, where that is something else.
        at: `SUBJECT`, the position of the subject, or `END`, the last one.
    """

    point: str
    at: str


@dataclass(frozen=True)
class Seen(Generic[Numbers]):
    """What was seen of Q queries.

    Attributes:
        streams: the residual stream (Q, d) at each place, in the order of the forward pass; last
            what the unembedding reads.
        hidden: for each hidden layer of an MLP the number of its layer, and activations
            (Q, n_units).
        patterns: for each layer its number, and attention (Q, n_heads, L) from the last position,
            where all prompts are of one length.
    """

    streams: dict[Place, Numbers]
    hidden: list[tuple[int, Numbers]]
    patterns: list[tuple[int, Numbers]]


@dataclass(frozen=True)
class Prompt:
    """One query as the decoder is given it.

    Attributes:
        tokens: the names of its L tokens; None where they are a subject, and then a relation's,
            one for each hop.
        length: L.
        subject: where the subject stands, or its last token.
        patterns: for each layer its number, and attention (n_heads, L) from the last position.
    """

    tokens: tuple[str, ...] | None
    length: int
    subject: int
    patterns: list[tuple[int, Floats]]


class Seeable(Decoder, Protocol):
    """One of which all that can be watched is told layer by layer."""

    def seen(self, subjects: Ints, relations: Ints) -> Seen[Floats]:
        """What is seen of queries (Q,)."""

    def prompt(self, subject: int, relation: int) -> Prompt:
        """The tokens of one query, and what the last of them attends to."""


def joined(parts: Sequence[Seen[Floats]]) -> Seen[Floats]:
    """What was seen of some queries after the other."""
    first = parts[0]
    return Seen(
        {place: np.concatenate([one.streams[place] for one in parts]) for place in first.streams},
        [
            (layer, np.concatenate([one.hidden[i][1] for one in parts]))
            for i, (layer, _) in enumerate(first.hidden)
        ],
        [
            (layer, np.concatenate([one.patterns[i][1] for one in parts]))
            for i, (layer, _) in enumerate(first.patterns)
        ],
    )
