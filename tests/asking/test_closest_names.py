"""The closest names are those of difflib among few names, and among many found at once."""

import difflib
import random

import pytest

from constructions.facts.closest import SHORT_LIST, ClosestNames
from constructions.facts.names import NameIndex


def words(draw, count):
    return list({"".join(draw.choices("abcde", k=draw.randint(1, 8))) for _ in range(count)})


def test_among_few_names_the_closest_are_those_of_difflib():
    draw = random.Random(random.getrandbits(32))
    for _ in range(50):
        names = words(draw, 40)
        (name,) = words(draw, 1)
        wanted = difflib.get_close_matches(name, names, n=3)
        found = ClosestNames(names).find(name)
        ratios = [difflib.SequenceMatcher(None, other, name).ratio() for other in wanted]
        assert [ratio for ratio, _ in found] == pytest.approx(ratios)


@pytest.mark.parametrize("count", [SHORT_LIST + 1, 70_000])
def test_among_many_names_one_wrong_letter_is_found(count):
    draw = random.Random(random.getrandbits(32))
    names = [f"{draw.choice('bcdfgh')}{number:x} {7 * number:o}" for number in range(count)]
    index = NameIndex("entity", tuple(names))
    for _ in range(20):
        name = draw.choice(names)
        at = draw.randrange(1, len(name))
        closest = [other for _, other in index.closest(f"{name[:at]}z{name[at + 1 :]}")]
        assert name in closest
    assert index.closest(name.upper())[0] == (1.0, name)


def test_a_short_list_of_the_wrong_names_is_noticed(monkeypatch):
    """The control: those that share the fewest pairs of letters."""
    names = [f"name {number}" for number in range(1000)]
    assert ClosestNames(names).find("nsme 512")[0][1] == "name 512"
    monkeypatch.setattr("numpy.argpartition", lambda shares, kth: (-shares).argsort())
    assert "name 512" not in [name for _, name in ClosestNames(names).find("nsme 512")]


def test_names_of_any_length_and_letters_are_compared():
    for count in (1, SHORT_LIST + 5):
        names = ["x" * 300, *(f"{number}\U0001f600" for number in range(count))]
        found = ClosestNames(names)
        for name in ("", "\n", "\udc80", "\x00", "x" * 5000, "0\U0001f600 "):
            assert len(found.find(name)) <= 3
    assert NameIndex("entity", ()).closest("a") == []
