"""The answers that differ between two tables, against all queries asked one by one."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import functions

from constructions import ChangedAnswer, DoesNotFit, FactTable, InputError, changed_answers
from constructions.facts import changed_answers as module
from constructions.facts.changes import changed_table


def asked(facts, subject, path):
    """The answer of a table, by name; None for no answer."""
    relations = [facts.relation_id(name) for name in path]
    found = int(facts.answer(facts.entity_id(subject), relations))
    return None if found < 0 else facts.entity_name(found)


def one_by_one(old, new, hops):
    """The changed answers in the order that is promised: every query is asked."""
    spare = {facts.entity_name(i) for facts in (old, new) for i in facts.spare_entities.tolist()}
    subjects = [
        name for name in old.entity_names if name in new.entity_names and name not in spare
    ]
    relations = [name for name in old.relation_names if name in new.relation_names]
    found = []
    for length in range(1, hops + 1):
        for subject, path in product(subjects, product(relations, repeat=length)):
            both = asked(old, subject, path), asked(new, subject, path)
            if both[0] != both[1]:
                found.append(ChangedAnswer(subject, path, *both))
    return found


def agree(old, new, hops):
    """The search against all queries: the list, its beginning, and the counts."""
    changes, expected = changed_answers(old, new, hops), one_by_one(old, new, hops)
    assert list(changes.listed()) == expected
    assert list(changes.listed(3)) == expected[:3]
    lengths = [len(one.path) for one in expected]
    assert changes.counts == tuple(map(lengths.count, range(1, hops + 1)))
    assert changes.total == len(expected)


@st.composite
def pairs(draw):
    """Two tables: some facts are others, some entities are new or gone, ids are others, and one
    may have spare entities.
    """
    old = draw(functions(st.integers(1, 6), st.integers(1, 3)))
    answers = old.answers.copy()
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, old.n_relations - 1)), draw(st.integers(0, old.n_entities - 1))
        answers[at] = draw(st.integers(-1, old.n_entities - 1))
    names = list(old.entity_names)
    if old.n_entities > 1 and draw(st.booleans()):
        names[draw(st.integers(0, old.n_entities - 1))] = "another"
    order = np.array(draw(st.permutations(range(old.n_entities))))
    place = np.append(np.argsort(order), -1)
    new = FactTable(place[answers[:, order]], [names[i] for i in order])
    spare = draw(st.sampled_from((None, 0, 1)))
    return old, new if spare is None else new.with_spare_entities(2, spare)


@given(pairs(), st.integers(1, 4))
def test_the_search_finds_just_the_answers_that_differ(tables, hops):
    agree(*tables, hops)


@given(pairs(), st.integers(1, 4))
def test_large_counts_are_python_integers_and_find_the_same(tables, hops):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_COUNTED", 1)
        agree(*tables, hops)


OLD = FactTable.random_functions(6, 3, seed=2, missing=0.2)
NEW = changed_table(OLD, [("e1", "r0", "e3"), ("e2", "r1", None), ("e4", "r2", "e0")]).facts


def test_a_search_that_overlooks_a_changed_fact_is_noticed(monkeypatch):
    agree(OLD, NEW, 3)
    whole = module.aligned

    def overlooking(old, new):
        tables = whole(old, new)
        tables.new[2, 4] = tables.old[2, 4]
        return tables

    monkeypatch.setattr(module, "aligned", overlooking)
    with pytest.raises(AssertionError):
        agree(OLD, NEW, 3)


def test_a_search_that_forgets_pairs_reached_earlier_is_noticed(monkeypatch):
    monkeypatch.setattr(module._Search, "_near", lambda self: np.flatnonzero(self.old[0] == 1))
    with pytest.raises(AssertionError):
        agree(OLD, NEW, 3)


def test_relations_and_entities_of_one_table_alone_are_reported_apart():
    old = FactTable.from_triples([("a", "r", "b"), ("b", "q", "c"), ("c", "r", "a")])
    new = FactTable.from_triples([("b", "r", "a"), ("a", "r", "d"), ("d", "p", "b")])
    changes = changed_answers(old, new, 2)
    tables = changes.tables
    assert (tables.new_entities, tables.gone_entities) == (("d",), ("c",))
    assert (tables.new_relations, tables.gone_relations) == (("p",), ("q",))
    assert changes.queries == (2, 2)  # a and b, by r
    agree(old, new, 2)


def test_canonically_equivalent_names_are_the_same_entity():
    old = FactTable.from_triples([("Z\u00fcrich", "in", "CH")])
    new = FactTable.from_triples([("Zu\u0308rich", "in", "CH")])
    changes = changed_answers(old, new, 3)
    assert (changes.total, len(changes.tables.subjects)) == (0, 2)


def test_a_chain_of_a_thousand_facts_is_counted_to_its_end():
    answers = np.append(np.arange(1, 1000), 999)[None].repeat(2, axis=0)
    other = answers.copy()
    other[1, 998] = 0
    changes = changed_answers(FactTable(answers), FactTable(other), 300)
    # 2^(l-1) words lead over the changed fact, if they reach it at their last letter
    assert changes.counts[:3] == (1, 1 + 2 + 1, 12)
    assert changes.counts[-1] > 2**298
    first = next(changes.listed())
    assert (first.subject, first.path, first.old, first.new) == ("e998", ("r1",), "e999", "e0")


def test_where_changes_lead_to_too_many_pairs_the_longest_paths_are_named(monkeypatch):
    old = FactTable.random_functions(300, 4, seed=0)
    new = changed_table(old, [("e0", "r0", "e1")]).facts
    monkeypatch.setattr(module, "MOST_STEPS", 200)
    with pytest.raises(DoesNotFit, match="paths of up to 4 relations: -k 4") as refused:
        changed_answers(old, new, 7)
    assert "lead to 85 pairs" in str(refused.value)
    counts = changed_answers(old, new, 4).counts
    monkeypatch.undo()
    assert changed_answers(old, new, 7).counts[:4] == counts


def test_what_cannot_be_compared_is_refused():
    one, other = FactTable([[0]]), FactTable([[0]], ["x"], ["y"])
    for tables, hops, reported in (
        ((one, other), 1, "no entity in common"),
        ((one, FactTable([[0]], None, ["y"])), 1, "no relation in common"),
        ((one, one), 0, "hops must be an integer of at least 1; got 0"),
        ((one, one), 5000, "hops is 5,000, and models are built for up to 2,048"),
        ((FactTable(np.zeros((500, 2), int)),) * 2, 2000, "at most 13,000 are counted"),
    ):
        with pytest.raises(InputError, match=reported):
            changed_answers(*tables, hops)
