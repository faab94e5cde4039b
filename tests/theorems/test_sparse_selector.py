"""Few facts a subject: sparse_selector and sparse_selector_unknown."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from sparse_tables import margins, same_gates, sparse_table, stored, tables

from bounds.sizes import predicted, table_values
from constructions import (
    CATALOGUE,
    Codebook,
    DoesNotFit,
    FactTable,
    InputError,
    Symbols,
    load,
    save,
    sparse_selector,
    sparse_selector_unknown,
)
from constructions.theorems.lemmas import gates as drawing
from constructions.theorems.lemmas import sharing_gates
from verify.cells.verifying import saved_and_checked
from verify.checking.check import check
from verify.queries.recall import check_recall

BUILDERS = (sparse_selector, sparse_selector_unknown)


# -------------------------------------------------------------------- what is claimed


@given(facts=tables())
def test_every_stored_fact_is_answered_with_exactly_the_margin_that_is_stated(facts):
    model = sparse_selector(facts)
    found = margins(model, facts, *stored(facts))
    assert found.min() == model.margin.in_dtype == model.margin.real > 0
    assert model.stored_only
    assert model.margin.attained
    assert not model.margin.rounds


@given(facts=tables())
def test_every_pair_that_is_not_stored_is_answered_by_unknown(facts):
    model = sparse_selector_unknown(facts)
    recall = check_recall(model, facts, logits="both")
    assert (recall.queries, recall.wrong, recall.defect) == (facts.answers.size, 0, None)
    assert recall.margin == model.margin.in_dtype > 0
    assert not model.stored_only


@given(facts=tables())
def test_sizes_do_not_depend_on_the_number_of_relations(facts):
    plain, whole = sparse_selector(facts), sparse_selector_unknown(facts)
    g, more = plain.recipe.options["n_gates"], whole.recipe.options["n_gates"]
    assert (plain.shape.d_model, plain.shape.layers[0].d_mlp) == (g + 1, (g,))
    assert (whole.shape.d_model, whole.shape.layers[0].d_mlp) == (more + 2, (more + 1, 3))
    most = int((facts.answers != -1).sum(axis=0).max())
    assert most <= g <= facts.n_relations
    assert min(most + 1, facts.n_relations) <= more <= facts.n_relations


@given(facts=tables())
def test_both_are_proven_and_have_no_more_bits_than_the_formulas_say(facts):
    for build in BUILDERS:
        entry, model = CATALOGUE[build.__name__], build(facts)
        proven, sample = saved_and_checked(model)
        assert (proven.verdict, proven.reason) == ("PASS", "")
        claimed = facts.n_facts if model.stored_only else facts.answers.size
        assert (proven.queries, proven.margin) == (claimed, model.margin.real)
        assert sample.wrong == 0
        sizes = predicted(entry, facts, 1, entry.settled(model))
        assert sizes.d_model == model.shape.d_model


@pytest.mark.parametrize("build", BUILDERS, ids=lambda build: build.__name__)
@pytest.mark.parametrize(
    ("entities", "relations", "most", "more"), [(256, 100, 8, 16), (200, 237, 24, 6)]
)
def test_larger_tables_take_hardly_more_gates_than_facts(build, entities, relations, most, more):
    facts = sparse_table(entities, relations, most, seed=0)
    model = build(facts, dtype=torch.float64)
    assert model.shape.d_model <= most + more
    assert margins(model, facts, *stored(facts)).min() == model.margin.real


def test_a_table_with_all_facts_takes_a_gate_for_each_relation():
    facts = FactTable.random_bijections(9, 4, seed=1)
    model = sparse_selector(facts)
    assert model.recipe.options["n_gates"] == 4
    assert check_recall(model, facts).margin == model.margin.real == 1


# -------------------------------------------------------------------- installing, saving


@pytest.mark.parametrize("build", BUILDERS, ids=lambda build: build.__name__)
def test_other_facts_are_installed_behind_the_same_gates(build):
    facts, other = (sparse_table(50, 20, 4, seed=seed) for seed in (0, 1))
    book = Codebook.of(facts, other, stored_only=build is sparse_selector)
    model = build(facts, n_gates=12, excess_bits=14, codebook=book, dtype=torch.float64)
    before = {name: weight.clone() for name, weight in model.named_parameters()}
    model.install(other)
    rest = slice(facts.n_entities, None)
    for name, weight in model.named_parameters():
        rows = rest if name == "embedding.weight" else slice(None)
        assert torch.equal(weight[rows], before[name][rows]), name
    assert margins(model, other, *stored(other)).min() == model.margin.real > 0
    model.install(facts)
    assert torch.equal(model.embedding.weight, before["embedding.weight"])


def test_facts_that_do_not_fit_are_not_installed():
    facts = sparse_table(50, 20, 2, seed=0)
    book = Codebook(np.arange(50))
    model = sparse_selector(facts, codebook=book)
    before = model.embedding.weight.clone()
    with pytest.raises(InputError, match="must be linearly independent: those of e"):
        model.install(sparse_table(50, 20, 19, seed=1))
    narrow = sparse_selector(facts, n_gates=14, codebook=book, dtype=torch.float64)
    with pytest.raises(DoesNotFit, match="give more gates, a larger excess or a wider dtype"):
        narrow.install(sparse_table(50, 20, 8, seed=4))
    assert torch.equal(model.embedding.weight, before)


@pytest.mark.parametrize("build", BUILDERS, ids=lambda build: build.__name__)
def test_what_was_found_of_the_facts_is_saved_with_the_model(build, tmp_path):
    facts = sparse_table(50, 20, 4, seed=0)
    model = build(facts)
    settled = CATALOGUE[build.__name__].settled(model)
    assert set(settled) == {"n_gates", "excess_bits"}
    save(model, tmp_path / "model")
    again = load(tmp_path / "model")
    assert again.recipe.options == model.recipe.options
    assert again.margin == model.margin
    assert check(tmp_path / "model").verdict == "PASS"


# -------------------------------------------------------------------- refusals


def test_what_cannot_be_is_refused_in_words():
    facts = sparse_table(20, 5, 2, seed=0)
    none = FactTable(np.full((2, 3), -1))
    with pytest.raises(InputError, match="no fact is stored"):
        sparse_selector(none)
    assert check_recall(sparse_selector_unknown(none), none).wrong == 0
    for build in BUILDERS:
        for wrong in ({"n_gates": 6}, {"n_gates": 0}, {"excess_bits": -1}, {"seed": -1}):
            with pytest.raises(InputError, match=next(iter(wrong))):
                build(facts, **wrong)
        with pytest.raises(InputError, match="has no code"):
            build(facts, codebook=Codebook(np.array([0])))
        with pytest.raises(DoesNotFit, match=r"sums reach .* are proven to be exact"):
            build(sparse_table(2000, 5, 2, seed=0), dtype=torch.bfloat16)
    with pytest.raises(DoesNotFit, match=r"use fewer excess bits than 60, or another construct"):
        sparse_selector(facts, excess_bits=60, dtype=torch.float64)
    with pytest.raises(DoesNotFit, match="a wider dtype"):
        sparse_selector(sparse_table(300, 40, 12, seed=0), n_gates=12, dtype=torch.float32)


@pytest.mark.parametrize("build", BUILDERS, ids=lambda build: build.__name__)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_what_is_built_with_any_excess_is_proven_to_be_exact(build, dtype):
    """With one answer the head's sums are the largest ones."""
    facts, excess = FactTable([[0, -1, -1]]), 0
    book = Codebook(np.array([0] if build is sparse_selector else [0, 4]))
    while True:
        try:
            model = build(facts, excess_bits=excess, codebook=book, dtype=dtype)
        except DoesNotFit:
            break
        proven = saved_and_checked(model)[0]
        assert (proven.verdict, proven.rounds) == ("PASS", "")
        excess += 1
    assert excess > 1


