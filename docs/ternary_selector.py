"""A selector whose codes are ternary: one hop, one layer, no fact in any internal weight.

Statement. For all facts `f_r`, r < R, on N entities there is a one-layer transformer that answers
every query `(s, r)` with `f_r(s)`. N' counts the possible answers (*unknown* included where facts
are missing) and n = max(1, ceil(log3 N')).

| d_model | MLP | heads | logit margin |
|---|---|---|---|
| R n + n + 1 | 1 hidden layer, width R n | 1, uniform, value width R n | exactly 1 |

Hypotheses. None on the facts: bijections, functions and partial functions.

Where this departs from Theorem 4.1: digits 0, 1, 2 in place of bits; the relation lowers the
blocks that it does not ask for, so that no flag for each relation is needed. Proof:
add-a-construction.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from constructions import (
    Codebook,
    Construction,
    Draft,
    FactModel,
    FactTable,
    FormField,
    Holds,
    MarginClaim,
    Plan,
    Readout,
    Sizing,
    Slot,
    Space,
    Symbols,
    Vocabulary,
    dot,
    recorded,
    require_exact,
)
from constructions.sizes.tensors import copies, mlp
from constructions.sizes.whole_numbers import digits


@recorded
def ternary_selector(
    facts: FactTable, *, codebook: Codebook | None = None, dtype: torch.dtype = torch.float32
) -> Plan[FactModel]:
    """Embeddings stack the answers' ternary codes; one hidden layer keeps the queried one.

    Weights. `E[s]` = blocks `t(f_0(s)), ..., t(f_{R-1}(s))` of digits 0, 1, 2; `E[relation r]` =
    -1 on all blocks but r, -1 on `output`, 1 on `one`. Uniform attention with value factor 2 makes
    block q `t(f_q(s)) - 2 [q != r]`; the units `ReLU(block)` add what is left of it to `output`,
    which then holds the balanced digits `y(f_r(s))` = `t(f_r(s)) - 1`. The unembedding reads
    `logit_a = 2 <y(a), y> - |y(a)|^2 = |y|^2 - |y - y(a)|^2`.
    """
    codebook = codebook or Codebook.of(facts)
    n, n_relations = max(1, digits(len(codebook), 3)), facts.n_relations
    require_exact(3 * n, dtype, f"ternary_selector with {n} digits")
    vocabulary = Vocabulary(facts.n_entities, n_relations)
    stream = Space(attributes=(n_relations, n), output=(n,), one=())
    attributes, output, one = stream["attributes"], stream["output"], stream["one"]

    draft = Draft("ternary_selector", vocabulary, stream)
    draft.entities(Holds(attributes, words=1, code=Digits(codebook, n)))
    lowered = np.eye(n_relations, dtype=np.int64) - 1
    draft.relations(attributes, np.repeat(lowered, n, axis=1))
    draft.relations(output, -1)
    draft.relations(one, 1)
    layer = draft.layer()
    layer.head("read the subject", copy=2 * attributes, to=attributes)
    asked = layer.relu("asked", attributes)
    layer.add(asked.sum(axis=0), to=output)
    layer.takes([1])

    return draft.plan(facts, _nearest(codebook, n, output, one), MarginClaim.exactly(1), dtype)


def _nearest(codebook: Codebook, n: int, output: Slot, one: Slot) -> Readout:
    """The answer with the nearest balanced digits; below all of them what is no answer."""
    y = ternary(np.arange(len(codebook)), n) - 1
    squares = dot((y**2).sum(axis=1)[:, None], one.flat())
    rest = -(1 if len(codebook) > 1 else 0) * one
    return Readout((FormField(codebook.tokens, 2 * dot(y, output) - squares),), rest)


@dataclass(frozen=True)
class Digits:
    """A node is written by the digits of its number, in a code that certificates do not spell."""

    codebook: Codebook
    n: int
    form: None = None

    def rows(self, tokens: np.ndarray) -> np.ndarray:
        """The digits of some nodes, given by their tokens (Q,): int64 (Q, n)."""
        return ternary(self.codebook.numbers(tokens), self.n)


def ternary(numbers: np.ndarray, n: int) -> np.ndarray:
    """The n digits of base 3 of each number, the lowest first: (...) to int64 (..., n)."""
    return np.asarray(numbers)[..., None] // 3 ** np.arange(n) % 3


def sizes(s: Symbols) -> Sizing:
    """n digits for each relation and for the answer, and a constant. E holds -1, 0, 1 and with a
    third answer 2; U holds twice a balanced digit, and down to -n on the constant.
    """
    n = s.max(1, s.digits(s.a, 3))
    d, width = s.R * n + n + 1, s.R * n
    third = s.if_any(s.max(s.a - 2, 0))
    return Sizing(
        d_vocab=s.V,
        d_model=d,
        d_mlp=width,
        n_layers=1,
        n_heads=1,
        internal=(*copies(width, d), *mlp([width], (1, 1), d)),
        embedding_entry_bits=2,
        unembedding_entry_bits=s.bits_between(-s.max(n, 2), 2 * third),
        internal_fact_bits=0,
        embedding_fact_bits=width * s.bits(s.min(s.a, 3)),
    )


mine = Construction(ternary_selector, sizing=sizes)
