"""Meet in the middle (ours): the embedding knows the first half of the path, the unembedding the
second.

Statement. Let all R relations be bijections of N entities, k = a + b with a = ceil(k/2). There is
a transformer of two layers that answers every query `(s, r_1, ..., r_k)` with margin exactly 2, in
dimension `(R^a + R^b) m + (b + 1) R + p`, whose internal weights do not depend on the facts. So
the exponent of Theorem 4.3(2) halves where the unembedding may depend on the facts, as it does
wherever embeddings are tied or trained.

Hypotheses. Bijections only: the unembedding of t holds, for each word v of b relations, the one
entity from which v leads to t.

The lower bounds for fixed unembeddings of Theorem 4.2 do not apply here, since the unembedding
depends on the facts. Proof: docs/theorems/meet_in_the_middle.md.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from constructions.facts.codes import Codebook, bits_needed
from constructions.facts.table import FactTable
from constructions.facts.vocabulary import Vocabulary
from constructions.facts.words import all_words
from constructions.guards.errors import InputError
from constructions.guards.memory import require_memory
from constructions.model.fact_model import FactModel
from constructions.model.margin import MarginClaim
from constructions.model.readout import BankField, Readout
from constructions.model.recipe import recorded
from constructions.model.stream import Form, Space
from constructions.theorems.lemmas.answer_trees import keep_open
from constructions.theorems.lemmas.code_readout import below_every_code
from constructions.theorems.lemmas.one_hot_relations import one_hot_relations
from constructions.theorems.lemmas.reading_the_prompt import read_prompt
from constructions.writing.claims import Holds
from constructions.writing.codes import Bits
from constructions.writing.draft import Draft, require_exact, require_hops
from constructions.writing.plan import Plan
from constructions.writing.position_reading import position_codes


@recorded
def meet_in_the_middle(
    facts: FactTable, hops: int, *, dtype: torch.dtype = torch.float32
) -> Plan[FactModel]:
    """Layer 1 picks the entity in the middle, layer 2 puts its code where the unembedding of the
    second half reads it.

    Weights. `E[s]` = blocks `b(f_u(s))` for u in [R]^a. Layer 1: heads read all letters, the first
    a of them close all blocks but that of `r_1 ... r_a`; the MLP keeps that one, of the middle
    entity x. Layer 2, for every word v of b relations, with e_l the l-th letter of the second
    half: the slot of v gets `2 ReLU(b(x) + sum_l e_{l, v_l} - b) - ReLU(sum_l e_{l, v_l} - b +
    1)`, which is `c(x)` if `v = r_{a+1} ... r_k`, else 0. `U[t]` = `c(f_v^{-1}(t))` on the slot of
    v, so `logit_t = <c(x), c(f_v^{-1}(t))>`: m for the t that v leads to from x.

    Args:
        facts: bijections.
        hops: k, at least 1.
        dtype: any floating dtype whose integers are exact up to 3 m and k + 1.

    Raises:
        InputError: a relation is no bijection, or hops is not a positive integer.
        DoesNotFit: the dtype is too narrow, or the weights exceed the memory.

    Example:
        >>> model = meet_in_the_middle(facts, hops=2)
        >>> bool(model.answer(3, [1, 0]) == facts.answer(3, [1, 0]))
        True
    """
    require_hops(hops)
    require_bijections(facts)
    first, second = hops - hops // 2, hops // 2
    n_relations, codebook = facts.n_relations, Codebook.of_states(facts)
    m = codebook.bits
    require_exact(max(3 * m, hops + 1), dtype, f"meet_in_the_middle with {m}-bit codes")
    vocabulary = Vocabulary(facts.n_entities, n_relations)
    stream = Space(
        forward=(*(n_relations,) * first, m),
        backward=(n_relations**second, m),
        relation=(n_relations,),
        letters=(second, n_relations),
        position=(bits_needed(hops + 1),),
    )
    forward, backward, letters = stream["forward"], stream["backward"], stream["letters"]
    one = stream["relation"].sum()

    draft = Draft("meet_in_the_middle", vocabulary, stream)
    draft.position(stream["position"], position_codes(hops + 1))
    draft.entities(Holds(forward, words=first, code=Bits(codebook)))
    one_hot_relations(draft, stream["relation"])
    layer = draft.layer()
    closes = {hop: (forward, hop - 1) for hop in range(1, first + 1)}
    later = {hop: letters[hop - first - 1] for hop in range(first + 1, hops + 1)}
    read_prompt(layer, stream, [forward], later, hops, closes)
    keep_open(layer, forward, first)
    middle = forward[(0,) * first]
    layer.takes(range(1, first + 1), keeps=[Holds(middle, words=0, code=Bits(codebook))])

    layer = draft.layer()
    agreeing: Form = 0 * one[None]
    for place, word_letters in enumerate(all_words(n_relations, second).T):
        agreeing = agreeing + letters[place][word_letters]
    bits = layer.relu(
        "middle, if the word is asked", middle[None] + agreeing[:, None] - second * one
    )
    asked = layer.relu("word is asked", agreeing - (second - 1) * one)
    layer.add(2 * bits - asked[:, None], to=backward)
    layer.takes(range(first + 1, hops + 1))

    readout = partial(_readout, stream=stream, second=second, codebook=codebook)
    return draft.plan(facts, readout, MarginClaim.exactly(2), dtype, hops=hops)


def require_bijections(facts: FactTable) -> None:
    """Raise InputError, naming the facts at fault, unless every relation is a bijection."""
    why = (
        "meet_in_the_middle needs bijections, because it walks the second half of a path backwards"
        " from the answer; "
    )
    for r, answers in enumerate(facts.answers):
        name = facts.relation_name(r)
        if (answers < 0).any():
            lost = facts.entity_name(int(np.argmin(answers)))
            raise InputError(
                f"{why}{name} has no answer for {lost}; use precomputed or chain_of_thought"
            )
        order = np.argsort(answers, kind="stable")
        twice = np.flatnonzero(np.diff(answers[order]) == 0)
        if twice.size:
            one, other = (facts.entity_name(int(order[twice[0] + i])) for i in (0, 1))
            shared = facts.entity_name(int(answers[order[twice[0]]]))
            raise InputError(
                f"{why}{name} leads from both {one} and {other} to {shared}; use precomputed or"
                " chain_of_thought"
            )


def _readout(facts: FactTable, stream: Space, second: int, codebook: Codebook) -> Readout:
    """One bank of codes for each word v: token t has the code of the entity from which v leads to
    t. Raises InputError for relations that are no bijections.
    """
    require_bijections(facts)
    forward = _answers_to_all_words(facts, second).T  # (R^b, N): t = f_v(x)
    codes = np.empty((*forward.shape, codebook.bits), dtype=np.int8)
    codes[np.arange(len(forward))[:, None], forward] = codebook.signs(np.arange(facts.n_entities))
    floor = below_every_code(codebook) * stream["relation"].sum()
    return Readout(
        (BankField(np.arange(facts.n_entities), codes, read=stream["backward"]),), rest=floor
    )


def _answers_to_all_words(facts: FactTable, length: int) -> NDArray[np.int64]:
    """Answer tokens of every entity to every word: int64 (N, R^length), words in lexicographic
    order.
    """
    count = facts.n_entities * facts.n_relations**length
    require_memory(
        8 * 8 * count,
        f"the answers of {facts.n_entities:,} entities to {facts.n_relations}^{length} words",
    )
    entities = np.arange(facts.n_entities)[:, None]
    answered = facts.answer(entities, all_words(facts.n_relations, length)[None])
    return Vocabulary(facts.n_entities, facts.n_relations).answer_tokens(answered)
