"""Theorem 4.3(1): many hops with the facts in the MLP, in an embedding dimension of O(log N).

Statement. For all facts of R relations on N entities and every k there is a transformer of depth k that answers every
query `(s, r_1, ..., r_k)`, in dimension O(log N + log R + log k). b = max(1, ceil(log2 N')) bits name a state, N' = N
entities, and *unknown* where facts are missing; m_R = max(1, ceil(log2 R)), p = max(1, ceil(log2 (k+1))).

| construction            | d_model               | widest hidden layer                | stored layers |
|-------------------------|-----------------------|------------------------------------|---------------|
| `key_value`             | b + 2 m_R + p + 1     | N R + 2 b + 2 m_R (+1)             | k             |
| `key_value_rows`        | b + 2 m_R + p + 1     | max(N' + R + b, R b + b + m_R + 1) | k             |
| ... `share_layers=True` | 2 b + 2 m_R + 2 p + 2 | k more in every hidden layer       | 1, used k times |

The last position works: layer l copies relation `r_l` there and replaces the state `f_{r_{l-1}}(...)` by `f_{r_l}(...)`.
Margin exactly 2 (in real arithmetic 2 minus a leak that is stated with the model).

Hypotheses. None on the facts; a missing fact leads to the state *unknown*, which never leaves.

Where this departs from the paper: constants; `key_value_rows` (two hidden layers, each fact stored once as b bits) and
shared layers are ours; functions and missing facts. Proofs: docs/theorem-4.3.md.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from constructions.codes import Codebook, bits_needed, sign_codes
from constructions.decoder import Decoder, SignField
from constructions.draft import Draft, LayerDraft, require_exact, require_hops, write_rows
from constructions.facts import FactTable
from constructions.model import FactModel, MarginClaim
from constructions.selection import GAIN, at_position, position_codes, with_leaks
from constructions.stream import Form, Slot, Space, dot
from constructions.vocabulary import Vocabulary


def key_value(
    facts: FactTable, hops: int, *, share_layers: bool = False, dtype: torch.dtype = torch.float32
) -> FactModel:
    """Theorem 4.3(1): one hidden unit for each (entity, relation).

    Weights. `E[s]` = `c(s)` in the slot `state`; `E[relation r]` = `c(r)` and a constant 1. Unit (s, r) computes
    `ReLU(<c(s), state> + <c(r), asked> - (b + m_R) + 1)`: 1 on its pair, 0 on all others. It writes `c(f_r(s))`, while
    `ReLU(x)` and `ReLU(-x)` clear the old state and the relation. A unit on *unknown* alone keeps it.

    Args:
        facts: any table.
        hops: k, at least 1.
        share_layers: store one layer and apply it k times; a pointer to the next relation advances in the stream.
        dtype: any floating dtype whose integers are exact up to `4 (b + m_R)`.

    Returns:
        A model of depth k with N R b fact bits in each stored layer.

    Raises:
        InputError: hops is not a positive integer.
        DoesNotFit: the dtype is too narrow, or the weights exceed the memory.
    """
    return _memory(facts, hops, share_layers, dtype, "key_value", _look_up_pairs, hidden_layers=1)


def key_value_rows(
    facts: FactTable, hops: int, *, share_layers: bool = False, dtype: torch.dtype = torch.float32
) -> FactModel:
    """Theorem 4.3(1) by rows (ours): N units make the state one-hot, their weights hold each entity's row of answers.

    Weights. As `key_value`, with two hidden layers. First: unit s is `ReLU(<c(s), state> - b + 1)`, 1 iff the state is
    s; unit r is `ReLU(<c(r), asked> - m_R + 1)`, 1 iff r is asked; `ReLU(state)` holds the state's bits. Second: unit
    (r, j) is `ReLU(sum_s b(f_r(s))_j [state is s] - sum_{q != r} [q is asked])`: bit j of the answer for the asked r,
    else 0. The state moves by twice the new bits minus twice the old.

    Args, returns, raises: as `key_value`.
    """
    return _memory(facts, hops, share_layers, dtype, "key_value_rows", _look_up_rows, hidden_layers=2)


_LookUp = Callable[[LayerDraft, Space, FactTable, Codebook], None]


def _memory(
    facts: FactTable,
    hops: int,
    share_layers: bool,
    dtype: torch.dtype,
    name: str,
    look_up: _LookUp,
    hidden_layers: int,
) -> FactModel:
    require_hops(hops)
    states = Codebook.of_states(facts)
    b, n_positions = states.bits, hops + 1
    vocabulary = Vocabulary(facts.n_entities, facts.n_relations)
    p, m_relation = bits_needed(n_positions), bits_needed(facts.n_relations)
    require_exact(4 * (b + m_relation), dtype, f"{name} with {b}-bit states")
    extra: dict[str, tuple[int, ...]] = {"subject": (b,), "pointer": (p,), "first": ()} if share_layers else {}
    stream = Space(state=(b,), relation=(m_relation,), asked=(m_relation,), position=(p,), one=(), **extra)
    position = stream["position"]

    draft = Draft(f"{name}_shared" if share_layers else name, vocabulary, stream)
    draft.position(position, position_codes(n_positions))
    if share_layers:
        _start_pointer(draft, stream, n_positions)
    for hop in range(1, 2 if share_layers else n_positions):
        layer = draft.layer(hidden_layers)
        if share_layers:
            _follow_pointer(layer, stream, n_positions)
        else:
            if hop == 1:
                start = at_position(position, hops, 0, n_positions)
                layer.head("read the subject", copy=stream["state"], to=stream["state"], query=start, key=position)
            there = at_position(position, hops, hop, n_positions)
            layer.head(f"read relation {hop}", copy=stream["relation"], to=stream["asked"], query=there, key=position)
        look_up(layer, stream, facts, states)
        if share_layers:
            _advance_pointer(layer, stream, hops)

    codes = sign_codes(np.arange(len(states)), b)
    # Tokens that are no state lie below every code; where a single state exists, just at its missing neighbour.
    floor = -(b + 1 if len(states) > 1 else b) * stream["one"]
    decoder = Decoder((SignField(states.tokens, codes, read=stream["state"]),), rest=floor)
    spell = partial(_spell_states, states=states)
    model = draft.build(
        facts,
        decoder,
        spell,
        MarginClaim.exactly(2),
        dtype,
        hops=hops,
        repeats=hops if share_layers else 1,
        fact_tables=None,
    )
    model.margin = with_leaks(model)
    return model


def _spell_states(model: FactModel, facts: FactTable, states: Codebook) -> None:
    """`E[s]` = `c(s)`; `E[relation r]` = `c(r)` and 1. Nothing here depends on the facts."""
    vocabulary, weight = model.vocabulary, model.embedding.weight
    where = model.stream["subject" if "subject" in model.stream.slots else "state"]
    relation = model.stream["relation"]
    write_rows(weight, vocabulary.entities, where, states.signs(vocabulary.entities))
    write_rows(weight, vocabulary.relations, relation, sign_codes(np.arange(facts.n_relations), relation.size))
    write_rows(weight, vocabulary.relations, model.stream["one"], 1)


# -------------------------------------------------------------------- the two memories


def _look_up_pairs(layer: LayerDraft, stream: Space, facts: FactTable, states: Codebook) -> None:
    """One unit for each (relation, entity), in the order of `facts.answers`."""
    state, asked, one = stream["state"], stream["asked"], stream["one"]
    n_entities, n_relations = facts.n_entities, facts.n_relations
    entity_codes = states.signs(np.arange(n_entities))[None]
    relation_codes = sign_codes(np.arange(n_relations), asked.size)[:, None]
    matches = dot(entity_codes, state) + dot(relation_codes, asked) - (state.size + asked.size - 1) * one
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


def _clear(layer: LayerDraft, slot: Slot) -> None:
    positive = layer.relu(f"{slot.name} > 0", slot)
    negative = layer.relu(f"{slot.name} < 0", -slot)
    layer.add(negative - positive, to=slot)


def _look_up_rows(layer: LayerDraft, stream: Space, facts: FactTable, states: Codebook) -> None:
    """Two hidden layers: one-hot state and relation, then the asked bits of the state's row."""
    state, asked, one = stream["state"], stream["asked"], stream["one"]
    n_relations = facts.n_relations
    one_hot_relation = layer.relu(
        "which relation", dot(sign_codes(np.arange(n_relations), asked.size), asked) - (asked.size - 1) * one
    )
    replace_state_by_row(layer, state, one, facts, states, range(n_relations), one_hot_relation)
    # The asked relation's sign code is 2 (its bits) - 1, and exactly one relation is asked.
    bits = (sign_codes(np.arange(n_relations), asked.size) > 0).astype(np.int64)
    old = layer.relu("asked bits", dot(bits.T, one_hot_relation))
    some = layer.relu("some relation", one_hot_relation.sum()[None])
    layer.add(some - 2 * old, to=asked)


