"""A selector with as few coordinates as there can be: one hop, one layer, no coordinate that is 1.

Statement. For all facts `f_r`, r < R, R >= 2, on N entities there is a one-layer transformer that
answers every query `(s, r)` with `f_r(s)`. N' counts the possible answers (*unknown* included
where facts are missing), m = max(1, ceil(log2 N')), n = ceil(m / C), L = min(2^C, N') - 1, or 1
where that is 0, and g = 2 L^2 - 1.

| d_model | MLP | heads | logit margin |
|---|---|---|---|
| R n | 1 hidden layer, width R n | 1, uniform, value width R n | at least M |

M = 4 g (R - 1) - L (2 R - 1) (2 L - 1), which is 2 R - 3 for C = 1.

Hypotheses. At least two relations; none on the facts. Where N is a power of two and C divides
log2 N, no model has fewer coordinates whose entities hold C bits in each and nothing else knows
the facts. Proof: theorems/digit_selector.md.

Where this departs from `digit_selector`: nothing is constant. The closed blocks add up to about
the same number whatever the facts, and that takes the place of 1.
"""

from __future__ import annotations

import numpy as np
import torch

from constructions import (
    Codebook,
    Construction,
    Digits,
    Draft,
    FactModel,
    FactTable,
    FormField,
    Holds,
    InputError,
    MarginClaim,
    Option,
    Plan,
    Readout,
    Sizing,
    Space,
    Symbols,
    Vocabulary,
    dot,
    recorded,
    require_exact,
)
from constructions.facts.codes import digit_codes
from constructions.sizes.tensors import copies, mlp
from constructions.sizes.whole_numbers import digits


@recorded
def least_selector(
    facts: FactTable,
    *,
    bits_per_coordinate: int = 1,
    codebook: Codebook | None = None,
    dtype: torch.dtype = torch.float32,
) -> Plan[FactModel]:
    """As digit_selector with R >= 2, where closed blocks stand for the coordinate that is 1.

    Weights. `E[s]` = blocks of digits, 0 to L; `E[relation r]` = -2 g in block 0 and -g in every
    other block, but 0 in block r. Uniform attention with value factor 2 makes block r `t(f_r(s))`,
    and lowers every other one by 4 g or 2 g. The units `ReLU(-x)` of a place in all blocks are
    added up to S: block 0 gets 2 S and block 1 gets -S. So the blocks add up to the answer's
    digits x, while `Q = -(x[0,0] + 2 x[1,0] + ... + 2 x[R-1,0])` is as it was, and lies between
    `K - L (2 R - 1)` and `K = 4 g (R - 1)`. The unembedding reads `2 K <t, x> - |t|^2 Q`.
    """
    if facts.n_relations < 2:
        raise InputError(
            "least_selector needs two relations or more, since blocks that are not asked for stand"
            f" for a constant; got {facts.n_relations}"
        )
    codebook = codebook or Codebook.of(facts)
    answers, n_relations, base = len(codebook), facts.n_relations, 2**bits_per_coordinate
    base = min(base, max(answers, 2))
    n, largest, g, k = shape_of(answers, base, n_relations)
    low = k * largest + n * largest**2
    largest_sum = 2 * low * n * (8 * g * n_relations + largest)
    require_exact(largest_sum, dtype, f"least_selector with {answers:,} possible answers")
    stream = Space(attributes=(n_relations, n))
    attributes = stream["attributes"]

    draft = Draft("least_selector", Vocabulary(facts.n_entities, n_relations), stream)
    draft.entities(Holds(attributes, words=1, code=Digits(codebook, base, n)))
    closed = g * (np.eye(n_relations, dtype=np.int64) - 1)
    closed[:, 0] *= 2
    draft.relations(attributes, closed.repeat(n, axis=1))
    layer = draft.layer()
    layer.head("read the subject", copy=2 * attributes, to=attributes)
    below = layer.relu("below", -attributes).sum(axis=0)
    layer.add(2 * below, to=attributes[0])
    layer.add(-below, to=attributes[1])
    layer.takes([1])

    minus_q = np.zeros((n_relations, n), dtype=np.int64)
    minus_q[:, 0] = 2
    minus_q[0, 0] = 1
    t = digit_codes(np.arange(answers), base, n)
    rows = 2 * k * np.tile(t, n_relations) + (t**2).sum(axis=1)[:, None] * minus_q.ravel()
    readout = Readout(
        (FormField(codebook.tokens, dot(rows, attributes.flat())),),
        rest=dot(low * minus_q.ravel(), attributes.flat()),
    )
    margin = k - largest * (2 * n_relations - 1) * (2 * largest - 1)
    return draft.plan(facts, readout, MarginClaim.at_least(margin), dtype)


def shape_of(answers: int, base: int, n_relations: int) -> tuple[int, int, int, int]:
    """n, L, g and K of the statement."""
    largest = max(1, min(base, answers) - 1)
    g = 2 * largest**2 - 1
    return max(1, digits(answers, base)), largest, g, 4 * g * (n_relations - 1)


def sizes(s: Symbols) -> Sizing:
    """n digits for each relation. E holds digits, -g and -2 g; U is at least 0, and largest for
    tokens that are no answers. Units are written to block 0 twice, and with a minus to block 1.
    """
    base = 2 ** s.options["D"]
    n, largest = s.max(1, s.digits(s.a, base)), s.max(1, s.min(base, s.a) - 1)
    d, g = s.R * n, 2 * largest**2 - 1
    return Sizing(
        d_vocab=s.V,
        d_model=d,
        d_mlp=d,
        n_layers=1,
        n_heads=1,
        internal=(*copies(d, d), *mlp([d], (1, 2), d)),
        embedding_entry_bits=s.bits_between(-2 * g, largest * s.if_any(s.a - 1)),
        unembedding_entry_bits=s.bits(2 * (4 * g * (s.R - 1) * largest + n * largest**2) + 1),
        internal_fact_bits=0,
        embedding_fact_bits=d * s.bits(s.min(base, s.a)),
    )


mine = Construction(
    least_selector,
    sizing=sizes,
    needs="two relations or more",
    options=(
        Option(
            "bits_per_coordinate",
            "D",
            "bits in a coordinate, 1 to 64 (default 1)",
            default=lambda R, k: 1,
            choices=lambda R, k: (1, 2, 3),
            least=1,
            most=lambda R, k: 64,
        ),
    ),
)
