"""Theorem 4.3(1) with nearly no bits but facts (ours): a grid of signs, of rows and lanes of
entities.

Statement. Let `f_0, ..., f_{R-1}` be functions on N entities, possibly partial, k >= 1 and v >= 0.
There is a transformer of one stored layer, applied k times, that answers every query `(s, r_1,
..., r_k)` with margin exactly 2, in dimension `2 b + 2 c + 2 p + 2`. b = max(1, ceil(log2 (N +
u))) bits name a state (u = 1 where facts are missing, else 0), c = max(1, ceil(log2 R)) a
relation, p = max(1, ceil(log2(k+1))) a position. With `L = 2^min(v, b)` lanes and `A = ceil((N +
u) / L)` rows its MLP has four hidden layers of widths

    2 b + 2 c + k + 1,    A + L + R + k + 1,    L R b + b + c + 1 + k,    2 b + c + 1 + k,

all weights between which take one bit each: `A L R b` of them, and fewer than
`(2 b + 2 c + k + 1 + b + c + 1 + k) A` more that grow with A.

State number `a L + l` stands in row a and lane l. So A units say which row it is, in place of N
that say which state; and the lane is found as the relation is: of all the answers in a row the
units of the lane and of the relation that are asked let one pass.

Hypotheses. None on the facts. Where this departs from the paper: all of it is ours but the
theorem. Proof: docs/theorems/key_value_grid.md.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from constructions.facts.codes import Codebook, sign_codes
from constructions.facts.table import FactTable
from constructions.facts.vocabulary import Vocabulary
from constructions.guards.integers import whole
from constructions.model.fact_model import FactModel
from constructions.model.recipe import recorded
from constructions.model.stream import Space, dot
from constructions.theorems.lemmas.pointers import move_pointer
from constructions.theorems.lemmas.row_memory import one_of
from constructions.theorems.lemmas.sign_rails import sign_rails
from constructions.theorems.lemmas.state_by_state import memory
from constructions.writing.layer import LayerDraft
from constructions.writing.plan import Plan


@recorded
def key_value_grid(
    facts: FactTable, hops: int, *, lane_bits: int = 1, dtype: torch.dtype = torch.float32
) -> Plan[FactModel]:
    """Theorem 4.3(1), its facts a grid of signs that takes nearly all of the weights (ours).

    Weights. Stream, embeddings, positions, heads and readout are those of `key_value_rows` with
    shared layers, and so are the units that say what there is. Second hidden layer: which row the
    state is in, which lane, which relation is asked, which pass it is. Third: unit (r, l, j) is
    `ReLU(sum_a c(f_r(a L + l))_j [row is a] + [lane is l] - [it is not] + [r is asked] - [it is
    not] - 2)`: bit j of the answer for the asked r and the lane l, else 0. The fourth adds these
    up over r and l. The state moves by twice the new bits minus twice the old.

    Args:
        facts: any table.
        hops: k, at least 1.
        lane_bits: v: the entities stand in 2^v lanes, or one for each state if that is less. 2^v
            near `(1.5 N / R)^(1/3)` takes the fewest bits.
        dtype: any floating dtype whose integers are exact up to `4 (b + c)`.

    Raises:
        InputError: hops is not a positive integer, lane_bits no natural number.
        DoesNotFit: the dtype is too narrow, or the weights exceed the memory.

    Example:
        >>> model = key_value_grid(facts, hops=2, lane_bits=1)
        >>> bool(model.answer(3, [1, 0]) == facts.answer(3, [1, 0]))
        True
    """
    lane_bits = whole("lane_bits", lane_bits, 0)

    def look_up(
        layer: LayerDraft,
        stream: Space,
        facts: FactTable,
        states: Codebook,
        passes: NDArray[np.int8] | None,
    ) -> None:
        """The MLP."""
        _look_up(layer, stream, facts, states, passes, min(lane_bits, states.bits))

    return memory("key_value_grid", look_up, 4, facts, hops, dtype)


def _look_up(
    layer: LayerDraft,
    stream: Space,
    facts: FactTable,
    states: Codebook,
    passes: NDArray[np.int8] | None,
    lane_bits: int,
) -> None:
    """Four hidden layers: what there is; which row, lane, relation and pass it is; the asked
    answer of the lane, in a place of its own; these added up.

    All weights between hidden layers are signs but the last, which are 0 and 1. A group that a
    unit does not want is balanced or one-hot, so that it adds a constant.
    """
    b, n_lanes = states.bits, 2**lane_bits
    rails = sign_rails(layer, stream, passes)
    numbers = np.arange(n_lanes * -(-len(states) // n_lanes)).reshape(-1, n_lanes)
    rows, lanes = sign_codes(numbers[:, 0], b), sign_codes(numbers[0], b)
    rows[:, :lane_bits], lanes[:, lane_bits:] = 0, 0
    letters = sign_codes(np.arange(facts.n_relations), stream["asked"].size)
    row = layer.relu("which row", rails.of_state(rows))
    lane = layer.relu("which lane", rails.of_state(lanes))
    asked = layer.relu("which relation", rails.of_relation(letters))
    now = layer.relu("which pass", rails.of_pass(one_of(rails.now.size)))
    always = layer.relu("always", rails.of_pass(np.ones((1, rails.now.size), dtype=np.int64)))

    # each of the five groups has one unit that is 1: of its sum a unit takes away or adds 1
    less = now.sum() + always.sum()
    answers = layer.relu(
        "asked answer",
        dot(_grid(facts, states, numbers), row)
        + dot(one_of(n_lanes)[:, None], lane)
        + dot(one_of(facts.n_relations)[:, None, None], asked)
        - less,
    )
    any_row, any_lane = rows == 0, lanes == 0
    old = layer.relu(
        "state bits",
        dot((rows + any_row).T, row) + dot((lanes + any_lane).T, lane) + asked.sum() - less,
    )
    old_letter = layer.relu("asked bits", dot(letters.T, asked) + row.sum() + lane.sum() - less)
    one = layer.relu("one", (row.sum() + lane.sum() + asked.sum() - less)[None])
    at = layer.relu(
        "pass",
        dot(one_of(now.size), now) + row.sum() + lane.sum() - asked.sum() - always.sum(),
    )

    new = layer.relu("new state bits", answers.form().sum(axis=0).sum(axis=0))
    old, old_letter, one, at = (
        layer.relu(f"{slot.name}, carried", slot) for slot in (old, old_letter, one, at)
    )
    layer.add(2 * new - 2 * old, to=stream["state"])
    # the asked relation's sign code is 2 (its bits) - 1
    layer.add(one - 2 * old_letter, to=stream["asked"])
    if passes is not None:
        move_pointer(layer, stream, at, passes)


def _grid(facts: FactTable, states: Codebook, numbers: NDArray[np.int64]) -> NDArray[np.int8]:
    """The signs of the answers: relation, lane, bit, row. No state has the numbers that complete
    the last row; -1 stands there.
    """
    tokens = Vocabulary(facts.n_entities, facts.n_relations).answer_tokens(facts.answers)
    signs = np.full((facts.n_relations, numbers.size, states.bits), -1, dtype=np.int8)
    signs[:, : facts.n_entities] = states.signs(tokens)
    signs[:, facts.n_entities : len(states)] = states.signs(states.tokens[facts.n_entities :])
    placed = signs.reshape(facts.n_relations, *numbers.shape, states.bits)
    return placed.transpose(0, 2, 3, 1)
