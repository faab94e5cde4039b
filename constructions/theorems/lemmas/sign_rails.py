"""Lemma: a hidden layer can say state, asked relation and pass so that whatever reads all of it
with signs ignores what it does not want.

Statement. Let the slots `state` (b) and `asked` (c) hold sign codes and the form `one` be 1. The
units below are 0 or 1, but for `bias`, which is `b + c`; of the two *rails* of each coordinate one
is 1 and the other 0, and exactly one unit of `now` is 1. So with weights +1 and -1 two rails give
their coordinate, with weights +1 and +1 they give 1: `any_state` is b, `any_relation` is c,
whatever the codes are. Unit t of `matches` is 1 if the wanted code is `codes[t]` on all of the
coordinates where that is not 0, and else at most -1 before its ReLU.

Weights. `ReLU(x)` and `ReLU(-x)` of each coordinate; *now*: a constant 1, or of a shared layer k
units `ReLU(<c(q), pointer> - (p - 1))`; *bias*: `(b + c) one`.

Used by: `key_value_rows`, `key_value_grid`. Proof: docs/theorems/theorem_4_3_key_value.md, "Proof:
`key_value_rows`".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from constructions.model.stream import Form, Slot, Space, dot
from constructions.writing.layer import LayerDraft


@dataclass(frozen=True)
class Rails:
    """The units of one hidden layer.

    Attributes:
        state, asked: the rails of each slot, those that are above 0 first.
        now: one-hot over the passes; one unit, always 1, where layers are not shared.
        bias: one unit.
    """

    state: tuple[Slot, Slot]
    asked: tuple[Slot, Slot]
    now: Slot
    bias: Slot

    @property
    def any_state(self) -> Form:
        """b."""
        return self.state[0].sum() + self.state[1].sum()

    @property
    def any_relation(self) -> Form:
        """c."""
        return self.asked[0].sum() + self.asked[1].sum()

    def of_state(self, codes: NDArray[np.int8]) -> Form:
        """Which state it is, one of codes (n, b) of signs, and of 0 where either sign will do."""
        return self._matches(self.state, codes) + self.any_relation + self._rest

    def of_relation(self, codes: NDArray[np.int8]) -> Form:
        """Which relation is asked, one of codes (n, c)."""
        return self._matches(self.asked, codes) + self.any_state + self._rest

    def of_pass(self, weights: NDArray[np.int64]) -> Form:
        """What signs (n, k) make of `now`: a sign itself."""
        return dot(weights, self.now) + self.any_state + self.any_relation - self.bias[0]

    @property
    def _rest(self) -> Form:
        """What a code that all rails of its slot agree with lacks to be 1."""
        return self.now.sum() - self.bias[0]

    @staticmethod
    def _matches(rails: tuple[Slot, Slot], codes: NDArray[np.int8]) -> Form:
        """The width of a code at the same code, two less or still less at others."""
        free = codes == 0
        return dot(codes + free, rails[0]) + dot(free - codes, rails[1])


def sign_rails(layer: LayerDraft, stream: Space, passes: NDArray[np.int8] | None) -> Rails:
    """Add the units to the first hidden layer.

    Args:
        layer: gets the units.
        stream: has the slots `state`, `asked` and `one`, and `pointer` if the layer is shared.
        passes: int8 (k, p), the codes of the pointer, if the layer is shared.
    """
    state, asked, one = stream["state"], stream["asked"], stream["one"]
    state_rails = layer.relu("state > 0", state), layer.relu("state < 0", -state)
    asked_rails = layer.relu("asked > 0", asked), layer.relu("asked < 0", -asked)
    if passes is None:
        now: Slot = layer.relu("now", one[None])
    else:
        pointer = stream["pointer"]
        now = layer.relu("now", dot(passes, pointer) - (pointer.size - 1) * one)
    bias = layer.relu("bias", (state.size + asked.size) * one[None])
    return Rails(state_rails, asked_rails, now, bias)
