"""A picture in a fitted basis says of a construction what its builder knows, of a trained model
what edits of it confirm, and of a model that has no such structure that it has none.
"""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ortho_group
from strategies import seeds
from tiers import LONG

from constructions import (
    FactTable,
    OneLayer,
    OneLayerShape,
    chain_of_thought,
    change_basis,
    fit,
    key_value_rows,
    selector,
)
from constructions.guards.errors import InputError
from verify.cli.reports.mechanism import table
from verify.learned.adapters import of, of_module
from verify.learned.claimed import answers_of, claimed_by, shuffled
from verify.learned.fitted_names import Names
from verify.learned.fitted_showing import fitted_shown
from verify.queries.showing import shown

WORLDS = FactTable.random_worlds(16, 16, 3, seed=3)
SHAPE = OneLayerShape.of(WORLDS, d_model=24, d_mlp=64)


def followed(model, subject, relation, answers=None, facts=None):
    """A query of a construction, a form or a trained model in a fitted basis."""
    known = claimed_by(model) if answers is None else answers
    facts = model.facts if facts is None else facts
    specials = model.vocabulary.specials if hasattr(model, "vocabulary") else ()
    return fitted_shown(of(model), known, subject, relation, Names.of(facts, "x", 1, specials))


def untrained(seed):
    torch.manual_seed(seed)
    return OneLayer(SHAPE)


@pytest.fixture(scope="module")
def trained():
    """A model that recalls all facts."""
    found = fit(SHAPE, WORLDS, steps=300, seeds=0, weight_decay=1.0, until=None)
    assert found.recall[0] > 0.99
    return found.models[0]


def blocks(row, n_relations):
    """What stands in the blocks of attributes of a row, less what is added to all of a code."""
    return [held.text.partition(" ")[0] for held in row.held[:n_relations]]


def end_rows(found):
    """The rows of the deciding position, by their points."""
    rows = found.steps[0].rows
    return {row.point: row for row in rows if row.position == rows[-1].position}


@given(st.integers(60, 100), st.integers(2, 4), seeds, st.data())
@settings(max_examples=6, deadline=None)
def test_the_fitted_blocks_of_a_construction_in_a_random_basis_are_the_known_ones(
    n, n_relations, seed, data
):
    facts = FactTable.random_bijections(n, n_relations, seed % 2**31)
    source = selector(facts)
    hidden = change_basis(source, ortho_group.rvs(source.shape.d_model, random_state=seed))
    subject = data.draw(st.integers(0, n - 1))
    relation = data.draw(st.integers(0, n_relations - 1))
    known, found = shown(source, subject, [relation]), followed(hidden, subject, relation)
    assert found.right
    names = [facts.entity_name(facts.answer(subject, [r])) for r in range(n_relations)]
    first, first_known = found.steps[0].rows[0], known.steps[0].rows[0]
    assert blocks(first, n_relations) == blocks(first_known, n_relations) == names
    here, there = end_rows(found), end_rows(known)
    assert blocks(here["layers.0.mid"], n_relations) == names
    assert blocks(there["layers.0.mid"], n_relations) == names
    last, last_known = here["layers.0.post"], there["layers.0.post"]
    for r in range(n_relations):
        assert last.held[r].cleared == last_known.held[r].cleared == (r != relation)
    assert last.held[relation].text == names[relation]
    assert here["layers.0.mid"].held[n_relations].text == facts.relation_name(relation)
    if last.held[n_relations].text == facts.relation_name(relation):
        assert float(last.held[-1].text) < 1e-3, "nothing is left over"
    else:  # read wrong of this subject, as of few held out
        assert last.held[n_relations].kind == "doubtful"
    (by_fit,), (by_record,) = found.steps[0].fired, known.steps[0].fired
    assert by_fit.fired == by_record.fired
    fired = {label: on for label, on, _ in by_record.by_block if on}
    assert {label: on for label, on, _ in by_fit.by_block if on} == fired
    assert found.steps[0].logits[0][1] == pytest.approx(known.steps[0].logits[0][1], abs=1e-3)


