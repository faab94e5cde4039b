"""Few facts a subject: sparse_selector and sparse_selector_unknown."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

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
from constructions.theorems.lemmas.gates import drawn_gates, weight_of
from constructions.theorems.lemmas.sums_through_gates import Solved, Sums
from verify.cells.verifying import saved_and_checked
from verify.checking.check import check
from verify.queries.recall import check_recall

BUILDERS = (sparse_selector, sparse_selector_unknown)


def sparse_table(entities, relations, most, seed):
    """Subjects with 1 to `most` facts, of relations drawn at random."""
    rng = np.random.default_rng(seed)
    order = rng.permuted(np.tile(np.arange(relations), (entities, 1)), axis=1)
    kept = order < rng.integers(1, most + 1, (entities, 1))
    return FactTable(np.where(kept, rng.integers(entities, size=(entities, relations)), -1).T)


@st.composite
def tables(draw):
    n, r = draw(st.integers(1, 40)), draw(st.integers(1, 12))
    return sparse_table(n, r, draw(st.integers(1, r)), draw(st.integers(0, 2**32 - 1)))


def stored(facts):
    """Subjects, relations and answers of all stored facts."""
    subjects, relations = np.nonzero(facts.answers.T != -1)
    return subjects, relations, facts.answers[relations, subjects]


def margins(model, facts, subjects, relations, answers):
    """Of each query, float64: the logit of its answer less the largest other one."""
    tokens = torch.from_numpy(np.stack([subjects, facts.n_entities + relations], axis=1))
    with torch.no_grad():
        logits = model(tokens)[:, -1].double()
    own = torch.from_numpy(model.vocabulary.answer_tokens(answers))[:, None]
    right = logits.gather(1, own)[:, 0]
    return (right - logits.scatter(1, own, -torch.inf).amax(1)).numpy()


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


# -------------------------------------------------------------------- gates


@given(r=st.integers(1, 60), data=st.data(), seed=st.integers(0, 100))
def test_gates_have_one_weight_and_differ_where_they_can(r, data, seed):
    g = data.draw(st.integers(1, r))
    gates, weight = drawn_gates(r, g, seed), weight_of(r, g)
    assert (gates.sum(axis=1) == weight).all()
    assert set(np.unique(gates)) <= {0, 1}
    assert len(np.unique(gates, axis=0)) == min(r, math.comb(g, weight))
    assert np.array_equal(gates, drawn_gates(r, g, seed))


def test_three_different_gates_of_one_weight_are_independent():
    """Which four need not be."""
    for g in range(2, 7):
        for w in range(1, g):
            every = [
                np.isin(np.arange(g), one).astype(float)
                for one in itertools.combinations(range(g), w)
            ]
            for three in itertools.combinations(every, min(3, len(every))):
                assert np.linalg.matrix_rank(np.array(three)) == len(three)
    four = np.array([[1, 1, 0, 0], [0, 0, 1, 1], [1, 0, 1, 0], [0, 1, 0, 1]])
    assert np.linalg.matrix_rank(four) == 3


def test_columns_that_are_independent_modulo_2_are_so_over_the_rationals():
    """Parity checks of a BCH code of length 15 that corrects 2 errors: any 4 columns."""
    power, powers = 1, []
    for _ in range(15):
        powers.append(power)
        power = (power << 1) ^ (0b10011 if power & 8 else 0)
    bits = lambda number: [(number >> i) & 1 for i in range(4)]  # noqa: E731
    columns = np.array([bits(powers[i]) + bits(powers[3 * i % 15]) for i in range(15)])
    for four in itertools.combinations(range(15), 4):
        assert np.linalg.matrix_rank(columns[list(four)].astype(float)) == 4


def test_with_few_different_gates_some_pairs_of_relations_cannot_be_stored():
    """g = D is too few in general: there are only two different gates of two columns."""
    pairs = list(itertools.combinations(range(6), 2))
    answers = np.full((6, len(pairs)), -1)
    for subject, pair in enumerate(pairs):
        answers[pair, subject] = subject, 0
    facts = FactTable(answers)
    with pytest.raises(InputError, match=r"rank 1, with 2 gates and seed"):
        sparse_selector(facts, n_gates=2)
    assert sparse_selector(facts).recipe.options["n_gates"] == 4  # six gates of weight 2


def same_gates(n_relations, n_gates, seed):
    """Gates that repeat: all relations have one."""
    return np.tile(drawn_gates(n_relations, n_gates, seed)[:1], (n_relations, 1))


def test_gates_that_repeat_are_refused_by_name(monkeypatch):
    """The control: two relations with one gate, and a subject with different answers of them."""
    facts = FactTable([[1, 2, 0], [2, 2, -1], [-1, -1, -1]], relation_names=["a", "b", "c"])
    sparse_selector(facts, n_gates=2)
    monkeypatch.setattr(sharing_gates, "drawn_gates", same_gates)
    with pytest.raises(InputError, match=r"e0, which has 2 facts \(a, b\), have rank 1"):
        sparse_selector(facts, n_gates=2)


def test_forced_weights_of_gates_that_repeat_fail_the_check(tmp_path):
    facts = FactTable([[1, 2, 0], [2, 2, -1], [-1, -1, -1]])
    model = sparse_selector(facts, n_gates=2)
    with torch.no_grad():
        model.embedding.weight[3 + 1] = model.embedding.weight[3]
    found = margins(model, facts, *stored(facts))
    assert found.min() < 0
    save(model, tmp_path / "model")
    assert check(tmp_path / "model").verdict == "FAIL"


# -------------------------------------------------------------------- numbers


@given(facts=tables(), precision=st.integers(4, 12))
def test_errors_of_sums_are_exact_and_at_most_half_the_weight(facts, precision):
    g = facts.n_relations
    gates = drawn_gates(g + 1, g, seed=0)[:g]
    labels = np.arange(facts.n_entities) - facts.n_entities // 2
    found = Sums(gates, precision, 2**40).solved(facts, labels)
    if not isinstance(found, Solved):
        rank = np.linalg.matrix_rank(gates[found.relations].astype(float))
        assert rank < len(found.relations)
        return
    assert (2 * np.abs(found.errors) <= max(1, g // 2) + 1e-6).all()
    sums = np.array(
        [
            int(found.rows[s] @ gates[r]) - (int(labels[t]) << precision)
            for s, r, t in zip(*stored(facts), strict=True)
        ]
    )
    assert sorted(sums.tolist()) == sorted(found.errors.tolist())


def test_numbers_are_found_in_batches_of_any_size(monkeypatch):
    facts = sparse_table(60, 20, 6, seed=3)
    whole = sparse_selector(facts, dtype=torch.float64)
    monkeypatch.setattr("constructions.theorems.lemmas.sums_through_gates.AT_ONCE", 1)
    piece = sparse_selector(facts, dtype=torch.float64)
    assert torch.equal(whole.embedding.weight, piece.embedding.weight)


def test_a_number_that_is_changed_is_noticed():
    """A mutation of one number of one subject, of one half of its gates."""
    facts = sparse_table(30, 12, 4, seed=2)
    model = sparse_selector(facts)
    subject = int((facts.answers != -1).sum(axis=0).argmax())
    relation = int(np.flatnonzero(facts.answers[:, subject] != -1)[0])
    gate = drawn_gates(12, model.recipe.options["n_gates"], model.recipe.options["seed"])
    column = int(gate[relation].argmax())
    unit = model.readout.fields[0].one.matrix()[0, -1]
    with torch.no_grad():
        model.embedding.weight[subject, column] += unit
    assert margins(model, facts, *stored(facts)).min() < 0
    assert saved_and_checked(model)[0].verdict == "FAIL"


def test_rounding_without_bits_behind_the_point_is_refused(monkeypatch):
    """Why precision is needed: labels in units of 1 leave no room for the errors of sums."""
    facts = sparse_table(60, 20, 6, seed=3)
    assert sparse_selector(facts, n_gates=12, dtype=torch.float64).margin.real > 0
    monkeypatch.setattr(sharing_gates.Design, "unit", 1)
    with pytest.raises(InputError):
        sparse_selector(facts, n_gates=12, dtype=torch.float64)


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
