"""Lemma: a relation's embedding that is negative in every block but its own closes these blocks,
so that no flag for each relation is needed.

Statement. Let every entity hold numbers from 0 to a >= 1 in R blocks, and `E[relation r]` hold -a
in every block but block r, and 0 in that. Let uniform attention over both tokens copy twice the
blocks. Then `x + ReLU(-x)` in every coordinate x of the relation's position leaves in block r what
the entity holds there, and 0 in all others.

Proof. Attention adds `2 (E[s] + E[r]) / 2 = E[s] + E[r]` to `E[r]`. In block r that is the
entity's number, which is not negative. In another block it is the entity's number less 2 a, from
-2 a to -a, which is negative. And `x + ReLU(-x) = max(x, 0)`. ∎

Numbers on the way are at most 2 a in absolute value. Half of a would close a block, too; the whole
keeps closed blocks a below 0, so that noise does not open them.

Used by: `selector`; `scalar_selector` and `digit_selector` by `digit_blocks`.
"""

from __future__ import annotations

import numpy as np

from constructions.model.stream import Slot
from constructions.writing.draft import Draft


def close_other_blocks(draft: Draft, blocks: Slot, largest: int) -> None:
    """Let `E[relation r]` hold minus the largest number of a block in every block but block r.

    Args:
        draft: of the construction.
        blocks: of shape (R, ...), one for each relation.
        largest: a, at least 1.
    """
    n_relations = blocks.shape[0]
    closed = np.eye(n_relations, dtype=np.int64) - 1
    each = blocks.size // n_relations
    draft.relations(blocks, largest * closed.repeat(each, axis=1))
