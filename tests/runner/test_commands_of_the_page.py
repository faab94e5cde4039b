"""Each command that docs/scale.md prints is one: too long to be run, but its words are read."""

import re
from pathlib import Path

import pytest

from verify.cli.arguments import parser

PAGE = (Path(__file__).parents[2] / "docs" / "scale.md").read_text()
COMMANDS = re.findall(r"^python -m verify (.*?)(?: +#.*)?$", PAGE, re.M)


def test_the_page_has_commands():
    assert len(COMMANDS) >= 5


@pytest.mark.parametrize("command", COMMANDS)
def test_its_words_are_read(command):
    options = parser("python -m verify").parse_args(command.split())
    assert options.command == command.split()[0]


def test_words_that_are_none_are_refused():
    with pytest.raises(SystemExit):
        parser("python -m verify").parse_args(["all", "--wokers", "2"])
