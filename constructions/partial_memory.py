"""Hybrid (ours): q of the R relations in a row memory, the others in the embedding; between 4.3(1) and 4.3(2).

Statement. For all facts, every k and every q in 0..R there is a transformer of depth k that answers every query
`(s, r_1, ..., r_k)` with margin exactly 2, whose internal weights hold the facts of relations 0..q-1 alone (`q N b` fact
bits), and whose entity embeddings hold `(R - q) I(k) + 1` blocks of b bits, where `I(k) = 1 + R + ... + R^(k-1)`:
the node reached by every word of at most k relations whose last letter is an embedded relation, and the entity itself.

A query takes the stored node of its longest such prefix, then row look-ups for the remaining letters. q = R is the row
memory of 4.3(1) with one-hot relations; q = 0 stores every word of length 1 to k.

Hypotheses. None on the facts. Proof: docs/hybrid.md.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import torch

from constructions.codes import Codebook, bits_needed, sign_codes
from constructions.decoder import Decoder, SignField
from constructions.draft import Draft, LayerDraft, require_exact, require_hops, write_rows
from constructions.errors import InputError
from constructions.facts import FactTable
from constructions.key_value_memory import replace_state_by_row
from constructions.model import FactModel, MarginClaim
from constructions.precomputation import answers_to_all_words, read_prompt
from constructions.selection import position_codes, with_leaks
from constructions.stream import Form, Slot, Space
from constructions.vocabulary import Vocabulary


def hybrid(facts: FactTable, hops: int, *, looked_up: int, dtype: torch.dtype = torch.float32) -> FactModel:
    """Relations 0..q-1 are looked up in the MLP, relations q..R-1 are read from trees in the embedding.

    Weights. `E[s]` = `c(s)` in the slot `state`, and for each length i = 1..k the blocks `words i`: bits of the node reached
    by every word of length i that ends in an embedded relation. Layer l, with the letter r_l one-hot: every tree of
    words longer than l is folded onto the branch of r_l, as in `precomputed`; of the words of length l the asked one's
    bits are found, if r_l is embedded; else the state's row gives them. The state moves by twice the new bits minus
    twice the old.

    Args:
        facts: any table.
        hops: k, at least 1.
        looked_up: q, 0 to R: how many relations are kept in the MLP.
        dtype: any floating dtype whose integers are exact up to `3 b + R + 1`.

    Raises:
        InputError: hops is not a positive integer, or looked_up is not in 0..R.
        DoesNotFit: the dtype is too narrow, or the weights exceed the memory.
    """
    require_hops(hops)
    n_relations = facts.n_relations
    if not isinstance(looked_up, int) or not 0 <= looked_up <= n_relations:
        raise InputError(
            f"looked_up must be an integer from 0 to the number of relations, {n_relations}; got {looked_up!r}"
        )
    states = Codebook.of_states(facts)
    b = states.bits
    require_exact(3 * b + n_relations + 1, dtype, f"hybrid with {b}-bit states")
    vocabulary = Vocabulary(facts.n_entities, n_relations)
    trees = {
        f"words {length}": (*(n_relations,) * (length - 1), n_relations - looked_up, b) for length in range(1, hops + 1)
    }
    stream = Space(
        state=(b,), **trees, relation=(n_relations,), letter=(n_relations,), position=(bits_needed(hops + 1),)
    )
    state, one = stream["state"], stream["relation"].sum()

    draft = Draft("hybrid", vocabulary, stream)
    draft.position(stream["position"], position_codes(hops + 1))
    for hop in range(1, hops + 1):
        layer = draft.layer(hidden_layers=2)
        stored = [state, *(stream[name] for name in trees)]
        read_prompt(layer, stream, stored if hop == 1 else [], {hop: stream["letter"]}, hops)
        _step(layer, stream, hop, hops, looked_up, facts, states, one)

    field = SignField(states.tokens, sign_codes(np.arange(len(states)), b), read=state)
    decoder = Decoder((field,), rest=-(b + 1 if len(states) > 1 else b) * one)
    spell = partial(_spell_prefixes, hops=hops, looked_up=looked_up, states=states)
    model = draft.build(
        facts,
        decoder,
        spell,
        MarginClaim.exactly(2),
        dtype,
        hops=hops,
        fact_tables=None if looked_up else frozenset({"embedding.weight"}),
    )
    model.margin = with_leaks(model)
    return model


def _step(
    layer: LayerDraft,
    stream: Space,
    hop: int,
    hops: int,
    looked_up: int,
    facts: FactTable,
    states: Codebook,
    one: Form,
) -> None:
    """Layer l of the proof: fold the longer trees, find or look up the new state, forget the letter."""
    letter = stream["letter"]
    asked = layer.relu("letter", letter)
    for length in range(hop + 1, hops + 1):
        _fold_two_layers(layer, stream[f"words {length}"][(0,) * (hop - 1)], letter, one)
    here = stream[f"words {hop}"][(0,) * (hop - 1)]  # (R - q, b)
    found: Form | None = None
    if here.size:
        leaves = layer.relu("asked leaf", here + letter[looked_up:, None] - one)
        found = layer.relu("found bits", leaves.sum(axis=0))
    replace_state_by_row(layer, stream["state"], one, facts, states, range(looked_up), asked, found)
    layer.add(-layer.relu("old letter", asked), to=letter)


def _fold_two_layers(layer: LayerDraft, tree: Slot, letter: Slot, one: Form) -> None:
    """As `precomputation.fold`, through two hidden layers; the second adds up the branches."""
    if not tree.size:
        return
    here = letter[(slice(None), *(None,) * (len(tree.shape) - 1))]
    name = f"{tree.name}, "
    hidden = layer.carry(name + "branch 0 if not asked", tree[0] - here[0])
    branches = layer.relu(name + "asked branch", tree[1:] + here[1:] - one)
    taken = layer.relu(name + "asked branch, as one", branches.sum(axis=0))
    layer.add(taken - hidden, to=tree[0])


def _spell_prefixes(model: FactModel, facts: FactTable, hops: int, looked_up: int, states: Codebook) -> None:
    """`E[s]` = its own code, and the bits of every node reached by a word that ends in an embedded relation."""
    vocabulary, weight = model.vocabulary, model.embedding.weight
    n_relations = facts.n_relations
    states.numbers(vocabulary.answer_tokens(facts.answers))  # every node has a code, or nothing is written
    for length in range(1, hops + 1) if looked_up < n_relations else ():
        tokens = answers_to_all_words(facts, length).reshape(facts.n_entities, -1, n_relations)[..., looked_up:]
        columns = model.stream[f"words {length}"].columns.reshape(-1, states.bits)
        for word, place in enumerate(columns):
            slot = Slot(model.stream, f"words {length}", place)
            write_rows(weight, vocabulary.entities, slot, states.binary(tokens.reshape(facts.n_entities, -1)[:, word]))
    write_rows(weight, vocabulary.entities, model.stream["state"], states.signs(vocabulary.entities))
    write_rows(weight, vocabulary.relations, model.stream["relation"], np.eye(n_relations, dtype=np.int8))
