"""Theorem 4.1 between bits and numbers: digits of C bits, one in each coordinate.

Statement. For all facts `f_r`, r < R, on N entities there is a one-layer transformer that answers
every query `(s, r)` with `f_r(s)`, and no attention or MLP weight depends on the facts. N' counts
the possible answers (*unknown* included where facts are missing), m = max(1, ceil(log2 N')), and
n = ceil(m / C).

| d_model | MLP | heads | logit margin |
|---|---|---|---|
| R n + 1 | 1 hidden layer, width R n | 1, uniform, value width R n | exactly 1 |

Hypotheses. None on the facts: bijections, functions and partial functions. C >= 1. At C = 1 the
dimension is that of `selector`, from C = m on it is `scalar_selector`, weight by weight.

Where this departs from the paper: all of it is ours; the paper has bits. Proof, and how few
coordinates there can be: docs/theorems/digit_selector.md.
"""

from __future__ import annotations

import torch

from constructions.facts.codes import Codebook
from constructions.facts.table import FactTable
from constructions.guards.integers import whole
from constructions.model.fact_model import FactModel
from constructions.model.recipe import recorded
from constructions.theorems.lemmas.digit_blocks import select_digits
from constructions.writing.plan import Plan

MOST_BITS = 64
"""Of a digit: more than any number of answers has."""


@recorded
def digit_selector(
    facts: FactTable,
    *,
    bits_per_coordinate: int = 2,
    codebook: Codebook | None = None,
    dtype: torch.dtype = torch.float32,
) -> Plan[FactModel]:
    """Theorem 4.1 with an MLP: the subject's embedding is a stack of its attributes' digits, the
    MLP closes all blocks but one.

    Weights. `E[s]` = blocks `t(f_0(s)), ..., t(f_{R-1}(s))` of n digits from 0 to L = 2^C - 1;
    `E[relation r]` = -L in every block but block r, 0 in that, and a constant 1. Uniform attention
    over the two tokens with value factor 2 adds both to the relation's position, which then holds
    `t(f_r(s))` in block r and `t(f_q(s)) - 2 L` in block q of any other relation. Unit (r, j)
    computes `ReLU(-x[r,j])` and is added to `x[r,j]`, which becomes `max(x[r,j], 0)`. The sum x of
    all blocks holds the answer's digits, and the unembedding reads `logit_t = 2 <t, x> - |t|^2`.

    Args:
        facts: any table.
        bits_per_coordinate: C, 1 to 64.
        codebook: the possible answers; by default those of `facts`. Give a larger one to `install`
            other facts later.
        dtype: a floating dtype in which `3 n L^2` is exact; L = N' - 1 where a digit holds all N'
            answers.

    Returns:
        A one-layer model; d_model R n + 1, MLP width R n, margin exactly 1.

    Raises:
        DoesNotFit: the dtype is too narrow, or the weights exceed the memory.
        InputError: C is out of range, or an answer is not in the codebook.

    Example:
        >>> digit_selector(facts, bits_per_coordinate=3).shape.d_model
        3
    """
    bits = whole("bits_per_coordinate", bits_per_coordinate, 1, MOST_BITS)
    return select_digits("digit_selector", facts, codebook or Codebook.of(facts), 2**bits, dtype)
