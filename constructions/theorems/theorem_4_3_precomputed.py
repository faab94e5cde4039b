"""Theorem 4.3(2): many hops with every answer in the subject's embedding, no fact in any internal
weight.

Statement. For all facts of R relations on N entities and every k there is a transformer that
answers every query `(s, r_1, ..., r_k)` and whose internal weights do not depend on the facts. m
bits name a possible answer and p = max(1, ceil(log2 (k+1))).

| construction          | depth | d_model                 | widest hidden layer | heads |
|-----------------------|-------|-------------------------|---------------------|-------|
| `precomputed`         | k     | R^k m + R + p           | R^k m               | 2     |
| `precomputed_depth_1` | 1     | R^k m + R + p           | R^k m               | k + 1 |

Margin exactly 2 (in real arithmetic 2 minus a leak that is stated with the model).

Hypotheses. None on the facts; the answer to a path that meets a missing fact is *unknown*.

Where this departs from the paper: layer l folds the tree of answers onto one branch instead of
masking the others, so that its width is R^(k-l+1) m and not R^k m in every layer; heads close the
branches that are not asked for, so that no letter has a slot of its own; depth 1 is ours (so depth
is not the price, dimension is); functions and missing facts. Proof:
docs/theorems/theorem_4_3_precomputed.md.
"""

from __future__ import annotations

import torch

from constructions.facts.codes import Codebook, bits_needed
from constructions.facts.table import FactTable
from constructions.facts.vocabulary import Vocabulary
from constructions.guards.errors import InputError
from constructions.model.fact_model import FactModel
from constructions.model.margin import MarginClaim
from constructions.model.recipe import recorded
from constructions.model.stream import Space
from constructions.theorems.lemmas.answer_trees import keep_open
from constructions.theorems.lemmas.code_readout import read_codes
from constructions.theorems.lemmas.one_hot_relations import one_hot_relations
from constructions.theorems.lemmas.reading_the_prompt import read_prompt
from constructions.writing.claims import Holds
from constructions.writing.codes import Bits, Code
from constructions.writing.draft import Draft, require_exact, require_hops
from constructions.writing.plan import Plan
from constructions.writing.position_reading import position_codes


@recorded
def precomputed(
    facts: FactTable,
    hops: int,
    *,
    layers: int | None = None,
    codebook: Codebook | None = None,
    dtype: torch.dtype = torch.float32,
) -> Plan[FactModel]:
    """Theorem 4.3(2): the embedding of s holds, for every word w of k relations, the answer to
    `(s, w)`.

    Weights. `E[s]` = blocks `b(answer of w at s)` for w in [R]^k; `E[relation r]` = `e_r`. The
    first layer copies the blocks to the last position.

    Depth k: a head of layer l reads r_l and adds -1 to the subtree x_r of every other letter r;
    `x_0 <- x_0 + ReLU(-x_0) + sum_{r > 0} ReLU(x_r)` is then the subtree of r_l.

    Depth 1: k heads read all letters and add -1 to all words with another; `x_0 <- x_0 +
    ReLU(-x_0) + sum_{w > 0} ReLU(x_w)`.

    Args:
        facts: any table.
        hops: k, at least 1.
        layers: the depth, k (default) or 1.
        codebook: the possible answers; by default those of `facts`. Give a larger one to `install`
            other facts later.
        dtype: any floating dtype whose integers are exact up to 3 m and k.

    Raises:
        InputError: hops is not a positive integer, layers is neither k nor 1, or an answer has no
            code.
        DoesNotFit: the dtype is too narrow, or the weights exceed the memory.

    Example:
        >>> model = precomputed(facts, hops=2, layers=1)
        >>> bool(model.answer(3, [1, 0]) == facts.answer(3, [1, 0]))
        True
    """
    require_hops(hops)
    if layers not in (None, hops, 1):
        raise InputError(f"layers must be 1 or the number of hops, {hops}; got {layers!r}")
    by_letter = layers != 1 or (hops == 1 and layers is None)
    codebook = codebook or Codebook.of(facts)
    m, n_relations = codebook.bits, facts.n_relations
    require_exact(max(3 * m, hops), dtype, f"precomputed with {m}-bit codes")
    vocabulary = Vocabulary(facts.n_entities, n_relations)
    stream = Space(
        answers=(*(n_relations,) * hops, m),
        relation=(n_relations,),
        position=(bits_needed(hops + 1),),
    )
    answers, one = stream["answers"], stream["relation"].sum()

    name = "precomputed" if by_letter else "precomputed_depth_1"
    draft = Draft(name, vocabulary, stream)
    draft.position(stream["position"], position_codes(hops + 1))
    draft.entities(Holds(answers, words=hops, code=Bits(codebook)))
    one_hot_relations(draft, stream["relation"])
    if by_letter:
        fold_letter_by_letter(draft, stream, hops, Bits(codebook))
    else:
        layer = draft.layer()
        closes = {hop: (answers, hop - 1) for hop in range(1, hops + 1)}
        read_prompt(layer, stream, [answers], {}, hops, closes)
        keep_open(layer, answers, hops)
        answer = answers[(0,) * hops]
        layer.takes(range(1, hops + 1), keeps=[Holds(answer, words=0, code=Bits(codebook))])

    readout = read_codes(codebook, 2 * answers[(0,) * hops] - one, one)
    return draft.plan(facts, readout, MarginClaim.exactly(2), dtype, hops=hops)


def fold_letter_by_letter(draft: Draft, stream: Space, hops: int, code: Code) -> None:
    """k layers, each of which folds the tree in the slot `answers`, of words in this code, onto
    the branch of its letter, which then stands first.
    """
    answers = stream["answers"]
    for hop in range(1, hops + 1):
        layer, tree = draft.layer(), answers[(0,) * (hop - 1)]
        read_prompt(layer, stream, [answers] if hop == 1 else [], {}, hops, {hop: (tree, 0)})
        keep_open(layer, tree, 1)
        left = answers[(0,) * hop]
        layer.takes([hop], keeps=[Holds(left, words=hops - hop, code=code)])
