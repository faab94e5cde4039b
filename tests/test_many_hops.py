"""All constructions of many hops in one forward pass: what must hold of each, with controls."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from many_hops import (
    FACTS,
    NAMES,
    answers_of,
    cases,
    hops_compose,
    margin_of,
    recalls_every_path,
    relabelling_permutes_the_answers,
)
from strategies import all_queries

from bounds.sizes import predicted
from constructions import (
    CATALOGUE,
    DoesNotFit,
    FactTable,
    InputError,
    hybrid,
    key_value,
    key_value_rows,
    meet_in_the_middle,
    precomputed,
)
from verify.queries.recall import check_recall


@given(case=cases())
def test_every_path_is_recalled(case):
    name, facts, hops, given = case
    recalls_every_path(lambda f, k: CATALOGUE[name].build(f, k, given), facts, hops)


@given(case=cases())
def test_every_cell_has_its_margin_and_the_sizes_of_its_formulas(case):
    name, facts, hops, given = case
    model = CATALOGUE[name].build(facts, hops, given)
    recall = check_recall(model, facts, hops, "both")
    assert (recall.wrong, recall.defect, recall.margin) == (0, None, margin_of(name))
    expected = predicted(CATALOGUE[name], facts, hops, given)
    found = (model.shape.d_model, model.shape.d_mlp, model.shape.depth, model.shape.n_heads)
    assert found == (expected.d_model, expected.d_mlp, expected.n_layers, expected.n_heads)
    assert sum(p.numel() for p in model.parameters()) == expected.parameters


@given(case=cases())
@settings(max_examples=30)
def test_k_hops_are_k_times_one_hop(case):
    name, facts, hops, given = case
    hops_compose(lambda f, k: CATALOGUE[name].build(f, k, given), facts, hops)


@given(case=cases(), data=st.data())
@settings(max_examples=30)
def test_relabelling_permutes_the_answers(case, data):
    name, facts, hops, given = case
    entity_order = np.array(data.draw(st.permutations(range(facts.n_entities))))
    relation_order = np.array(data.draw(st.permutations(range(facts.n_relations))))
    relabelling_permutes_the_answers(
        lambda f, k: CATALOGUE[name].build(f, k, given), facts, hops, entity_order, relation_order
    )


@given(case=cases())
@settings(max_examples=30)
def test_words_that_share_a_prefix_share_its_node(case):
    """Asking w and then v gives what asking w v gives."""
    name, facts, hops, given = case
    if hops < 2:
        return
    whole = answers_of(CATALOGUE[name].build(facts, hops, given), facts, hops).reshape(
        facts.n_entities, -1
    )
    front = answers_of(CATALOGUE[name].build(facts, hops - 1, given), facts, hops - 1).reshape(
        facts.n_entities, -1
    )
    last = answers_of(CATALOGUE[name].build(facts, 1, given), facts, 1).reshape(
        facts.n_entities, -1
    )
    followed = np.where(front[..., None] < 0, -1, last[np.maximum(front, 0)])
    assert np.array_equal(whole, followed.reshape(facts.n_entities, -1))


@given(case=cases())
@settings(max_examples=30)
def test_float32_equals_float64(case):
    name, facts, hops, given = case
    narrow, wide = (
        CATALOGUE[name].build(facts, hops, given, dtype=d) for d in (torch.float32, torch.float64)
    )
    subjects, paths = all_queries(facts, hops)
    tokens = torch.from_numpy(
        np.concatenate([subjects[:, None], facts.n_entities + paths], axis=1)
    )
    with torch.no_grad():
        assert torch.equal(narrow(tokens)[:, -1].double(), wide(tokens)[:, -1])


# ------------------------------------------------------------------ controls and refusals


def corrupted(name, corrupt):
    def build(facts, hops):
        model = CATALOGUE[name].build(facts, hops)
        with torch.no_grad():
            corrupt(model)
        return model

    return build


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "corrupt",
    [
        lambda model: model.positions.weight.copy_(model.positions.weight.roll(1, 0)),
        lambda model: model.embedding.weight[:7].copy_(model.embedding.weight[:7].roll(1, 0)),
        lambda model: model.embedding.weight[7:9].copy_(model.embedding.weight[7:9].roll(1, 0)),
        lambda model: model.layers[0].mlp.matrix(0).zero_(),
        lambda model: model.layers[0].attention.query.weight.neg_(),
        lambda model: model.layers[-1].mlp.matrix(-1).neg_(),
    ],
    ids=["positions", "subjects", "relations", "no units", "queries negated", "writes negated"],
)
def test_broken_builders_are_noticed(name, corrupt):
    with pytest.raises(AssertionError):
        recalls_every_path(corrupted(name, corrupt), FACTS, 2)
    model = corrupted(name, corrupt)(FACTS, 2)
    for mode in ("fast", "full"):
        recall = check_recall(model, FACTS, 2, mode)
        assert recall.wrong > 0 or recall.unknown > 0 or recall.defect is not None
        assert recall.verdict != "PASS"


@pytest.mark.parametrize("name", NAMES)
def test_composition_notices_hops_in_the_wrong_order(name):
    def backwards(facts, hops):
        model = CATALOGUE[name].build(facts, hops)
        answer = model.answer
        model.answer = lambda entities, paths: answer(entities, np.flip(paths, -1))
        return model

    with pytest.raises(AssertionError):
        hops_compose(backwards, FACTS, 2)


@pytest.mark.parametrize("name", NAMES)
def test_relabelling_notices_a_builder_that_depends_on_labels(name):
    always = CATALOGUE[name].build(FACTS, 2)
    with pytest.raises(AssertionError):
        relabelling_permutes_the_answers(
            lambda *_: always, FACTS, 2, np.roll(np.arange(7), 1), np.arange(2)
        )


@pytest.mark.parametrize(
    "build", [precomputed, key_value, lambda f, k: hybrid(f, k, looked_up=1), meet_in_the_middle]
)
def test_what_does_not_fit_in_memory_is_refused_beforehand(build, monkeypatch):
    facts = FactTable.random_bijections(50, 4)
    monkeypatch.setattr("constructions.guards.memory.memory_limit", lambda: 40_000)
    with pytest.raises(DoesNotFit, match=r"need [\d,]+ bytes, and this machine has 40,000"):
        build(facts, 4)


def test_an_overflow_at_positions_of_the_prompt_is_refused_beforehand():
    """There states mean nothing and grow in every layer; an infinity there would
    spoil the answer.
    """
    facts = FactTable.random_bijections(64, 3)
    for build in (key_value, key_value_rows, lambda f, k, **o: hybrid(f, k, looked_up=3, **o)):
        with pytest.raises(DoesNotFit, match=r"numbers may reach .* wider dtype or fewer hops"):
            build(facts, 28)
        with pytest.raises(DoesNotFit, match="numbers may reach"):
            build(facts, 4, dtype=torch.float16)
    deep = key_value_rows(facts, 12, dtype=torch.float64)
    subjects, paths = np.arange(64), np.random.default_rng(0).integers(0, 3, (64, 12))
    assert np.array_equal(deep.answer(subjects, paths), facts.answer(subjects, paths))


def test_paths_of_any_length_are_verified():
    facts = FactTable.random_bijections(3, 1)
    for name in ("precomputed", "chain_of_thought", "key_value"):
        hops = {"precomputed": 24, "chain_of_thought": 40, "key_value": 10}[name]
        model = CATALOGUE[name].build(facts, hops, dtype=torch.float64)
        recall = check_recall(model, facts, hops, "both")
        assert (recall.queries, recall.wrong, recall.defect) == (3, 0, None)


@pytest.mark.parametrize("hops", [9, 20, 40, 200])
def test_trees_beyond_all_memory_are_refused_at_once(hops):
    facts = FactTable.random_bijections(5, 12)
    for build in (
        precomputed,
        lambda f, k: hybrid(f, k, looked_up=2),
        lambda f, k: precomputed(f, k, layers=1),
    ):
        with pytest.raises(DoesNotFit, match=r"of the slot|the slot .* axes"):
            build(facts, hops)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CATALOGUE["selector"].build(FACTS, 2), "selector answers one hop; got 2"),
        (
            lambda: CATALOGUE["hybrid"].build(FACTS, 2, {"max_hops": 3}),
            "no option 'max_hops'; it has looked_up",
        ),
    ],
)
def test_bad_arguments_get_their_message(make, message):
    with pytest.raises(InputError, match=message):
        make()
