"""Each command that docs/scale.md prints is one: too long to be run, but its words are read."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from page_blocks import python_of

from verify.cli.arguments import parser

PAGE = (Path(__file__).parents[2] / "docs" / "scale.md").read_text()
COMMANDS = re.findall(r"^python -m verify (.*?)(?: +#.*)?$", PAGE, re.M)


def test_the_page_has_commands():
    assert len(COMMANDS) >= 5


@pytest.mark.parametrize("command", COMMANDS)
def test_its_words_are_read(command):
    options = parser("python -m verify").parse_args(command.split())
    assert options.command == command.split()[0]


@pytest.mark.long
def test_its_python_is_run_and_goes_on(tmp_path):
    beyond_memory, from_a_journal = python_of("docs/scale.md")
    for number, program in enumerate([beyond_memory, from_a_journal, from_a_journal]):
        (tmp_path / f"program{number}.py").write_text(program)
        subprocess.run([sys.executable, f"program{number}.py"], cwd=tmp_path, check=True)
    lines = (tmp_path / "cells.journal").read_text().splitlines()
    assert sum(line.startswith('{"done":') for line in lines) == 3


def test_words_that_are_none_are_refused():
    with pytest.raises(SystemExit):
        parser("python -m verify").parse_args(["all", "--wokers", "2"])
