"""What the checker says of each model of the battery, word by word and number by number, as it is recorded.

    python tests/test_checker_verdicts.py > tests/verdicts.txt     after a change that is meant: read the difference

Every line is held against other opinions elsewhere (test_checker.py, test_checker_exploits.py, test_checker_teeth.py);
here nothing may change unseen. It takes seconds, so that it can judge every mutant of the checker.
"""

import hashlib
import re
import warnings
from functools import cache
from pathlib import Path

import pytest
from battery import GROUPS

from verify.checker import check_files

RECORD = Path(__file__).with_name("verdicts.txt")


@cache
def models(group):
    return list(GROUPS[group]())


def told(files):
    """A verdict in one line; what Python and numpy say of what they refuse differs between releases and is left out."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy's, of what overflows
        found = check_files(files)
    if found.verdict != "PASS":
        assert (found.queries, found.margin, found.real_margin, found.exact, found.claims) == (0, 0, 0, None, 0)
        reason = re.sub(r"(the checker stopped: \w+|no JSON): .*", r"\1", found.reason, flags=re.DOTALL)
        return f"{found.verdict} {reason}"
    real = f"{found.real_margin.numerator:#x}/{found.real_margin.denominator:#x}"
    real = real if len(real) < 30 else f"#{hashlib.sha256(real.encode()).hexdigest()[:16]}"
    assert found.reason == ""
    return (
        f"PASS {found.queries!r} queries, margin {found.margin!s}, in real arithmetic {real}, "
        f"exact {found.exact}, {found.hops_per_token!r} hops per token, {found.claims!r} claims"
    )


def lines(group):
    return (f"{group} {i}: {told(files)}" for i, files in enumerate(models(group)))


@pytest.mark.parametrize("group", GROUPS)
def test_every_verdict_is_the_recorded_one(group):
    recorded = [line for line in RECORD.read_text().splitlines() if line.startswith(f"{group} ")]
    assert len(recorded) == len(models(group))
    for line, expected in zip(lines(group), recorded, strict=True):
        assert line == expected


if __name__ == "__main__":
    print(*(line for group in GROUPS for line in lines(group)), sep="\n")
