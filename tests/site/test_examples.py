"""Every example of a public docstring prints what stands there, and the start pages run."""

import doctest
import inspect
from importlib import import_module

import pytest
from page_blocks import ROOT, python_of
from public_names import object_of, public_names

import constructions
from constructions import CATALOGUE, FactTable


def examples():
    """(module, name, docstring) of the public names that have an example."""
    for module, name in sorted(public_names()):
        text = inspect.getdoc(object_of(module, name)) or ""
        if ">>>" in text:
            yield module, name, text


EXAMPLES = list(examples())


def failed(module, name, text):
    """How many lines of an example print something else, and of how many."""
    import torch

    names = {one: getattr(constructions, one) for one in constructions.__all__}
    names |= {name: object_of(module, name), "torch": torch}
    names["facts"] = FactTable.random_bijections(entities=8, relations=2, seed=0)
    test = doctest.DocTestParser().get_doctest(
        text, names, name, import_module(module).__file__, 0
    )
    return doctest.DocTestRunner(verbose=False).run(test)


@pytest.mark.parametrize(("module", "name", "text"), EXAMPLES, ids=[one for _, one, _ in EXAMPLES])
def test_an_example_prints_what_stands_there(module, name, text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = failed(module, name, text)
    assert found.attempted > 0
    assert found.failed == 0


def test_an_example_that_is_wrong_is_noticed(capsys):
    assert failed("constructions", "MISSING", ">>> MISSING\n-1\n").failed == 0
    assert failed("constructions", "MISSING", ">>> MISSING\n0\n").failed == 1
    assert "Expected:\n    0\nGot:\n    -1" in capsys.readouterr().out


def test_every_builder_that_the_catalogue_names_first_has_an_example():
    shown = {name for _, name, _ in EXAMPLES}
    assert len(EXAMPLES) > 50
    lacking = {entry.builder_name for entry in CATALOGUE.values()} - shown
    assert lacking <= {"sparse_selector_unknown"}


@pytest.mark.parametrize("page", sorted(path.name for path in (ROOT / "docs/start").glob("*.md")))
def test_a_start_page_runs_from_top_to_bottom(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = python_of(f"docs/start/{page}")
    assert len(blocks) >= 3 or page in {"install.md", "teacher.md"}
    names = {}
    for code in blocks:  # one after another, as a reader types them
        exec(compile(code, page, "exec"), names)
