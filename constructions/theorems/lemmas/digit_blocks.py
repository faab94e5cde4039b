"""Lemma: blocks of digits are closed by the relation, and parabolas read the one that is left; the
margin is exactly 1.

Statement. Let N' answers be numbered from 0 and written to a base q >= 2, each by the same n
digits, the largest of which is L. Let every entity hold a block of n digits for each relation, and
let relations close all blocks but their own by -max(L, 1) (`closed_blocks`). After the units the
blocks add up to the digits x of the answer to the query. Give the answer with digits t the logit

    2 <t, x> - |t|^2 = |x|^2 - |x - t|^2,

by a coordinate that is 1 at the relation's position, and every other token `-n L^2`; where n = 1,
-2, and where N' = 1, -1. Then the answer's logit exceeds all others by exactly 1.

Proof. Other answers differ in a digit, so that their logit is at most `|x|^2 - 1`; the answer's is
`|x|^2`. If N' >= 2, one has that: where the answer's number is not 0, lower one of its digits that
is not 0 by 1, which gives a smaller number; where it is 0, take 1. Other tokens have at most -1,
for n > 1 requires L >= 1; and -2, or with N' = 1, where all else is 0, -1. ∎

All terms are integers. `2 <t, x>` is at most `2 n L^2`, so that sums stay within `3 n L^2`, and
within 2.

Used by: `digit_selector`; `scalar_selector`, whose base is N', with a single digit.
"""

from __future__ import annotations

import numpy as np
import torch

from constructions.facts.codes import Codebook, digit_codes
from constructions.facts.table import FactTable
from constructions.facts.vocabulary import Vocabulary
from constructions.model.fact_model import FactModel
from constructions.model.margin import MarginClaim
from constructions.model.readout import NumberField, Readout
from constructions.model.stream import Space
from constructions.sizes.whole_numbers import digits
from constructions.theorems.lemmas.closed_blocks import close_other_blocks
from constructions.writing.claims import Holds
from constructions.writing.codes import Digits, Number
from constructions.writing.draft import Draft, require_exact
from constructions.writing.plan import Plan


def select_digits(
    construction: str, facts: FactTable, codebook: Codebook, base: int, dtype: torch.dtype
) -> Plan[FactModel]:
    """The one-layer model of the lemma.

    Args:
        construction: its name.
        facts: any table.
        codebook: the possible answers.
        base: q, at least 2.
        dtype: a floating dtype in which the sums of the lemma are exact.

    Raises:
        DoesNotFit: it is too narrow, or the weights exceed the memory.
        InputError: an answer is not in the codebook.
    """
    answers, n_relations = len(codebook), facts.n_relations
    base = min(base, max(answers, 2))  # a larger one has the same digits
    n, largest = max(1, digits(answers, base)), min(base, answers) - 1
    require_exact(
        max(3 * n * largest**2, 2), dtype, f"{construction} with {answers:,} possible answers"
    )
    vocabulary = Vocabulary(facts.n_entities, n_relations)
    block = (n,) if n > 1 else ()
    stream = Space(attributes=(n_relations, *block), one=())
    attributes, one = stream["attributes"], stream["one"]
    code = Digits(codebook, base, n) if n > 1 else Number(codebook)

    draft = Draft(construction, vocabulary, stream)
    draft.entities(Holds(attributes, words=1, code=code))
    close_other_blocks(draft, attributes, max(largest, 1))
    draft.relations(one, 1)
    layer = draft.layer()
    layer.head("read the subject", copy=2 * attributes, to=attributes)
    closed = layer.relu("close", -attributes)
    layer.add(closed, to=attributes)
    layer.takes([1])

    numbers = digit_codes(np.arange(answers), base, n).reshape(answers, *block)
    field = NumberField(codebook.tokens, numbers, read=attributes.sum(axis=0), one=one)
    others = n * largest**2 if n > 1 else 2 if answers > 1 else 1
    readout = Readout((field,), rest=-others * one)
    return draft.plan(facts, readout, MarginClaim.exactly(1), dtype)
