"""Lemma: a relation's embedding that holds a negative number in every block but its own closes
these blocks, without a flag.

Statement. Let every entity hold numbers between 0 and a > 0 in R blocks, and `E[relation r]` hold
-a in every block but block r, where it holds 0. Let uniform attention over both tokens copy twice
the blocks. At the relation's position block r then holds what the entity holds there, and every
other block a number between -2 a and -a, plus its own -a once more by attention: the entity's
number less 2 a, which is negative. So `x + ReLU(-x) = max(x, 0)` keeps block r and makes all
others 0.

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
