"""Few facts a subject (ours): one hop in a dimension that does not grow with the relations.

Statement. Let every subject have facts for at most D of the R relations, and let each relation
have a gate, a vector of g zeros and w ones, such that the gates of each subject's relations are
linearly independent (so g >= D). A transformer of one layer, with d_model g + 1 and an MLP of
width g, answers every stored fact. Nothing is claimed of pairs that have no fact.

Hypotheses. The gates of each subject's relations are independent: that is necessary and
sufficient, and is found out in integers while the model is built. Different gates suffice for
D <= 3, and g = R gates for every table; else a draw is looked at, and drawn again. The price of
gates that are nearly dependent is precision, see docs/theorems/sparse_selector.md.

Weights. `E[s]` holds g integers `X_j` whose sum over the gate of each of its relations r is `2^p
t_r` up to a rounding error, where `t_r` is the answer's label, about as often negative as
positive. `E[relation r]` holds its gate as signs times c, where all `|X_j| < 2 c`, and 1 on `one`.
Uniform attention with value factor 2 leaves `X_j + 2 c > 0` in open columns and `X_j - 2 c < 0` in
closed ones, and the MLP adds `ReLU(-x)` to each: the closed ones become 0. The open ones sum to `v
+ 2 c w`, where v is near 2^p times the label of the answer, and U reads the label by a parabola:
`logit_u = 2 u v - 2^p u^2`.

The variant that answers *unknown* to every pair that is not stored has one gate more or a few, a
coordinate `answer`, and a second hidden layer of three units, which reads a sum as it is if it is
near a label, and as the last label, *unknown*, if it lies beyond.

Where this departs from the paper: Theorem 4.1 has a block for each relation, `d = R m + 1`; here
columns are shared by all relations. Proofs: docs/theorems/sparse_selector.md.
"""

from __future__ import annotations

import torch

from constructions.facts.codes import Codebook
from constructions.facts.table import FactTable
from constructions.facts.vocabulary import Vocabulary
from constructions.guards.errors import InputError
from constructions.guards.integers import whole
from constructions.model.fact_model import FactModel
from constructions.model.margin import MarginClaim
from constructions.model.readout import NumberField, Readout
from constructions.model.recipe import recorded
from constructions.model.stream import Form, Slot, Space
from constructions.theorems.lemmas.sharing_gates import Design, first_that_holds
from constructions.theorems.lemmas.sums_through_gates import Solved
from constructions.writing.claims import Made
from constructions.writing.draft import Draft, require_exact
from constructions.writing.layer import LayerDraft
from constructions.writing.plan import Plan

MOST_EXCESS = 64
"""Bits: beyond what any dtype holds."""


@recorded
def sparse_selector(
    facts: FactTable,
    *,
    n_gates: int | None = None,
    excess_bits: int | None = None,
    seed: int | None = None,
    codebook: Codebook | None = None,
    dtype: torch.dtype = torch.float32,
) -> Plan[FactModel]:
    """Few facts a subject: relations open some of the columns that all share, and what a subject
    holds in these sums to the answer's label; only stored facts are answered.

    Weights. `E[s]` holds numbers whose sums over the gates of its relations are the labels of the
    answers times 2^p, rounded; `E[relation r]` its gate as signs, times c, and a constant 1. A
    uniform head with value factor 2 adds them up, units `ReLU(-x)` make the closed columns 0, and
    the unembedding reads the sum by a parabola.

    Args:
        facts: any table with a fact; it is a good one where no subject has many.
        n_gates: g, at most R; by default as few as hold the facts in this dtype: as many as the
            most facts of a subject, or some more.
        excess_bits: z, by how much a number of an entity may be longer than an answer's; by
            default as little as these facts need. Give more to `install` other facts later.
        seed: of the draw of gates; by default the first of a few that holds the facts.
        codebook: the possible answers; by default those that are stored. Give a larger one to
            `install` other facts later.
        dtype: narrower ones take more gates.

    Returns:
        A one-layer model that claims stored facts alone; d_model g + 1, MLP width g. Its margin is
        exact.

    Raises:
        DoesNotFit: the dtype or the excess is too narrow, or the weights exceed the memory.
        InputError: no fact is stored, a subject's gates are dependent, an argument is out of
            range, or an answer is not in the codebook.

    Example:
        >>> sparse = FactTable.random_sparse(entities=16, relations=9, seed=0)
        >>> model = sparse_selector(sparse)
        >>> model.stored_only, model.shape.d_model < 9
        (True, True)
    """
    if not facts.n_facts:
        raise InputError("sparse_selector answers stored facts, and no fact is stored")
    codebook = codebook or Codebook.of(facts, stored_only=True)
    asked = _in_range(facts, n_gates, excess_bits, seed)
    design, found = first_that_holds(facts, codebook, *asked, False, dtype)
    stream = Space(gates=(design.gates,), one=())
    columns, one = stream["gates"], stream["one"]
    draft = Draft("sparse_selector", Vocabulary(facts.n_entities, facts.n_relations), stream)
    layer = _open_the_gates(draft, design, columns, one)
    closed = layer.relu("close", -columns)
    layer.add(closed, to=columns)
    layer.takes([1])
    value = columns.sum(axis=0) - design.shift * one
    return _read_by_a_parabola(draft, design, found, facts, value, one, dtype)


