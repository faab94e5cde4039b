"""What must hold for every construction of the catalogue, whatever the facts; each property has a control in test_controls_of_every_construction.py."""

import copy
import sys
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from one_hop import (
    NAMES,
    an_added_fact_changes_no_other_answer,
    answers_of,
    batches_and_threads_change_nothing,
    constructor,
    facts_for,
    float32_equals_float64,
    install_changes_embeddings_only,
    other_tokens_stay_below_the_runner_up,
    recalls_every_fact,
    relabelling_permutes_the_answers,
    reserved,
    sizes_equal_the_formulas,
)
from strategies import all_queries, construction_and_facts, functions, tables_for

from constructions import CATALOGUE, FactTable, InputError
from verify.cells.verifying import build


@given(case=construction_and_facts())
def test_recalls_every_fact(case):
    name, facts = case
    recalls_every_fact(constructor(name), facts)


@given(case=construction_and_facts(), data=st.data())
def test_relabelling_permutes_the_answers(case, data):
    name, facts = case
    entity_order = np.array(data.draw(st.permutations(range(facts.n_entities))))
    relation_order = np.array(data.draw(st.permutations(range(facts.n_relations))))
    relabelling_permutes_the_answers(constructor(name), facts, entity_order, relation_order)


@given(case=construction_and_facts(), data=st.data())
def test_an_added_fact_changes_no_other_answer(case, data):
    name, facts = case
    missing = np.argwhere(facts.answers == -1)
    assume(len(missing))
    relation, entity = data.draw(st.sampled_from(missing.tolist()))
    taken = np.delete(facts.answers, relation, axis=0) if CATALOGUE[name].needs else np.array([])
    free = np.setdiff1d(np.arange(facts.n_entities), taken)
    assume(len(free))
    answer = data.draw(st.sampled_from(free.tolist()))
    an_added_fact_changes_no_other_answer(constructor(name), facts, relation, entity, answer)


@given(name=st.sampled_from(NAMES), data=st.data())
def test_install_changes_embeddings_only(name, data):
    facts = data.draw(tables_for(name))
    # facts in the same answer sets: every subject takes another subject's facts
    if CATALOGUE[name].needs:
        other = FactTable(facts.answers[:, data.draw(st.permutations(range(facts.n_entities)))])
    else:
        other = data.draw(functions(st.just(facts.n_entities), st.just(facts.n_relations)))
    model = CATALOGUE[name].constructor()(facts, **reserved(name, facts, other))
    install_changes_embeddings_only(model, facts, other)
    model.install(facts)
    assert np.array_equal(answers_of(model, facts), facts.answers)


@given(case=construction_and_facts())
def test_sizes_equal_the_formulas(case):
    name, facts = case
    sizes_equal_the_formulas(name, CATALOGUE[name].constructor()(facts), facts)


@given(case=construction_and_facts())
def test_float32_equals_float64(case):
    name, facts = case
    float32_equals_float64(constructor(name), facts)


@given(case=construction_and_facts())
def test_batches_and_threads_change_nothing(case):
    name, facts = case
    batches_and_threads_change_nothing(CATALOGUE[name].constructor()(facts), facts)


@given(case=construction_and_facts())
def test_other_tokens_stay_below_the_runner_up(case):
    name, facts = case
    other_tokens_stay_below_the_runner_up(CATALOGUE[name].constructor()(facts), facts)


@pytest.mark.parametrize("name", NAMES)
def test_install_refuses_what_it_cannot_hold_and_changes_nothing(name):
    facts = FactTable([[0, 0, 1], [2, 2, 2]])
    model = CATALOGUE[name].constructor()(facts)
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(InputError, match="has no code"):
        model.install(FactTable([[1, 1, 0], [2, 2, -1]]))
    with pytest.raises(InputError, match=r"\(3, 2\).*\(2, 2\)"):
        model.install(FactTable([[0, 0], [1, 1]]))
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert np.array_equal(answers_of(model, facts), facts.answers)


@pytest.mark.parametrize("name", NAMES)
def test_install_takes_over_the_names(name):
    model = CATALOGUE[name].constructor()(FactTable([[1, 0]], ["a", "b"], ["r"]))
    model.install(FactTable([[1, 0]], ["Ann", "Bob"], ["friend"]))
    assert model.answer("Bob", ["friend"]) == 0


@pytest.mark.parametrize("name", NAMES)
def test_no_sum_exceeds_what_was_checked_against_the_dtype(name, monkeypatch):
    """The bound that a builder checks is at least the largest sum of |w x| in logits and layers,
    and not idle.
    """
    for facts in (facts_for(name), FactTable([[1, 0, -1, -1], [3, 2, 2, 3]])):
        checked = []
        spy = partial(lambda seen, largest, *rest: seen.append(largest), checked)
        for module, loaded in list(sys.modules.items()):  # a builder's own, or a lemma's
            if module.startswith("constructions.theorems") and hasattr(loaded, "require_exact"):
                monkeypatch.setattr(loaded, "require_exact", spy)
        model = CATALOGUE[name].constructor()(facts)
        subjects, paths = all_queries(facts)
        tokens = torch.from_numpy(np.stack([subjects, facts.n_entities + paths[:, 0]], axis=1))
        sums = []

        def note(module, inputs, output, sums=sums):
            sums.append((inputs[0][:, -1].abs() @ module.weight.abs().T).max().item())

        for layer in model.layers:
            for module in layer.modules():
                if isinstance(module, torch.nn.Linear) and module.weight.numel():
                    module.register_forward_hook(note)
        model.unembedding.register_forward_hook(note)
        with torch.no_grad():
            model(tokens)
        assert max(sums) <= max(checked) * (1 + 1e-6)
        assert max(checked) <= 4 * max(sums)


@pytest.mark.parametrize("name", NAMES)
def test_answer_takes_names_ids_and_arrays(name):
    facts = FactTable.from_triples(
        [("Ann", "mother", "Beth"), ("Beth", "mother", "Carla"), ("Ann", "sister", "Dora")]
    )
    model = CATALOGUE[name].constructor()(facts)
    assert model.answer("Ann", ["mother"]) == facts.entity_id("Beth")
    assert model.answer(0, [0]) == 1
    assert model.answer("Carla", ["mother"]) == -1
    assert model.answer(["Ann", "Beth"], ["mother"]).tolist() == [1, 2]
    assert model.answer(np.array([0, 1]), np.array([[0], [1]])).tolist() == [1, -1]
    with pytest.raises(InputError, match="did you mean 'mother'"):
        model.answer("Ann", ["mothr"])
    with pytest.raises(InputError, match="entity 9 does not exist"):
        model.answer(9, [0])
    with pytest.raises(InputError, match="paths of 1 relation; got 2"):
        model.answer("Ann", ["mother", "mother"])
    with pytest.raises(InputError, match="got 0"):
        model.answer("Ann", np.empty(0, dtype=int))


@pytest.mark.parametrize("name", NAMES)
def test_auto_dtype_is_float32_where_that_is_exact(name):
    assert build(CATALOGUE[name], facts_for(name)).embedding.weight.dtype == torch.float32


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [torch.int32, "float32", None])
def test_a_dtype_that_is_none_is_refused(name, dtype):
    with pytest.raises(InputError, match="dtype must be a floating"):
        CATALOGUE[name].constructor()(facts_for(name), dtype=dtype)
