"""Lemma: one stored layer, applied k times, can read relation q of the prompt in pass q.

Statement. Let the last position hold in the slot `pointer` the sign code of a position, and in
`first` a flag. If it starts with the code `c(1)` and the flag 1, and every pass reads by
`follow_pointer` and ends with `advance_pointer` (or with `move_pointer`, given units that say
which pass it is), then pass q, 1 <= q <= k, reads relation `r_q`, and pass 1 alone reads the
subject.

Hypotheses. The stream has the slots `position`, `pointer` (both p bits), `first` (1), `relation`,
and a form that is 1; nothing else writes `pointer` and `first`. The subject's slots that are read
are empty at the last position.

Weights. A head whose query is `GAIN pointer` selects the position whose code the pointer is. A
head whose query is `GAIN (position + (c(0) - c(k)) first)` selects position 0 while the flag is 1,
later the last position itself. Unit q is `ReLU(<c(q), pointer> - (p - 1))`: 1 in pass q, else 0.
It writes `c(q + 1) - c(q)` to the pointer, unit k nothing, and unit 1 clears the flag.

Used by: `key_value` and `key_value_rows` with shared layers, `hybrid` with shared layers. Proof:
docs/theorems/theorem_4_3_key_value.md, "Shared layers".
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from constructions.model.stream import Form, Slot, Space, dot
from constructions.writing.draft import Draft
from constructions.writing.layer import LayerDraft
from constructions.writing.position_reading import GAIN, position_codes


def start_pointer(draft: Draft, stream: Space, n_positions: int) -> None:
    """The last position starts with a pointer to relation 1 and a flag that says that this is the
    first pass.
    """
    codes = position_codes(n_positions)
    last = np.zeros((n_positions, 1), dtype=np.int8)
    last[-1] = 1
    draft.position(stream["pointer"], last * codes[1])
    draft.position(stream["first"], last)


def follow_pointer(
    layer: LayerDraft, stream: Space, n_positions: int, subject: Slot, state: Slot, letter: Slot
) -> None:
    """Copy the relation that is pointed at to `letter`; in the first pass `subject` to `state`,
    later an empty slot.
    """
    position, pointer, first = stream["position"], stream["pointer"], stream["first"]
    codes = position_codes(n_positions).astype(np.int64)
    # In the first pass c(0), later the position's own code c(k): its slot `subject` is empty.
    once = GAIN * position + dot(GAIN * (codes[0] - codes[-1])[:, None], first)
    layer.head("read the subject", copy=subject, to=state, query=once, key=position)
    layer.head(
        "read the relation", copy=stream["relation"], to=letter, query=GAIN * pointer, key=position
    )


def advance_pointer(layer: LayerDraft, stream: Space, passes: NDArray[np.int8], one: Form) -> None:
    """Units that say which pass it is, read from the pointer, and what `move_pointer` writes.

    Args:
        layer: gets the units.
        stream: has the slots `pointer` and `first`.
        passes: int8 (k, p), c(1), ..., c(k).
        one: a form on the stream that is 1.
    """
    pointer = stream["pointer"]
    at = layer.carry("pass", dot(passes, pointer) - (pointer.size - 1) * one)
    move_pointer(layer, stream, at, passes)


def move_pointer(layer: LayerDraft, stream: Space, at: Slot, passes: NDArray[np.int8]) -> None:
    """In pass q the pointer moves from c(q) to c(q+1); after pass 1 the flag is cleared.

    Args:
        layer: gets what the units write.
        stream: has the slots `pointer` and `first`.
        at: k units of the last hidden layer: unit q - 1 is 1 in pass q, else 0.
        passes: int8 (k, p), c(1), ..., c(k).
    """
    steps = np.zeros(passes.shape, dtype=np.int64)
    steps[:-1] = passes[1:].astype(np.int64) - passes[:-1]
    layer.add(dot(steps.T, at), to=stream["pointer"])
    layer.add(-at[:1], to=stream["first"][None])
