"""Single facts of a table changed, and the spare entities that new names take the place of."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import edits, functions

from constructions import Codebook, FactTable, InputError
from constructions.facts.changes import changed_table, without
from constructions.facts.words import leading_to

TABLE = FactTable.from_triples([("a", "r", "b"), ("b", "r", "c"), ("a", "q", "c")])
PLACE = "fact {}, part {}".format


@given(st.data(), functions())
def test_a_changed_table_has_the_facts_that_were_given_and_else_the_old_ones(data, facts):
    changes = data.draw(edits(facts))
    found, expected = changed_table(facts, changes), facts.answers.copy()
    for subject, relation, target in changes:
        at = facts.relation_id(relation), facts.entity_id(subject)
        expected[at] = -1 if target is None else facts.entity_id(target)
    assert (found.facts.answers == expected).all()
    assert found.facts.entity_names == facts.entity_names
    differ = expected != facts.answers
    assert found.added == (differ & (facts.answers < 0)).sum()
    assert found.removed == (differ & (expected < 0)).sum()
    assert found.changed + found.added + found.removed == len(found.subjects) == differ.sum()
    assert found.given == len(changes)


@given(functions(), st.integers(1, 5), st.data())
def test_spare_entities_change_no_id_and_no_fact(facts, count, data):
    answers = data.draw(st.integers(0, count))
    wider = facts.with_spare_entities(count, answers)
    assert (wider.answers[:, : facts.n_entities] == facts.answers).all()
    assert (wider.answers[:, facts.n_entities :] == -1).all()
    assert wider.entity_names[: facts.n_entities] == facts.entity_names
    assert wider.spare_entities.tolist() == list(range(facts.n_entities, wider.n_entities))
    assert wider.spare_answers.tolist() == wider.spare_entities.tolist()[count - answers :]
    assert set(Codebook.of(wider).tokens) >= set(wider.spare_answers)
    assert list(wider.rows()) == list(facts.rows())
    further = wider.with_spare_entities(2)
    assert len(further.spare_entities) == count + 2


def test_spare_entities_do_not_show_in_questions():
    wider = TABLE.with_spare_entities(2, 1)
    assert wider.entity_names[3:] == ("<spare-1>", "<spare-answer-1>")
    for name in ("<spare-1>", "<spare-2>"):
        with pytest.raises(InputError, match=r"among the 3 of the table$"):
            wider.entity_id(name)
    used = FactTable.from_triples([("<spare-1>", "r", "b")])  # a fact makes it an entity
    assert used.entity_id("<spare-1>") == 0
    assert not len(used.spare_entities)


def test_new_names_take_spare_places_and_vanished_ones_stay():
    wider = TABLE.with_spare_entities(3, 1)
    found = changed_table(wider, [("d", "r", "e"), ("b", "r", None), ("a", "q", "b")])
    new = {(entity.name, entity.instead_of) for entity in found.new_entities}
    assert new == {("d", "<spare-1>"), ("e", "<spare-answer-1>")}
    assert found.facts.entity_names == ("a", "b", "c", "d", "<spare-2>", "e")
    assert found.facts.entity_id("c") == 2  # no fact mentions it any more
    assert (found.added, found.removed, found.changed) == (1, 1, 1)


def test_more_answers_than_spare_ones_take_other_spare_places():
    found = changed_table(TABLE.with_spare_entities(2, 1), [("a", "r", "x"), ("a", "q", "y")])
    assert [entity.id for entity in found.new_entities] == [3, 4]


def test_what_is_so_already_changes_nothing():
    found = changed_table(TABLE, [("a", "r", "b"), ("b", "q", None)])
    assert found.facts is TABLE
    assert (found.given, len(found.subjects)) == (2, 0)


def test_a_removal_may_be_followed_by_the_new_object():
    removed = [("a", "r", "b"), ("c", "q", "a")]
    changes = [*without(TABLE, removed, PLACE), ("a", "r", "c")]
    assert changed_table(TABLE, changes).changed == 1


@pytest.mark.parametrize(
    ("changes", "reported"),
    [
        ([], "no changes"),
        ([("a", "r")], "a change is a triple"),
        (["abc"], "a change is a triple"),
        ([("a", "r", 3)], "a change is a triple"),
        ([("a", "s", "b")], "no relation is named 's'"),
        ([("x", "r", None)], "no entity is named 'x'"),
        ([("x", "r", "b")], "1 new name, and spare room for 0 .*--spare-entities"),
        ([("a", "r", "c"), ("a", "r", "a")], r"\(a, r\) is changed twice, to 'c' and to 'a'"),
        ([("a", "r", "c"), ("a", "r", None)], "changed twice, to 'c' and to none"),
        ([("a", "r", "<spare-7>")], "'<spare-7>' is a reserved name"),
        ([("a", "r", "x\ty")], "has U.0009 .* at character 2"),
    ],
)
def test_what_cannot_be_changed_is_refused(changes, reported):
    with pytest.raises(InputError, match=reported):
        changed_table(TABLE, changes)


def test_a_fact_with_another_object_is_not_removed():
    with pytest.raises(InputError, match=r"^fact 1, part 2: .* the table has 'b' there"):
        without(TABLE, [("a", "q", "c"), ("a", "r", "c")], PLACE)


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_removal_of_an_unknown_name_says_where_the_name_stands(part):
    fact = ["a", "q", "c"]
    fact[part] = "x"
    with pytest.raises(
        InputError, match=f"^fact 0, part {part}: no (entity|relation) is named 'x'"
    ):
        without(TABLE, [tuple(fact)], PLACE)


@given(functions(), st.data())
def test_what_leads_to_some_entities_is_found(facts, data):
    some = data.draw(st.sets(st.integers(0, facts.n_entities - 1)))
    steps = data.draw(st.integers(0, 3))
    expected = set(some)
    for _ in range(steps):
        hits = np.isin(facts.answers, list(expected)).any(axis=0)
        expected |= set(np.flatnonzero(hits).tolist())
    nodes = np.array(sorted(some), dtype=np.int64)
    assert set(leading_to(facts, nodes, steps).tolist()) == expected
