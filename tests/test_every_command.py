"""Every command of the command line does what it is for once, and ends with 0."""

from importlib.util import find_spec

import pytest
from journals import write

from constructions import FactTable, save, selector
from verify.__main__ import main
from verify.cells.cell import Cell
from verify.cli.arguments import COMMANDS
from verify.learned.experiments.known import EXPERIMENTS
from verify.learned.experiments.points import OneHop

WORDS = {
    "all": (["all"], "PASS: 1 cell planned, 1 passed"),
    "list": (["list"], "chain_of_thought"),
    "bound": (
        ["bound", "-N", "64", "-R", "2", "-k", "2"],
        "the constructions, and the largest bound",
    ),
    "plan": (["plan", "-N", "64", "-R", "2", "-k", "2"], "key_value"),
    "separation": (["separation", "-R", "4", "-k", "3"], "756"),
    "facts": (["facts", "facts.tsv", "--ask", "Ann", "mother"], "Beth"),
    "import": (["import", "facts.tsv", "-o", "new.tsv"], "written: new.tsv"),
    "ask": (["ask", "model", "e1 r0"], "e1 r0 -> e"),
    "sets": (["sets", "many.tsv", "--ask", "Ann", "child"], "Ann child -> Beth, Carla"),
    "show": (["show", "model", "1 0"], "adds to e"),
    "check": (["check", "model"], "PASS: all 5 queries"),
    "update": (["update", "model", "changes.tsv"], "model: replaced"),
    "diff": (["diff", "model", "model", "-k", "2"], "0 of 10 answers changed, the other 10"),
    "attack": (["attack", "model", "-n", "5"], "nothing wrong was accepted"),
    "report": (
        ["report", "report", "-N", "5", "-R", "2", "-k", "2", "--workers", "0"],
        "1 cell planned, 1 passed, 0 failed, 0 unknown; 1 capacity plane",
    ),
    "journal": (["journal", "j"], "PASS: 1 job planned"),
    "learned": (["learned", "threshold", "--seeds", "3", "--workers", "0"], "1 of 1 points"),
    "compare": (
        ["compare", "-N", "5", "-R", "2", "--seeds", "3", "--workers", "0", "selector"],
        "0 of 3 measured levels lie below the information limit",
    ),
    "learned pretrained": (
        ["learned", "pretrained", "no-model", "facts.tsv", "--templates", "templates.json"],
        "",  # what it finds: tests/export/
    ),
    "export": (["export", "model", "--to", "onnx", "out"], "out"),
    "known-answers": (["known-answers", "pack"], "pack: 7 models and known-answers.json"),
    "example": (["example", "unicode.tsv"], "unicode.tsv"),
}


@pytest.fixture
def workshop(tmp_path, monkeypatch):
    """A folder with a fact file and a saved model of it."""
    monkeypatch.chdir(tmp_path)
    facts = FactTable.from_triples([("Ann", "mother", "Beth"), ("Beth", "mother", "Carla")])
    facts.to_tsv(tmp_path / "facts.tsv")
    (tmp_path / "many.tsv").write_text("Ann\tchild\tBeth\nAnn\tchild\tCarla\n")
    (tmp_path / "templates.json").write_text('{"mother": "The mother of {subject} is"}')
    (tmp_path / "changes.tsv").write_text("e0\tr0\te1\n")
    save(selector(FactTable.random_bijections(5, 1, seed=0)), tmp_path / "model")
    write(tmp_path / "j", [1])
    monkeypatch.setattr("verify.cli.commands.cells.default_grid", lambda: [Cell("selector", 5, 2)])
    for name in ("figures", "mechanisms"):  # which take seconds
        monkeypatch.setattr(f"verify.cli.pages.figures.{name}", lambda *given: ())
    one = [OneHop(1, 5, 1, 2, 4, steps=5)]
    monkeypatch.setitem(vars(EXPERIMENTS["threshold"]), "points", lambda full: one)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_ends_with_0_and_says_what_it_found(command, workshop, capsys):
    words, said = WORDS[command]
    status = main(words)
    printed = capsys.readouterr()
    if command == "learned pretrained":
        assert (status, "no-model" in printed.err or "huggingface" in printed.err) == (2, True)
        return
    if command == "export" and find_spec("onnxruntime") is None:
        assert (status, "onnx" in printed.err) == (2, True)
        return
    assert status == 0, printed.err
    assert said in printed.out, printed.out


def test_there_are_words_for_every_command():
    assert WORDS.keys() == COMMANDS.keys()


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("chek", "no command is named 'chek'; did you mean 'check'?"),
        ("selecter", "no command is named 'selecter'; did you mean 'selector' or "),
        ("zzz", "no command is named 'zzz'; python -m verify --help lists them"),
        ("a\nPASS", r"no command is named 'a\nPASS'; "),
        ("", "no command is named ''; "),
    ],
)
def test_a_word_that_is_no_command_is_answered_with_those_that_are_close(word, said, capsys):
    with pytest.raises(SystemExit) as left:
        main([word, "model"])
    printed = capsys.readouterr()
    assert (left.value.code, printed.out) == (2, "")
    assert printed.err.splitlines()[1].startswith(f"python -m verify: error: {said}")


@pytest.mark.parametrize("width", [92, 100])
def test_help_is_as_wide_as_the_terminal_but_for_examples(width, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(width))
    for command in COMMANDS:
        with pytest.raises(SystemExit):
            main([*command.split(), "--help"])
        for line in capsys.readouterr().out.splitlines():
            example = line.startswith("  ") and ("python -m verify" in line or ": {" in line)
            assert len(line) <= (100 if example else width), (command, line)