def test_a_narrower_dtype_takes_more_gates():
    facts = sparse_table(100, 60, 20, seed=0)
    narrow, wide = (sparse_selector(facts, dtype=d) for d in (torch.float32, torch.float64))
    assert wide.shape.d_model < narrow.shape.d_model
    assert margins(narrow, facts, *stored(facts)).min() == narrow.margin.in_dtype


def test_sums_that_lie_just_inside_are_not_taken_for_unknown():
    """The control of the variant: a bound that is less strict lets a label be read."""
    facts = sparse_table(30, 8, 2, seed=1)
    design, found = sharing_gates.first_that_holds(
        facts, Codebook.of(facts), None, None, None, True, torch.float64
    )
    sums = found.rows @ design.drawn().T
    below, foot, last = design.kinks
    missing = facts.answers.T == -1
    assert ((sums <= below) | (sums >= last))[missing].all()
    assert ((sums > foot) & (sums < last))[~missing].all()
    model = sparse_selector_unknown(facts, dtype=torch.float64)
    with torch.no_grad():
        model.embedding.weight[: facts.n_entities] /= 64
        model.embedding.weight[: facts.n_entities].round_()
    assert check_recall(model, facts).wrong > 0


def test_the_formulas_notice_a_number_that_is_too_long():
    """The control of the bits: with one bit less they say fewer than the weights have."""
    facts = sparse_table(60, 20, 6, seed=3)
    entry = CATALOGUE["sparse_selector"]
    model = sparse_selector(facts, dtype=torch.float64)
    settled = entry.settled(model)
    longest = int(model.embedding.weight.abs().max()).bit_length() + 1
    said = entry.sized(_symbols(facts, entry, settled)).embedding_entry_bits
    less = {**settled, "excess_bits": settled["excess_bits"] - 1}
    assert entry.sized(_symbols(facts, entry, less)).embedding_entry_bits < longest <= said


def _symbols(facts, entry, settled):
    return Symbols(**table_values(entry, facts, 1, settled))


def test_draws_are_looked_at_in_turn(monkeypatch):
    """The first seed that holds the facts is taken, and recorded."""
    facts, seen = sparse_table(40, 12, 4, seed=5), []
    drawn = drawing.drawn_gates

    def spied(n_relations, n_gates, seed):
        seen.append((n_gates, seed))
        return (same_gates if seed < 2 else drawn)(n_relations, n_gates, seed)

    monkeypatch.setattr(sharing_gates, "drawn_gates", spied)
    model = sparse_selector(facts, dtype=torch.float64)
    assert model.recipe.options["seed"] in (2, 3)
    assert {0, 1, 2} <= {seed for _, seed in seen}


def test_a_design_is_what_its_numbers_say():
    book = Codebook(np.arange(10))
    design = sharing_gates.Design(book, 6, 4, 1, 0, False)
    assert (design.weight, design.unit, design.half, design.shift) == (2, 4, 10, 40)
    assert design.labels.tolist() == list(range(-5, 5))
    assert replace(design, gates=6).unit == 1
