"""A chain of thought in a fitted basis is drawn step by step: what stands in a picture is what one
forward pass of the form or the decoder holds, and what its builder knows of it.
"""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from larger_decoders import larger
from scipy.stats import ortho_group
from strategies import seeds

from constructions import (
    FactTable,
    chain_of_thought,
    change_basis,
    needed_shape,
    seed_into,
    selector,
)
from constructions.guards.errors import InputError
from verify.cli.reports.mechanism import table
from verify.learned.fitted_showing import fitted_chain
from verify.queries.showing import shown


def in_a_random_basis(facts, hops, seed=0, **options):
    """A construction that writes, and the same in another basis."""
    source = chain_of_thought(facts, hops, **options)
    return source, change_basis(source, ortho_group.rvs(source.shape.d_model, random_state=seed))


@torch.no_grad()
def traced(model, subject, path, tokens):
    """The forward pass of the prompt and these tokens that follow it."""
    prompt = model.prompt(np.array([subject]), np.array([path]))
    return model.trace(torch.cat([prompt, torch.tensor([tokens], dtype=torch.int64)], 1))


def require_the_pass(found, model, subject, path, written):
    """Logits, what columns add to them, attention and positions are those of one forward pass."""
    trace = traced(model, subject, path, written)
    names = [model.facts.entity_name(node) for node in written]
    assert [step.logits[0][0] for step in found.steps] == [*names, "END"]
    for number, step in enumerate(found.steps, start=1):
        deciding = model.hops + number - 1
        assert (step.number, step.rows[-1].position) == (number, deciding)
        logits = trace.logits[0, deciding].double()
        best = logits.topk(3).values.tolist()
        assert [logit for _, logit in step.logits] == pytest.approx(best, abs=1e-4)
        for place in (0, 1):
            added = sum(each[place] for each in step.read)
            assert added == pytest.approx(step.logits[place][1], abs=1e-4)
        for look in step.looks:
            pattern = trace.patterns[f"layers.{look.layer}"][0, look.head, deciding]
            for position, weight in look.looked:
                assert weight == pytest.approx(float(pattern[position]), abs=1e-4)


@given(st.integers(64, 90), st.integers(2, 3), st.integers(2, 3), seeds, st.data())
@settings(max_examples=4, deadline=None)
def test_each_fitted_step_of_a_chain_in_a_random_basis_is_the_known_one(
    n, n_relations, hops, seed, data
):
    facts = FactTable.random_bijections(n, n_relations, seed % 2**31)
    source, hidden = in_a_random_basis(facts, hops, seed)
    subject = data.draw(st.integers(0, n - 1))
    path = data.draw(st.lists(st.integers(0, n_relations - 1), min_size=1, max_size=hops))
    found = fitted_chain(hidden, subject, path, "hidden")
    known = shown(source, subject, path)
    nodes = [int(facts.answer(subject, path[: i + 1])) for i in range(len(path))]
    require_the_pass(found, hidden, subject, path, nodes)
    assert (found.right, found.answer) == (True, known.answer)
    for step, node, letter, as_known in zip(
        found.steps, [subject, *nodes], [*path, None], known.steps, strict=True
    ):
        first, last = step.rows[0], step.rows[-1]
        assert first.token == facts.entity_name(node)
        names = [facts.entity_name(facts.answer(node, [r])) for r in range(n_relations)]
        for row in (first, last):
            assert [held.text for held in row.held[:n_relations]] == names
            assert row.evidence.value > 0.99 > 0 > row.evidence.null
        relation = step.rows[-2].held[n_relations]
        if letter is not None:
            assert relation.text == facts.relation_name(letter)
            added = [share for share, _ in step.read[:n_relations]]
            assert np.argmax(np.abs(added)) == letter, "it is what the answer's logit reads"
        elif len(path) < hops:
            assert relation.text == "PAD"
        else:
            assert relation.text == "", "there is no letter beyond the longest path"
        assert sum(one.fired for one in step.fired) == sum(one.fired for one in as_known.fired)
        looked = [{at for at, _ in look.looked} for look in step.looks]
        assert looked == [{at for at, _ in look.looked} for look in as_known.looks]


def test_a_form_with_other_embeddings_is_shown_as_it_is_and_other_facts_are_not_found():
    """The controls: a subject with the embedding of another, and the facts of another table."""
    facts = FactTable.random_bijections(64, 2, seed=5)
    _, hidden = in_a_random_basis(facts, 2)
    donor = next(s for s in range(64) if facts.answer(s, [1]) != facts.answer(3, [1]))
    edited = copy.deepcopy(hidden)
    with torch.no_grad():
        edited.embedding.weight[3] = hidden.embedding.weight[donor]
    found = fitted_chain(edited, 3, [1, 0], "edited")
    assert not found.right
    held = found.steps[0].rows[0].held[:2]
    assert [one.text for one in held] == [
        facts.entity_name(facts.answer(donor, [r])) for r in (0, 1)
    ]
    assert [one.kind for one in held] == ["doubtful"] * 2
    assert "WRONG" in table(found)
    other = copy.deepcopy(hidden)
    other.facts = FactTable.random_bijections(64, 2, seed=6)
    found = fitted_chain(other, 3, [1, 0], "other")
    assert "NO SUPERPOSITION" in table(found)
    for step in found.steps:
        for row in step.rows:
            assert {held.kind for held in row.held[:2]} == {"zero"}


