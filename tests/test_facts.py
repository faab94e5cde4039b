import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import all_queries, bijections, disjoint, functions, seeds

from constructions import FactTable, InputError
from constructions.facts.names import name_defect
from constructions.theorems.theorem_F_1 import require_disjoint


def plain_answer(facts, entity, path):
    """The definition, one query at a time."""
    for relation in path:
        if entity == -1:
            return -1
        entity = int(facts.answers[relation][entity])
    return entity


@given(facts=functions(), hops=st.integers(0, 3))
def test_answer_follows_the_first_relation_first(facts, hops):
    facts = FactTable(facts.answers[:3, :8] % min(8, facts.n_entities))
    subjects, paths = all_queries(facts, hops)
    expected = [plain_answer(facts, s, p) for s, p in zip(subjects, paths, strict=True)]
    assert facts.answer(subjects, paths).tolist() == expected


def test_answer_composes_in_the_stated_order():
    facts = FactTable([[1, 2, 0], [0, 2, 1]])
    assert facts.answer(0, [0, 1]) == 2  # f_1(f_0(0)) = f_1(1) = 2, not f_0(f_1(0)) = 1
    assert facts.answer(0, [1, 0]) == 1


def test_unknown_is_absorbing():
    facts = FactTable([[-1, 0], [0, 1]])
    assert facts.answer([0, 1], [[0, 1]]).tolist() == [-1, 0]
    assert facts.answer(1, [0, 0, 1]) == -1


def test_answer_broadcasts_entities_against_paths():
    facts = FactTable.random_bijections(7, 3)
    table = facts.answer(np.arange(7)[:, None], np.arange(3)[None, :, None])
    assert np.array_equal(table, facts.answers.T)


@given(facts=bijections())
def test_bijections_are_recognised(facts):
    assert facts.is_bijective
    if facts.n_entities > 1:
        broken = facts.answers.copy()
        broken[0, 0] = broken[0, 1]
        assert not FactTable(broken).is_bijective
    missing = facts.answers.copy()
    missing[0, 0] = -1
    assert not FactTable(missing).is_bijective


@given(entities=st.integers(1, 40), relations=st.integers(1, 40), seed=seeds)
def test_random_tables_are_what_they_say(entities, relations, seed):
    assert FactTable.random_bijections(entities, relations, seed).is_bijective
    assert FactTable.random_functions(entities, relations, seed).is_total
    assert FactTable.random_functions(entities, relations, seed, missing=1.0).n_facts == 0
    split = FactTable.random_disjoint(entities, relations, seed)
    require_disjoint(split)
    assert split.n_facts == entities * min(entities, relations)
    assert FactTable.random_bijections(entities, relations, seed) == FactTable.random_bijections(
        entities, relations, seed
    )


@given(facts=disjoint())
def test_disjoint_answer_sets_are_accepted(facts):
    require_disjoint(facts)


def test_a_shared_answer_is_named_with_both_facts():
    facts = FactTable.from_triples(
        [
            ("Ann", "born in", "Rome"),
            ("Bob", "born in", "Oslo"),
            ("Bob", "lives in", "Bern"),
            ("Eve", "lives in", "Oslo"),
        ]
    )
    with pytest.raises(InputError, match="Bob born in -> Oslo and Eve lives in -> Oslo"):
        require_disjoint(facts)


