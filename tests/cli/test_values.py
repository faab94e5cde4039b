"""Numbers and ranges on the command line: every form, and what is none."""

import argparse
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verify.cli import values

powers = st.integers(0, 40).map(lambda e: 2**e)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("65536", 65536),
        ("65_536", 65536),
        (" 7 ", 7),
        ("+1", 1),
        ("-5", -5),
        ("1e6", 10**6),
        ("1.5e3", 1500),
        ("1e23", 10**23),  # which no float is
        ("1e308", 10**308),
        ("2^40", 2**40),
        ("10^9", 10**9),
        ("0^0", 1),
        ("1^9999", 1),
    ],
)
def test_a_number_is_read_exactly(text, number):
    assert values.integer(text) == number


@pytest.mark.parametrize(
    "text",
    [
        *("", "x", "1.5", "1e-3", "nan", "inf", "1e309", "1e999999999999999999999", "0x10", "²"),
        *(
            "½",
            "2^",
            "^2",
            "2^2^2",
            "2^-1",
            "-2^2",
            "2 ^ 3",
            "2^99999",
            "9" * 5000,
            f"{'1' * 40}.5",
        ),
    ],
)
def test_what_is_no_integer_is_none(text):
    assert values.integer(text) is None


def test_numbers_are_read_the_same_way_everywhere():
    for read in (values.size, values.budget, values.count, values.option, values.memory):
        assert [read("2^20"), read("1e6"), read("65_536")] == [2**20, 10**6, 65536], read
        for odd in ("-1", "1.5", "x", "2^99999"):
            with pytest.raises(argparse.ArgumentTypeError):
                read(odd if read is not values.memory else "0")
    assert values.sizes("2^20,1e6") == (2**20, 10**6)
    assert values.share("1/3") == Fraction(1, 3)


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        ("64", (64,)),
        ("4,16", (4, 16)),
        ("16,4,16", (16, 4)),
        ("2^10:2^20", tuple(2**e for e in range(10, 21))),
        ("1:3", (1, 2, 3)),
        ("1:4", (1, 2, 4)),
        ("1:4:1", (1, 2, 3, 4)),
        ("3:6", (3, 4, 5, 6)),
        ("6:6", (6,)),
        ("8:8", (8,)),
        ("10:100:30", (10, 40, 70, 100)),
        ("10:99:30", (10, 40, 70)),
        ("1:2^40:2^39", (1, 2**39 + 1)),
        ("2,8:32,5:6", (2, 8, 16, 32, 5, 6)),
        ("1e3:1e3", (1000,)),
    ],
)
def test_every_form_of_a_range(text, sizes):
    assert values.sizes(text) == sizes


@given(powers, powers)
def test_between_powers_of_two_a_range_doubles_and_has_both_ends(one, other):
    first, last = sorted((one, other))
    found = values.sizes(f"{first}:{last}")
    assert (found[0], found[-1]) == (first, last)
    assert all(b == 2 * a for a, b in pairwise(found))


@given(st.integers(1, 500), st.integers(0, 400), st.integers(1, 50))
def test_other_ranges_go_by_steps(first, length, step):
    last = first + length
    assert values.sizes(f"{first}:{last}:{step}") == tuple(range(first, last + 1, step))
    if first & (first - 1) or last & (last - 1):
        assert values.sizes(f"{first}:{last}") == tuple(range(first, last + 1))
        assert first == last or values.sizes(f"{first}:{last}") != (first, last) or length == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("8:2", "'8:2' begins at 8, which is more than its end 2"),
        ("1:2:3:4", "'1:2:3:4' has 3 colons; a range is first:last or first:last:step"),
        ("0:3", "'0' is not an integer from 1 to 2^40"),
        ("1:2^41", "'2^41' is not an integer from 1 to 2^40"),
        ("1:5:0", "'0' is not an integer from 1 to 2^40"),
        (":", "'' is not an integer"),
        ("1,,2", "'' is not an integer"),
        ("3:2^40", "'3:2^40' has more than 1,000 values; give fewer, such as 2^10:2^20"),
        ("1:600:1,601:1100:1", "has more than 1,000 values"),
    ],
)
def test_what_is_no_range_is_refused_with_both_sides(text, message):
    with pytest.raises(argparse.ArgumentTypeError) as refused:
        values.sizes(text)
    assert message in str(refused.value)
    assert len(values.sizes("1:1000:1")) == 1000  # the control: as many as there may be


def test_names_are_listed_by_commas():
    assert values.names("one, other,one") == ("one", "other")
    with pytest.raises(argparse.ArgumentTypeError, match="has an empty name"):
        values.names("one,,other")
