"""Attention to the subject: how much of the attention of the last position is at the subject's.

The value is a mean over all queries and all heads. Null: uniform attention, 1 of L positions.
Control: rows of 0 in place of all subjects, so that nothing but a position is there to be found.
Where the control equals the value, a head looks at a place; where it falls to the null, at the
subject. Uniform attention (`selector`) has all three equal: attention decides nothing there.

A mean over heads may hide heads that exchange their parts: `by_head` has each of them by relation.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from constructions.guards.wording import counted
from verify.learned.decoder import Floats, Ints, Watched
from verify.learned.measure import Measure

NAME = "attention to the subject"


@dataclass(frozen=True)
class Attention:
    """Attention to the subject.

    Attributes:
        measure: its mean over relations and heads, or why there is none.
        by_head: float64 (R, n_heads), means over subjects.
    """

    measure: Measure
    by_head: Floats

    def __str__(self) -> str:
        """The measure, and between what heads and relations differ."""
        if self.measure.refused is not None:
            return str(self.measure)
        relations, heads = self.by_head.shape
        low, high = float(self.by_head.min()), float(self.by_head.max())
        return (
            f"{self.measure}\nof {counted(heads, 'head')} and {counted(relations, 'relation')}:"
            f" {low:.3f} to {high:.3f}"
        )


def attention(decoder: Watched, position: int = 0) -> Attention:
    """The mean share of attention at the subject's position, by head and relation.

    Args:
        decoder: any whose heads can be watched.
        position: where the subject stands.
    """
    by_head, length = _by_head(decoder, position)
    nobody: Watched = decoder.with_rows(np.zeros_like(decoder.rows()))  # type: ignore[assignment]
    if not by_head.size:
        return Attention(Measure.without(NAME, "there are no heads"), by_head)
    if not np.isfinite(by_head).all():
        return Attention(Measure.without(NAME, "shares are not finite"), by_head)
    control, _ = _by_head(nobody, position)
    known = float(control.mean()) if np.isfinite(control).all() else None
    measure = Measure(NAME, float(by_head.mean()), Fraction(1, length), known)
    return Attention(measure, by_head)


def _by_head(decoder: Watched, position: int) -> tuple[Floats, int]:
    """The mean over subjects (R, n_heads), and how many positions there are."""
    subjects: Ints = np.arange(decoder.n_entities)
    found, length = [], 0
    for relation in range(decoder.n_relations):
        shares = decoder.attention(subjects, np.full(len(subjects), relation))
        found.append(shares[:, :, position].mean(axis=0))
        length = shares.shape[2]
    return np.array(found), length