@given(seeds, st.integers(0, 255), st.integers(0, 2))
@settings(max_examples=5, deadline=None)
def test_of_an_untrained_model_nothing_is_drawn_and_the_picture_says_so(seed, subject, relation):
    found = followed(untrained(seed), subject, relation, answers_of(WORLDS), WORLDS)
    measured = [row for row in found.steps[0].rows if row.evidence is not None]
    assert len(measured) == 3, "the subject's embedding, after attention, after the MLP"
    for row in measured:
        assert row.evidence.value < 0
        assert row.evidence.value == pytest.approx(row.evidence.null, abs=0.15)
        assert {held.kind for held in row.held[:3]} == {"zero"}
    assert any("NO SUPERPOSITION" in remark for remark in found.remarks)
    assert "NO SUPERPOSITION" in table(found)


def test_of_a_trained_model_blocks_say_what_the_facts_say(trained):
    """And the control: with facts that are shuffled among the subjects nothing is drawn."""
    answers = answers_of(WORLDS)
    found = followed(trained, 5, 1, answers, WORLDS)
    first, last = found.steps[0].rows[0], found.steps[0].rows[-1]
    for row in (first, last):
        assert row.evidence.value > 0.4 > 0 > row.evidence.null
    for held in first.held[:3]:
        right, by_chance = held.share
        assert right > 0.8 > 0.2 > by_chance
    sizes = [held.size or 0 for held in last.held[:3]]
    assert sizes[1] == 1 > 2 * max(sizes[0], sizes[2]), "the MLP leaves what is asked for"
    mixed = shuffled(answers, np.random.default_rng(0))
    other = followed(trained, 5, 1, mixed, WORLDS)
    assert {held.kind for held in other.steps[0].rows[0].held[:3]} == {"zero"}
    assert "NO SUPERPOSITION" in table(other)


def test_a_subject_has_no_part_in_the_fit_that_reads_him(trained):
    """With the embedding of another subject in its place the picture shows what that one has; all
    labels are still his own.
    """
    answers = answers_of(WORLDS)
    donor = int(np.flatnonzero((answers != answers[:, [5]]).all(axis=0))[0])
    edited = copy.deepcopy(trained)
    with torch.no_grad():
        edited.entities[5] = edited.entities[donor]
    before = followed(trained, donor, 1, answers, WORLDS).steps[0].rows[0]
    after = followed(edited, 5, 1, answers, WORLDS).steps[0].rows[0]
    agree = [a == b for a, b in zip(blocks(after, 3), blocks(before, 3), strict=True)]
    assert sum(agree) >= 2
    assert [held.kind for held in after.held[:3]] == ["doubtful"] * 3
    assert table(followed(edited, 5, 1, answers, WORLDS)).count("?") >= 3


def test_what_columns_add_makes_up_the_logits(trained):
    """Of trained and untrained models, with a norm before the unembedding too."""
    torch.manual_seed(0)
    normed = OneLayer(OneLayerShape.of(WORLDS, d_model=24, d_mlp=64, norm="layernorm"))
    assert followed(normed, 3, 2, answers_of(WORLDS), WORLDS).steps[0].rows[-1].point == "final"
    for model in (trained, untrained(1), normed):
        (step,) = followed(model, 3, 2, answers_of(WORLDS), WORLDS).steps
        for number in (0, 1):
            added = sum(each[number] for each in step.read)
            assert added == pytest.approx(step.logits[number][1], abs=1e-4)


def test_a_block_that_is_not_closed_any_more_is_shown():
    """The control of what is cleared: units that no longer write to the block of one relation."""
    facts = FactTable.random_bijections(64, 3, seed=6)
    model = selector(facts)
    subject = next(s for s in range(64) if facts.answer(s, [1]) > 0)
    edited = copy.deepcopy(model)
    with torch.no_grad():
        edited.layers[0].mlp.matrix(1)[model.stream["attributes"].columns[1]] = 0
    whole, damaged = (followed(one, subject, 0).steps[0].rows[-1] for one in (model, edited))
    assert (whole.held[1].cleared, whole.held[2].cleared) == (True, True)
    assert (damaged.held[1].cleared, damaged.held[2].cleared) == (False, True)
    assert damaged.held[1].text == facts.entity_name(facts.answer(subject, [1]))


