"""Outputs that lie in a model, in an input or in one another are refused."""

import contextlib
import os
from pathlib import Path

import pytest
from saved_contents import NEW, OLD, contents

from constructions import InputError, save
from constructions.files.outputs import require_apart, require_outside_models
from verify.__main__ import main


def test_no_model_is_saved_into_a_model(tmp_path):
    save(OLD, tmp_path / "model")
    before = contents(tmp_path)
    with pytest.raises(InputError, match="lies in the folder of a saved model"):
        save(NEW, tmp_path / "model" / "inner")
    assert contents(tmp_path) == before


FAMILY = "Alice\tmother\tBeth\nBeth\tmother\tCarla\nAlice\twife\tDora\n"
COMMANDS = [
    "facts f.tsv --json f.tsv",
    "facts f.tsv --json linked.tsv",
    "facts f.tsv --json hard.tsv",
    "facts f.tsv --save model --json model/reported.json",
    "facts f.tsv --save model --json model/facts.tsv",
    "facts f.tsv --save model --json link/reported.json",
    "facts f.tsv --json model/reported.json",
    "facts f.tsv --save new --json new",
    "facts f.tsv --save f.tsv",
    "facts f.tsv --save model/inner",
    "facts model/facts.tsv --save model",
    "facts model/facts.tsv --json model/facts.tsv",
    "selector -N 4 -R 2 --save model --json model/reported.json",
    "selector -N 4 -R 2 --json model/manifest.json",
    "check model --json model/reported.json",
    "check model --json link/certificate.json",
    "bound -N 9 -R 2 --plot p.svg --json p.svg",
    "bound -N 9 -R 2 --plot p.svg --json ./x/../p.svg",
    "bound -N 9 -R 2 --plot model/p.svg",
    "bound -N 9 -R 2 --json model/p.json",
    "export model --to onnx model",
    "export model --to onnx model/out",
    "export model --to onnx out --json out",
    "export model --to onnx out --json model/reported.json",
    "export model --to onnx empty --json empty/reported.json",
    "example model/example.tsv",
    "example model/facts.tsv",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_no_output_damages_a_model_an_input_or_another_output(
    command, tmp_path, monkeypatch, capsys
):
    """Refused before any work, in one sentence; all files are as they were."""
    save(OLD, tmp_path / "model")
    (tmp_path / "f.tsv").write_text(FAMILY)
    (tmp_path / "x").mkdir()
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to("model")
    (tmp_path / "linked.tsv").symlink_to("f.tsv")
    os.link(tmp_path / "f.tsv", tmp_path / "hard.tsv")
    before = contents(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert main(command.split()) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert any(reported in printed.err for reported in ("lies in", "each needs a name of its own"))
    assert printed.err.count("\n") == 1
    assert contents(tmp_path) == before


def test_outputs_that_are_apart_are_written(tmp_path, monkeypatch):
    (tmp_path / "f.tsv").write_text(FAMILY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.undo()
    with contextlib.chdir(tmp_path):
        assert main(["facts", "f.tsv", "--save", "model", "--json", "model.json"]) == 0
        assert main(["facts", "f.tsv", "--save", "model", "--json", "model.json"]) == 0
        assert main(["check", "model", "--json", "model.json"]) == 0
        assert main(["check", "model", "--json", "/dev/null"]) == 0
    require_apart({"a": None}, {"b": tmp_path / "b", "c": tmp_path / "c", "d": None})
    require_apart({}, {"b": Path("/dev/null"), "c": Path("/dev/null")})
    require_outside_models("\0")
    with pytest.raises(InputError, match="b and c are both"):
        require_apart({}, {"b": tmp_path / "b", "c": tmp_path / "x" / ".." / "b"})