def replace_state_by_row(
    layer: LayerDraft,
    state: Slot,
    one: Form,
    facts: FactTable,
    states: Codebook,
    relations: range,
    asked: Slot,
    found: Form | None = None,
) -> None:
    """Move the sign code in `state` to the looked-up answer's: the row memory of the proof.

    Args:
        layer: gets units in both hidden layers.
        state: holds `c(s)`.
        one: a form on the stream that is 1.
        facts: whose rows are stored.
        states: names the states.
        relations: those that are looked up; the others leave their bits to `found`.
        asked: units of the first hidden layer, one-hot over all R relations.
        found: bits of the answer (shape of `state`) on the second hidden layer, if it was found elsewhere.
    """
    old = layer.carry("state bits", state)
    moved = -2 * old
    if found is not None:
        moved = moved + 2 * found
    if len(relations):
        is_state = layer.relu("which state", dot(states.signs(states.tokens), state) - (state.size - 1) * one)
        tokens = Vocabulary(facts.n_entities, facts.n_relations).answer_tokens(facts.answers[relations])
        unknown = np.full((len(relations), len(states) - facts.n_entities), states.tokens[-1])
        rows = states.binary(np.concatenate([tokens, unknown], axis=1))  # (relations, states, b)
        others = (1 - np.eye(facts.n_relations, dtype=np.int64))[relations]
        row_bits = dot(rows.transpose(0, 2, 1), is_state) - dot(others[:, None], asked)
        looked_up = layer.relu("asked row", row_bits)
        moved = moved + 2 * looked_up.sum(axis=0)
    layer.add(moved, to=state)


