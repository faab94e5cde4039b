"""What `show` says of a query is what the forward pass holds, and what the facts say."""

import copy
from pathlib import Path

import pytest
import torch

from constructions import (
    CATALOGUE,
    FactTable,
    chain_of_thought,
    construction,
    precomputed,
    selector,
)
from verify.queries.showing import shown

ROOT = Path(__file__).parents[2]
NAMES = list(CATALOGUE)


def built(name, n=6, n_relations=2, hops=2):
    entry = construction(name)
    facts = entry.random_facts(n, n_relations, 1)
    return entry.build(facts, hops if entry.multi_hop else 1)


def path_of(model):
    return [1, 0][: model.hops]


def tokens_of(model, subject, path):
    """The whole sequence, put together from the facts alone."""
    vocabulary = model.vocabulary
    letters = [vocabulary.n_entities + r for r in path]
    if not model.hops_per_token:
        return [subject, *letters]
    pads = [vocabulary.special("pad")] * (model.hops - len(path))
    passed = [int(model.facts.answer(subject, path[: i + 1])) for i in range(len(path))]
    return [subject, *letters, *pads, *passed]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_shown_stands_in_the_stream(name):
    """Every coordinate of every row, and every logit; each column of the stream once."""
    model = built(name)
    for subject in range(model.facts.n_entities):
        path = path_of(model)
        found = shown(model, subject, path)
        trace = model.trace(torch.tensor([tokens_of(model, subject, path)]))
        columns = [column for block in found.blocks for column in block.columns]
        assert sorted(columns) == list(range(model.shape.d_model))
        assert found.cut == 0
        for step in found.steps:
            for row in step.rows:
                state = trace.residual[row.point][0, row.position]
                for block, held in zip(found.blocks, row.held, strict=True):
                    assert held.values.tolist() == state[list(block.columns)].tolist()
            deciding = step.rows[-1].position
            best = trace.logits[0, deciding].topk(len(step.logits)).values.tolist()
            assert [logit for _, logit in step.logits] == best
            assert sum(added for added, _ in step.read) == pytest.approx(best[0])
        if model.stored_only and model.facts.answer(subject, path) == -1:
            continue
        assert found.right
        assert found.answer == model.facts.entity_name(model.facts.answer(subject, path))


@pytest.mark.parametrize("name", NAMES)
def test_an_embedding_is_named_as_the_facts_are(name):
    """Each block that is labelled with a word holds the entity to which the word leads."""
    model = built(name)
    facts, path = model.facts, path_of(model)
    named = 0
    for subject in range(facts.n_entities):
        found = shown(model, subject, path)
        embedding = found.steps[0].rows[0]
        assert (embedding.point, embedding.position) == ("embedding", 0)
        for block, held in zip(found.blocks, embedding.held, strict=True):
            if held.kind == "entity":
                word = [facts.relation_id(letter) for letter in block.label.split()]
                expected = facts.answer(subject, word) if word else subject
                assert held.text == facts.entity_name(expected)
                named += 1
    assert named >= facts.n_entities


@pytest.mark.parametrize("name", NAMES)
def test_the_answer_is_named_where_the_unembedding_reads_it(name):
    """Of what stands there at last, and is not left over, one block names the answer, or the
    entity in the middle where the unembedding makes the last hops; unless the code is all zeros.
    """
    model = built(name)
    if any(block.form is None for block in model.record.subject):
        pytest.skip("what it reads is no code that is spelled")
    facts, path = model.facts, path_of(model)
    for subject in range(facts.n_entities):
        for number, step in enumerate(shown(model, subject, path).steps[: len(path)], start=1):
            lengths = {number} if model.hops_per_token else set(range(1, len(path) + 1))
            reached = [int(facts.answer(subject, path[:length])) for length in lengths]
            held = [
                one.text.lstrip("~")
                for one in step.rows[-1].held
                if one.kind in ("entity", "near") and not one.left_over
            ]
            if held:
                assert set(held) & set(map(facts.entity_name, reached))
            else:
                assert model.codebooks[0].tokens[0] in reached


def test_the_relation_closes_all_blocks_of_the_subject_but_one():
    facts = FactTable.random_bijections(8, 3, seed=2)
    model = selector(facts)
    for subject in range(8):
        for r in range(3):
            found = shown(model, subject, [r])
            *_, copied, left = found.steps[0].rows
            for other in range(3):
                before, after = copied.held[other], left.held[other]
                name = facts.entity_name(facts.answer(subject, [other]))
                if other == r:
                    assert (before.text, before.kind) == (name, "entity")
                    assert (after.values == before.values).all()
                    assert not after.cleared
                else:
                    assert (before.text, before.kind) == (f"{name} - 2", "moved")
                    assert not after.values.any()
                    assert after.cleared
            (close,) = found.steps[0].fired
            assert [fired for _, fired, _ in close.by_block] == [
                0 if other == r else 3 for other in range(3)
            ]


