"""Lemma: where relations are one-hot, the sum of their coordinates is 1 at a relation's position.

Statement. Let `E[relation r]` be the unit vector `e_r` in the slot `relation`. Then at the
position of a relation the form `relation.sum()` is 1, and a unit that reads `-e_r` or `+e_r` is
gated by relation r alone.

Used by: `attention_selector`, `superposition`, `precomputed`, `hybrid`, `meet_in_the_middle`,
`chain_of_thought`. Where one head sees subject and relation together, relations close blocks
themselves and need no slot of their own: `closed_blocks`.
"""

from __future__ import annotations

import numpy as np

from constructions.model.stream import Slot
from constructions.writing.draft import Draft


def one_hot_relations(draft: Draft, relation: Slot) -> None:
    """Let `E[relation r]` hold `e_r` in the slot."""
    draft.relations(relation, np.eye(relation.size, dtype=np.int8))
