"""Theorem 4.1 (Section 4.1 of the paper): one hop, one layer, no fact in any internal weight.

Statement. For all facts `f_r`, r < R, on N entities there is a one-layer transformer that answers
every query `(s, r)` with `f_r(s)`, in dimension O(R log N). N' counts the possible answers
(*unknown* included where facts are missing) and m = max(1, ceil(log2 N')).

| construction | d_model | MLP | heads | logit margin |
|---|---|---|---|---|
| `selector` | R m + 1 | 1 hidden layer, width R m | 1, uniform, value width R m | exactly 2 |
| `scalar_selector` | R + 1 | 1 hidden layer, width R | 1, uniform, value width R | exactly 1 |
| `attention_selector` | R m + m + R + 1 | none | R, query width 1, value m | at least 1 |

The last margin is `2 (e^beta - R + 1) / (e^beta + 1)` for a gain beta of one's choice.

Hypotheses. None on the facts: bijections, functions and partial functions. The paper states the
theorem for bijections.

Where this departs from the paper: one hidden layer where the paper's MLP has three, and no flags
of relations, whose embeddings close the blocks that are not asked for; `scalar_selector`, whose
width does not depend on N, is ours; explicit constants throughout.
Proofs: docs/theorems/theorem_4_1.md.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import torch

from constructions.facts.codes import Codebook, sign_codes
from constructions.facts.table import FactTable
from constructions.facts.vocabulary import Vocabulary
from constructions.guards.errors import DoesNotFit, InputError
from constructions.guards.integers import whole
from constructions.guards.wording import shortened
from constructions.model.fact_model import FactModel
from constructions.model.margin import MarginClaim
from constructions.model.readout import Readout, SignField
from constructions.model.recipe import recorded
from constructions.model.stream import Space, dot
from constructions.sizes.whole_numbers import least_gain
from constructions.theorems.lemmas.closed_blocks import close_other_blocks
from constructions.theorems.lemmas.code_readout import read_codes
from constructions.theorems.lemmas.digit_blocks import select_digits
from constructions.theorems.lemmas.one_hot_relations import one_hot_relations
from constructions.writing.claims import Holds
from constructions.writing.codes import Bits, Signs
from constructions.writing.draft import Draft, require_exact
from constructions.writing.plan import Plan

_LARGEST_POWER = 1000
"""Of e: far beyond what float64 holds."""


@recorded
def selector(
    facts: FactTable, *, codebook: Codebook | None = None, dtype: torch.dtype = torch.float32
) -> Plan[FactModel]:
    """Theorem 4.1 with an MLP: the subject's embedding is a stack of its attributes' codes, the
    relation's closes all but one.

    Weights. `E[s]` = blocks `b(f_0(s)), ..., b(f_{R-1}(s))`; `E[relation r]` = -1 in every block
    but block r, 0 in that, and a constant 1. Uniform attention over the two tokens with value
    factor 2 adds both to the relation's position, which then holds `b(f_r(s))` in block r and
    `b(f_q(s)) - 2` in block q of any other relation. Unit (r, j) computes `ReLU(-x[r,j])` and is
    added to `x[r,j]`, which becomes `max(x[r,j], 0)`: 0 in every block but the queried one. The
    unembedding reads `logit_t = <c(t), 2 (sum of blocks) - 1>`.

    Args:
        facts: any table.
        codebook: the possible answers; by default those of `facts`. Give a larger one to `install`
            other facts later.
        dtype: exact in every floating dtype whose integers are exact up to 3 m.

    Returns:
        A one-layer model; d_model R m + 1, MLP width R m, margin exactly 2.

    Raises:
        DoesNotFit: the dtype is too narrow, or the weights exceed the memory.
        InputError: an answer is not in the codebook.

    Example:
        >>> model = selector(facts)
        >>> model.shape.d_model, int(model.margin.real)
        (7, 2)
    """
    codebook = codebook or Codebook.of(facts)
    m, n_relations = codebook.bits, facts.n_relations
    require_exact(3 * m, dtype, f"selector with {m}-bit codes")
    vocabulary = Vocabulary(facts.n_entities, n_relations)
    stream = Space(attributes=(n_relations, m), one=())
    attributes, one = stream["attributes"], stream["one"]

    draft = Draft("selector", vocabulary, stream)
    draft.entities(Holds(attributes, words=1, code=Bits(codebook)))
    close_other_blocks(draft, attributes, 1)
    draft.relations(one, 1)
    layer = draft.layer()
    layer.head("read the subject", copy=2 * attributes, to=attributes)
    closed = layer.relu("close", -attributes)
    layer.add(closed, to=attributes)
    layer.takes([1])

    readout = read_codes(codebook, 2 * attributes.sum(axis=0) - one, one)
    return draft.plan(facts, readout, MarginClaim.exactly(2), dtype)


@recorded
def scalar_selector(
    facts: FactTable, *, codebook: Codebook | None = None, dtype: torch.dtype = torch.float32
) -> Plan[FactModel]:
    """Theorem 4.1 with an MLP of width R, independent of N: one coordinate for each relation holds
    the answer's number.

    Weights. As `selector`, with the number `f_r(s)` in place of block r, and `-(N' - 1)` in place
    of -1 (-1 where N' = 1). The unembedding reads `logit_t = 2 t x - t^2 = x^2 - (x - t)^2`. The
    price of the width is precision: log2 N' bits in a coordinate and 2 log2 N' in the unembedding,
    so that the sums reach `3 (N' - 1)^2`. Exact in float32 up to N' = 2,365, in float64 up to N' =
    54,794,159.

    Args:
        facts: any table.
        codebook: the possible answers; by default those of `facts`. Give a larger one to `install`
            other facts later.
        dtype: a floating dtype in which `3 (N' - 1)^2` is exact.

    Returns:
        A one-layer model; d_model R + 1, MLP width R, margin exactly 1.

    Raises:
        DoesNotFit: the dtype is too narrow, or the weights exceed the memory.
        InputError: an answer is not in the codebook.

    Example:
        >>> scalar_selector(facts).shape.d_model
        3
    """
    codebook = codebook or Codebook.of(facts)
    return select_digits("scalar_selector", facts, codebook, max(len(codebook), 2), dtype)


@recorded
def attention_selector(
    facts: FactTable,
    *,
    codebook: Codebook | None = None,
    beta: int | None = None,
    dtype: torch.dtype = torch.float32,
) -> Plan[FactModel]:
    """Theorem 4.1 without an MLP: R heads of query width 1; head h looks at the subject iff the
    relation is h.

    Weights. `E[s]` = blocks `c(f_r(s))` and a flag 1; `E[relation r]` = `e_r`. Head h: query `beta
    (2 e_h - sum_r e_r)`, key = the flag, so its score is +beta on the subject if the relation is
    h, else -beta, and 0 on the relation's own position. It copies block h to the output slot. With
    `a = e^beta / (1 + e^beta)` the output slot holds `a c(f_r(s))` plus R - 1 codes weighted `1 -
    a`, hence the margin `2 (e^beta - (R-1)) / (e^beta + 1)`: positive iff `e^beta > R - 1`, in
    real arithmetic, without saturation.

    Args:
        facts: any table.
        codebook: the possible answers; by default those of `facts`. Give a larger one to `install`
            other facts later.
        beta: a positive integer; by default the smallest for which the margin is at least 1.
        dtype: a floating dtype; the forward pass rounds, so the margin must exceed the rounding of
            the logits.

    Returns:
        A one-layer model without MLP; d_model R m + m + R + 1.

    Raises:
        DoesNotFit: the dtype is too coarse for this margin or does not hold beta, or the weights
            exceed the memory.
        InputError: beta is not a positive integer or too small, or an answer is not in the
            codebook.

    Example:
        >>> model = attention_selector(facts)
        >>> bool(model.answer(3, [1]) == facts.answer(3, [1]))
        True
    """
    codebook = codebook or Codebook.of(facts)
    m, n_relations = codebook.bits, facts.n_relations
    beta = least_gain(n_relations) if beta is None else beta
    margin = attention_margin(n_relations, beta)
    vocabulary = Vocabulary(facts.n_entities, n_relations)
    stream = Space(attributes=(n_relations, m), output=(m,), relation=(n_relations,), is_entity=())
    attributes, output, relation = stream["attributes"], stream["output"], stream["relation"]
    rounding = _rounding(margin, stream.width, m, dtype)
    if beta > (most := min(2**62, int(torch.finfo(dtype).max))):
        raise DoesNotFit(
            f"attention_selector: beta is {shortened(beta)}, and weights in {dtype} are at most"
            f" {shortened(most)}"
        )

    draft = Draft("attention_selector", vocabulary, stream)
    draft.entities(Holds(attributes, words=1, code=Signs(codebook)))
    draft.every_entity(stream["is_entity"], 1)
    one_hot_relations(draft, relation)
    layer = draft.layer()
    beta_if_asked = beta * (2 * np.eye(n_relations, dtype=np.int64) - 1)
    for h in range(n_relations):
        asked = dot(beta_if_asked[h, None], relation)
        layer.head(
            f"relation {h}",
            query=asked,
            key=stream["is_entity"][None],
            copy=attributes[h],
            to=output,
        )
    layer.takes([1])

    codes = sign_codes(np.arange(len(codebook)), m)
    # No code's logit falls to -2 m, since the output slot's entries lie strictly between -2 and 2.
    readout = Readout(
        (SignField(codebook.tokens, codes, read=output.form()),), rest=-2 * m * relation.sum()
    )
    claim = MarginClaim(real=margin, in_dtype=margin - rounding, rounds=True)
    return draft.plan(facts, readout, claim, dtype)


def attention_margin(n_relations: int, beta: int) -> Fraction:
    """A rational lower bound of `2 (e^beta - (R-1)) / (e^beta + 1)`, which increases with e^beta.

    e is replaced by a partial sum of its series, so the bound holds in real arithmetic, without
    any rounding. A gain beyond `_LARGEST_POWER` is taken for that, which has a smaller margin:
    the digits of the power grow with the gain, and a saved model may ask for any gain.

    Raises:
        InputError: beta is not a positive integer, or the margin is not positive.
    """
    n_relations, beta = whole("n_relations", n_relations, 1), whole("beta", beta, 1)
    power = sum(Fraction(1, math.factorial(i)) for i in range(20)) ** min(beta, _LARGEST_POWER)
    margin = 2 * (power - (n_relations - 1)) / (power + 1)
    if margin <= 0:
        raise InputError(
            f"with beta = {beta} and R = {n_relations} the margin is not positive: e^beta > R - 1"
            f" is needed; beta = {least_gain(n_relations)} gives a margin of at least 1"
        )
    return margin


def _rounding(margin: Fraction, d_model: int, m: int, dtype: torch.dtype) -> Fraction:
    """How far the module's rounding can move a difference of two logits; raises DoesNotFit if the
    margin is no larger.

    Two logits are sums over d_model terms whose absolute values add up to at most 2 m each, off by
    `2 m d eps` together; the output slot is a sum over R heads, R < d / 2, of products of a few
    roundings each, whose error of `(R + 8) eps` times its size, below 2, enters m coordinates of
    two logits.
    """
    require_exact(2 * m, dtype, f"attention_selector with {m}-bit codes")
    rounding = (d_model + 16) * 4 * m * Fraction(torch.finfo(dtype).eps)
    if margin <= rounding:
        raise DoesNotFit(
            f"attention_selector with {m}-bit codes: the margin is {float(margin):.3g}, but logits"
            f" in {dtype} may be off by {float(rounding):.3g}; use a wider dtype or a larger beta"
        )
    return rounding
