"""One name leads from a theorem to its code, its page and its test."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def names(folder, pattern, prefix=""):
    """The names of the files of a folder, without a prefix and without what they end in."""
    found = (path.stem.removeprefix(prefix) for path in (ROOT / folder).glob(pattern))
    return {name for name in found if name != "__init__"}


def code():
    """Constructions, and the theorem on what none of them can do."""
    return names("constructions/theorems", "*.py") | names("bounds", "theorem_*.py")


def missing(pages, tests):
    """What one of the three lacks, or has beside the others."""
    return {"pages": pages ^ code(), "tests": tests ^ code()}


PAGES = names("docs/theorems", "*.md")
TESTS = names("tests/theorems", "test_*.py", "test_")


def test_every_theorem_has_code_a_page_and_a_test_of_one_name():
    assert missing(PAGES, TESTS) == {"pages": set(), "tests": set()}
    assert len(code()) > 5


@pytest.mark.parametrize("name", ["theorem_4_3_key_value", "theorem_4_2", "hybrid"])
def test_a_page_or_test_of_another_name_is_noticed(name):
    other = {f"{name}_and_more"}
    assert missing(PAGES - {name}, TESTS)["pages"] == {name}
    assert missing(PAGES, TESTS | other)["tests"] == other
