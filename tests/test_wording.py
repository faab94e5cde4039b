from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from constructions.guards.wording import brief, printable, shortened


@given(st.text(st.characters(codec=None)))
def test_what_is_printed_stays_on_one_line_and_steers_no_terminal(text):
    assert printable(text).isprintable()
    assert len(printable(text).splitlines()) <= 1


@given(st.text())
def test_a_text_of_printable_characters_stays_as_it_is(text):
    kept = "".join(c for c in text if c.isprintable())
    assert printable(kept) == kept


def test_what_could_forge_a_verdict_is_shown_as_an_escape():
    assert printable("\nPASS: all 10 queries") == r"\nPASS: all 10 queries"
    assert printable("\x1b[2K\u202eBob\udc80") == r"\x1b[2K\u202eBob\udc80"


# ---------------------------------------------------------------- numbers


def value_of(text):
    """The number that a text says; a power of ten with its digits, `n - 2^-p`, or decimals."""
    whole, _, power = text.replace(",", "").partition(" - 2^-")
    return Fraction(whole) - (Fraction(1, 2 ** int(power)) if power else 0)


def power_of_two(most):
    return st.integers(0, most).map(lambda power: 2**power)


large = st.one_of(
    st.integers(), st.builds(lambda n, p: n * p, st.integers(-9, 9), power_of_two(20_000))
)


@given(large)
def test_an_integer_of_any_size_is_reported_in_a_few_characters(number):
    reported = shortened(number)
    assert len(reported) <= 40
    if abs(number) <= 10**24:
        assert reported == f"{number:,}"
    else:
        assert 100 * abs(value_of(reported) - number) <= abs(number)


@given(large, large.filter(bool), st.integers(0, 5000))
@example(918_071_735_131_421_058_697_590_210_560, 1190738, 0)  # of 30 digits
def test_a_fraction_is_reported_in_a_few_characters_and_never_as_more_than_it_is(
    numerator, denominator, power
):
    for number in (
        Fraction(numerator, denominator),
        Fraction(abs(numerator) % 50 + 1, 2) - Fraction(1, 3 * 2**power),
    ):
        reported = shortened(number)
        assert len(reported) <= 40
        if abs(number) <= 10**24:
            assert value_of(reported) <= number
            assert number - value_of(reported) <= Fraction(1, 10**6)


def test_numbers_with_more_digits_than_python_writes_are_reported():
    """The control: `str` refuses them."""
    number = 3**100_000
    with pytest.raises(ValueError, match="limit"):
        str(number)
    assert shortened(number) == "1.33e+47712"
    assert shortened(2 - Fraction(1, number)) == "2 - 2^-158495"
    assert shortened(Fraction(5, 2)) == "5/2"
    assert shortened(Fraction(2)) == "2"


@given(st.text(), st.integers(1, 300))
def test_a_long_text_is_cut_and_says_so(text, most):
    reported = brief(text, most)
    assert reported == text if len(text) <= most else reported.startswith(text[:most])
    assert len(reported) <= most + 40
