"""Theorem 4.3(1): many hops with the facts in the MLP, in an embedding dimension of O(log N).

Statement. For all facts of R relations on N entities and every k there is a transformer of depth k
that answers every query `(s, r_1, ..., r_k)`, in dimension O(log N + log R + log k). b = max(1,
ceil(log2 (N + u))) bits name a state, an entity or, where facts are missing (then u = 1, else 0),
*unknown*; c = max(1, ceil(log2 R)) bits name a relation, p = max(1, ceil(log2 (k+1))) a position.

| construction | d_model | hidden layers |
|---|---|---|
| `key_value` | b + 2 c + p + 1 | N R + 2 b + 2 c + u |
| `key_value_rows` | b + 2 c + p + 1 | 2 b + 2 c + P + 1; N + u + R + P; |
| | | R b + b + c + 1 (P = 1) |
| ... `share_layers=True` | 2 b + 2 c + 2 p + 2 | the same with P = k, and k more in the last |

k layers are stored; with `share_layers=True` one, which is applied k times.

The last position works: layer l copies relation `r_l` there and replaces the state
`f_{r_{l-1}}(...)` by `f_{r_l}(...)`. Margin exactly 2 (in real arithmetic 2 minus a leak that is
stated with the model).

Hypotheses. None on the facts; a missing fact leads to the state *unknown*, which never leaves.

Where this departs from the paper: constants; `key_value_rows` (three hidden layers with signs
between them, each fact stored as b of them) and shared layers are ours; functions and missing
facts. Proofs: docs/theorems/theorem_4_3_key_value.md.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from constructions.facts.codes import Codebook, sign_codes
from constructions.facts.table import FactTable
from constructions.facts.vocabulary import Vocabulary
from constructions.model.fact_model import FactModel
from constructions.model.recipe import recorded
from constructions.model.stream import Slot, Space, dot
from constructions.theorems.lemmas.pointers import (
    advance_pointer,
    move_pointer,
)
from constructions.theorems.lemmas.row_memory import answer_rows, one_of
from constructions.theorems.lemmas.sign_rails import sign_rails
from constructions.theorems.lemmas.state_by_state import memory
from constructions.writing.layer import LayerDraft
from constructions.writing.plan import Plan


@recorded
def key_value(
    facts: FactTable, hops: int, *, share_layers: bool = False, dtype: torch.dtype = torch.float32
) -> Plan[FactModel]:
    """Theorem 4.3(1): one hidden unit for each (entity, relation).

    Weights. `E[s]` = `c(s)` in the slot `state`; `E[relation r]` = `c(r)` and a constant 1. Unit
    (s, r) computes `ReLU(<c(s), state> + <c(r), asked> - (b + c) + 1)`: 1 on its pair, 0 on all
    others. It writes `c(f_r(s))`, while `ReLU(x)` and `ReLU(-x)` clear the old state and the
    relation. A unit on *unknown* alone keeps it.

    Args:
        facts: any table.
        hops: k, at least 1.
        share_layers: store one layer and apply it k times; a pointer to the next relation advances
            in the stream.
        dtype: any floating dtype whose integers are exact up to `4 (b + c)`.

    Returns:
        A model of depth k with N R b fact bits in each stored layer.

    Raises:
        InputError: hops is not a positive integer.
        DoesNotFit: the dtype is too narrow, or the weights exceed the memory.

    Example:
        >>> model = key_value(facts, hops=2)
        >>> bool(model.answer(3, [1, 0]) == facts.answer(3, [1, 0]))
        True
    """
    return memory(
        _named("key_value", share_layers), _look_up_pairs, 1, facts, hops, dtype, share_layers
    )


@recorded
def key_value_rows(
    facts: FactTable, hops: int, *, share_layers: bool = False, dtype: torch.dtype = torch.float32
) -> Plan[FactModel]:
    """Theorem 4.3(1) by rows (ours): N units make the state one-hot, their weights hold each
    entity's row of answers.

    Weights. As `key_value`, with three hidden layers. First: `ReLU(x)` and `ReLU(-x)` of state and
    relation, a constant 1 (if layers are shared, k units that say which pass it is) and the
    constant `b + c`. Second: unit s is 1 iff the state is s, unit r iff r is asked, else 0.
    Third: unit (r, j) is `ReLU(sum_s c(f_r(s))_j [state is s] + [r is asked] - sum_{q != r} [q is
    asked] - 1)`: bit j of the answer for the asked r, else 0. The state moves by twice the new
    bits minus twice the old. All weights between hidden layers are +1 or -1.

    Args, returns, raises: as `key_value`.

    Example:
        >>> model = key_value_rows(facts, hops=2)
        >>> bool(model.answer(3, [1, 0]) == facts.answer(3, [1, 0]))
        True
    """
    return memory(
        _named("key_value_rows", share_layers), _look_up_rows, 3, facts, hops, dtype, share_layers
    )


def _named(name: str, share_layers: bool) -> str:
    """How a model of that builder is named."""
    return f"{name}_shared" if share_layers else name


# -------------------------------------------------------------------- the two memories


def _look_up_pairs(
    layer: LayerDraft,
    stream: Space,
    facts: FactTable,
    states: Codebook,
    passes: NDArray[np.int8] | None,
) -> None:
    """One unit for each (relation, entity), in the order of `facts.answers`."""
    state, asked, one = stream["state"], stream["asked"], stream["one"]
    n_entities, n_relations = facts.n_entities, facts.n_relations
    entity_codes = states.signs(np.arange(n_entities))[None]
    relation_codes = sign_codes(np.arange(n_relations), asked.size)[:, None]
    matches = (
        dot(entity_codes, state) + dot(relation_codes, asked) - (state.size + asked.size - 1) * one
    )
    pairs = layer.relu("pairs", matches)
    tokens = Vocabulary(n_entities, n_relations).answer_tokens(facts.answers)
    written = dot(np.moveaxis(states.signs(tokens), -1, 0).reshape(state.size, -1), pairs)
    if not facts.is_total:
        code = states.signs(states.tokens[-1:])
        keep = layer.relu("unknown stays", dot(code, state) - (state.size - 1) * one)
        written = written + dot(code.T, keep)
    layer.add(written, to=state)
    for slot in (state, asked):
        _clear(layer, slot)
    if passes is not None:
        advance_pointer(layer, stream, passes, one)


def _clear(layer: LayerDraft, slot: Slot) -> None:
    """`x <- x - ReLU(x) + ReLU(-x) = 0`, for every coordinate of a slot."""
    positive = layer.relu(f"{slot.name} > 0", slot)
    negative = layer.relu(f"{slot.name} < 0", -slot)
    layer.add(negative - positive, to=slot)


def _look_up_rows(
    layer: LayerDraft,
    stream: Space,
    facts: FactTable,
    states: Codebook,
    passes: NDArray[np.int8] | None,
) -> None:
    """Three hidden layers: what is there; which state, relation and pass it is; the asked row of
    the state.

    All weights between hidden layers are signs, one bit each: the two large matrices hold no
    zeros. Where a unit does not care for a group, the group is balanced or one-hot, so that it
    adds a constant.
    """
    state, asked = stream["state"], stream["asked"]
    n_relations = facts.n_relations
    rails = sign_rails(layer, stream, passes)
    entity_codes, relation_codes = (
        states.signs(states.tokens),
        sign_codes(np.arange(n_relations), asked.size),
    )
    is_state = layer.relu("which state", rails.of_state(entity_codes))
    is_asked = layer.relu("which relation", rails.of_relation(relation_codes))
    is_now = layer.relu("which pass", rails.of_pass(one_of(rails.now.size)))

    looked_up = answer_rows(
        layer, facts, states, range(n_relations), is_state, is_asked, is_now.sum()
    )
    old = layer.relu("state bits", dot(entity_codes.T, is_state) + is_asked.sum() - is_now.sum())
    layer.add(2 * looked_up.sum(axis=0) - 2 * old, to=state)
    old_letter = layer.relu(
        "asked bits", dot(relation_codes.T, is_asked) + is_state.sum() - is_now.sum()
    )
    always = layer.relu("always", (is_state.sum() + is_asked.sum() - is_now.sum())[None])
    # the asked relation's sign code is 2 (its bits) - 1
    layer.add(always - 2 * old_letter, to=asked)
    if passes is not None:
        at = layer.relu("pass", dot(one_of(is_now.size), is_now) + is_state.sum() - is_asked.sum())
        move_pointer(layer, stream, at, passes)
