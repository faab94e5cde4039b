"""A model that is updated has the weights that are built for the changed table, bit for bit."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import edits
from tiers import few

from constructions import (
    CATALOGUE,
    DoesNotFit,
    FactTable,
    InputError,
    chain_of_thought,
    key_value,
    meet_in_the_middle,
    precomputed,
    save,
    selector,
    superposition,
)
from constructions.facts.changes import changed_table
from constructions.model.rebuild import planned
from constructions.writing.token_rows import TokenRows
from verify.checking.check import check

TAKING_CHANGES = [name for name, entry in CATALOGUE.items() if entry.missing]


def bits(model):
    """The bits of all weights."""
    return {name: tensor.numpy().tobytes() for name, tensor in model.state_dict().items()}


def built(model, facts):
    """The model that the same recipe makes of other facts, with the same codebooks."""
    return planned(model.recipe, facts, model.codebooks, model.embedding.weight.dtype).build()


def updates_as_built(model, changes):
    """Update a model, and compare it with the one that is built; returns what was written."""
    expected, before = changed_table(model.facts, changes).facts, bits(model)
    fresh = built(model, expected)
    found = model.update(changes)
    assert model.facts == expected
    assert bits(model) == bits(fresh)
    assert model.margin == fresh.margin
    changed = {name for name, raw in bits(model).items() if raw != before[name]}
    assert changed <= found.rows_written.keys() | set(found.rebuilt)
    return found


@pytest.mark.parametrize("name", few(TAKING_CHANGES, "selector", "chain_of_thought", "key_value"))
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_update_then_ask_is_build_then_ask(name, data):
    entry = CATALOGUE[name]
    facts = entry.random_partial_facts(5, 2, data.draw(st.integers(0, 99)), 0.3)
    facts = facts.with_spare_entities(2, data.draw(st.integers(0, 2)))
    hops = data.draw(st.integers(1, 3)) if entry.multi_hop else 1
    changes = data.draw(edits(facts))
    if data.draw(st.booleans()):
        changes = [(s if i else "new one", r, t or "e0") for i, (s, r, t) in enumerate(changes)]
    changes = [c for c in changes if not any(str(n).startswith("<spare") for n in c)]
    if not changes:
        return
    try:
        model = entry.build(facts, hops)
    except InputError:  # a table without a fact, where stored facts alone are claimed
        return
    before, old = bits(model), model.facts
    try:
        fresh = built(model, changed_table(facts, changes).facts)
    except InputError:
        with pytest.raises(InputError):
            model.update(changes)
        assert (bits(model), model.facts) == (before, old)
        return
    updates_as_built(model, changes)
    queries = model.queries(np.arange(min(model.n_queries(model.hops), 40)), model.hops)
    assert (model.answer(*queries) == fresh.answer(*queries)).all()


def test_only_the_rows_of_changed_subjects_are_written():
    facts = FactTable.random_functions(50, 3, seed=0, missing=0.1)
    for model in (selector(facts), chain_of_thought(facts, 3)):
        before = model.embedding.weight.detach().clone()
        found = updates_as_built(model, [("e7", "r1", "e9"), ("e8", "r1", None)])
        assert found.rows_written == {"embedding.weight": 2}
        differ = (model.embedding.weight != before).any(dim=1).nonzero().ravel().tolist()
        assert set(differ) <= {7, 8}


def test_of_trees_of_answers_the_rows_that_lead_to_the_change_are_written():
    chain = FactTable([[1, 2, 3, 4, 5, 5, 0, -1]])
    found = updates_as_built(precomputed(chain, 3), [("e4", "r0", "e0")])
    assert found.rows_written == {"embedding.weight": 3}  # e4, e3, e2


def test_an_update_that_writes_a_wrong_row_is_noticed_and_refused_by_check(monkeypatch, tmp_path):
    facts = FactTable.random_functions(6, 2, seed=1, missing=0.2)
    model = selector(facts)
    changes = [("e2", "r1", facts.entity_name(int(facts.answers.max())))]
    changed = changed_table(facts, changes).subjects
    assert len(changed)
    updates_as_built(copy.deepcopy(model), changes)
    whole = TokenRows.write_codes

    def with_the_facts_before(self, weight, one, found, entities, first=0):
        held = replace(found, facts=facts) if len(entities) < 6 else found
        whole(self, weight, one, held, entities, first)

    monkeypatch.setattr(TokenRows, "write_codes", with_the_facts_before)
    with pytest.raises(AssertionError):
        updates_as_built(copy.deepcopy(model), changes)
    model.update(changes)
    save(model, tmp_path / "wrong")
    assert check(tmp_path / "wrong").verdict == "FAIL"
    monkeypatch.undo()
    model.install(model.facts)
    save(model, tmp_path / "right")
    assert check(tmp_path / "right").verdict == "PASS"


def test_internal_weights_that_hold_facts_are_built_again():
    model = key_value(FactTable.random_functions(5, 2, seed=1, missing=0.3), 2)
    found = updates_as_built(model, [("e0", "r0", "e3"), ("e1", "r1", "e2")])
    assert not found.rows_written
    assert set(found.rebuilt) == {f"layers.{i}.mlp.weights.1.weight" for i in (0, 1)}


def test_edited_internal_weights_are_not_overwritten():
    model = key_value(FactTable.random_functions(5, 2, seed=1, missing=0.3), 1)
    with torch.no_grad():
        model.layers[0].mlp.matrix(1)[0, 0] += 1
    before = bits(model)
    with pytest.raises(InputError, match="nothing is changed: key_value is not as it was built"):
        model.update([("e0", "r0", "e3"), ("e1", "r1", "e2")])
    assert bits(model) == before


def test_two_objects_exchanged_leave_bijections():
    facts = FactTable.random_bijections(5, 2, seed=0)
    one, other = (facts.entity_name(int(facts.answers[1, s])) for s in (0, 3))
    model = meet_in_the_middle(facts, 3)
    found = updates_as_built(model, [("e0", "r1", other), ("e3", "r1", one)])
    assert set(found.rows_written) == {"embedding.weight", "unembedding.weight"}


REFUSED = [
    (
        lambda: meet_in_the_middle(FactTable.random_bijections(5, 2, seed=0), 2),
        [("e0", "r0", None)],
        "needs bijections.*has no code",
    ),
    (
        lambda: selector(FactTable([[1, 2, 1]])),
        [("e0", "r0", None)],
        "was built of a table that has all facts",
    ),
    (
        lambda: selector(FactTable([[1, 2, 1]])),
        [("e0", "r0", "e0")],
        "'e0' is none of the 2 answers that have a code: build with spare answers",
    ),
    (
        lambda: selector(FactTable([[1, 2, 1]]).with_spare_entities(1, 0)),
        [("e0", "r0", "new")],
        "'new' is none of the 3 answers",
    ),
    (
        lambda: superposition(FactTable([[1, 1, 1], [2, 2, 2]])),
        [("e0", "r0", "e2")],
        "nothing is changed: token 2 is an answer of this table but has no code",
    ),
]


@pytest.mark.parametrize(("make", "changes", "reported"), REFUSED)
def test_what_a_construction_does_not_take_is_refused_and_changes_nothing(make, changes, reported):
    model = make()
    before, facts = bits(model), model.facts
    with pytest.raises(InputError, match=reported):
        model.update(changes)
    assert (bits(model), model.facts) == (before, facts)


def test_a_table_that_becomes_total_may_need_other_sizes():
    model = key_value(FactTable([[1, 0, -1]]), 1)
    with pytest.raises((DoesNotFit, InputError), match="nothing is changed"):
        model.update([("e2", "r0", "e0")])


def test_an_update_of_nothing_writes_nothing():
    model = selector(FactTable([[1, 2, 1]]))
    version = model.embedding.weight._version
    found = model.update([("e0", "r0", "e1")])
    assert found.in_words() == [
        "1 fact given: 0 changed, 0 added, 0 removed, 1 as before",
        "written: nothing",
    ]
    assert model.embedding.weight._version == version
