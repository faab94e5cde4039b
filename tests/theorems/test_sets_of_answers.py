"""Sets of answers: one layer writes all answers, then END."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from strategies import functions, set_tables

from constructions import (
    Codebook,
    FactTable,
    InputError,
    SetTable,
    chain_of_thought,
    selector,
    sets_of_answers,
)
from constructions.facts.codes import LastFirst
from constructions.model.fact_model import FactModel
from constructions.sizes.sets_of_answers import SetSizes
from constructions.sizes.sets_of_answers import sets_of_answers as sizes_of
from verify.queries.capacity import capacity
from verify.queries.sets_found import sizing_of

FAMILY = SetTable.from_triples(
    [("Alice", "child", "Bob"), ("Alice", "child", "Carol"), ("Bob", "spouse", "Alice")]
)


def all_sets(facts):
    return np.indices((facts.n_entities, facts.n_relations)).reshape(2, -1)


def written_and_wanted(model, facts):
    """What the model writes for every set, END as -1, and what it should write; and whether each
    has ended.
    """
    subjects, relations = all_sets(facts)
    written = model.generate(model.prompt(subjects, relations[:, None]))
    steps = int(facts.most.max()) + 1
    tokens = np.pad(written.tokens, ((0, 0), (0, steps - written.tokens.shape[1])), "edge")
    end = model.vocabulary.special("end")
    wanted = facts.answer_sets(subjects, relations)
    return np.where(tokens == end, -1, tokens)[:, : wanted.shape[1]], wanted, written.ended


@given(set_tables())
def test_every_set_is_written_in_order_and_ended(facts):
    model = sets_of_answers(facts)
    found, wanted, ended = written_and_wanted(model, facts)
    assert (found == wanted).all()
    assert ended.all()


@pytest.mark.parametrize("parameter", ["embedding", "positions", "unembedding"])
def test_a_model_with_other_weights_writes_other_sets(parameter):
    facts = SetTable.random(9, 3, most=4, seed=1)
    model = sets_of_answers(facts)
    with torch.no_grad():
        weight = getattr(model, parameter).weight
        weight.copy_(weight.roll(1, dims=0))
    found, wanted, _ = written_and_wanted(model, facts)
    assert (found != wanted).any()


@given(set_tables())
def test_every_token_has_the_margin_of_the_statement_exactly(facts):
    model = sets_of_answers(facts)
    subjects, relations = all_sets(facts)
    answers = facts.answer_sets(subjects, relations)
    end = model.vocabulary.special("end")
    sequences = np.column_stack(
        [subjects, facts.n_entities + relations, np.where(answers < 0, 0, answers)]
    )
    logits = model(torch.from_numpy(sequences))[:, 1:].detach()
    asked = np.arange(logits.shape[1]) <= facts.sizes[relations, subjects][:, None]
    target = np.column_stack([answers, np.full(len(subjects), -1)])
    target = torch.from_numpy(np.where(target < 0, end, target))[..., None]
    own = logits.gather(-1, target)[..., 0]
    others = logits.scatter(-1, target, -torch.inf).amax(-1)
    margins = (own - others)[torch.from_numpy(asked)]
    assert margins.min() == 2 == model.margin.in_dtype
    assert 2 - model.margin.real < Fraction(1, 2**2000)
    assert (logits == logits.round()).all()


@given(set_tables())
def test_what_was_written_before_does_not_matter(facts):
    """So that the proof needs no assumption on the tokens that are fed back."""
    model = sets_of_answers(facts)
    subjects, relations = all_sets(facts)
    letters = facts.n_entities + relations
    steps = int(facts.most.max())
    rng = np.random.default_rng(0)
    some, others = (
        model(
            torch.from_numpy(
                np.column_stack(
                    [subjects, letters, rng.integers(facts.n_entities, size=(len(letters), steps))]
                )
            )
        )
        for _ in range(2)
    )
    assert torch.equal(some[:, 1:], others[:, 1:])


@given(set_tables())
def test_the_sizes_are_those_of_the_formulas(facts):
    model, sizing = sets_of_answers(facts), sizing_of(facts)
    measured = capacity(model)
    assert model.shape.d_model == sizing.d_model
    assert model.shape.n_parameters() == sizing.parameters
    assert (model.shape.d_mlp, model.shape.n_heads) == (sizing.d_mlp, sizing.n_heads)
    assert measured.internal_bits - measured.description <= sizing.internal_bits
    assert measured.embedding_bits <= sizing.embedding_bits
    assert measured.unembedding_bits <= sizing.unembedding_bits


@pytest.mark.parametrize("seed", range(4))
def test_the_bits_of_large_models_are_those_of_the_formulas(seed):
    facts = SetTable.random(40, 4, most=6, seed=seed)
    measured, sizing = capacity(sets_of_answers(facts)), sizing_of(facts)
    assert measured.internal_bits - measured.description == sizing.internal_bits
    assert measured.embedding_bits == sizing.embedding_bits
    assert measured.unembedding_bits == sizing.unembedding_bits


def test_the_sizes_of_sets_in_numbers():
    # W = 2 + 1 places of m = 2 bits (three answers and END), p = 2 bits for 4 positions
    model = sets_of_answers(FAMILY)
    assert model.shape.d_model == 3 * 2 + 2 + 1
    assert (model.shape.n_positions, model.shape.d_mlp, model.shape.depth) == (4, 6, 1)
    large = sizes_of(SetSizes(1000, 10, places=40, most=20, answers=1000))
    assert (large.d_model, large.d_mlp, large.written_tokens) == (40 * 10 + 5 + 1, 400, 21)


def test_relations_have_their_own_largest_number_of_answers():
    facts = SetTable([[0, 0, i] for i in range(6)] + [[1, 1, 0]], 6, 3)
    model = sets_of_answers(facts)
    assert facts.most.tolist() == [6, 1, 0]
    assert model.shape.d_model == 7 * 3 + 3 + 1
    assert model.answer_set(0, 0) == (0, 1, 2, 3, 4, 5)
    assert model.answer_set(1, 1) == (0,)
    assert model.answer_set(1, 2) == ()


def test_an_empty_set_is_ended_at_once():
    model = sets_of_answers(FAMILY)
    subject, relation = FAMILY.entity_id("Carol"), FAMILY.relation_id("spouse")
    written = model.generate(model.prompt(np.array([subject]), np.array([[relation]])))
    assert written.tokens.tolist() == [[model.vocabulary.special("end")]]
    assert model.answer_set("Carol", "spouse") == ()


@given(functions().filter(lambda facts: facts.n_facts))
def test_functions_are_answered_as_by_a_selector(facts):
    known, sets = selector(facts), sets_of_answers(SetTable.from_functions(facts))
    relations, subjects = np.indices(facts.answers.shape).reshape(2, -1)
    written = sets.written_sets(subjects, relations)
    said = known.said(subjects, relations[:, None])
    assert (written[:, 0] == said).all()
    assert (written[:, 1:] == -1).all()


def test_sets_are_asked_by_name_or_by_number():
    model = sets_of_answers(FAMILY)
    assert model.answer_set("Alice", "child") == ("Bob", "Carol")
    assert model.answer_set(0, 0) == (1, 2)
    with pytest.raises(InputError, match="Alicia"):
        model.answer_set("Alicia", "child")
    with pytest.raises(InputError, match="relation 2 does not exist"):
        model.answer_set(0, 2)
    with pytest.raises(InputError, match=r"ask it with answer_set\(subject, relation\)"):
        model.answer(0, [0])


def test_a_damaged_model_says_that_it_writes_no_set():
    model = sets_of_answers(FAMILY)
    with torch.no_grad():  # END is never the largest
        model.unembedding.weight[model.vocabulary.special("end")] = 0
    with pytest.raises(InputError, match="Alice child: entities and then END should be written"):
        model.answer_set("Alice", "child")


def test_other_sets_of_the_same_sizes_are_installed_in_the_embeddings_alone():
    facts = SetTable.random(8, 2, most=3, seed=5)
    turned = SetTable(np.add(facts.triples, [1, 0, 1]) % [8, 2, 8], 8, 2)
    book = LastFirst(np.append(np.arange(8), 10))
    model = sets_of_answers(facts, codebook=book)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    model.install(turned)
    changed = [
        name for name, old in before.items() if not torch.equal(old, model.state_dict()[name])
    ]
    assert changed == ["embedding.weight"]
    found, wanted, ended = written_and_wanted(model, turned)
    assert (found == wanted).all()
    assert ended.all()
    assert model.margin.in_dtype == 2
    with pytest.raises(
        InputError, match="the largest numbers of answers of the relations must be"
    ):
        model.install(SetTable([[0, 0, 0]], 8, 2))
    with pytest.raises(InputError, match="sets of answers are a SetTable; got a FactTable"):
        model.install(FactTable.random_bijections(8, 2))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_sets_are_written_in_every_dtype(dtype):
    facts = SetTable.random(30, 3, most=5, seed=2)
    model = sets_of_answers(facts, dtype=dtype)
    found, wanted, _ = written_and_wanted(model, facts)
    assert (found == wanted).all()


def test_a_dtype_that_is_too_narrow_is_refused_for_sets():
    facts = SetTable([[0, 0, i] for i in range(300)], 300, 1)
    sets_of_answers(facts, dtype=torch.bfloat16)
    with pytest.raises(InputError, match="dtype must be a floating"):
        sets_of_answers(facts, dtype=torch.int8)


def test_functions_are_no_sets():
    with pytest.raises(InputError, match="sets of answers are a SetTable; got a FactTable"):
        sets_of_answers(FactTable.random_bijections(3, 2))


def test_a_codebook_must_end_with_end():
    with pytest.raises(InputError, match="the codebook must have END, token 5, as its last token"):
        sets_of_answers(FAMILY, codebook=Codebook(np.arange(4)))
    with pytest.raises(InputError, match="has no code"):
        sets_of_answers(FAMILY, codebook=Codebook(np.array([0, 5])))


def test_a_model_of_sets_is_one_of_facts_and_chains_are_as_before():
    assert isinstance(sets_of_answers(FAMILY), FactModel)
    facts = FactTable.random_functions(5, 2, seed=0, missing=0.3)
    model = chain_of_thought(facts, 2)
    tokens = model.generate(model.prompt(np.arange(5), np.zeros((5, 1), np.int64))).tokens
    assert (
        tokens[:, 0] == model.vocabulary.answer_tokens(facts.answer(np.arange(5), [[0]] * 5))
    ).all()


@pytest.mark.parametrize("gain", [3, 4, 6])
def test_the_margin_with_leaks_is_at_least_that_of_the_page(gain):
    """With a small gain, in float64, where leaks can be seen: the model's queries are multiples of
    1024, a larger one in the statement would be refuted.
    """
    facts = SetTable.random(12, 2, most=3, seed=3)
    model = sets_of_answers(facts, dtype=torch.float64)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "query" in name:
                weight.mul_(gain / 1024)
    subjects, relations = all_sets(facts)
    answers = facts.answer_sets(subjects, relations)
    tokens = np.column_stack([subjects, facts.n_entities + relations, np.maximum(answers, 0)])
    logits = model(torch.from_numpy(tokens))[:, 1:].detach()
    place = np.arange(logits.shape[1])
    asked = place <= facts.sizes[relations, subjects][:, None]
    known = np.column_stack([answers, np.full(len(subjects), -1)])
    target = torch.from_numpy(np.where(known < 0, model.vocabulary.special("end"), known))[
        ..., None
    ]
    own = logits.gather(-1, target)[..., 0]
    least = (own - logits.scatter(-1, target, -torch.inf).amax(-1))[torch.from_numpy(asked)].min()
    w, p = int(facts.most.max()), 3
    bound = 2 * (1 - 4 * facts.n_relations * (w + 1) * (p + 2) * np.exp(-2.0 * gain))
    assert bound <= least < 2
    assert gain < 4 or bound > 0
