"""Lemma: heads of the last position copy any part of the prompt, each from its place.

Statement. Let every position carry its sign code in the slot `position`. Then one head copies any
slots of the subject from position 0 to the last position, and one head for each letter that is
wanted copies `relation` from the letter's position to a slot of the last position, or adds what
closes the branches of a tree that it does not ask for (`answer_trees`).

Hypotheses. The place of the reader is known: it is the last position, `last` = k. Nothing writes
`position` or `relation`, and no earlier layer the slots that are copied. Selection is exact in
every dtype and up to a leak in real arithmetic (`constructions.writing.position_reading`).

Weights. The query of place i is `GAIN c(k)_j c(i)_j position_j`, that is `GAIN c(i)`, and the key
is `position`.

Used by: `key_value`, `key_value_rows`, `precomputed`, `precomputed_digits`, `hybrid`,
`meet_in_the_middle`. Proof:
docs/position_reading.md, "Selection by position".
"""

from __future__ import annotations

from constructions.model.stream import Slot, Space
from constructions.theorems.lemmas.answer_trees import by_letter, closing
from constructions.writing.layer import LayerDraft
from constructions.writing.position_reading import at_position


def read_prompt(
    layer: LayerDraft,
    stream: Space,
    subject: list[Slot],
    letters: dict[int, Slot],
    last: int,
    closes: dict[int, tuple[Slot, int]] | None = None,
) -> None:
    """Heads of the last position: copy slots of the subject, and the relation at each given
    position to a slot; or close by it the other branches of a tree, along an axis.
    """
    position = stream["position"]
    if subject:
        start = at_position(position, last, 0, last + 1)
        slots = stream.span([slot.name for slot in subject])
        layer.head("read the subject", copy=slots, to=slots, query=start, key=position)
    relation = stream["relation"]
    reads = {place: (relation.form(), slot) for place, slot in letters.items()}
    for place, (tree, axis) in (closes or {}).items():
        reads[place] = closing(relation), by_letter(tree, axis)
    for place, (copy, to) in sorted(reads.items()):
        there = at_position(position, last, place, last + 1)
        layer.head(f"read relation {place}", copy=copy, to=to, query=there, key=position)