def test_names_and_ids_are_inverse():
    facts = FactTable.from_triples([("Alice", "mother", "Beth"), ("Beth", "sister", "Alice")])
    assert facts.entity_names == ("Alice", "Beth")
    assert facts.relation_names == ("mother", "sister")
    assert facts.answer(
        facts.entity_id("Alice"), [facts.relation_id("mother")]
    ) == facts.entity_id("Beth")
    assert facts.query_text(0, [0, 1]) == "Alice mother sister"
    assert FactTable([[0]]).entity_name(0) == "e0"
    assert facts.entity_name(-1) == "unknown"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FactTable([0, 1]), r"shape \(relations, entities\).*got \(2,\)"),
        (lambda: FactTable(np.empty((0, 3), int)), "both at least 1"),
        (lambda: FactTable([[0.0, 1.0]]), "integers; got dtype float64"),
        (lambda: FactTable([[0, 2]]), r"answers\[0, 1\] = 2 is no entity: with 2 entities"),
        (lambda: FactTable([[0, -2]]), r"answers\[0, 1\] = -2"),
        (lambda: FactTable([[0, 1]], ["a"]), "2 entity names are needed"),
        (lambda: FactTable([[0, 1]], ["a", "a"]), "'a' names two"),
        (lambda: FactTable([[0, 1]], ["a", ""]), "an empty name"),
        (lambda: FactTable([[0, 1]], ["a", "b\t"]), r"U\+0009"),
        (lambda: FactTable([[0, 1]], ["a", 3]), "must be a string"),
        (lambda: FactTable([[0, 1]], None, [" r"]), "a leading space"),
        (lambda: FactTable([[0, 1]], ["a", "\ud800"]), r"U\+D800"),
        (
            lambda: FactTable([[0, 1]], ["\u00e9", "e\u0301"]),
            (
                r"'\u00e9' \('\\xe9'\) and 'e\u0301' \('e\\u0301'\) differ only by Unicode"
                r" normalization"
            ),
        ),
        (lambda: FactTable(np.array([[2**64 - 1, 0]], dtype=np.uint64)), "is no entity"),
        (
            lambda: FactTable([[0, 1]]).answer(2, [0]),
            r"entity 2 does not exist: there are 2, numbered 0\.\.1",
        ),
        (lambda: FactTable([[0, 1]]).answer(-1, [0]), "entity -1 does not exist"),
        (lambda: FactTable([[0, 1]]).answer(0, [1]), "relation 1 does not exist"),
        (
            lambda: FactTable([[0, 1]]).answer(0, [0.5]),
            "relation ids must be integers; got dtype float64",
        ),
        (
            lambda: FactTable([[0, 1]]).answer([0, 1, 0], [[0], [0]]),
            r"entities \(3,\) and paths \(2, 1\) do not broadcast",
        ),
        (lambda: FactTable([[0, 1]]).answer(0, [[0], [0, 0]]), "must form an array"),
        (lambda: FactTable([[0, 1], [0]]), r"shape \(relations, entities\)"),
        (
            lambda: FactTable(np.array([[2**63]], dtype=np.uint64)),
            "= 9223372036854775808 is no entity",
        ),
        (lambda: FactTable([[0, 1]]).entity_name(2), "entity 2 does not exist"),
        (lambda: FactTable([[0, 1]]).relation_name(-1), "relation -1 does not exist"),
        (lambda: FactTable.random_bijections(2.5, 1), "entities must be an integer"),
        (
            lambda: FactTable.random_bijections(2, 1, seed=-1),
            "seed must be an integer of at least 0",
        ),
        (
            lambda: FactTable.random_bijections(10**9, 10**3),
            r"1,000,000,000 x 1,000 facts.* need 32,000,000,000,000 bytes",
        ),
        (lambda: FactTable.from_triples(["abc"]), r"a fact is a triple .*got 'abc'"),
        (
            lambda: FactTable.from_triples((f"e{i}", f"r{i}", "x") for i in range(200_000)),
            r"the answers of 200,000 relations for 200,001 entities need 1,280,006,400,000 bytes",
        ),
        (
            lambda: FactTable.from_triples([("a\u202e", "r", "b"), ("a\u202e", "r", "c")]),
            r"\(a\\u202e, r\) has two objects",
        ),
        (lambda: FactTable([[0, 1]]).entity_id(1), "entity names are strings; got 1"),
        (lambda: FactTable.from_triples([("a", "r")]), r"a fact is a triple .*got \('a', 'r'\)"),
        (lambda: FactTable([[0, 1]]).answer(0, 0), "last axis"),
        (
            lambda: FactTable([[0, 1]], ["Alice", "Beth"]).entity_id("Alise"),
            "did you mean 'Alice'",
        ),
        (
            lambda: FactTable.random_bijections(0, 1),
            "entities must be an integer of at least 1; got 0",
        ),
        (lambda: FactTable.random_functions(2, 1, missing=1.5), "probability"),
        (lambda: FactTable.random_disjoint(2, 1, missing=-1), "probability"),
        (lambda: FactTable.from_triples([]), "no facts"),
        (
            lambda: FactTable.from_triples([("a", "r", "b"), ("a", "r", "c")]),
            r"\(a, r\) has two objects: b and c",
        ),
    ],
)
def test_bad_arguments_get_their_message(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_a_table_owns_its_answers():
    source = np.array([[1, 0]])
    facts = FactTable(source)
    source[0, 0] = 0
    assert facts.answer(0, [0]) == 1
    with pytest.raises(ValueError, match="read-only"):
        facts.answers[0, 0] = 0


def test_masked_answers_are_missing():
    assert FactTable(np.ma.masked_array([[1, 0]], mask=[[True, False]])).answers.tolist() == [
        [-1, 0]
    ]


@given(st.text(st.characters(codec="utf-8"), min_size=1), st.sampled_from(["NFC", "NFD"]))
def test_a_name_is_found_by_every_canonically_equivalent_spelling(text, form):
    name = f"a{''.join(letter for letter in text if name_defect(f'a{letter}z') is None)}z"
    facts = FactTable([[1, 0]] * 2, [name, "Oslo"], ["in", name])
    for asked in (name, unicodedata.normalize(form, name)):
        assert facts.entity_id(asked) == 0
        assert facts.relation_id(asked) == 1
    with pytest.raises(InputError, match="no entity is named"):
        facts.entity_id(name + "y")


@pytest.mark.parametrize(
    ("asked", "named", "reported"),
    [
        ("Z\u00fcrich", "Zu\u0308rich", None),  # both look alike, and both are one name
        ("\u212a", "K", None),
        ("K", "\u212a", None),
        (
            "Alise",
            "Alice",
            "no entity is named 'Alise' among the 2 of the table; did you mean 'Alice'?",
        ),
        (
            "M\u0430rs",
            "Mars",
            (
                "did you mean 'Mars'? (character 2 is U+0061 (LATIN SMALL LETTER A) there, "
                "not U+0430 (CYRILLIC SMALL LETTER A))"
            ),
        ),
        (
            "New York",
            "New\u00a0York",
            (
                r"did you mean 'New\xa0York'? (character 4 is U+00A0 (NO-BREAK SPACE) there, not"
                r" U+0020 (SPACE))"
            ),
        ),
        (
            "Ann",
            "Ann\u200b",
            (
                r"did you mean 'Ann\u200b'? (character 4 is U+200B (ZERO WIDTH SPACE) there, not"
                r" missing)"
            ),
        ),
        ("new york", "new york ago", "did you mean 'new york ago'?"),
        (
            "newyork",
            "new york",
            "(character 4 is U+0020 (SPACE) there, not U+0079 (LATIN SMALL LETTER Y))",
        ),
        ("Zzyzx", "Alice", "no entity is named 'Zzyzx' among the 2 of the table"),
        (
            "Ann\x1b[2K",
            "Ann",
            r"no entity is named 'Ann\x1b[2K' among the 2 of the table; did you mean 'Ann'?",
        ),
    ],
)
def test_a_name_that_is_not_found_is_reported_from_those_that_look_alike(asked, named, reported):
    facts = FactTable([[1, 0]], [named, "Oslo"], ["in"])
    if reported is None:
        assert facts.entity_id(asked) == 0
        return
    with pytest.raises(InputError) as caught:
        facts.entity_id(asked)
    assert str(caught.value).endswith(reported) or str(caught.value) == reported
