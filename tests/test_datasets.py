"""Tables as training data: the queries that are stored, each once, and what is to be said."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import bijections, functions

from constructions import (
    FactTable,
    InputError,
    Vocabulary,
    chain_of_thought,
    key_value,
    torch_dataset,
)

TABLES = st.one_of(
    bijections(entities=st.integers(1, 6), relations=st.integers(1, 3)),
    functions(entities=st.integers(1, 6), relations=st.integers(1, 3)),
)


@given(facts=TABLES, hops=st.integers(1, 3))
def test_every_stored_query_is_there_once_with_its_answer(facts, hops):
    assume(facts.n_stored_queries(hops))
    tokens, targets = facts.dataset(hops)
    answers = facts.answer(tokens[:, 0], tokens[:, 1:] - facts.n_entities)
    assert (targets[:, 0] == answers).all()
    assert (answers >= 0).all()
    assert len(np.unique(tokens, axis=0)) == len(tokens) == facts.n_stored_queries(hops)


@given(facts=TABLES, hops=st.integers(1, 3), step=st.integers(1, 3), more=st.integers(0, 2))
def test_a_chain_is_what_a_construction_writes(facts, hops, step, more):
    assume(facts.n_stored_queries(hops))
    tokens, targets = facts.dataset(hops, step, longest=hops + more)
    model = chain_of_thought(facts, max_hops=hops + more, hops_per_token=min(step, hops))
    assume(step <= hops)
    said = model(
        model.training_examples(tokens[:, 0], tokens[:, 1 : 1 + hops] - facts.n_entities)[0]
    )
    assert (said[:, -targets.shape[1] :].argmax(-1).numpy() == targets).all()
    end = Vocabulary(facts.n_entities, facts.n_relations, ("unknown", "pad", "end")).special("end")
    assert (targets[:, -1] == end).all()


def test_a_construction_has_learned_its_dataset():
    facts = FactTable.random_bijections(7, 3, seed=5)
    tokens, targets = map(np.copy, facts.dataset(2))
    model = key_value(facts, 2)
    data = torch_dataset(facts, 2)
    assert len(data) == len(tokens)
    read, wanted = data[:]
    assert (read.numpy() == tokens).all()
    assert (model(read)[:, -1:].argmax(-1) == wanted).all()
    other = FactTable.random_bijections(7, 3, seed=6).dataset(2)[1]
    assert not (other == targets).all()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"hops": 0}, "hops must be an integer of at least 1; got 0"),
        ({"hops": 2, "longest": 1}, "longest must be an integer of at least 2; got 1"),
        ({"hops": 1, "longest": 2}, "longest = 2 and hops = 1: only in a chain of thought"),
        ({"hops_per_token": -1}, "hops_per_token must be an integer of at least 0"),
    ],
)
def test_arguments_out_of_range(arguments, words):
    with pytest.raises(InputError, match=words):
        FactTable.rotations(3, 2).dataset(**arguments)


def test_no_stored_query():
    with pytest.raises(InputError, match="no query of 2 hops is stored"):
        FactTable([[1, -1]]).dataset(2)


@given(worlds=st.integers(1, 4), size=st.integers(1, 6), relations=st.integers(1, 3))
def test_every_world_has_bijections_of_its_own_onto_the_first(worlds, size, relations):
    answers = FactTable.random_worlds(worlds, size, relations, seed=3).answers
    of_worlds = answers.reshape(relations, worlds, size)
    assert (np.sort(of_worlds, axis=-1) == np.arange(size)).all()
    if size > 4 and worlds > 1:  # two alike: 1 in 120
        assert len(np.unique(of_worlds.reshape(-1, size), axis=0)) > 1
