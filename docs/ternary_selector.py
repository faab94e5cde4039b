"""A selector whose codes are ternary: one hop, one layer, no fact in any internal weight.

Statement. For all facts `f_r`, r < R, on N entities there is a one-layer transformer that answers
every query `(s, r)` with `f_r(s)`. N' counts the possible answers (*unknown* included where facts
are missing) and n = max(1, ceil(log3 N')).

| d_model | MLP | heads | logit margin |
|---|---|---|---|
| R n + 1 | 1 hidden layer, width R n | 1, uniform, value width R n | exactly 1 |

Hypotheses. None on the facts: bijections, functions and partial functions.

Where this departs from Theorem 4.1: digits 0, 1, 2 in place of bits. Proof:
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
    -1 on all blocks but r, 1 on `one`. Uniform attention with value factor 2 makes block q
    `t(f_q(s)) - 2 [q != r]`; units `ReLU(-x)`, added to x, leave `max(x, 0)`: block r alone. With
    x the sum of all blocks the unembedding reads `logit_a = 2 <t(a), x> - |t(a)|^2 = |x|^2 - |x -
    t(a)|^2`.
    """
    codebook = codebook or Codebook.of(facts)
    n, n_relations = max(1, digits(len(codebook), 3)), facts.n_relations
    require_exact(12 * n, dtype, f"ternary_selector with {n} digits")
    vocabulary = Vocabulary(facts.n_entities, n_relations)
    stream = Space(attributes=(n_relations, n), one=())
    attributes, one = stream["attributes"], stream["one"]

    draft = Draft("ternary_selector", vocabulary, stream)
    draft.entities(Holds(attributes, words=1, code=Complements(codebook, n)))
    closed = np.eye(n_relations, dtype=np.int64) - 1
    draft.relations(attributes, np.repeat(closed, n, axis=1))
    draft.relations(one, 1)
    layer = draft.layer()
    layer.head("read the subject", copy=2 * attributes, to=attributes)
    layer.add(layer.relu("close", -attributes), to=attributes)
    layer.takes([1])

    return draft.plan(facts, _nearest(codebook, attributes, one), MarginClaim.exactly(1), dtype)


def _nearest(codebook: Codebook, attributes: Slot, one: Slot) -> Readout:
    """The answer with the nearest digits; below all of them what is no answer."""
    n_relations, n = attributes.shape
    t = ternary(np.arange(len(codebook)), n)
    squares = dot((t**2).sum(axis=1)[:, None], one.flat())
    logits = 2 * dot(np.tile(t, n_relations), attributes) - squares
    rest = (-1 if len(codebook) > 1 else 3) * one
    return Readout((FormField(codebook.tokens, logits),), rest)


@dataclass(frozen=True)
class Complements:
    """A node is written by the digits of its number, in a code that certificates do not spell."""

    codebook: Codebook
    n: int
    form: None = None

    def rows(self, tokens: np.ndarray) -> np.ndarray:
        """The digits of some nodes, given by their tokens (Q,): int64 (Q, n)."""
        return ternary(self.codebook.numbers(tokens), self.n)


def ternary(numbers: np.ndarray, n: int) -> np.ndarray:
    """The n digits of base 3 of each number, the lowest first, 2 for 0 and 0 for 2: (...) to int64
    (..., n).
    """
    return 2 - np.asarray(numbers)[..., None] // 3 ** np.arange(n) % 3


def sizes(s: Symbols) -> Sizing:
    """n digits for each relation, and a constant. E holds digits, and -1 where there is another
    relation; U holds twice a digit, and down to -4 n on the constant.
    """
    n = s.max(1, s.digits(s.a, 3))
    width = s.R * n
    d = width + 1
    return Sizing(
        d_vocab=s.V,
        d_model=d,
        d_mlp=width,
        n_layers=1,
        n_heads=1,
        internal=(*copies(width, d), *mlp([width], (1, 1), d)),
        embedding_entry_bits=2,
        unembedding_entry_bits=s.bits_between(-4 * n, 4),
        internal_fact_bits=0,
        embedding_fact_bits=width * s.bits(s.min(s.a, 3)),
    )


mine = Construction(ternary_selector, sizing=sizes)