# -------------------------------------------------------------------- one layer, applied k times


def _start_pointer(draft: Draft, stream: Space, n_positions: int) -> None:
    """The last position starts with a pointer to relation 1 and a flag that says that this is the first pass."""
    codes = position_codes(n_positions)
    last = np.zeros((n_positions, 1), dtype=np.int8)
    last[-1] = 1
    draft.position(stream["pointer"], last * codes[1])
    draft.position(stream["first"], last)


def _follow_pointer(layer: LayerDraft, stream: Space, n_positions: int) -> None:
    """Read the relation that is pointed at; read the subject in the first pass, and an empty slot in the others."""
    position, pointer, first = stream["position"], stream["pointer"], stream["first"]
    codes = position_codes(n_positions).astype(np.int64)
    # In the first pass c(0), later the position's own code c(k): its slot `subject` is empty.
    once = GAIN * position + dot(GAIN * (codes[0] - codes[-1])[:, None], first)
    layer.head("read the subject", copy=stream["subject"], to=stream["state"], query=once, key=position)
    here = GAIN * pointer
    layer.head("read the relation", copy=stream["relation"], to=stream["asked"], query=here, key=position)


def _advance_pointer(layer: LayerDraft, stream: Space, hops: int) -> None:
    """Unit q fires iff the pointer is c(q), and writes c(q+1) - c(q); the flag of the first pass is cleared."""
    pointer, first, one = stream["pointer"], stream["first"], stream["one"]
    codes = position_codes(hops + 1).astype(np.int64)
    at = layer.carry("pointer", dot(codes[1:hops], pointer) - (pointer.size - 1) * one)
    layer.add(dot((codes[2:] - codes[1:hops]).T, at), to=pointer)
    layer.add(-layer.carry("first pass", first[None]), to=first[None])
