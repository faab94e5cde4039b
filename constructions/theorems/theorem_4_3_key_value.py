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

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from constructions.facts.codes import Codebook, bits_needed, sign_codes
from constructions.facts.table import FactTable
from constructions.facts.vocabulary import Vocabulary
from constructions.model.fact_model import FactModel
from constructions.model.margin import MarginClaim
from constructions.model.recipe import recorded
from constructions.model.stream import Form, Slot, Space, dot
from constructions.theorems.lemmas.code_readout import read_codes
from constructions.theorems.lemmas.pointers import (
    advance_pointer,
    follow_pointer,
    move_pointer,
    start_pointer,
)
from constructions.theorems.lemmas.reading_the_prompt import read_prompt
from constructions.theorems.lemmas.row_memory import answer_rows, one_of
from constructions.writing.claims import Holds
from constructions.writing.codes import Signs
from constructions.writing.draft import Draft, require_exact, require_hops
from constructions.writing.layer import LayerDraft
from constructions.writing.plan import Plan
from constructions.writing.position_reading import position_codes


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
    return _memory(facts, hops, share_layers, dtype, "key_value", _look_up_pairs, hidden_layers=1)


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
    return _memory(
        facts, hops, share_layers, dtype, "key_value_rows", _look_up_rows, hidden_layers=3
    )


_LookUp = Callable[[LayerDraft, Space, FactTable, Codebook, "NDArray[np.int8] | None"], None]
"""Writes the MLP of a layer; the codes of the pointer in all passes, (k, p), if the layer is
shared.
"""


def _memory(
    facts: FactTable,
    hops: int,
    share_layers: bool,
    dtype: torch.dtype,
    name: str,
    look_up: _LookUp,
    hidden_layers: int,
) -> Plan[FactModel]:
    """What both memories share: reading the prompt, k layers or one, and the readout.

    Args:
        facts, hops, share_layers, dtype: as of `key_value`.
        name: of the construction.
        look_up: writes the MLP of a layer.
        hidden_layers: of that MLP.
    """
    require_hops(hops)
    states = Codebook.of_states(facts)
    b, n_positions = states.bits, hops + 1
    vocabulary = Vocabulary(facts.n_entities, facts.n_relations)
    p, c = bits_needed(n_positions), bits_needed(facts.n_relations)
    require_exact(4 * (b + c), dtype, f"{name} with {b}-bit states")
    extra: dict[str, tuple[int, ...]] = (
        {"subject": (b,), "pointer": (p,), "first": ()} if share_layers else {}
    )
    stream = Space(state=(b,), relation=(c,), asked=(c,), position=(p,), one=(), **extra)

    passes = position_codes(n_positions)[1:] if share_layers else None
    draft = Draft(f"{name}_shared" if share_layers else name, vocabulary, stream)
    draft.position(stream["position"], position_codes(n_positions))
    subject, letters = stream["subject" if share_layers else "state"], np.arange(facts.n_relations)
    draft.entities(Holds(subject, words=0, code=Signs(states)))
    draft.relations(stream["relation"], sign_codes(letters, c))
    draft.relations(stream["one"], 1)
    if share_layers:
        start_pointer(draft, stream, n_positions)
    for hop in range(1, 2 if share_layers else n_positions):
        layer = draft.layer(hidden_layers)
        if share_layers:
            follow_pointer(layer, stream, n_positions, subject, stream["state"], stream["asked"])
        else:
            copied = [subject] if hop == 1 else []
            read_prompt(layer, stream, copied, {hop: stream["asked"]}, hops)
        look_up(layer, stream, facts, states, passes)
        for letter in range(1, n_positions) if share_layers else [hop]:
            layer.takes([letter], keeps=[Holds(stream["state"], words=0, code=Signs(states))])

    readout = read_codes(states, stream["state"], stream["one"])
    return draft.plan(
        facts,
        readout,
        MarginClaim.exactly(2),
        dtype,
        hops=hops,
        repeats=hops if share_layers else 1,
        facts_inside=True,
    )


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
    state, asked, one = stream["state"], stream["asked"], stream["one"]
    n_relations = facts.n_relations
    state_rails = [layer.relu("state > 0", state), layer.relu("state < 0", -state)]
    asked_rails = [layer.relu("asked > 0", asked), layer.relu("asked < 0", -asked)]
    if passes is None:
        now: Slot = layer.relu("now", one[None])
    else:
        pointer = stream["pointer"]
        now = layer.relu("now", dot(passes, pointer) - (pointer.size - 1) * one)
    bias = layer.relu("bias", (state.size + asked.size) * one[None])

    # A code c adds <c, x> = its length at the same code x, two less or still less at others; a
    # group that is not asked for adds its length. Together with `now` that is bias + 1 for the
    # right unit, and bias - 1 or less for the others.
    rest: Form = now.sum() - bias[0]
    any_state = state_rails[0].sum() + state_rails[1].sum()
    any_relation = asked_rails[0].sum() + asked_rails[1].sum()
    entity_codes, relation_codes = (
        states.signs(states.tokens),
        sign_codes(np.arange(n_relations), asked.size),
    )
    is_state = layer.relu(
        "which state",
        dot(entity_codes, state_rails[0])
        + dot(-entity_codes, state_rails[1])
        + any_relation
        + rest,
    )
    is_asked = layer.relu(
        "which relation",
        dot(relation_codes, asked_rails[0])
        + dot(-relation_codes, asked_rails[1])
        + any_state
        + rest,
    )
    is_now = layer.relu(
        "which pass", dot(one_of(now.size), now) + any_state + any_relation - bias[0]
    )

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
        at = layer.relu("pass", dot(one_of(now.size), is_now) + is_state.sum() - is_asked.sum())
        move_pointer(layer, stream, at, passes)
