from hypothesis import given
from hypothesis import strategies as st

from constructions.wording import printable


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
