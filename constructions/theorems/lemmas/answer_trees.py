"""Lemma: an embedding that holds the answers to all words of n relations is narrowed down to the
asked one, letter by letter or at once.

Statement. Let a slot of shape (R, ..., R, m), the *tree*, hold bits: block w is the code of the
answer to the word w. `fold` makes branch 0 of the tree equal to the branch of a one-hot letter,
with one hidden layer of R times the branch. `pick` makes leaf (0, ..., 0) equal to the leaf that n
one-hot letters name, with one hidden layer of `R^n m + m` units.

Hypotheses. Entries of the tree are 0 or 1, letters are one-hot, and a form is 1.

Weights. `fold`: `x_0 <- x_0 - ReLU(x_0 - e_0) + sum_{r > 0} ReLU(x_r + e_r - 1)`; the first
difference is x_0 if letter 0 is asked, else 0, and the summand is x_r if r is asked, else 0.
`pick`: `x_0 <- x_0 - ReLU(x_0) + sum_w ReLU(x_w + sum_l e_{l, w_l} - n)`; a summand is x_w if all
letters are those of w, else 0.

Used by: `precomputed` (both), `meet_in_the_middle` (`pick`). Proof:
docs/theorems/theorem_4_3_precomputed.md.
"""

from __future__ import annotations

from constructions.model.stream import Form, Slot
from constructions.writing.layer import LayerDraft


def fold(layer: LayerDraft, tree: Slot, letter: Slot, one: Form) -> None:
    """Make branch 0 of a tree (R, ..., m) of bits equal to the branch that the one-hot letter
    names.
    """
    here = along_axis(letter, 0, len(tree.shape))
    hidden = layer.relu("branch 0 if not asked", tree[0] - here[0])
    taken = layer.relu("asked branch", tree[1:] + here[1:] - one)
    layer.add(taken.sum(axis=0) - hidden, to=tree[0])


def pick(layer: LayerDraft, tree: Slot, letters: Slot, one: Form) -> None:
    """Make the leaf (0, ..., 0) of a tree (R, ..., R, m) of bits equal to the leaf that the
    one-hot letters name.
    """
    depth = len(tree.shape) - 1
    matches: Form = tree - depth * one
    for axis in range(depth):
        matches = matches + along_axis(letters[axis], axis, depth + 1)
    leaves: Form = layer.relu("asked leaf", matches)
    for _ in range(depth):
        leaves = leaves.sum(axis=0)
    old = layer.relu("leaf 0", tree[(0,) * depth])
    layer.add(leaves - old, to=tree[(0,) * depth])


def along_axis(letter: Slot, axis: int, n_axes: int) -> Slot:
    """A one-hot letter (R,) shaped so that it broadcasts along one of the axes of a tree."""
    return letter[tuple(slice(None) if i == axis else None for i in range(n_axes))]
