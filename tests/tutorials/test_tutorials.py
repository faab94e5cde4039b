"""Every tutorial runs and prints what its notebook shows, and notebook and script are the same."""

import copy
import re
import tomllib

import pytest
from page_blocks import ROOT
from public_names import documented_names
from tutorial_runs import (
    EXAMPLES,
    NAMES,
    OTHER_TOOLS,
    code_of,
    differing,
    imported,
    maker,
    pictures,
    printed,
    prose_of,
    stored,
    text_of,
)

HERE = [name for name in NAMES if name not in OTHER_TOOLS]


def cells_of(notebook):
    """What of a notebook is written by hand."""
    return [
        (cell["cell_type"], cell["id"], text_of(cell), cell["metadata"].get("mystnb"))
        for cell in notebook["cells"]
    ]


@pytest.mark.parametrize("name", HERE)
def test_a_tutorial_runs_and_prints_what_is_stored(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert differing(stored(name)) == []
    drawn = sum(map(pictures, code_of(stored(name))))
    assert len(list(tmp_path.glob("*.svg"))) == drawn >= 1


def test_a_tutorial_that_raises_or_prints_something_else_is_noticed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    notebook = {"cells": stored("by_hand")["cells"][:3]}
    assert differing(notebook) == []
    other = copy.deepcopy(notebook)
    code_of(other)[0]["outputs"][0]["text"] = ["N = 5\n"]
    assert [place for place, _, _ in differing(other)] == [0]
    code_of(other)[0]["source"] = ["assert False, 'it raises'\n"]
    with pytest.raises(AssertionError, match="it raises"):
        differing(other)


@pytest.mark.parametrize("name", NAMES)
def test_the_notebook_is_the_script(name):
    pytest.importorskip("jupytext")
    script = (EXAMPLES / f"{name}.py").read_text("utf-8")
    assert cells_of(maker().notebook_of(script)) == cells_of(stored(name))
    other = script.replace("15 minutes", "16 minutes", 1)
    assert cells_of(maker().notebook_of(other)) != cells_of(stored(name)), "the control"


def test_every_script_has_its_notebook():
    pytest.importorskip("jupytext")
    assert tuple(path.stem for path in maker().scripts()) == NAMES
    assert set(NAMES) >= set(OTHER_TOOLS)


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_was_run_in_order_without_an_error(name):
    cells = code_of(stored(name))
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    for cell in cells:
        for output in cell["outputs"]:
            assert output["output_type"] in {"stream", "display_data"}
            assert output.get("name", "stdout") == "stdout", "no warnings"
        assert printed(cell).count("\n") <= 25, "it prints little"
        assert not pictures(cell) or cell["metadata"]["mystnb"]["image"]["alt"]


@pytest.mark.parametrize("name", NAMES)
def test_a_tutorial_says_what_it_takes_and_gives(name):
    head = " ".join(text_of(stored(name)["cells"][0]).split())
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (extra,) = re.findall(r"the extra `(\w+)`", head)
    assert extra in extras["optional-dependencies"]
    assert re.search(r"\b15 minutes to read, .* to run", head)
    assert "**At the end you will know**" in head
    assert "\n## Exercises\n" in prose_of(stored(name))
    row = rf"^\| \[[^\]]+\]\({name}\.ipynb\) \| .* \| `{extra}` \|$"
    assert re.search(row, (EXAMPLES / "README.md").read_text(), re.M)


@pytest.mark.parametrize("name", NAMES)
def test_a_tutorial_uses_public_names_only(name):
    used = imported(name)
    assert used - set(documented_names()) == set()
    assert used


def numbers(text):
    """The whole and decimal numbers of a text that have more than one digit."""
    return {found.replace(",", "") for found in re.findall(r"\d[\d,]*\.?\d+", text)}


def typed_by_hand(notebook):
    """Numbers of the prose before the exercises that no cell has in its code or prints."""
    prose = prose_of(notebook).partition("\n## Exercises\n")[0]
    prose = re.sub(r"\]\([^)]*\)|\d+ minutes|\b4\.[1-4]\b|arXiv \S+", "", prose)
    shown = " ".join(text_of(cell) + printed(cell) for cell in code_of(notebook))
    return numbers(prose) - numbers(shown)


@pytest.mark.parametrize("name", NAMES)
def test_numbers_of_the_text_are_computed(name):
    notebook = stored(name)
    assert typed_by_hand(notebook) == set()
    notebook["cells"][2]["source"] += ["\n", "It is 31,415.\n"]
    assert typed_by_hand(notebook) == {"31415"}, "the control"
