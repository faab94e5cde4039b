"""A file of facts; a folder to work in; the JSON of a run."""

import json
from functools import cache

import pytest
from cell_journals import PASSING
from command_line import FAMILY
from reported import run_data


@pytest.fixture
def family(tmp_path):
    path = tmp_path / "family.tsv"
    path.write_text(FAMILY)
    return str(path)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder to work in, and the cells that `all` takes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("verify.cli.commands.cells.default_grid", lambda *own: PASSING)
    return tmp_path


@cache
def found():
    """The JSON of a small run, as text; made once."""
    return json.dumps(run_data())


@pytest.fixture
def data():
    """The JSON of a small run."""
    return json.loads(found())


@pytest.fixture
def no_figures(monkeypatch):
    """The pictures of matplotlib take seconds, and have tests of their own."""
    for name in ("figures", "mechanisms"):
        monkeypatch.setattr(f"verify.cli.pages.figures.{name}", lambda *given: ())
