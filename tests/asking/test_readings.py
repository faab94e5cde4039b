"""A question in words has the readings that brute force over all splits finds, and no others."""

import sys
import unicodedata
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from constructions import AmbiguousQuestion, FactTable, InputError, QuestionError
from constructions.asking.questions import Questions
from constructions.asking.readings import Reading, Readings

WORDS = ["a", "b", "ab", "\u00e9", "e\u0301", "\u212b", "\u00c5", "3", "\U0001f1eb\U0001f1f7"]
GAPS = [" ", " ", "  ", "\u00a0"]
"""Between the words of a name; names that are prefixes of others are common."""


def is_new(names, name):
    normal = unicodedata.normalize("NFC", name)
    return all(unicodedata.normalize("NFC", other) != normal for other in names)


@st.composite
def odd_names(draw, least=1):
    words = st.lists(st.sampled_from(WORDS), min_size=1, max_size=3)
    names = []
    for parts in draw(st.lists(words, min_size=least, max_size=7)):
        name = draw(st.sampled_from(GAPS)).join(parts)
        if is_new(names, name):
            names.append(name)
    return names


@st.composite
def odd_tables(draw):
    entities, relations = draw(odd_names()), draw(odd_names())
    answers = np.full((len(relations), len(entities)), -1)
    return FactTable(answers, entities, relations)


@st.composite
def asked(draw):
    """A table and a text: of names, or of words at random, in one normal form or the other."""
    facts = draw(odd_tables())
    relations = st.lists(st.sampled_from(facts.relation_names), min_size=1, max_size=4)
    names = [draw(st.sampled_from(facts.entity_names)), *draw(relations)]
    parts = draw(st.sampled_from([names, draw(st.lists(st.sampled_from(WORDS), max_size=6))]))
    text = draw(st.sampled_from([" ", " ", "  ", "\t"])).join(parts)
    return facts, unicodedata.normalize(draw(st.sampled_from(["NFC", "NFD"])), text)


def brute_force(facts, text):
    """All readings: every way to cut the text at white space, or not, each piece looked up by
    going through all names.
    """

    def meant(names, piece):
        normal = unicodedata.normalize("NFC", piece)
        return [i for i, n in enumerate(names) if unicodedata.normalize("NFC", n) == normal]

    if "\t" in text:
        pieces_of = [[piece.strip() for piece in text.split("\t")]]
    else:
        words, gaps = text.split(), []
        rest = text.strip()
        for word in words[:-1]:
            rest = rest[len(word) :]
            gaps.append(rest[: len(rest) - len(rest.lstrip())])
            rest = rest.lstrip()
        pieces_of = []
        for cuts in product([False, True], repeat=len(gaps)):
            pieces = words[:1]
            for cut, gap, word in zip(cuts, gaps, words[1:], strict=True):
                pieces = [*pieces, word] if cut else [*pieces[:-1], pieces[-1] + gap + word]
            pieces_of.append(pieces)
    found = set()
    for pieces in pieces_of:
        if len(pieces) > 1:
            choices = [meant(facts.entity_names, pieces[0])]
            choices += [meant(facts.relation_names, piece) for piece in pieces[1:]]
            found |= {Reading(first, tuple(path)) for first, *path in product(*choices)}
    return found


@given(asked())
def test_the_readings_are_those_of_brute_force_over_all_splits(case):
    facts, text = case
    readings = Readings(facts, text)
    listed = list(readings)
    assert len(set(listed)) == len(listed) == readings.total
    assert set(listed) == brute_force(facts, text)


def test_brute_force_notices_a_reading_that_is_lost(monkeypatch):
    facts = FactTable([[0, 1], [0, 1]], ["Ann", "Ann Lee"], ["born in", "Lee born in"])
    assert set(Readings(facts, "Ann Lee born in")) == brute_force(facts, "Ann Lee born in")
    longest_first = Readings._names_at

    def greedy(self, start, index):
        """The wrong way: of the names that begin with a word the longest alone."""
        yield from list(longest_first(self, start, index))[:1]

    monkeypatch.setattr(Readings, "_names_at", greedy)
    assert set(Readings(facts, "Ann Lee born in")) != brute_force(facts, "Ann Lee born in")


