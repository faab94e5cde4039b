"""A file of facts."""

import pytest
from command_line import FAMILY


@pytest.fixture
def family(tmp_path):
    path = tmp_path / "family.tsv"
    path.write_text(FAMILY)
    return str(path)
