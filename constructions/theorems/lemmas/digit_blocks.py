"""Lemma: parabolas read the digits of an answer, and the margin is exactly 1.

Statement. Let N' answers be numbered from 0 and written to a base q >= 2, each by the same n
digits, the largest of which is L. Let the last position hold the digits x of the answer to the
query, and a coordinate that is 1. Give the answer with digits t the logit

    2 <t, x> - |t|^2 = |x|^2 - |x - t|^2,

and every other token `-n L^2`; where n = 1, -2, and where N' = 1, -1. Then the answer's logit
exceeds all others by exactly 1.

So it is in one layer where every entity holds a block of n digits for each relation, and relations
close all blocks but their own by -max(L, 1) (`closed_blocks`): then the blocks add up to x.

Proof. Other answers differ in a digit, so that their logit is at most `|x|^2 - 1`; the answer's is
`|x|^2`. If N' >= 2, one has that: where the answer's number is not 0, lower one of its digits that
is not 0 by 1, which gives a smaller number; where it is 0, take 1. Other tokens have at most -1,
for n > 1 requires L >= 1; and -2, or with N' = 1, where all else is 0, -1. ∎

All terms are integers. `2 <t, x>` is at most `2 n L^2`, so that sums stay within `3 n L^2`, and
within 2.

Used by: `digit_selector`; `scalar_selector`, whose base is N', with a single digit;
`precomputed_digits`, which reads the answers to words so.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from constructions.facts.codes import Codebook, digit_codes
from constructions.facts.table import FactTable
from constructions.facts.vocabulary import Vocabulary
from constructions.model.fact_model import FactModel
from constructions.model.margin import MarginClaim
from constructions.model.readout import NumberField, Readout
from constructions.model.stream import Form, Space
from constructions.sizes.whole_numbers import digits
from constructions.theorems.lemmas.closed_blocks import close_other_blocks
from constructions.writing.claims import Holds
from constructions.writing.codes import Digits, Number
from constructions.writing.draft import Draft, require_exact
from constructions.writing.plan import Plan


@dataclass(frozen=True)
class AnswersInDigits:
    """How possible answers are written in digits, and read.

    Attributes:
        codebook: the possible answers, N' of them.
        base: q, from 2 to max(N', 2).
        n, largest: how many digits an answer has, and L.
    """

    codebook: Codebook
    base: int
    n: int
    largest: int

    @classmethod
    def to_base(cls, codebook: Codebook, base: int) -> AnswersInDigits:
        """To a base of at least 2; one above N' has the same digits as N'."""
        answers = len(codebook)
        base = min(base, max(answers, 2))
        return cls(codebook, base, max(1, digits(answers, base)), min(base, answers) - 1)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the slot that holds an answer: (n,), or () where n = 1."""
        return (self.n,) if self.n > 1 else ()

    @property
    def code(self) -> Digits | Number:
        """How it stands there."""
        if self.n > 1:
            return Digits(self.codebook, self.base, self.n)
        return Number(self.codebook)

    @property
    def closing(self) -> int:
        """max(L, 1): what is subtracted from digits so that none is left above 0."""
        return max(self.largest, 1)

    @property
    def sums(self) -> int:
        """What no sum of a logit exceeds."""
        return max(3 * self.n * self.largest**2, 2)

    def readout(self, x: Form, one: Form) -> Readout:
        """The logits of the lemma.

        Args:
            x: a form of the shape above that is the answer's digits.
            one: a form that is 1.
        """
        answers = len(self.codebook)
        numbers = digit_codes(np.arange(answers), self.base, self.n).reshape(answers, *self.shape)
        field = NumberField(self.codebook.tokens, numbers, read=x, one=one)
        others = self.n * self.largest**2 if self.n > 1 else 2 if answers > 1 else 1
        return Readout((field,), rest=-others * one)


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
    n_relations, written = facts.n_relations, AnswersInDigits.to_base(codebook, base)
    require_exact(written.sums, dtype, f"{construction} with {len(codebook):,} possible answers")
    vocabulary = Vocabulary(facts.n_entities, n_relations)
    stream = Space(attributes=(n_relations, *written.shape), one=())
    attributes, one = stream["attributes"], stream["one"]

    draft = Draft(construction, vocabulary, stream)
    draft.entities(Holds(attributes, words=1, code=written.code))
    close_other_blocks(draft, attributes, written.closing)
    draft.relations(one, 1)
    layer = draft.layer()
    layer.head("read the subject", copy=2 * attributes, to=attributes)
    closed = layer.relu("close", -attributes)
    layer.add(closed, to=attributes)
    layer.takes([1])

    readout = written.readout(attributes.sum(axis=0), one)
    return draft.plan(facts, readout, MarginClaim.exactly(1), dtype)
