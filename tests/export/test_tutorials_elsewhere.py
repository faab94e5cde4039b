"""The tutorials that need other tools run there, and print what their notebooks show."""

import pytest
from export_tools import hugging_face
from tutorial_runs import OTHER_TOOLS, code_of, differing, pictures, stored


@hugging_face
@pytest.mark.parametrize("name", OTHER_TOOLS)
def test_a_tutorial_with_other_tools_prints_what_is_stored(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert differing(stored(name)) == []
    drawn = sum(map(pictures, code_of(stored(name))))
    assert len(list(tmp_path.glob("*.svg"))) == drawn >= 1
