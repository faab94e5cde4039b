"""Lemma: an MLP that turns a state and the asked relation into the next state answers every path.

Statement. Let the MLP `look_up`, where the slot `state` holds the sign code of a state s, `asked`
that of relation r and `one` is 1, leave in `state` the code of `f_r(s)` and in `asked` 0; and
where layers are shared let it advance the pointer (`pointers`). Then the model of k such layers,
or of one that is applied k times, answers every query `(s, r_1, ..., r_k)` with margin exactly 2.

Hypotheses. States are the entities and, where facts are missing, *unknown*, which every relation
leaves where it is.

Weights. `E[s]` = `c(s)` in `state`, or in `subject` where layers are shared; `E[relation r]` =
`c(r)` in `relation`, and 1 on `one`. Layer 1 copies the subject, layer l the relation `r_l`; the
unembedding reads the state's code.

Used by: `key_value`, `key_value_rows`, `key_value_grid`. Proof:
docs/theorems/theorem_4_3_key_value.md, "Proof: `key_value`".
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from constructions.facts.codes import Codebook, bits_needed, sign_codes
from constructions.facts.table import FactTable
from constructions.facts.vocabulary import Vocabulary
from constructions.model.fact_model import FactModel
from constructions.model.margin import MarginClaim
from constructions.model.stream import Space
from constructions.theorems.lemmas.code_readout import read_codes
from constructions.theorems.lemmas.pointers import follow_pointer, start_pointer
from constructions.theorems.lemmas.reading_the_prompt import read_prompt
from constructions.writing.claims import Holds
from constructions.writing.codes import Signs
from constructions.writing.draft import Draft, require_exact, require_hops
from constructions.writing.layer import LayerDraft
from constructions.writing.plan import Plan
from constructions.writing.position_reading import position_codes

LookUp = Callable[[LayerDraft, Space, FactTable, Codebook, "NDArray[np.int8] | None"], None]
"""Writes the MLP of a layer; the codes of the pointer in all passes, (k, p), if the layer is
shared.
"""


def memory(
    name: str,
    look_up: LookUp,
    hidden_layers: int,
    facts: FactTable,
    hops: int,
    dtype: torch.dtype,
    share_layers: bool = True,
) -> Plan[FactModel]:
    """The whole model around the MLP: reading the prompt, k layers or one, and the readout.

    Args:
        name: of the construction.
        look_up: writes the MLP of a layer.
        hidden_layers: of that MLP.
        facts, hops, dtype, share_layers: as of `key_value`.
    """
    require_hops(hops)
    states = Codebook.of_states(facts)
    b, n_positions = states.bits, hops + 1
    vocabulary = Vocabulary(facts.n_entities, facts.n_relations)
    p, c = bits_needed(n_positions), bits_needed(facts.n_relations)
    require_exact(4 * (b + c), dtype, f"{name} with {b}-bit states")
    extra: dict[str, tuple[int, ...]] = (
        {"subject": (b,), "pointer": (p,), "first": ()} if share_layers else {}
    )
    stream = Space(state=(b,), relation=(c,), asked=(c,), position=(p,), one=(), **extra)

    passes = position_codes(n_positions)[1:] if share_layers else None
    draft = Draft(name, vocabulary, stream)
    draft.position(stream["position"], position_codes(n_positions))
    subject, letters = stream["subject" if share_layers else "state"], np.arange(facts.n_relations)
    draft.entities(Holds(subject, words=0, code=Signs(states)))
    draft.relations(stream["relation"], sign_codes(letters, c))
    draft.relations(stream["one"], 1)
    if share_layers:
        start_pointer(draft, stream, n_positions)
    for hop in range(1, 2 if share_layers else n_positions):
        layer = draft.layer(hidden_layers)
        if share_layers:
            follow_pointer(layer, stream, n_positions, subject, stream["state"], stream["asked"])
        else:
            copied = [subject] if hop == 1 else []
            read_prompt(layer, stream, copied, {hop: stream["asked"]}, hops)
        look_up(layer, stream, facts, states, passes)
        for letter in range(1, n_positions) if share_layers else [hop]:
            layer.takes([letter], keeps=[Holds(stream["state"], words=0, code=Signs(states))])

    readout = read_codes(states, stream["state"], stream["one"])
    return draft.plan(
        facts,
        readout,
        MarginClaim.exactly(2),
        dtype,
        hops=hops,
        repeats=hops if share_layers else 1,
        facts_inside=True,
    )
