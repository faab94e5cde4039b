"""Digits in certificates: which forms there are, and what is claimed of their base."""

import pytest
from hand_made import built, claims_of, files_of, with_claims

from verify.checking.check import check_files
from verify.reading.codes import base_of

FILES = files_of(built("digit_selector", 30, 2))  # digits 0 to 3, three of them
PARTIAL = files_of(built("digit_selector", 30, 2, partial=True))


def claimed(files, *blocks):
    """The files, where other blocks are claimed of the subject."""
    claims = claims_of(files)
    (block,) = claims[1]["blocks"]
    claims[1]["blocks"] = [block | other for other in blocks]
    return with_claims(files, claims)


def test_the_forms_of_codes():
    known = {
        "bits": 2,
        "signs": 2,
        "number": 0,
        "base 3": 3,
        "base 10": 10,
        f"base {2**40}": 2**40,
    }
    assert {form: base_of(form) for form in known} == known
    for other in ("base 2", "base 1", "base 0", "base 03", "base -4", "base 4 ", "base", "base x"):
        assert base_of(other) is None, other
    for other in ("base 4\n", " base 4", "digits", "", None, 4, ["base 4"], f"base {10**20}"):
        assert base_of(other) is None, other


@pytest.mark.parametrize("by", ["kernel", "symbolic"])
def test_digits_are_written_to_the_base_four(by):
    (block,) = claims_of(FILES)[1]["blocks"]
    assert (block["form"], block["columns"]) == ("base 4", [0, 6])
    assert check_files(FILES, by).verdict == check_files(PARTIAL, by).verdict == "PASS"


@pytest.mark.parametrize("form", ["bits", "signs", "number", "base 3"])
def test_another_form_is_refused(form):
    assert check_files(claimed(FILES, {"form": form}), "symbolic").verdict == "FAIL"


@pytest.mark.parametrize("form", ["base 2", "base 04", "digits", None])
def test_a_form_that_does_not_exist_is_refused_by_all(form):
    for by in ("kernel", "symbolic", "auto"):
        found = check_files(claimed(FILES, {"form": form}), by)
        assert (found.verdict, "form" in found.reason) == ("FAIL", True), by


def test_a_larger_base_has_the_same_digits_but_not_the_number_of_unknown():
    """Of total facts nothing else is said then; *unknown* has its number in the certificate."""
    assert check_files(claimed(FILES, {"form": "base 5"}), "symbolic").verdict == "PASS"
    assert check_files(claimed(PARTIAL, {"form": "base 5"}), "symbolic").verdict == "FAIL"


def test_more_digits_than_fifty_bits_are_refused():
    found = check_files(claimed(FILES, {"form": f"base {2**17}"}), "symbolic")
    assert (found.verdict, "too many bits" in found.reason) == ("FAIL", True)


def test_all_blocks_of_a_book_have_one_base():
    halves = {"columns": [0, 3], "last": [0, 1]}, {"columns": [3, 6], "last": [1, 2]}
    assert check_files(claimed(FILES, *halves), "symbolic").verdict == "PASS"
    first, second = halves
    found = check_files(claimed(FILES, first, second | {"form": "base 5"}), "symbolic")
    assert found.verdict == "FAIL"
    assert "digits to base 5, its book has 4" in found.reason
