"""docs/rivals.md: the results that stand there are those of the files beside it."""

import csv
import re
from pathlib import Path

import pytest

from verify.rivals.all import ALL
from verify.rivals.limit import LEVELS, limit
from verify.rivals.work import Work

DOCS = Path(__file__).parents[2] / "docs"
RESULTS = sorted((DOCS / "rivals").glob("*.csv"))


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_no_committed_result_lies_below_the_limit(path):
    with open(path) as file:
        rows = list(csv.DictReader(file))
    assert rows
    for row in rows:
        sizes = [int(row[name]) for name in ("N", "R", "k")]
        work = Work(*sizes, row["answers"], int(row["noise_tokens"]), int(row["seed"]))
        assert float(row["limit"]) == limit(work, int(row["percent"]))
        if row["size"]:
            assert float(row["bits"]) >= float(row["limit"]), row["memory"]
            assert int(row["right"]) * 100 >= int(row["percent"]) * int(row["queries"])
    assert {row["memory"] for row in rows} == {
        memory.name for memory in ALL.values() if not memory.lacks(work)
    }
    seen = {(row["memory"], row["seed"]) for row in rows}
    assert len(rows) == len(seen) * len(LEVELS)


def test_every_file_that_the_page_names_is_there():
    page = (DOCS / "rivals.md").read_text()
    named = re.findall(r"\]\(((?:\.\./)?[\w./-]+)\)", page)
    assert len(named) > 8
    assert [one for one in named if not (DOCS / one).exists()] == []
    assert all(f"rivals/{path.name}" in page for path in RESULTS)
