"""Sets of answers (ours): one layer writes every answer to (subject, relation), then END.

Statement. Let relation r lead from subject s to a set of `n_sr` entities, at most `w_r` of them, W
the sum and w the largest of all w_r; N' the different answers and END, `m = max(1, ceil(log2
N'))`, `p = ceil(log2 (w + 2))`. There is a transformer of one layer that after the prompt `s r`
writes the set in canonical order (that of the entities' ids), each token fed back, and then END:

    d_model = W m + p + 1      one hidden layer, W m wide      2 heads      w + 2 positions

No internal weight depends on the facts. Margin exactly 2 for every token that is written, END
included (in real arithmetic 2 minus a leak that is stated with the model).

Hypotheses. There is a fact. Sets may be empty: END is then written at once.

Weights. `E[s]` = blocks `b(j-th answer of r)` of m bits for each place (r, j), j = 1..w_r; END has
the code 0 and stands where there is no j-th answer. `E[relation r]` is -1 in all blocks of other
relations. Position i has its sign code `c(i)` of p bits and 1 on `one`. Head A weighs positions 0
and 1 alike and no others, by all bits of their codes but the lowest, and adds their blocks: `E[s]
+ E[relation r]`. Head B reads its own position, subtracts its token's blocks, whichever token it
is, and adds `<c(j), c(i)> - p` to the blocks (r, j) of all relations: 0 if j = i, at most -2 if
not. So at position i block (r, i) holds the i-th answer's bits, all others are at most 0. Unit x:
`ReLU(-x)`, added to x, is `max(x, 0)`. All blocks are read as one: `<c(t), 2 sum of blocks - 1>`.

Where this departs from the paper, which has functions alone: relations lead to sets. Functions
are w = 1. Proof: docs/theorems/sets_of_answers.md.
"""

from __future__ import annotations

import numpy as np
import torch

from constructions.facts.codes import Codebook, LastFirst, bits_needed
from constructions.facts.set_table import SetTable
from constructions.facts.vocabulary import WRITING_SETS, Vocabulary
from constructions.guards.errors import InputError
from constructions.model.margin import MarginClaim
from constructions.model.recipe import recorded
from constructions.model.set_model import SetModel
from constructions.model.stream import Form, Slot, Space, dot
from constructions.theorems.lemmas.code_readout import read_codes
from constructions.writing.claims import Holds
from constructions.writing.codes import Bits
from constructions.writing.draft import Draft, require_exact
from constructions.writing.plan import Plan
from constructions.writing.position_reading import GAIN, position_codes


@recorded
def sets_of_answers(
    facts: SetTable, *, codebook: Codebook | None = None, dtype: torch.dtype = torch.float32
) -> Plan[SetModel]:
    """A model that writes all answers to a subject and a relation, then END.

    Args:
        facts: a table of sets; one of functions is made one by `SetTable.from_functions`.
        codebook: the possible answers and END; by default those of `facts`. Give a larger one to
            `install` other sets later.
        dtype: any floating dtype whose integers are exact up to 3 m + 3 and 2 p + 4.

    Raises:
        InputError: the facts are no table of sets, or an answer has no code.
        DoesNotFit: the dtype is too narrow, or the weights exceed the memory.
    """
    SetModel.require_table(facts)
    vocabulary = Vocabulary(facts.n_entities, facts.n_relations, WRITING_SETS)
    book = _book(facts, vocabulary, codebook)
    n_positions = int(facts.most.max()) + 2
    m, p = book.bits, bits_needed(n_positions)
    require_exact(max(3 * m + 3, 2 * p + 4), dtype, f"sets of answers with {m}-bit codes")
    stream = Space(blocks=(facts.places, m), position=(p,), one=())
    blocks, position, one = (stream[name] for name in ("blocks", "position", "one"))

    draft = Draft("sets_of_answers", vocabulary, stream)
    draft.entities(Holds(blocks, words=1, code=Bits(book)))
    relation_of = np.repeat(np.arange(facts.n_relations), facts.most)
    others = relation_of != np.arange(facts.n_relations)[:, None]
    draft.relations(blocks, -others.astype(np.int64).repeat(m, axis=1))
    codes = position_codes(n_positions)
    draft.position(position, codes)
    draft.position(one, np.ones((n_positions, 1), dtype=np.int8))
    layer = draft.layer()
    layer.head(
        "read subject and relation",
        copy=2 * blocks,
        to=blocks,
        query=dot(np.full((p - 1, 1), -GAIN), one),
        key=position[1:],
    )
    layer.head(
        "take the own token away, and open the blocks of the position",
        copy=_opening(facts, position, one, codes) - blocks,
        to=blocks,
        query=GAIN * position,
        key=position,
    )
    layer.add(layer.relu("close", -blocks), to=blocks)
    layer.takes([1])
    readout = read_codes(book, 2 * blocks.sum(axis=0) - one, one)
    return draft.plan(facts, readout, MarginClaim.exactly(2), dtype, model=SetModel)


def _book(facts: SetTable, vocabulary: Vocabulary, given: Codebook | None) -> Codebook:
    """Codes of all answers and of END, which has number 0.

    Raises:
        InputError: the given one has no code for END.
    """
    end = vocabulary.special("end")
    if given is None:
        return LastFirst(np.append(np.unique(facts.triples[:, 2]), end))
    if end not in given.tokens[-1:]:
        raise InputError(
            f"the codebook must have END, token {end}, as its last token; got {given.tokens[-1:]}"
        )
    return LastFirst(given.tokens)


def _opening(facts: SetTable, position: Slot, one: Slot, codes: np.ndarray) -> Form:
    """`<c(j), c(i)> - p` for the blocks of place j at position i, (W, 1): 0 for j = i, else -2 or
    less.
    """
    first = np.cumsum(facts.most) - facts.most
    place = np.arange(facts.places) - first.repeat(facts.most) + 1
    opening: Form = dot(codes[place].astype(np.int64), position) - codes.shape[1] * one
    return opening[:, None]
