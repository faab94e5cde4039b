"""Theorem 4.3(2) in digits: many hops with every answer in the subject's embedding, C bits in a
coordinate.

Statement. For all facts of R relations on N entities and every k there is a transformer that
answers every query `(s, r_1, ..., r_k)` and whose internal weights do not depend on the facts. N'
counts the possible answers, m = max(1, ceil(log2 N')), n = ceil(m / C) and p = max(1, ceil(log2
(k+1))).

| depth | d_model | widest hidden layer | heads |
|---|---|---|---|
| k | R^k n + R + p + 1 | R^k n | 2 |

Margin exactly 1 (in real arithmetic 1 minus a leak that is stated with the model).

Hypotheses. None on the facts; the answer to a path that meets a missing fact is *unknown*. C >= 1.

Where this departs from the paper: all of it is ours; the paper has bits. An internal weight takes
one bit or two whatever C is, since relations hold what closes. So there are about C^2 times fewer
bits inside than in `precomputed`, and the embedding has as many bits of facts. Proof:
docs/theorems/precomputed_digits.md.
"""

from __future__ import annotations

import numpy as np
import torch

from constructions.facts.codes import Codebook, bits_needed
from constructions.facts.table import FactTable
from constructions.facts.vocabulary import Vocabulary
from constructions.guards.integers import whole
from constructions.model.fact_model import FactModel
from constructions.model.margin import MarginClaim
from constructions.model.recipe import recorded
from constructions.model.stream import Space
from constructions.theorems.digit_selector import MOST_BITS
from constructions.theorems.lemmas.digit_blocks import AnswersInDigits
from constructions.theorems.theorem_4_3_precomputed import fold_letter_by_letter
from constructions.writing.claims import Holds
from constructions.writing.draft import Draft, require_exact, require_hops
from constructions.writing.plan import Plan
from constructions.writing.position_reading import position_codes


@recorded
def precomputed_digits(
    facts: FactTable,
    hops: int,
    *,
    bits_per_coordinate: int = 2,
    codebook: Codebook | None = None,
    dtype: torch.dtype = torch.float32,
) -> Plan[FactModel]:
    """Theorem 4.3(2): the embedding of s holds, for every word w of k relations, the digits of the
    answer to `(s, w)`.

    Weights. `E[s]` = blocks `t(answer of w at s)` of n digits from 0 to L = 2^C - 1, for w in
    [R]^k; `E[relation r]` = `max(L, 1) e_r`, and a constant 1. The first layer copies the blocks
    to the last position. A head of layer l reads r_l and adds -max(L, 1) to the subtree x_r of
    every other letter r; `x_0 <- x_0 + ReLU(-x_0) + sum_{r > 0} ReLU(x_r)` is then the subtree of
    r_l. The unembedding reads the digits x that are left: `logit_t = 2 <t, x> - |t|^2`.

    Args:
        facts: any table.
        hops: k, at least 1.
        bits_per_coordinate: C, 1 to 64.
        codebook: the possible answers; by default those of `facts`. Give a larger one to `install`
            other facts later.
        dtype: a floating dtype in which `3 n L^2` is exact; L = N' - 1 where a digit holds all N'
            answers.

    Raises:
        InputError: hops is not a positive integer, C is out of range, or an answer has no code.
        DoesNotFit: the dtype is too narrow, or the weights exceed the memory.

    Example:
        >>> model = precomputed_digits(facts, hops=2, bits_per_coordinate=3)
        >>> bool(model.answer(3, [1, 0]) == facts.answer(3, [1, 0]))
        True
    """
    require_hops(hops)
    bits = whole("bits_per_coordinate", bits_per_coordinate, 1, MOST_BITS)
    written = AnswersInDigits.to_base(codebook or Codebook.of(facts), 2**bits)
    require_exact(
        written.sums,
        dtype,
        f"precomputed_digits with {len(written.codebook):,} possible answers",
    )
    n_relations = facts.n_relations
    vocabulary = Vocabulary(facts.n_entities, n_relations)
    stream = Space(
        answers=(*(n_relations,) * hops, *written.shape),
        relation=(n_relations,),
        one=(),
        position=(bits_needed(hops + 1),),
    )
    answers, one = stream["answers"], stream["one"]

    draft = Draft("precomputed_digits", vocabulary, stream)
    draft.position(stream["position"], position_codes(hops + 1))
    draft.entities(Holds(answers, words=hops, code=written.code))
    draft.relations(stream["relation"], written.closing * np.eye(n_relations, dtype=np.int64))
    draft.relations(one, 1)
    fold_letter_by_letter(draft, stream, hops, written.code)

    readout = written.readout(answers[(0,) * hops].form(), one)
    return draft.plan(facts, readout, MarginClaim.exactly(1), dtype, hops=hops)