def test_a_step_of_several_hops_is_a_word():
    facts = FactTable.random_bijections(128, 2, seed=1)
    _, hidden = in_a_random_basis(facts, 3, hops_per_token=2)
    found = fitted_chain(hidden, 7, [1, 0, 1], "hidden")
    nodes = [int(facts.answer(7, [1, 0])), int(facts.answer(7, [1, 0, 1]))]
    require_the_pass(found, hidden, 7, [1, 0, 1], nodes)
    words = [block.label for block in found.blocks[:6]]
    assert words == ["r0", "r1", "r0 r0", "r0 r1", "r1 r0", "r1 r1"]
    for step, node in zip(found.steps, [7, *nodes], strict=True):
        for label, held in zip(words, step.rows[0].held[:6], strict=True):
            word = [facts.relation_id(letter) for letter in label.split()]
            assert held.text == facts.entity_name(facts.answer(node, word))
    assert [step.rows[-2].held[6].text for step in found.steps[:2]] == ["r1 r0", "r1"]


@pytest.mark.parametrize("norm", [None, "layernorm"])
def test_a_larger_decoder_in_which_a_chain_was_seeded_is_drawn(norm):
    """With further tokens, layers, heads and units, that hold random numbers."""
    facts = FactTable.random_bijections(64, 2, seed=2)
    source = chain_of_thought(facts, 2)
    seeded = seed_into(larger(needed_shape(source, norm=norm)), source)
    found = fitted_chain(seeded, 9, [1, 0], "seeded")
    nodes = [int(facts.answer(9, [1])), int(facts.answer(9, [1, 0]))]
    require_the_pass(found, seeded, 9, [1, 0], nodes)
    assert found.depth == 4
    for step, node in zip(found.steps, [9, *nodes], strict=True):
        names = [facts.entity_name(facts.answer(node, [r])) for r in range(2)]
        assert [held.text for held in step.rows[0].held[:2]] == names


def test_a_path_that_meets_a_missing_fact_is_drawn_to_its_end():
    facts = FactTable.random_functions(64, 2, 3, 0.2)
    subject = int(np.flatnonzero(facts.answer(np.arange(64), [1]) == -1)[0])
    _, hidden = in_a_random_basis(facts, 2)
    found = fitted_chain(hidden, subject, [1, 0], "hidden")
    assert [step.logits[0][0] for step in found.steps] == ["unknown", "unknown", "END"]
    assert (found.right, found.answer) == (True, "unknown")
    first = found.steps[1].rows[0]
    assert (first.token, [held.text for held in first.held[:2]]) == ("unknown", ["unknown"] * 2)


def test_of_a_long_chain_the_first_steps_and_the_last_are_fitted():
    facts = FactTable.random_bijections(48, 2, seed=4)
    _, hidden = in_a_random_basis(facts, 9)
    found = fitted_chain(hidden, 5, [0, 1] * 4, "hidden")
    assert [step.number for step in found.steps] == [1, 2, 3, 9]
    assert "... 5 steps like these" in table(found)
    assert found.steps[-1].logits[0][0] == "END"


def test_a_form_that_writes_no_end_is_followed_as_far_as_it_writes():
    facts = FactTable.random_bijections(48, 2, seed=4)
    _, hidden = in_a_random_basis(facts, 2)
    with torch.no_grad():
        hidden.unembedding.weight[hidden.vocabulary.special("end")] = 0
    found = fitted_chain(hidden, 5, [0], "hidden")
    assert not found.right
    assert [step.number for step in found.steps] == [1, 2, 3]
    assert found.steps[-1].logits[0][0] != "END"


def test_a_model_that_answers_at_once_is_no_chain():
    model = selector(FactTable.random_bijections(5, 2, seed=0))
    with pytest.raises(InputError, match="writes no chain of thought"):
        fitted_chain(model, 0, [0], "x")
    writer = chain_of_thought(FactTable.random_bijections(5, 2, seed=0), 2)
    for subject, path, message in (
        (9, [0], "9"),
        (0, [2], "2"),
        (0, [0] * 3, "1 to 2"),
        (0, [], "0"),
    ):
        with pytest.raises(InputError, match=message):
            fitted_chain(writer, subject, path, "x")
