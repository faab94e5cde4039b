"""Theorem 4.4: with chain-of-thought one layer and an embedding of O(R log N) answer paths of
every length.

Statement. For all facts and every K there is a one-layer transformer that answers every query of 1
<= k <= K hops with one set of weights: the prompt `(s, r_1, ..., r_k, PAD, ..., PAD)` of K + 1
tokens is continued by the intermediate entities x_1, ..., x_k and END. With `hops_per_token = j`
each written token makes j hops, so that `ceil(k/j)` are written. No internal weight depends on the
facts. With m bits for an answer, `W = R + R^2 + ... + R^j` words, `T = ceil(K/j)` and `p = max(1,
ceil(log2 (K + T + 1)))`:

    d_model = W m + m + R + j + (j + 2) p + 1      one hidden layer, W m wide      j + 1 heads

For j = 1 that is `R m + m + R + 3 p + 2`: it depends on K through p alone. Margin exactly 2 in
every step (in real arithmetic 2 minus a leak that is stated with the model).

Hypotheses. None on the facts. A path that meets a missing fact writes *unknown* from there on.

Where this departs from the paper: constants; padding, END and steps of several hops are ours;
functions and missing facts. Heads add letters to the words themselves, so that they have no slot
of their own. Selecting in place would save m coordinates for j = 1; here the selected bits go to a
slot of their own, so that one form serves every j, and the sequence has a position more, on which
END is written after K hops.
Proof: docs/theorems/theorem_4_4.md.
"""

from __future__ import annotations

import numpy as np
import torch

from constructions.facts.codes import Codebook, bits_needed
from constructions.facts.table import FactTable
from constructions.facts.vocabulary import WRITING, Vocabulary
from constructions.guards.errors import InputError
from constructions.model.fact_model import FactModel
from constructions.model.margin import MarginClaim
from constructions.model.readout import SignField
from constructions.model.recipe import recorded
from constructions.model.stream import Form, Slot, Space, nothing
from constructions.theorems.lemmas.answer_trees import by_letter
from constructions.theorems.lemmas.code_readout import read_codes
from constructions.theorems.lemmas.one_hot_relations import one_hot_relations
from constructions.writing.claims import Holds
from constructions.writing.codes import Bits
from constructions.writing.draft import Draft, require_exact, require_hops
from constructions.writing.plan import Plan
from constructions.writing.position_reading import GAIN, position_codes


