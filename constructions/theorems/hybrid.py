"""Hybrid (ours): q of the R relations in a row memory, the others in the embedding; between 4.3(1)
and 4.3(2).

Statement. For all facts, every k and every q in 0..R there is a transformer of depth k that
answers every query `(s, r_1, ..., r_k)` with margin exactly 2, whose internal weights hold the
facts of relations 0..q-1 alone (`q N b` fact bits in each stored layer), and whose entity
embeddings hold `(R - q) I(k) + 1` blocks of b bits, where `I(k) = 1 + R + ... + R^(k-1)`: the node
reached by every word of at most k relations whose last letter is an embedded relation, and the
entity itself. k layers are stored, or one that is applied k times, for about twice the dimension.

A query takes the stored node of its longest such prefix, then row look-ups for the remaining
letters. q = R is a row memory as in 4.3(1), with one-hot relations; q = 0 stores every word of
length 1 to k.

Hypotheses. None on the facts. Proof: docs/theorems/hybrid.md.
"""

from __future__ import annotations

import torch

from constructions.facts.codes import Codebook, bits_needed
from constructions.facts.table import FactTable
from constructions.facts.vocabulary import Vocabulary
from constructions.guards.errors import InputError
from constructions.model.fact_model import FactModel
from constructions.model.margin import MarginClaim
from constructions.model.recipe import recorded
from constructions.model.stream import Form, Slot, Space, dot
from constructions.theorems.lemmas.answer_trees import along_axis
from constructions.theorems.lemmas.code_readout import read_codes
from constructions.theorems.lemmas.one_hot_relations import one_hot_relations
from constructions.theorems.lemmas.pointers import (
    advance_pointer,
    follow_pointer,
    start_pointer,
)
from constructions.theorems.lemmas.reading_the_prompt import read_prompt
from constructions.theorems.lemmas.row_memory import answer_rows
from constructions.writing.claims import Holds
from constructions.writing.codes import Bits, Signs
from constructions.writing.draft import Draft, require_exact, require_hops
from constructions.writing.layer import LayerDraft
from constructions.writing.plan import Plan
from constructions.writing.position_reading import position_codes


@recorded
def hybrid(
    facts: FactTable,
    hops: int,
    *,
    looked_up: int,
    share_layers: bool = False,
    dtype: torch.dtype = torch.float32,
) -> Plan[FactModel]:
    """Relations 0..q-1 are looked up in the MLP, relations q..R-1 are read from trees in the
    embedding.

    Weights. `E[s]` = `c(s)` in the slot `state`, and for each length i = 1..k the blocks `words
    i`: bits of the node reached by every word of length i that ends in an embedded relation. Layer
    l, with the letter r_l one-hot: every tree of words longer than l is folded onto the branch of
    r_l; of the words of length l the asked one's bits are found, if r_l is embedded; else the
    state's row gives them, by the units of `key_value_rows`. The state moves by twice the new bits
    minus twice the old.

    Args:
        facts: any table.
        hops: k, at least 1.
        looked_up: q, 0 to R: how many relations are kept in the MLP.
        share_layers: store one layer and apply it k times, so that each fact is stored once. All
            trees are then folded in every pass and move up, those of length i into the place of
            those of length i - 1. They are copied there from slots of the subject's own in the
            first pass.
        dtype: any floating dtype whose integers are exact up to `3 b + R + 1`.

    Raises:
        InputError: hops is not a positive integer, or looked_up is not in 0..R.
        DoesNotFit: the dtype is too narrow, or the weights exceed the memory.

    Example:
        >>> model = hybrid(facts, hops=2, looked_up=1)
        >>> bool(model.answer(3, [1, 0]) == facts.answer(3, [1, 0]))
        True
    """
    require_hops(hops)
    n_relations = facts.n_relations
    if not 0 <= looked_up <= n_relations:
        raise InputError(
            f"looked_up must be an integer from 0 to the number of relations, {n_relations}; got"
            f" {looked_up!r}"
        )
    states = Codebook.of_states(facts)
    b = states.bits
    require_exact(3 * b + n_relations + 1, dtype, f"hybrid with {b}-bit states")
    vocabulary = Vocabulary(facts.n_entities, n_relations)
    trees = {
        f"words {length}": (*(n_relations,) * (length - 1), n_relations - looked_up, b)
        for length in range(1, hops + 1)
    }
    blocks = {"state": (b,), **trees}
    p, n_positions = bits_needed(hops + 1), hops + 1
    extra: dict[str, tuple[int, ...]] = {}
    if share_layers:
        extra = {f"subject's {name}": shape for name, shape in blocks.items()} | {
            "pointer": (p,),
            "first": (),
        }
    stream = Space(
        **blocks, relation=(n_relations,), letter=(n_relations,), position=(p,), **extra
    )
    one = stream["relation"].sum()

    draft = Draft("hybrid_shared" if share_layers else "hybrid", vocabulary, stream)
    draft.position(stream["position"], position_codes(n_positions))
    place_of = "subject's {}" if share_layers else "{}"
    draft.entities(Holds(stream[place_of.format("state")], words=0, code=Signs(states)))
    for length in range(1, hops + 1):
        tree = stream[place_of.format(f"words {length}")]
        draft.entities(*_words(tree, length, looked_up, states))
    one_hot_relations(draft, stream["relation"])
    if share_layers:
        start_pointer(draft, stream, n_positions)
        layer = draft.layer(hidden_layers=2)
        subject, working = stream.span(f"subject's {name}" for name in blocks), stream.span(blocks)
        follow_pointer(layer, stream, n_positions, subject, working, stream["letter"])
        asked = _forget_letter(layer, stream)
        found = _move_trees_up(layer, stream, hops, looked_up, one)
        _move_state(layer, stream, looked_up, facts, states, one, asked, found)
        advance_pointer(layer, stream, position_codes(n_positions)[1:], one)
        for hop in range(1, n_positions):
            left = {length: stream[f"words {length}"] for length in range(1, n_positions - hop)}
            layer.takes([hop], keeps=_state_and_words(stream, left, looked_up, states))
    for hop in range(1, 1 if share_layers else n_positions):
        layer = draft.layer(hidden_layers=2)
        stored = [stream[name] for name in blocks]
        read_prompt(layer, stream, stored if hop == 1 else [], {hop: stream["letter"]}, hops)
        asked = _forget_letter(layer, stream)
        for length in range(hop + 1, hops + 1):
            _fold_two_layers(
                layer, stream[f"words {length}"][(0,) * (hop - 1)], stream["letter"], one
            )
        found = _found(layer, stream, stream[f"words {hop}"][(0,) * (hop - 1)], looked_up, one)
        _move_state(layer, stream, looked_up, facts, states, one, asked, found)
        left = {
            length - hop: stream[f"words {length}"][(0,) * hop]
            for length in range(hop + 1, n_positions)
        }
        layer.takes([hop], keeps=_state_and_words(stream, left, looked_up, states))

    readout = read_codes(states, stream["state"], one)
    return draft.plan(
        facts,
        readout,
        MarginClaim.exactly(2),
        dtype,
        hops=hops,
        repeats=hops if share_layers else 1,
        facts_inside=looked_up > 0,
    )