def test_zeros_of_a_relation_are_no_code_of_an_entity():
    """The first entity has a code of zeros, and so looks what a relation leaves open."""
    found = shown(selector(FactTable.random_bijections(8, 3, seed=2)), 0, [1])
    relation = found.steps[0].rows[1]
    assert [held.kind for held in relation.held] == ["numbers", "zero", "numbers", "numbers"]
    assert relation.held[1].text == ""


def test_what_a_pass_hands_on_is_labelled_with_the_rest_of_the_word():
    facts = FactTable.random_bijections(7, 2, seed=3)
    found = shown(precomputed(facts, 3), 4, [1, 0, 1])
    rows = {row.point: row for row in found.steps[0].rows if row.point != "embedding"}
    for layer, taken in enumerate(([1], [1, 0], [1, 0, 1])):
        labelled = [one for one in rows[f"layers.{layer}.post"].held if one.label is not None]
        assert len(labelled) == 2 ** (2 - layer)
        for held in labelled:
            rest = [facts.relation_id(letter) for letter in held.label.split()]
            assert held.text == facts.entity_name(facts.answer(4, taken + rest))


def test_a_chain_of_thought_is_shown_step_by_step():
    facts = FactTable.random_bijections(9, 3, seed=4)
    path = [2, 0, 1, 1, 2]
    found = shown(chain_of_thought(facts, 7, hops_per_token=2), 5, path)
    written = [step.logits[0][0] for step in found.steps]
    passed = [facts.answer(5, path[:length]) for length in (2, 4, 5)]
    assert written == [*map(facts.entity_name, passed), "END"]


def test_what_a_head_has_copied_is_labelled_as_where_it_came_from():
    """With shared layers the subject's trees are copied to slots of which nothing is claimed."""
    model = built("hybrid_shared", hops=2)
    facts = model.facts
    found = shown(model, 2, [1, 0])
    copied = next(row for row in found.steps[0].rows if row.point == "layers.0.mid")
    labelled = [
        (block, held)
        for block, held in zip(found.blocks, copied.held, strict=True)
        if block.label and not block.slot.startswith("subject") and held.kind == "entity"
    ]
    assert {block.slot for block, _ in labelled} >= {"words 1", "words 2"}
    for block, held in labelled:
        word = [facts.relation_id(letter) for letter in block.label.split()]
        assert held.text == facts.entity_name(facts.answer(2, word))


def test_blocks_of_words_that_are_no_part_of_the_path_are_cut_and_counted():
    facts = FactTable.random_bijections(5, 4, seed=5)
    model = precomputed(facts, 3)
    found = shown(model, 1, [3, 2, 1])
    shown_columns = sum(len(block.columns) for block in found.blocks)
    assert found.cut > 40
    assert shown_columns + found.cut * model.codebooks[0].bits == model.shape.d_model
    assert "r3 r2 r1" in [block.label for block in found.blocks]


def test_an_edited_weight_changes_what_is_shown():
    """The control: where units no longer write to a closed block it is not cleared, and an
    exchanged attribute gets another name.
    """
    facts = FactTable.random_bijections(8, 2, seed=6)
    model = selector(facts)
    subject = next(s for s in range(8) if facts.answer(s, [0]) * facts.answer(s, [1]) > 0)
    whole = shown(model, subject, [0])
    assert whole.steps[0].rows[-1].held[1].cleared
    edited = copy.deepcopy(model)
    with torch.no_grad():
        edited.layers[0].mlp.matrix(1)[model.stream["attributes"].columns[1]] = 0
    found = shown(edited, subject, [0])
    left = found.steps[0].rows[-1].held[1]
    name = facts.entity_name(facts.answer(subject, [1]))
    assert (left.cleared, left.text) == (False, f"{name} - 2")
    assert found.steps[0].logits != whole.steps[0].logits
    edited = copy.deepcopy(model)
    with torch.no_grad():
        edited.embedding.weight[subject] = model.embedding.weight[(subject + 1) % 8]
    found = shown(edited, subject, [0])
    assert not found.right
    assert found.steps[0].rows[0].held[0].text == facts.entity_name(
        facts.answer((subject + 1) % 8, [0])
    )


def test_a_code_of_the_builders_own_is_named_as_embeddings_write_it():
    """Digits of base 3, of a construction that a user has made; with an edited embedding."""
    entry = construction(f"{ROOT / 'docs' / 'ternary_selector.py'}:mine")
    facts = FactTable.random_bijections(9, 2, seed=7)
    model = entry.build(facts)
    found = shown(model, 4, [1])
    assert found.right
    for r, held in enumerate(found.steps[0].rows[0].held[:2]):
        named = facts.entity_name(facts.answer(4, [r]))
        assert (held.kind, held.text) in {("entity", named), ("zero", "")}
    with torch.no_grad():
        model.embedding.weight[4, found.blocks[0].columns] = 5
    assert shown(model, 4, [1]).steps[0].rows[0].held[0].text == "5 5"
