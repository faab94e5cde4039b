"""A file of facts; a folder to work in."""

import pytest
from cell_journals import PASSING
from command_line import FAMILY


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