def _words(tree: Slot, length: int, looked_up: int, states: Codebook) -> list[Holds]:
    """What a tree holds: bits of the nodes that words of the given length lead to which end in an
    embedded relation; nothing where no relation is embedded.
    """
    embedded = range(looked_up, looked_up + tree.shape[-2])
    return [Holds(tree, words=length, last=embedded, code=Bits(states))] if embedded else []


def _state_and_words(
    stream: Space, left: dict[int, Slot], looked_up: int, states: Codebook
) -> list[Holds]:
    """What a layer keeps: the state, and for each length of the words that are left their tree."""
    state = Holds(stream["state"], words=0, code=Signs(states))
    words = [_words(tree, length, looked_up, states) for length, tree in left.items()]
    return [state, *(held for some in words for held in some)]


def _forget_letter(layer: LayerDraft, stream: Space) -> Slot:
    """Clear the letter for the next layer; returns the first hidden layer's one-hot copy of it."""
    asked = layer.relu("letter", stream["letter"])
    layer.add(-layer.relu("old letter", asked), to=stream["letter"])
    return asked


def _found(
    layer: LayerDraft, stream: Space, leaves: Slot, looked_up: int, one: Form
) -> Slot | None:
    """The asked leaf of (R - q, b), as bits on the second hidden layer: 0 if the letter is looked
    up.
    """
    if not leaves.size:
        return None
    asked = layer.relu("asked leaf", leaves + stream["letter"][looked_up:, None] - one)
    return layer.relu("found bits", asked.sum(axis=0))


def _move_state(
    layer: LayerDraft,
    stream: Space,
    looked_up: int,
    facts: FactTable,
    states: Codebook,
    one: Form,
    asked: Slot,
    found: Slot | None,
) -> None:
    """Twice the new bits, found or looked up, less twice the old: the state's sign code becomes
    the new one.
    """
    state = stream["state"]
    moved = -2 * layer.carry("state bits", state)
    if found is not None:
        moved = moved + 2 * found
    if looked_up:
        is_state = layer.relu(
            "which state", dot(states.signs(states.tokens), state) - (state.size - 1) * one
        )
        rows = answer_rows(layer, facts, states, range(looked_up), is_state, asked, asked.sum())
        moved = moved + 2 * rows.sum(axis=0)
    layer.add(moved, to=state)


def _move_trees_up(
    layer: LayerDraft, stream: Space, hops: int, looked_up: int, one: Form
) -> Slot | None:
    """The asked branch of the words of length i replaces those of length i - 1; the asked word of
    length 1 is found.
    """
    if looked_up == len(stream["letter"].columns):
        return None
    for length in range(1, hops + 1):
        tree = stream[f"words {length}"]
        layer.add(-layer.carry(f"old words {length}", tree), to=tree)
        if length > 1:
            here = along_axis(stream["letter"], 0, len(tree.shape))
            branches = layer.relu(f"words {length}, asked branch", tree + here - one)
            taken = layer.relu(f"words {length}, asked branch, as one", branches.sum(axis=0))
            layer.add(taken, to=stream[f"words {length - 1}"])
    return _found(layer, stream, stream["words 1"], looked_up, one)


def _fold_two_layers(layer: LayerDraft, tree: Slot, letter: Slot, one: Form) -> None:
    """Make branch 0 of a tree of bits equal to the branch of the one-hot letter, `x_0 - ReLU(x_0 -
    e_0) + sum_{r > 0} ReLU(x_r + e_r - 1)`; the second hidden layer adds up the branches.
    """
    if not tree.size:
        return
    here = along_axis(letter, 0, len(tree.shape))
    name = f"{tree.name}, "
    hidden = layer.carry(name + "branch 0 if not asked", tree[0] - here[0])
    branches = layer.relu(name + "asked branch", tree[1:] + here[1:] - one)
    taken = layer.relu(name + "asked branch, as one", branches.sum(axis=0))
    layer.add(taken - hidden, to=tree[0])
