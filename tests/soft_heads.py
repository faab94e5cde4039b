"""A construction of a user's own whose heads select nothing, though it has positions: that of
`attention_selector`, with scores of large terms that cancel, and a slot for the position that
nothing reads. All that it claims is true.
"""

from fractions import Fraction

import numpy as np
import torch

from constructions import Construction
from constructions.theorems.theorem_4_1 import (
    Codebook,
    Draft,
    Holds,
    MarginClaim,
    Readout,
    SignField,
    Signs,
    Space,
    Vocabulary,
    attention_margin,
    dot,
    least_gain,
    one_hot_relations,
    recorded,
    sign_codes,
)

CANCELS = 2200


@recorded
def soft(facts, *, codebook=None, dtype=torch.float32):
    codebook = codebook or Codebook.of(facts)
    bits, relations = codebook.bits, facts.n_relations
    gain = least_gain(relations)
    margin = Fraction(int(attention_margin(relations, gain) * 1000), 1000)
    stream = Space(
        attributes=(relations, bits),
        output=(bits,),
        relation=(relations,),
        is_entity=(),
        place=(),
    )
    draft = Draft("soft", Vocabulary(facts.n_entities, relations), stream)
    draft.entities(Holds(stream["attributes"], words=1, code=Signs(codebook)))
    draft.every_entity(stream["is_entity"], 1)
    one_hot_relations(draft, stream["relation"])
    draft.position(stream["place"], np.array([[1], [1]]))
    layer = draft.layer()
    scores = gain * (2 * np.eye(relations, dtype=np.int64) - 1)
    for relation in range(relations):
        layer.head(
            f"relation {relation}",
            query=dot(
                np.stack([scores[relation] + CANCELS, CANCELS + 0 * scores[relation]]),
                stream["relation"],
            ),
            key=dot(np.array([[1], [-1]]), stream["is_entity"][None]),
            copy=stream["attributes"][relation],
            to=stream["output"],
        )
    layer.takes([1])
    codes = sign_codes(np.arange(len(codebook)), bits)
    field = SignField(codebook.tokens, codes, read=stream["output"].form())
    readout = Readout((field,), rest=-2 * bits * stream["relation"].sum())
    claim = MarginClaim(real=margin, in_dtype=margin / 2, rounds=True)
    return draft.plan(facts, readout, claim, dtype)


mine = Construction(soft, name="soft")
