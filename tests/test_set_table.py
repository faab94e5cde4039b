"""Tables of sets of answers."""

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from strategies import functions, set_tables

from constructions import CATALOGUE, FactFileError, FactTable, InputError, SetTable, selector
from constructions.facts.set_table import _different

FAMILY = [
    ("Alice", "child", "Bob"),
    ("Alice", "child", "Carol"),
    ("Bob", "child", "Dan"),
    ("Bob", "spouse", "Alice"),
]


def python_sets(facts):
    """The sets by (subject, relation), in Python's own."""
    found = defaultdict(set)
    for subject, relation, target in facts.triples.tolist():
        found[subject, relation].add(target)
    return found


@given(set_tables())
def test_the_oracle_answers_with_each_set_in_the_order_of_the_ids(facts):
    known = python_sets(facts)
    for subject in range(facts.n_entities):
        for relation in range(facts.n_relations):
            wanted = tuple(sorted(known[subject, relation]))
            assert facts.answer_set(subject, relation) == wanted
            assert facts.sizes[relation, subject] == len(wanted)


@given(set_tables())
def test_the_places_of_relations_are_functions_that_hold_the_same_facts(facts):
    most = [max(map(len, _of(facts, r).values()), default=0) for r in range(facts.n_relations)]
    assert facts.most.tolist() == most
    assert facts.functions.answers.shape == (sum(most), facts.n_entities)
    first = np.cumsum(most) - most
    for relation, width in enumerate(most):
        rows = facts.functions.answers[first[relation] : first[relation] + width]
        for subject in range(facts.n_entities):
            row = rows[:, subject].tolist()
            there = [answer for answer in row if answer >= 0]
            assert row == [*sorted(there), *[-1] * (width - len(there))]
            assert set(there) == python_sets(facts)[subject, relation]


def _of(facts, relation):
    return {s: found for (s, r), found in python_sets(facts).items() if r == relation}


@given(functions().filter(lambda facts: facts.n_facts))
def test_functions_are_sets_of_at_most_one_answer(facts):
    sets = SetTable.from_functions(facts)
    assert sets.most.max() == 1
    known = facts.answers >= 0
    relations, subjects = np.indices(facts.answers.shape).reshape(2, -1)
    found = sets.answer_sets(subjects, relations)[:, 0].reshape(facts.answers.shape)
    assert (found == np.where(known, facts.answers, -1)).all()


def test_names_are_in_the_order_of_first_appearance_and_repeats_are_one_fact():
    facts = SetTable.from_triples([*FAMILY, FAMILY[0]])
    assert facts.n_facts == 4
    assert facts.entity_names == ("Alice", "Bob", "Carol", "Dan")
    assert [facts.entity_name(i) for i in facts.answer_set(0, 0)] == ["Bob", "Carol"]
    assert facts == SetTable.from_triples(FAMILY)
    assert facts != SetTable.from_triples(FAMILY[:3])
    assert facts != FactTable([[0]])
    assert list(facts.rows()) == FAMILY
    assert list(facts.rows(["spouse"])) == FAMILY[3:]


def test_a_file_with_several_objects_is_read_back(tmp_path):
    facts = SetTable.from_triples(FAMILY)
    facts.to_tsv(tmp_path / "family.tsv")
    assert SetTable.from_tsv(tmp_path / "family.tsv") == facts
    with pytest.raises(FactFileError, match="a relation is a function: keep one of lines 1 and 2"):
        FactTable.from_tsv(tmp_path / "family.tsv")


def test_random_sets_have_all_sizes_up_to_the_largest_of_each_relation():
    facts = SetTable.random(200, 6, most=5, seed=3)
    assert facts == SetTable.random(200, 6, most=5, seed=3) != SetTable.random(200, 6, 5, seed=4)
    assert len(set(facts.most.tolist())) > 1
    for relation, most in enumerate(facts.most.tolist()):
        assert set(facts.sizes[relation].tolist()) == set(range(most + 1))
    assert SetTable.random(2, 1, most=100).most.max() <= 2


@pytest.mark.parametrize(
    ("arguments", "reported"),
    [
        (([], 2, 1), r"subject, relation and object of at least one; got \(0,\)"),
        (([[0, 0]], 2, 1), r"facts must have shape \(facts, 3\)"),
        (([[0, 0, 2]], 2, 1), r"entity 2 does not exist: there are 2, numbered 0\.\.1"),
        (([[-1, 0, 0]], 2, 1), r"entity -1 does not exist"),
        (([[0, 1, 0]], 2, 1), r"relation 1 does not exist"),
        (([[0, 0, 0.5]], 2, 1), r"entity ids must be integers; got dtype float64"),
        (([[0, 0, 0], [1]], 2, 1), r"facts must have shape \(facts, 3\)"),
        (([[0, 0, 0]], 0, 1), r"entities must be an integer of at least 1; got 0"),
        (([[0, 0, 0]], 1, 1, ["a", "b"]), r"1 entity names are needed"),
    ],
)
def test_what_is_no_table_of_sets_is_refused(arguments, reported):
    with pytest.raises(InputError, match=reported):
        SetTable(*arguments)


@pytest.mark.parametrize("name", CATALOGUE)
def test_constructions_of_functions_refuse_sets_in_words(name):
    with pytest.raises(InputError, match="takes functions, a FactTable, and got a SetTable"):
        CATALOGUE[name].build(SetTable.from_triples(FAMILY), 1)


def test_a_model_of_functions_takes_no_sets():
    model = selector(FactTable.random_bijections(4, 2, seed=0))
    with pytest.raises(InputError, match="takes functions, a FactTable, and got a SetTable"):
        model.install(SetTable.from_triples(FAMILY))


def test_sets_have_one_hop():
    with pytest.raises(InputError, match="hops must be an integer from 1 to 1; got 2"):
        SetTable.from_triples(FAMILY).n_queries(2)


def test_random_sets_of_one_size_are_all_alike_often():
    """Of 4 entities 6 sets of two: each comes 1,000 times of 6,000, within five deviations."""
    drawn = _different(6000, 2, 4, np.random.default_rng(0))
    _, times = np.unique(np.sort(drawn, axis=1), axis=0, return_counts=True)
    assert len(times) == 6
    assert abs(times - 1000).max() < 5 * np.sqrt(6000 * 1 / 6 * 5 / 6)
    assert (np.bincount(drawn[:, 0]) > 1300).all(), "the first of them is any"
