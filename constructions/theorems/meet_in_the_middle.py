"""Meet in the middle (ours): the embedding knows the first half of the path, the unembedding the
second.

Statement. Let all R relations be bijections of N entities, k = a + b with a = ceil(k/2). There is
a transformer of two layers that answers every query `(s, r_1, ..., r_k)` with margin exactly 2, in
dimension `(R^a + R^b) m + (k + 1) R + p`, whose internal weights do not depend on the facts. So
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

from constructions.facts.codes import Codebook, bits_needed
from constructions.facts.table import FactTable
from constructions.facts.vocabulary import Vocabulary
from constructions.facts.words import all_words
from constructions.guards.errors import InputError
from constructions.model.fact_model import FactModel
from constructions.model.margin import MarginClaim
from constructions.model.readout import BankField, Readout
from constructions.model.recipe import recorded
from constructions.model.stream import Form, Space
from constructions.theorems.lemmas.answer_trees import answers_to_all_words, pick, write_answers
from constructions.theorems.lemmas.code_readout import below_every_code
from constructions.theorems.lemmas.one_hot_relations import write_one_hot_relations
from constructions.theorems.lemmas.reading_the_prompt import read_prompt
from constructions.writing.draft import Draft, require_exact, require_hops
from constructions.writing.plan import Plan
from constructions.writing.position_reading import position_codes

FACT_TABLES = frozenset({"embedding.weight", "unembedding.weight"})


@recorded
def meet_in_the_middle(
    facts: FactTable, hops: int, *, dtype: torch.dtype = torch.float32
) -> Plan[FactModel]:
    """Layer 1 picks the entity in the middle, layer 2 puts its code where the unembedding of the
    second half reads it.

    Weights. `E[s]` = blocks `b(f_u(s))` for u in [R]^a. Layer 1: heads read all letters; the MLP
    picks the block of `r_1 ... r_a`, the middle entity x. Layer 2, for every word v of b
    relations: the slot of v gets `2 ReLU(b(x) + sum_l e_{l, v_l} - b) - ReLU(sum_l e_{l, v_l} - b
    + 1)`, which is `c(x)` if `v = r_{a+1} ... r_k`, else 0. `U[t]` = `c(f_v^{-1}(t))` on the slot
    of v, so `logit_t = <c(x), c(f_v^{-1}(t))>`: m for the t that v leads to from x.

    Args:
        facts: bijections.
        hops: k, at least 1.
        dtype: any floating dtype whose integers are exact up to 3 m and k + 1.

    Raises:
        InputError: a relation is no bijection, or hops is not a positive integer.
        DoesNotFit: the dtype is too narrow, or the weights exceed the memory.
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
        letters=(hops, n_relations),
        position=(bits_needed(hops + 1),),
    )
    forward, backward, letters = stream["forward"], stream["backward"], stream["letters"]
    one = stream["relation"].sum()

    draft = Draft("meet_in_the_middle", vocabulary, stream)
    draft.position(stream["position"], position_codes(hops + 1))
    layer = draft.layer()
    read_prompt(
        layer, stream, [forward], {hop: letters[hop - 1] for hop in range(1, hops + 1)}, hops
    )
    pick(layer, forward, letters[:first], one)

    layer = draft.layer()
    middle = forward[(0,) * first]
    agreeing: Form = 0 * one[None]
    for place, word_letters in enumerate(all_words(n_relations, second).T):
        agreeing = agreeing + letters[first + place][word_letters]
    bits = layer.relu(
        "middle, if the word is asked", middle[None] + agreeing[:, None] - second * one
    )
    asked = layer.relu("word is asked", agreeing - (second - 1) * one)
    layer.add(2 * bits - asked[:, None], to=backward)

    write_facts = partial(_write_halves, first=first, second=second, codebook=codebook)
    return draft.plan(
        facts,
        _readout(facts, stream, second, codebook),
        write_facts,
        MarginClaim.exactly(2),
        dtype,
        codebooks=(codebook,),
        hops=hops,
        fact_tables=FACT_TABLES,
    )


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
    t.
    """
    forward = answers_to_all_words(facts, second).T  # (R^b, N): t = f_v(x)
    codes = np.empty((*forward.shape, codebook.bits), dtype=np.int8)
    codes[np.arange(len(forward))[:, None], forward] = codebook.signs(np.arange(facts.n_entities))
    floor = below_every_code(codebook) * stream["relation"].sum()
    return Readout(
        (BankField(np.arange(facts.n_entities), codes, read=stream["backward"]),), rest=floor
    )


def _write_halves(
    model: FactModel, facts: FactTable, first: int, second: int, codebook: Codebook
) -> None:
    """`E[s]` = the codes of all middles; the unembedding = the codes of all middles seen from
    behind.
    """
    require_bijections(facts)
    tokens = answers_to_all_words(facts, first)
    write_answers(model, "forward", tokens, codebook)
    write_one_hot_relations(model)
    model.write_readout(_readout(facts, model.stream, second, codebook))
