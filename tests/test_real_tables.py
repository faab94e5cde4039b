"""Tables as packages ship them: from the file to a proven model to an answered question."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SCRIPT = ROOT / "benchmarks/real_tables.py"


def run(*words):
    """The script, in a process of its own."""
    return subprocess.run(
        [sys.executable, str(SCRIPT), *words],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )


@pytest.mark.long
def test_pycountry_is_proven_and_asked_at_one_to_three_hops(tmp_path):
    """All of it: accents, flags, and names of four bytes a letter. The script ends with an error
    where a folder is not proven, or an answer is not the table's.
    """
    done = run("pycountry", "--folder", str(tmp_path))
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert sum(line.startswith("pycountry") for line in lines) == 3
    assert "    FR flag -> 🇫🇷" in lines
    assert "    FR-IDF country flag -> FR -> 🇫🇷" in lines
    assert "    FR-75C parent country flag -> FR-IDF -> FR -> 🇫🇷" in lines
    names = {path.name for path in tmp_path.iterdir()}
    assert {"pycountry.jsonl", "pycountry", "pycountry-2-hops", "pycountry-3-hops"} <= names


@pytest.mark.long
def test_a_table_that_is_not_there_is_said_in_a_line():
    done = run("atlantis")
    assert done.returncode == 1
    assert done.stderr.startswith("error: no table is called 'atlantis'; there are pycountry, ")
    assert done.stderr.count("\n") == 1
