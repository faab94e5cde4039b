"""docs/add-a-construction.md tells the truth: its code is that of its files, its calls run, and its
commands print what stands there.
"""

import os
import re
import subprocess
import sys

import pytest
from console_blocks import matches, runs
from own_files import ROOT

PAGE = (ROOT / "docs" / "add-a-construction.md").read_text()
FILES = ("ternary_selector.py", "idle_relation.py")
PYTHON = re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S)
CALLS = [text for text in PYTHON if "assert " in text]
EXCERPTS = [text for text in PYTHON if text not in CALLS]
CONSOLE = re.findall(r"^```console\n(.*?)^```", PAGE, re.M | re.S)


@pytest.fixture
def workshop(tmp_path):
    """A folder of a user's, with the two files in it."""
    for name in FILES:
        (tmp_path / name).write_text((ROOT / "docs" / name).read_text())
    return tmp_path


def elsewhere(excerpts):
    """The excerpts that stand in neither file."""
    texts = [(ROOT / "docs" / name).read_text() for name in FILES]
    return [one for one in excerpts if not any(one in text for text in texts)]


def python(workshop, *words):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, *words]
    return subprocess.run(
        command, cwd=workshop, env=environment, capture_output=True, text=True, check=False
    )


def test_the_code_of_the_page_stands_in_its_files():
    assert elsewhere(EXCERPTS) == []
    assert len(EXCERPTS) >= 3
    changed = EXCERPTS[0].replace("2 * attributes", "3 * attributes")
    assert elsewhere([changed]) == [changed], "the control"


@pytest.mark.long
def test_the_calls_of_the_page_run_in_a_folder_of_the_users(workshop):
    assert len(CALLS) >= 3
    done = python(workshop, "-c", "\n".join(CALLS))
    assert done.returncode == 0, done.stderr
    wrong = CALLS[0].replace('"PASS", 0, 1', '"PASS", 0, 2')
    assert "AssertionError: PASS: ternary" in python(workshop, "-c", wrong).stderr, "the control"


@pytest.mark.long
def test_the_commands_of_the_page_print_what_stands_there(workshop):
    found = [run for block in CONSOLE for run in runs(block)]
    assert len(found) >= 3
    for command, expected in found:
        program, *words = command.split()
        assert program == "python"
        done = python(workshop, *words)
        assert done.returncode == 0, done.stderr
        assert matches(done.stdout.splitlines(), expected, False), done.stdout[-3000:]
        assert not matches(done.stdout.splitlines(), [*expected, "and more"], False)
