"""Lemma: an embedding that holds the answers to all words of n relations is narrowed down to the
asked one, letter by letter or at once.

Statement. Let a slot of shape (R, ..., R, m), the *tree*, hold bits: block w is the code of the
answer to the word w. Let a head for each of some letters add `-[r is not asked]` to the whole
branch r of its axis, which closes all branches but the asked one. `keep_open` then makes branch 0
of these axes equal to the branch that is open, with one hidden unit for each bit of the tree.

Hypotheses. Entries of the tree are 0 or 1 before the heads; relations are one-hot in the slot that
the heads read. Or entries are numbers from 0 to L, and relation r holds L >= 1 times its unit
vector: then L is subtracted.

Weights. A head's value is `e_r - sum_q e_q`, R numbers, however large the branches are that its
output writes them to. With x_w the branch of a word w of the letters that were read, `x_0 <- x_0 +
ReLU(-x_0) + sum_{w > 0} ReLU(x_w)`: that is `max(x_0, 0) + sum_{w > 0} max(x_w, 0)`. A bit less 1
or more is not positive, so that the asked branch is the only summand that is not 0.

Used by: `precomputed` (both), `precomputed_digits`, `meet_in_the_middle`; `by_letter` by
`chain_of_thought`, `along_axis` by `hybrid`. Proof: docs/theorems/theorem_4_3_precomputed.md.
"""

from __future__ import annotations

import numpy as np

from constructions.model.stream import Form, Slot
from constructions.writing.layer import LayerDraft


def closing(relation: Slot) -> Form:
    """Of a token with a one-hot relation: -1 for every other one, (R, 1), to be added to the
    branches `by_letter`.
    """
    return (relation - relation.sum())[:, None]


def by_letter(tree: Slot, axis: int) -> Slot:
    """A tree as a matrix (R, size / R): a row for each branch of an axis."""
    columns = np.moveaxis(tree.columns, axis, 0)
    return Slot(tree.space, tree.name, columns.reshape(len(columns), -1))


def keep_open(layer: LayerDraft, tree: Slot, axes: int) -> None:
    """Make branch 0 of the first axes of a tree equal to the one that their letters leave open."""
    rest = tree.shape[axes:]
    branches = Slot(tree.space, tree.name, tree.columns.reshape(-1, *rest))
    closed = layer.relu("branch 0 if not asked", -branches[0])
    asked = layer.relu("asked branch", branches[1:])
    layer.add(closed + asked.sum(axis=0), to=branches[0])


def along_axis(letter: Slot, axis: int, n_axes: int) -> Slot:
    """A one-hot letter (R,) shaped so that it broadcasts along one of the axes of a tree."""
    return letter[tuple(slice(None) if i == axis else None for i in range(n_axes))]
