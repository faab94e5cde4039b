"""`--by`: what decides is asked for, and said."""

import json

import pytest

from verify.__main__ import main
from verify.cells import verifying


def test_answers_alone_are_said_to_be_unverified(family, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(verifying, "verify_facts", None)  # calling it is a crash
    reported, folder = tmp_path / "found.json", tmp_path / "model"
    words = ["facts", family, "--ask", "Alice", "mother", "--by", "none", "--json", str(reported)]
    assert main([*words, "--save", str(folder)]) == 0
    printed = capsys.readouterr().out
    assert "not verified (--by none)" in printed
    assert "Alice mother -> Beth" in printed
    assert "PASS" not in printed
    found = json.loads(reported.read_text())
    assert (found["verdict"], found["cells"]) == ("UNKNOWN", [])
    assert main(["check", str(folder)]) == 0


def test_one_proof_is_enough_for_questions_of_several_lengths(family, capsys):
    words = ["--ask", "Alice mother", "--ask", "Alice mother mother", "--by", "proof"]
    assert main(["facts", family, *words]) == 0
    printed = capsys.readouterr().out
    assert "PASS: 1 cell planned" in printed
    assert "Alice mother -> Beth" in printed


@pytest.mark.parametrize("by", ["queries", "proof", "both"])
def test_what_has_decided_is_said(by, capsys, tmp_path):
    reported = tmp_path / "found.json"
    words = ["selector", "-N", "6", "-R", "2", "--by", by, "--json", str(reported)]
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert f"    by {by}: " in printed
    assert ("    sample: all 12 queries run" in printed) == (by != "queries")
    (cell,) = json.loads(reported.read_text())["cells"]
    assert cell["by"] == by
    assert (cell["sample"] is not None) == (by != "queries")
