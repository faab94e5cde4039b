"""Lemma: one hidden layer looks up the asked fact of a state, and each fact is stored once.

Statement. Let one hidden layer say in one-hot units which state it is (`is_state`), and in one-hot
units which of the R relations is asked (`is_asked`). Then the next hidden layer, with b units for
each relation r that is looked up, holds bit j of `f_r(s)` in unit (r, j) if s is the state and r
is asked, and 0 in all units of relations that are not asked.

Hypotheses. Exactly one unit of each group is 1 and the others are 0, and a form on the same layer
is 1. States are the entities and, where facts are missing, *unknown*, which every relation leaves
where it is.

Weights. Unit (r, j) is `ReLU(sum_s c(f_r(s))_j [state is s] + [r is asked] - sum_{q != r} [q is
asked] - 1)`: the first sum is the sign of the bit, the rest before the 1 is +1 if r is asked and
-1 if not; so it is `ReLU(1)` for a set bit of the asked row, else `ReLU(-1)` or `ReLU(-3)`. All
weights are signs: b bits for each fact.

Used by: `key_value_rows`, `hybrid`. Proof: docs/theorems/theorem_4_3_key_value.md,
"Proof: `key_value_rows`".
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from constructions.facts.codes import Codebook
from constructions.facts.table import FactTable
from constructions.facts.vocabulary import Vocabulary
from constructions.model.stream import Form, Slot, dot
from constructions.writing.layer import LayerDraft


def answer_rows(
    layer: LayerDraft,
    facts: FactTable,
    states: Codebook,
    relations: range,
    is_state: Slot,
    is_asked: Slot,
    always: Form,
) -> Slot:
    """The units (r, j) of the lemma: bit j of `f_r(s)` for the state s, if r is asked, else 0.

    Args:
        layer: gets the units.
        facts: whose rows are stored.
        states: names the states.
        relations: those that are looked up.
        is_state: units of one hidden layer, one-hot over all states.
        is_asked: units of the same layer, one-hot over all R relations.
        always: a form on the same layer that is 1.
    """
    tokens = Vocabulary(facts.n_entities, facts.n_relations).answer_tokens(
        facts.answers[relations]
    )
    unknown = np.full((len(relations), len(states) - facts.n_entities), states.tokens[-1])
    rows = states.signs(np.concatenate([tokens, unknown], axis=1))  # (relations, states, b)
    asked = one_of(facts.n_relations)[relations]
    return layer.relu(
        "asked row",
        dot(rows.transpose(0, 2, 1), is_state) + dot(asked[:, None], is_asked) - always,
    )


def one_of(count: int) -> NDArray[np.int64]:
    """(count, count): 1 on the diagonal, -1 elsewhere."""
    return 2 * np.eye(count, dtype=np.int64) - 1