@recorded
def chain_of_thought(
    facts: FactTable,
    max_hops: int,
    *,
    hops_per_token: int = 1,
    codebook: Codebook | None = None,
    dtype: torch.dtype = torch.float32,
) -> Plan[FactModel]:
    """Theorem 4.4: position K + i - 1 points to the letters of step i, and writes x_i.

    Weights. `E[s]` = blocks `b(answer of w at s)` for all words w of 1 to j relations; `E[relation
    r]` = `e_r`; PAD and END are 0. The positional vector of position K + i - 1 holds its own code,
    pointers to the positions of letters (i-1) j + 1, ..., i j (or, beyond K, to position 0, which
    holds no letter), and a pointer to the entity: position 0 for i = 1, else position 1, which
    holds no blocks, as the token x_{i-1} brings its own. The head of letter l adds 1 to every
    block whose word has it at place l, and to the flag t_l that it is there. Unit (w, bit), |w| =
    n: `ReLU(x_w - t_{n+1} - n)`: the bit iff the step's letters are just w. The unembedding reads
    `2 (sum of units) - 1`, and END wins iff the step has no first letter.

    Args:
        facts: any table.
        max_hops: K, at least 1.
        hops_per_token: j, 1 to K.
        codebook: the possible answers; by default those of `facts`. Give a larger one to `install`
            other facts later.
        dtype: any floating dtype whose integers are exact up to 3 m + 3 and 2 j + 2.

    Raises:
        InputError: max_hops or hops_per_token is out of range, or an answer has no code.
        DoesNotFit: the dtype is too narrow, or the weights exceed the memory.

    Example:
        >>> model = chain_of_thought(facts, max_hops=3)  # paths of 1, 2 and 3 relations
        >>> [bool(model.answer(3, path) == facts.answer(3, path)) for path in ([1], [1, 0, 1])]
        [True, True]
    """
    require_hops(max_hops, "max_hops")
    require_hops(hops_per_token, "hops_per_token")
    if hops_per_token > max_hops:
        raise InputError(
            f"hops_per_token must be at most max_hops, {max_hops}; got {hops_per_token}"
        )
    codebook = codebook or Codebook.of(facts)
    m, n_relations, per_token = codebook.bits, facts.n_relations, hops_per_token
    require_exact(max(3 * m + 3, 2 * per_token + 2), dtype, f"chain_of_thought with {m}-bit codes")
    vocabulary = Vocabulary(facts.n_entities, n_relations, WRITING)
    n_positions = max_hops + -(-max_hops // per_token) + 1
    p = bits_needed(n_positions)
    trees = {
        f"words {length}": (*(n_relations,) * length, m) for length in range(1, per_token + 1)
    }
    stream = Space(
        **trees,
        answer=(m,),
        relation=(n_relations,),
        there=(per_token,),
        position=(p,),
        entity_pointer=(p,),
        letter_pointers=(per_token, p),
        one=(),
    )
    there, one = stream["there"], stream["one"]

    draft = Draft("chain_of_thought", vocabulary, stream)
    for length, name in enumerate(trees, start=1):
        draft.entities(Holds(stream[name], words=length, code=Bits(codebook)))
    one_hot_relations(draft, stream["relation"])
    _point(draft, stream, max_hops, per_token, n_positions)
    layer = draft.layer()
    stored, position = stream.span(trees), stream["position"]
    layer.head(
        "read the entity",
        copy=stored,
        to=stored,
        query=GAIN * stream["entity_pointer"],
        key=position,
    )
    for l in range(per_token):  # noqa: E741  # l is the letter's place, as in the statement
        pointer = GAIN * stream["letter_pointers"][l]
        layer.head(
            f"read letter {l + 1}",
            copy=stream["relation"][:, None],
            to=_with_letter(stream, l, per_token),
            query=pointer,
            key=position,
        )
    for length, name in enumerate(trees, start=1):
        matches: Form = stream[name] - length * one
        if length < per_token:
            matches = matches - there[length]
        found: Form = layer.relu(f"asked of {name}", matches)
        for _ in range(length):
            found = found.sum(axis=0)
        layer.add(found, to=stream["answer"])
    answer = Holds(stream["answer"], words=0, code=Bits(codebook))
    layer.takes(range(1, per_token + 1), keeps=[answer])

    end = SignField(
        np.array([vocabulary.special("end")]),
        np.empty((1, 0), np.int8),
        nothing(stream),
        bonus=(m + 2) * one - (2 * m + 3) * there[0],
    )
    readout = read_codes(codebook, 2 * stream["answer"] - one, one, end)
    claim = MarginClaim.exactly(2)
    return draft.plan(facts, readout, claim, dtype, hops=max_hops, hops_per_token=per_token)


def _point(draft: Draft, stream: Space, max_hops: int, per_token: int, n_positions: int) -> None:
    """The positional vectors: own code, pointers of the positions that write, and the constant."""
    codes = position_codes(n_positions)
    entity = np.zeros_like(codes)
    entity[max_hops] = codes[0]
    entity[max_hops + 1 :] = codes[1]
    steps = n_positions - max_hops
    place = 1 + np.arange(steps * per_token).reshape(steps, per_token)
    place = np.where(place <= max_hops, place, 0)  # position 0 holds no letter
    letter = np.zeros((n_positions, per_token, codes.shape[1]), dtype=np.int8)
    letter[max_hops:] = codes[place]
    draft.position(stream["position"], codes)
    draft.position(stream["entity_pointer"], entity)
    draft.position(stream["letter_pointers"], letter.reshape(n_positions, -1))
    draft.position(stream["one"], np.ones((n_positions, 1), dtype=np.int8))


def _with_letter(stream: Space, place: int, per_token: int) -> Slot:
    """A row for each relation: all blocks whose word has it at a place, counted from 0, and the
    flag that a letter is there.
    """
    trees = [stream[f"words {length}"] for length in range(place + 1, per_token + 1)]
    blocks = [by_letter(tree, place).columns for tree in trees]
    flag = np.full((len(blocks[0]), 1), stream["there"].columns[place])
    return Slot(stream, "words", np.concatenate([*blocks, flag], axis=1))