@recorded
def sparse_selector_unknown(
    facts: FactTable,
    *,
    n_gates: int | None = None,
    excess_bits: int | None = None,
    seed: int | None = None,
    codebook: Codebook | None = None,
    dtype: torch.dtype = torch.float32,
) -> Plan[FactModel]:
    """As `sparse_selector`, and every pair that is not stored is answered, too: by *unknown*.

    Weights. The sums over all other gates lie beyond all labels. A second hidden layer reads the
    sum v as a tent, `last - ReLU(v - 2 foot + last) + 2 ReLU(v - foot) - ReLU(v - last)`: that is
    v from the foot, below the lowest label, to the last label, which is that of *unknown*, and the
    last label beyond, on both sides.

    Args:
        facts: any table; it is a good one where no subject has many facts.
        n_gates, excess_bits, seed, dtype: as of `sparse_selector`, but one gate more at least.
        codebook: the possible answers; by default those of `facts`, and *unknown* if one is
            missing. Give a larger one to `install` other facts later.

    Returns:
        A one-layer model; d_model g + 2, hidden layers of g + 1 and 3 units. Its margin is exact.

    Raises:
        DoesNotFit, InputError: as `sparse_selector`; a relation's gate must be independent of
            those of each subject that has no fact of it, too.
    """
    codebook = codebook or Codebook.of(facts)
    asked = _in_range(facts, n_gates, excess_bits, seed)
    design, found = first_that_holds(facts, codebook, *asked, True, dtype)
    stream = Space(gates=(design.gates,), answer=(1,), one=())
    columns, answer, one = stream["gates"], stream["answer"], stream["one"]
    vocabulary = Vocabulary(facts.n_entities, facts.n_relations)
    draft = Draft("sparse_selector_unknown", vocabulary, stream)
    draft.relations(answer, design.kinks[-1])
    layer = _open_the_gates(draft, design, columns, one)
    opened, constant = layer.relu("open", columns), layer.relu("constant", one)
    value = opened.sum(axis=0) - design.shift * constant
    left, foot, last = (
        layer.relu(name, (value - kink * constant)[None])
        for name, kink in zip(("left end", "foot", "right end"), design.kinks, strict=True)
    )
    layer.add(2 * foot - left - last, to=answer)
    layer.takes([1])
    return _read_by_a_parabola(draft, design, found, facts, answer.sum(), one, dtype)


# -------------------------------------------------------------------- steps


def _in_range(
    facts: FactTable, n_gates: int | None, excess_bits: int | None, seed: int | None
) -> tuple[int | None, int | None, int | None]:
    """The three options; InputError where one is out of range."""
    return (
        None if n_gates is None else whole("n_gates", n_gates, 1, facts.n_relations),
        None if excess_bits is None else whole("excess_bits", excess_bits, 0, MOST_EXCESS),
        None if seed is None else whole("seed", seed, 0),
    )


def _open_the_gates(draft: Draft, design: Design, columns: Slot, one: Slot) -> LayerDraft:
    """Embeddings of entities and relations, and a layer whose head leaves, at the relation's
    position, what the entity holds plus 2 c in open columns and minus 2 c in closed ones.
    """
    draft.entities_made(Made(columns, design.codebook, design.rows))
    draft.relations(columns, design.half * (2 * design.drawn() - 1))
    draft.relations(one, 1)
    layer = draft.layer(hidden_layers=2 if design.others_beyond else 1)
    layer.head("read the subject", copy=2 * columns, to=columns)
    return layer


def _read_by_a_parabola(
    draft: Draft,
    design: Design,
    found: Solved,
    facts: FactTable,
    value: Form,
    one: Slot,
    dtype: torch.dtype,
) -> Plan[FactModel]:
    """The plan of a model whose final state has 2^p times the answer's label, nearly, in `value`.

    The label nearest to it has the largest logit; that of the answer is at least 0, or nearly, and
    other tokens have `-lower`.
    """
    what = f"{draft.construction} with {design.gates} gates and {len(design.codebook):,} answers"
    require_exact(design.largest_sum, dtype, what)
    answers = NumberField(design.codebook.tokens, design.labels, read=value, one=design.unit * one)
    return draft.plan(
        facts,
        Readout((answers,), rest=-design.lower * one),
        MarginClaim.exactly(design.margin(facts, found)),
        dtype,
        stored_only=not design.others_beyond,
        settled={"n_gates": design.gates, "excess_bits": design.extra, "seed": design.seed},
    )
