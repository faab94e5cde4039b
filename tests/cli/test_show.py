"""`verify show`: a table of at most 99 columns, and pictures that are the same each time."""

import copy
import sys
from pathlib import Path

import pytest
import torch

from constructions import FactTable, save, selector
from constructions.catalogue import WITH_SETS
from verify.__main__ import main
from verify.cli.reports.mechanism import table
from verify.cli.reports.mechanism_picture import draw
from verify.queries.showing import shown

FACTS = FactTable.from_triples(
    [
        ("Germany", "capital", "Berlin"),
        ("Germany", "currency", "Euro"),
        ("France", "capital", "Paris"),
        ("France", "currency", "Euro"),
    ]
)


@pytest.fixture
def model(tmp_path, monkeypatch):
    """A saved model of names, in the current folder."""
    monkeypatch.chdir(tmp_path)
    save(selector(FACTS), "model")
    return selector(FACTS)


@pytest.mark.parametrize("name", WITH_SETS)
def test_every_construction_is_shown_in_lines_of_99_columns(name, capsys):
    hops = ["-k", "3"] if WITH_SETS[name].multi_hop else []
    assert main(["show", name, "-N", "9", "-R", "3", *hops]) == 0
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= 99
    assert "margin" in printed
    assert "adds to e" in printed
    assert "WRONG" not in printed


def test_a_saved_model_is_asked_by_names_or_numbers(model, capsys):
    assert main(["show", "model", "France capital"]) == 0
    by_names = capsys.readouterr().out
    assert "France capital -> Paris" in by_names
    assert main(["show", "model", "France", "capital"]) == 0
    assert capsys.readouterr().out == by_names
    numbers = f"{FACTS.entity_id('France')} {FACTS.relation_id('capital')}"
    assert main(["show", "model", numbers]) == 0
    assert capsys.readouterr().out == by_names
    assert main(["show", "model"]) == 0
    assert "Germany currency -> Euro" in capsys.readouterr().out


def test_a_long_chain_of_thought_is_cut_and_says_so(capsys):
    assert main(["show", "chain_of_thought", "-N", "5", "-R", "2", "-k", "12"]) == 0
    printed = capsys.readouterr().out
    assert "... 9 steps like these" in printed
    assert "step 3: writes e" in printed
    assert "step 13: writes END" in printed


def test_options_of_a_construction_are_taken(capsys):
    assert main(["show", "hybrid", "-R", "3", "--looked-up", "1"]) == 0
    assert "words 1" in capsys.readouterr().out
    assert main(["show", "selector", "--looked-up", "1"]) == 2
    assert "no option 'looked_up'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["show", "nothing"],
            "no such folder; give the folder of a saved model, or a construction: ",
        ),
        (["show", "model", "France"], "is a subject and one relation or more; got 1 name"),
        (["show", "model", "Paris capita"], "no relation is named 'capita'"),
        (["show", "model", "9 capital"], "no entity is named '9'"),
        (["show", "model", "-N", "5"], "is a saved model, which has its sizes"),
        (["show", "model", "France capital capital"], "paths of 1 relation; got 2"),
        (["show", "selector", "-k", "2"], "answers one hop"),
        (["show", "sets_of_answers", "-k", "2"], "answers one hop"),
        (["show", "sets_of_answers", "e1 r0 r1"], "answers one hop; got 2"),
        (["show", "sets_of_answers", "--looked-up", "1"], "no option 'looked_up'"),
        (["show", "sets_of_answers", "--fitted"], "of models that answer paths"),
        (["show", "selector", "--plot", "x.jpg"], "ends in .svg, .png or .pdf"),
        (["show", "selector", "--plot", "no/x.svg"], "existing folder"),
        (["show", "model", "--plot", "model/x.svg"], "folder of a saved model"),
    ],
)
def test_bad_words_are_reported(words, message, model, capsys):
    assert main(words) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert "Traceback" not in captured.err


def test_pictures_are_the_same_each_time_and_show_an_edit(model, tmp_path):
    """The control is a model with a weight that was changed."""
    query = FACTS.entity_id("France"), [FACTS.relation_id("capital")]
    draw(shown(model, *query), tmp_path / "one.svg")
    draw(shown(model, *query), tmp_path / "other.svg")
    one = (tmp_path / "one.svg").read_bytes()
    assert one == (tmp_path / "other.svg").read_bytes()
    assert b"<dc:date>" not in one
    edited = copy.deepcopy(model)
    with torch.no_grad():
        edited.layers[0].mlp.matrix(1)[:] = 0
    draw(shown(edited, *query), tmp_path / "other.svg")
    assert one != (tmp_path / "other.svg").read_bytes()
    assert table(shown(edited, *query)) != table(shown(model, *query))


@pytest.mark.parametrize(
    ("suffix", "begins"), [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("SVG", b"<?xml")]
)
def test_the_name_says_the_format(suffix, begins, model, capsys):
    for name in ("a", "b"):
        assert main(["show", "model", "France capital", "--plot", f"{name}.{suffix}"]) == 0
        assert f"drawn: {name}.{suffix}" in capsys.readouterr().out
    first, second = (Path(f"{name}.{suffix}").read_bytes() for name in ("a", "b"))
    assert first.startswith(begins)
    assert first == second


def test_without_matplotlib_there_is_the_table_and_an_error_behind_it(
    monkeypatch, capsys, tmp_path
):
    assert main(["show", "selector"]) == 0
    shown = capsys.readouterr().out
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["show", "selector", "--plot", str(tmp_path / "x.svg")]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: --plot needs matplotlib: pip install")
    assert captured.out == shown
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "signed"), [("selector", True), ("scalar_selector", False)])
def test_signs_of_numbers_are_in_the_legend_where_they_are_in_the_table(name, signed, capsys):
    assert main(["show", name]) == 0
    words = capsys.readouterr().out.split()
    assert ("--" in words, "+-0" in words) == (signed, signed)