def test_of_facts_in_an_mlp_the_answer_appears_after_it_and_not_before():
    facts = FactTable.random_worlds(8, 16, 3, seed=2)
    found = followed(key_value_rows(facts, hops=1), 9, 1)
    *before, last = found.steps[0].rows
    assert all(row.held[r].kind == "zero" for row in before for r in range(3))
    assert last.held[1].text == facts.entity_name(facts.answer(9, [1]))
    assert last.evidence.value > 0.999


def test_of_few_subjects_what_cannot_be_told_is_a_question_mark():
    facts = FactTable.random_bijections(6, 3, seed=2)
    found = followed(selector(facts), 3, 1)
    first = found.steps[0].rows[0]
    assert {held.kind for held in first.held[:3]} == {"unknown"}
    assert "to be fitted by 4 subjects" in " ".join(found.remarks)
    assert "no fit" in table(found)


def test_where_all_relations_are_too_many_the_one_that_is_asked_for_is_fitted_alone():
    facts = FactTable.random_bijections(24, 4, seed=2)
    found = followed(selector(facts), 3, 1)
    last = found.steps[0].rows[-1]
    assert last.evidence.alone
    assert [held.kind for held in last.held[:4]] == ["unknown", "entity", "unknown", "unknown"]
    assert last.held[1].text == facts.entity_name(facts.answer(3, [1]))
    assert any("alone" in remark for remark in found.remarks)


def test_of_many_subjects_and_relations_some_are_fitted_and_some_columns_shown():
    facts = FactTable.random_worlds(60, 12, 20, seed=4)
    found = followed(selector(facts), 719, 17)
    assert "fitted to 512 subjects" in found.remarks[0]
    assert found.query.startswith("e719 ")
    assert found.cut == 12
    assert [block.label for block in found.blocks[:8]] == [f"r{i}" for i in (*range(7), 17)]
    assert found.steps[0].rows[-1].held[7].text == facts.entity_name(facts.answer(719, [17]))


def test_of_any_other_module_embeddings_and_last_states_are_shown(trained):
    decoder = of_module(
        trained,
        lambda module, tokens: module.states(tokens),
        table="entities",
        subjects=np.arange(256),
        prompts=256 + np.arange(3)[:, None],
        unembedding=trained.unembedding,
    )
    found = fitted_shown(decoder, answers_of(WORLDS), 5, 1, Names.of(WORLDS))
    whole = followed(trained, 5, 1, answers_of(WORLDS), WORLDS)
    assert [row.point for row in found.steps[0].rows] == ["embedding", "final"]
    for one, other in zip(found.steps[0].rows, (0, -1), strict=True):
        assert blocks(one, 3) == blocks(whole.steps[0].rows[other], 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"subject": 256}, "subject must be"),
        ({"relation": -1}, "relation must be"),
        ({"answers": answers_of(WORLDS)[:2]}, "answers must be integers"),
        ({"names": Names("x", ["a"], ["b"], ["c"])}, "names are given of 1, 1 and 1"),
    ],
)
def test_what_does_not_fit_the_decoder_is_refused(change, message):
    arguments = {
        "decoder": of(untrained(0)),
        "answers": answers_of(WORLDS),
        "subject": 0,
        "relation": 0,
        "names": Names.of(WORLDS),
    }
    with pytest.raises(InputError, match=message):
        fitted_shown(**(arguments | change))


def test_a_chain_of_thought_is_refused():
    model = chain_of_thought(FactTable.random_bijections(5, 2, seed=0), 2)
    with pytest.raises(InputError, match="chain of thought"):
        of(model)


@pytest.mark.parametrize("seed", [pytest.param(seed, marks=LONG) for seed in range(20, 25)])
def test_blocks_of_a_trained_model_are_never_read_without_evidence(seed):
    """Of models that were trained on other facts of the same subjects: what is drawn of the first
    facts is at the chance level, or is not drawn.
    """
    other = FactTable.random_worlds(16, 16, 3, seed=seed + 100)
    model = fit(SHAPE, other, steps=200, seeds=seed, weight_decay=1.0, until=None).models[0]
    found = followed(model, 5, 1, answers_of(WORLDS), WORLDS)
    for row in found.steps[0].rows:
        for held in row.held[:3]:
            assert held.kind == "zero" or held.share[0] < 0.25