@given(st.lists(asked(), max_size=4))
def test_many_questions_are_read_as_each_alone(cases):
    for facts in [facts for facts, _ in cases]:
        texts = [text for _, text in cases]
        read = Questions.read(facts, texts)
        found = {}
        for group in read.by_length:
            rows = zip(group.places.tolist(), group.subjects.tolist(), group.paths, strict=True)
            found |= {place: Reading(one, tuple(path.tolist())) for place, one, path in rows}
        assert found.keys() | read.unread.keys() == set(range(len(texts)))
        for place, text in enumerate(texts):
            readings = Readings(facts, text)
            if readings.total == 1:
                assert found[place] == next(iter(readings))
                continue
            with pytest.raises(QuestionError) as error:
                readings.only()
            assert str(read.unread[place]) == str(error.value)


def test_no_equivalent_character_turns_into_a_space_or_out_of_one():
    """So a text may be cut at its spaces before names are compared in their normal form."""
    for number in range(sys.maxunicode + 1):
        character = chr(number)
        if not 0xD800 <= number < 0xE000:
            normal = unicodedata.normalize("NFC", character)
            assert character.isspace() == any(c.isspace() for c in normal), hex(number)


TABLE = FactTable.from_triples(
    [
        ("Ann", "Lee born in", "Bern"),
        ("Ann Lee", "born in", "New York"),
        ("Ann Lee", "born", "Bern"),
        ("New York", "in", "USA"),
        ("C\u00f4te d\u2019Ivoire", "flag", "\U0001f1e8\U0001f1ee"),
    ]
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "got no name"),
        (" \n", "got no name"),
        ("Ann Lee", "a subject and one relation or more; got 1 name: Ann Lee"),
        ("Ann Lea born in", "no entity is named 'Ann Lea' among the 7.*mean 'Ann Lee'"),
        ("Ann Lee borm in", "no relation is named 'borm' among the 5.*did you mean 'born'"),
        ("Ann Lee born in quux", "no relation is named 'quux' among the 5 of the table"),
        ("ann lee flag", "no entity is named 'ann lee'.*did you mean 'Ann Lee'"),
        ("Cote d\u2019Ivoire flag", "no entity is named 'Cote.*did you mean 'C\u00f4te"),
        ("quux flag", "no entity is named 'quux' among the 7 of the table$"),
        ("New York\tborn inn", "no relation is named 'born inn'.*did you mean 'born in'"),
        ("New York\t", "no relation is named ''"),
        ("\tin", "no entity is named ''"),
        ("Ann\tLee\tborn in", "no relation is named 'Lee'"),
        ("\x1b[2K\x00 flag", r"no entity is named '\\x1b"),
    ],
)
def test_what_is_no_question_is_refused_by_the_part_that_is_no_name(text, message):
    with pytest.raises(QuestionError, match=message) as error:
        Readings(TABLE, text).only()
    assert str(error.value).isprintable()


def test_several_readings_are_listed_and_none_is_chosen():
    with pytest.raises(AmbiguousQuestion) as error:
        Readings(TABLE, "Ann Lee born in").only()
    assert str(error.value).split("\n") == [
        "'Ann Lee born in': 3 readings; put TABs between the names",
        "    Ann Lee <TAB> born in",
        "    Ann Lee <TAB> born <TAB> in",
        "    Ann <TAB> Lee born in",
    ]
    for reading in error.value.readings:
        assert Readings(TABLE, reading.replace(" <TAB> ", "\t")).total == 1


def test_of_very_many_readings_the_first_are_listed_and_the_others_are_counted():
    facts = FactTable([[0], [0]], ["s"], ["a", "a a"])
    fibonacci = [1, 1]
    while len(fibonacci) < 12:
        fibonacci.append(sum(fibonacci[-2:]))
    with pytest.raises(AmbiguousQuestion) as error:
        Readings(facts, "s" + 11 * " a").only()
    assert error.value.total == fibonacci[11]
    assert str(error.value).endswith(f"    ... and {fibonacci[11] - 10} more")
    with pytest.raises(AmbiguousQuestion, match="at least 1,000,000 readings"):
        Readings(facts, "s" + 5000 * " a").only()


def test_numbers_are_taken_where_asked_for_and_no_reading_is_by_names():
    facts = FactTable([[1, 0, 2]], ["2", "x", "y"], ["r"])
    assert Readings(facts, "1 r").total == 0
    assert Readings(facts, "1 0", ids=True).only() == Reading(1, (0,))
    assert Readings(facts, "2 r", ids=True).only() == Reading(0, (0,))
    for word in ("3", "-1", "\u0661", "9" * 5000):
        assert Readings(facts, f"{word} r", ids=True).total == 0


@pytest.mark.parametrize("given", [3, None, b"a b", ["a b"]])
def test_a_question_is_a_text(given):
    with pytest.raises(InputError, match="a question is a text"):
        Readings(TABLE, given)
