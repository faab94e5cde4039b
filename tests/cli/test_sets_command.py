"""`verify sets`: a table of sets is proven, asked and saved, and what is wrong is said in a line."""

import json

import numpy as np
import pytest

from constructions import SetTable, load
from verify.__main__ import main
from verify.checking.check import check
from verify.sets import folder

FAMILY = "Ann\tchild\tBeth\nAnn\tchild\tCarla\nBeth\tspouse\tAnn\n"


@pytest.fixture
def family(tmp_path):
    (tmp_path / "family.tsv").write_text(FAMILY)
    return tmp_path / "family.tsv"


def test_sets_are_built_proven_asked_and_saved(family, tmp_path, capsys):
    words = ["sets", str(family), "--ask", "Ann child", "--ask", "Carla", "child"]
    places = ["--save", str(tmp_path / "model"), "--json", str(tmp_path / "found.json")]
    assert main([*words, *places]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[-3:] == [
        "PASS: 6 sets, 3 answers in all",
        "Ann child -> Beth, Carla",
        "Carla child -> (no answer)",
    ]
    found = json.loads((tmp_path / "found.json").read_text())
    assert (found["verdict"], found["places"], found["most"]) == ("PASS", 3, [2, 1])
    assert [asked["answers"] for asked in found["answers"]] == [["Beth", "Carla"], []]
    assert found["fact_bits"] >= found["table_bits"] > 0
    assert load(tmp_path / "model").facts == SetTable.from_tsv(family)
    assert check(tmp_path / "model").verdict == "PASS"
    assert main(["check", str(tmp_path / "model")]) == 0
    assert "PASS: all 6 queries are answered right, by the kernel" in capsys.readouterr().out


def test_random_sets_have_the_sizes_that_were_asked_for(tmp_path, capsys):
    assert main(["sets", "-N", "9", "-R", "2", "-w", "4", "--seed", "5"]) == 0
    facts = SetTable.random(9, 2, 4, seed=5)
    said = capsys.readouterr().out
    assert said.startswith(f"random: {facts.n_facts} facts, 9 entities, 2 relations")
    assert f"{facts.places} places in all" in said


def test_a_refuted_proof_of_sets_ends_with_1(family, monkeypatch, capsys):
    right = folder.step_tables
    monkeypatch.setattr(folder, "step_tables", lambda *sizes: np.roll(right(*sizes), 1, axis=2))
    assert main(["sets", str(family)]) == 1
    assert "FAIL: 6 sets, 3 answers in all: the logit of token" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "reported"),
    [
        (["--ask", "Ann child child"], "a set is one hop away: 2 relations ask for what several"),
        (["--ask", "Ann"], "a question is a subject and one relation or more"),
        (["--ask", "Anna child"], "Ann"),
        (["-N", "4"], "-N is for a random table, without a file"),
        (["--json", "no-folder/found.json"], "cannot be written"),
        (["--save", "a\0b"], "is no folder name"),
    ],
)
def test_what_sets_cannot_be_asked_is_said_in_a_line(words, reported, family, capsys):
    assert main(["sets", str(family), *words]) == 2
    complained = capsys.readouterr().err
    assert reported in complained
    assert complained.startswith("error: ")
    assert complained.count("\n") == 1


@pytest.mark.parametrize("name", ["missing.tsv", "a\0b", "."])
def test_a_file_of_sets_that_cannot_be_read_is_said_in_a_line(name, tmp_path, capsys):
    assert main(["sets", str(tmp_path / name)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_defects_of_a_file_of_sets_are_reported_as_of_others(tmp_path, capsys):
    (tmp_path / "odd.tsv").write_text("Ann\tchild\nAnn\tchild\tBeth\nAnn\tchild\tCarla \n")
    assert main(["sets", str(tmp_path / "odd.tsv")]) == 2
    complained = capsys.readouterr().err
    assert "odd.tsv:1:10: 2 fields where 3 are expected" in complained
    assert "odd.tsv:3:16: a trailing space in the object" in complained


def test_repeated_lines_are_counted(tmp_path, capsys):
    (tmp_path / "twice.tsv").write_text(FAMILY + FAMILY)
    assert main(["sets", str(tmp_path / "twice.tsv")]) == 0
    assert "3 repeated facts" in capsys.readouterr().out


def test_models_of_sets_are_not_compared(family, tmp_path, capsys):
    folder = tmp_path / "sets"
    assert main(["sets", str(family), "--save", str(folder)]) == 0
    assert main(["diff", str(folder), str(folder)]) == 2
    assert "writes sets of answers, which diff does not compare" in capsys.readouterr().err


def test_relations_with_as_many_answers_are_counted(family, tmp_path, capsys):
    assert main(["sets", str(family)]) == 0
    assert "    at most 2 answers (child); " in capsys.readouterr().out
    more = tmp_path / "more.tsv"
    more.write_text(FAMILY + "Beth\tspouse\tCarla\n")
    assert main(["sets", str(more)]) == 0
    assert "    at most 2 answers (child and 1 more relation); " in capsys.readouterr().out
