"""What must hold of every construction that answers many hops in one pass, for random N, R, k and
facts; the tests of each of them and of all together share it.
"""

import numpy as np
import torch
from hypothesis import strategies as st
from strategies import all_queries, bijections, functions

from constructions import CATALOGUE, FactTable
from verify.queries.recall import check_recall

NAMES = [
    name for name, entry in CATALOGUE.items() if entry.multi_hop and name != "chain_of_thought"
]
FEW = {"entities": st.integers(1, 12), "relations": st.integers(1, 3)}
HOPS = st.integers(1, 3)
FACTS = FactTable.random_bijections(7, 2, seed=4)


def tables_for(name):
    return (
        bijections(**FEW)
        if CATALOGUE[name].needs
        else st.one_of(bijections(**FEW), functions(**FEW))
    )


@st.composite
def cases(draw):
    name = draw(st.sampled_from(NAMES))
    facts, hops = draw(tables_for(name)), draw(HOPS)
    given = {}
    if name.startswith("hybrid"):
        given = {"looked_up": draw(st.integers(0, facts.n_relations))}
    if name == "key_value_grid":
        given = {"lane_bits": draw(st.integers(0, 5))}
    if name == "precomputed_digits":
        given = {"bits_per_coordinate": draw(st.integers(1, 4))}
    return name, facts, hops, given


def margin_of(name):
    """1 of numbers, 2 of signs."""
    return 1 if name == "precomputed_digits" else 2


def answers_of(model, facts, hops):
    return model.answer(*all_queries(facts, hops))


def recalls_every_path(build, facts, hops):
    assert np.array_equal(
        answers_of(build(facts, hops), facts, hops), facts.answer(*all_queries(facts, hops))
    )


def hops_compose(build, facts, hops):
    """k hops are k times one hop: the model of 1 hop, asked again and again, says the same."""
    one, subjects, paths = build(facts, 1), *all_queries(facts, hops)
    state = subjects
    for hop in range(hops):
        known = np.maximum(state, 0)
        state = np.where(state < 0, -1, one.answer(known, paths[:, hop, None]))
    assert np.array_equal(answers_of(build(facts, hops), facts, hops), state)


def relabelling_permutes_the_answers(build, facts, hops, entity_order, relation_order):
    renamed = np.append(entity_order, -1)
    relabelled = np.empty_like(facts.answers)
    relabelled[np.ix_(relation_order, entity_order)] = renamed[facts.answers]
    subjects, paths = all_queries(facts, hops)
    other = build(FactTable(relabelled), hops).answer(
        entity_order[subjects], relation_order[paths]
    )
    assert np.array_equal(other, renamed[answers_of(build(facts, hops), facts, hops)])


def internal_weights_are_equal(one, other):
    for (name, left), (_, right) in zip(
        one.internal_weights(), other.internal_weights(), strict=True
    ):
        assert torch.equal(left, right), name


def install_changes_no_internal_weight(build, n, r, seed, hops):
    """Another table is written into rows of embeddings alone, and then answered."""
    one, other = (FactTable.random_bijections(n, r, seed + i) for i in (0, 1000))
    model = build(one)
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    model.install(other)
    for name, weight in model.named_parameters():
        if name not in model.fact_tables:
            assert torch.equal(weight, before[name]), name
    internal_weights_are_equal(model, build(other))
    recall = check_recall(model, other, hops, "both")
    assert (recall.wrong, recall.defect) == (0, None)
