"""What the symbolic checker says of each model of the battery, word by word and number by number, as it is
recorded.

    python tests/test_checker_verdicts.py > tests/verdicts.txt     after a change that is meant: read the difference

Every line is held against other opinions elsewhere (symbolic/, test_checker_exploits.py);
here nothing may change unseen. It takes seconds, so that it can judge every mutant of the checker.
"""

import hashlib
import re
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from battery import GROUPS
from corners.shapes import three_kinds, three_letters_at_once
from exploits import EXPLOITS
from exploits.small_models import numbers
from hand_made import built, files_of, resealed

from constructions import FactTable, selector
from verify.checking import check
from verify.checking.check import check_files
from verify.symbolic import logits, passes, reading

RECORD = Path(__file__).with_name("verdicts.txt")


@cache
def models(group):
    return list(GROUPS[group]())


def reported(files):
    """A verdict in one line; what Python and numpy say of what they refuse differs between
    releases and is left out.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy's, of what overflows
        found = check_files(files, "symbolic")
    if found.verdict != "PASS":
        assert (found.queries, found.margin, found.real_margin, found.exact) == (0, 0, 0, None)
        reason = re.sub(
            r"(the checker stopped: \w+|no JSON): .*", r"\1", found.reason, flags=re.DOTALL
        )
        return f"{found.verdict} {reason}"
    real = f"{found.real_margin.numerator:#x}/{found.real_margin.denominator:#x}"
    real = real if len(real) < 30 else f"#{hashlib.sha256(real.encode()).hexdigest()[:16]}"
    assert found.reason == ""
    return (
        f"PASS {found.queries!r} queries, margin {found.margin!s}, in real arithmetic {real}, "
        f"exact {found.exact}, {found.hops_per_token!r} hops per token"
    )


def lines(group):
    return [f"{group}, {name}: {reported(files)}" for name, files in models(group)]


@pytest.mark.parametrize("group", GROUPS)
def test_every_verdict_is_the_recorded_one(group):
    recorded = [line for line in RECORD.read_text().splitlines() if line.startswith(f"{group}, ")]
    names = [name for name, _ in models(group)]
    assert len(set(names)) == len(names)
    found = lines(group)
    assert sorted(set(recorded) ^ set(found)) == []
    assert len(found) == len(recorded)


# ---------------------------------------------------------------- limits that are too large to
# reach: smaller ones


def verdict(files):
    found = check_files(files, "symbolic")
    return found.verdict, found.reason, found.margin


@pytest.mark.parametrize("name", ["selector", "scalar_selector", "hybrid", "chain_of_thought"])
@pytest.mark.parametrize("at_once", [1, 30, 100])
def test_tables_may_be_read_row_by_row(name, at_once, monkeypatch):
    """Also a fault in any row but the last, and one that tells two cases apart."""
    files = files_of(built(name, 4, 2))
    expected = check_files(files)
    monkeypatch.setattr(reading, "AT_ONCE", at_once)
    assert check_files(files) == expected
    assert expected.verdict == "PASS"
    wrong = EXPLOITS["a_relation_that_is_decoded_the_other_way_round"][0]()
    assert "is not above all others" in check_files(wrong).reason


def test_as_many_cases_as_there_may_be(monkeypatch):
    files = three_letters_at_once()  # 2^3 cases of 3 columns
    monkeypatch.setattr(passes, "MOST_CASES", 24)
    assert verdict(files)[0] == "PASS"
    monkeypatch.setattr(passes, "MOST_CASES", 23)
    assert verdict(files)[:2] == ("UNKNOWN", "pass 1: 2^3 cases are too many")


def test_as_many_kinds_of_rows_as_there_may_be(monkeypatch):
    """Rows beside numbers: two kinds. Rows with codes: three kinds, of which those beyond the most
    count as without.
    """
    files = numbers(
        {0: {}, 1: {"c": 6, "one": -9}, 2: {"c": 5, "one": -8}, "rest": {"one": -100}}, 3
    )
    monkeypatch.setattr(logits, "MOST_KINDS", 2)
    assert verdict(files)[0] == "PASS"
    monkeypatch.setattr(logits, "MOST_KINDS", 1)
    assert verdict(files)[:2] == ("UNKNOWN", "decoder: too many kinds of rows beside the numbers")
    found = []
    for kinds in (0, 1, 2, 3):
        monkeypatch.setattr(logits, "MOST_KINDS", kinds)
        found.append(verdict(three_kinds())[::2])
    assert found == [("FAIL", 0), ("FAIL", 0), ("FAIL", 0), ("PASS", 2)]


# ---------------------------------------------------------------- folders


def test_a_folder_is_read_as_its_files_are(tmp_path, monkeypatch):
    """Files are opened for reading alone; one may be empty."""
    files = files_of(selector(FactTable([[1, 0, -1]])))
    modes, memmap = [], np.memmap
    monkeypatch.setattr(np, "memmap", lambda *given: modes.append(given[2:]) or memmap(*given))
    for empty in ({}, {"facts_tsv": b""}):
        files = resealed(files, **empty)
        for name, data in files.items():
            (tmp_path / name).write_bytes(data)
        assert check.check(tmp_path) == check_files(files)
    assert check.check(tmp_path).verdict != "PASS"
    assert set(modes) == {("r",)}


def test_what_is_no_folder_is_reported():
    found = check.check("no/such/folder")
    assert (found.verdict, found.reason) == (
        "FAIL",
        "no/such/folder: cannot be read: No such file or directory",
    )


if __name__ == "__main__":
    print(*(line for group in GROUPS for line in lines(group)), sep="\n")
