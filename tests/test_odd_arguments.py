"""Whatever the words on the command line are: a status of 0, 1 or 2, a sentence where it is 2, and
no traceback.

The words are made from the parser itself: every command, every option, with values that people and
programs get wrong. Which of them are tried is drawn anew in each run, and stands in the message of
a test that fails.
"""

import argparse
import io
import os
import random
import re
import subprocess
import sys

import pytest

from constructions import FactTable, save, selector
from verify.__main__ import MODULE, main
from verify.cells.cell import Cell
from verify.cli.arguments import parser
from verify.learned.experiments.known import EXPERIMENTS
from verify.learned.experiments.points import OneHop
from verify.rivals.all import ALL

ODD = """
0 00 1 2 -1 +1 1_0 _1 1e0 1e400 -1e400 nan inf -inf 1.5 0x10 1e-3 1,000 \uff12 \u0663 \u00bd \u2161
- -- --- -x --no-such-option %s %(prog)s {0} [red] @file none true ' " \x00 a\x00b \udc80 \ud800\udfff \x1b[31m
. .. / ~ * None/None /dev/null /dev/full /dev/null/x folder folder/ model loop loop/x gone/x
facts.tsv facts.tsv/x empty.tsv model/weights.safetensors
""".split()  # noqa: SIM905  # words, not a program's list of strings
ODD += ["", " ", "\t", "\n", "1\u00a0", "PASS: all", "9" * 5000, "2" * 60, "a" * 5000]
SLOW = {"n": {"1_0", "1e0", "9" * 5000, "2" * 60, "2", "\uff12", "\u0663"}, "k": {"1_0"}}
"""Values that are in order and take long: many attacks, and paths that make some models large."""

BASE = {
    "N": ["-N", "3"],
    "R": ["-R", "2"],
    "k": ["-k", "2"],
    "n": ["-n", "1"],
    "kind": ["--kind", "flips"],
    "to": ["--to", "onnx"],
    "file": ["facts.tsv"],
    "folder": ["model"],
    "out": ["out"],
    "written": ["written.tsv"],
    "old": ["model"],
    "new": ["model"],
}


def commands():
    """Each command's parser, by name."""
    whole = parser(MODULE)
    (found,) = (
        action for action in whole._actions if isinstance(action, argparse._SubParsersAction)
    )
    return dict(found.choices)


COMMANDS = {name: command for name, command in commands().items() if name != "all"}


def cases(draw, n):
    """Lists of words: sound ones with one odd value, one repeated, one left out, or one odd word
    put in anywhere.
    """
    for _ in range(n):
        name = draw.choice(list(COMMANDS))
        actions = [a for a in COMMANDS[name]._actions if not isinstance(a, argparse._HelpAction)]
        words = {
            a.dest: list(BASE[a.dest])
            for a in actions
            if a.dest in BASE and (a.required or a.dest in ("n", "kind"))
        }
        action = draw.choice(actions) if actions else None
        how, odd = draw.randrange(5), draw.choice(ODD)
        if action is not None and odd not in SLOW.get(action.dest, ()) and how < 3:
            option = draw.choice(action.option_strings) if action.option_strings else None
            if option is None:
                words[action.dest] = [odd]
            elif action.nargs == 0:
                words[action.dest] = [option] if how else [f"{option}={odd}"]
            else:
                words[action.dest] = (
                    [f"{option}={odd}"] if how == 0 and option.startswith("--") else [option, odd]
                )
            if how == 2:
                words[f"{action.dest} again"] = words[action.dest]
        elif how == 3 and words:
            del words[draw.choice(list(words))]
        flat = [word for part in words.values() for word in part]
        if how == 4 and name != "attack":
            flat.insert(draw.randrange(len(flat) + 1), odd)
        yield [name, *flat]


def status_of(words):
    try:
        return main(words)
    except SystemExit as left:
        return left.code


def one_small_experiment(monkeypatch):
    """All that is trained is two models for a moment."""
    for name in ("NAMES", "DEFAULT"):
        monkeypatch.setattr(f"verify.cli.commands.learned.{name}", {"threshold": ""})
    points = [OneHop(1, 4, 1, 2, 4, steps=2)]
    monkeypatch.setitem(vars(EXPERIMENTS["threshold"]), "points", lambda full: points)


def one_memory(monkeypatch):
    """One construction alone is compared."""
    first = next(iter(ALL.items()))
    for name in ("all", "searches"):
        monkeypatch.setattr(f"verify.rivals.{name}.ALL", dict([first]))


def nothing_is_typed(monkeypatch):
    """Standard input is at its end."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO()))


def small_reports(monkeypatch):
    """A report runs one cell, has one capacity plane, and draws no further figures."""
    one = [Cell("selector", 3, 1)]
    monkeypatch.setattr("verify.cli.commands.cells.default_grid", lambda *own: one)
    monkeypatch.setattr("verify.cli.commands.report.STOPS", {"N": (3,), "R": (2,), "k": (1,)})
    for name in ("figures", "mechanisms"):
        monkeypatch.setattr(f"verify.cli.pages.figures.{name}", lambda *given: ())


@pytest.fixture
def workshop(tmp_path):
    """A folder with what the words name: a table, an empty one, a model, a folder, a link to
    itself.
    """
    folder = tmp_path
    facts = FactTable([[1, 0, 2], [0, -1, 1]], ["2", "PASS: all", "-x"], ["r", "-q"])
    facts.to_tsv(folder / "facts.tsv")
    save(selector(facts), folder / "model")
    (folder / "empty.tsv").touch()
    (folder / "folder").mkdir()
    (folder / "loop").symlink_to(folder / "loop")
    return folder


@pytest.mark.parametrize("round_", range(2))
def test_odd_words_get_a_status_and_a_sentence(round_, workshop, monkeypatch, capsys):
    monkeypatch.chdir(workshop)
    monkeypatch.setattr("verify.cli.examples.unicode_facts", lambda: FactTable([[0]]))
    one_small_experiment(monkeypatch)
    one_memory(monkeypatch)
    nothing_is_typed(monkeypatch)
    small_reports(monkeypatch)
    seed = random.randrange(2**32)
    for words in cases(random.Random(seed), 100):
        reported = f"seed {seed}: {words!r}"
        try:
            status = status_of(words)
        except Exception as error:
            raise AssertionError(reported) from error
        captured = capsys.readouterr()
        assert status in (0, 1, 2), reported
        assert "Traceback" not in captured.err, reported
        assert "crashed" not in captured.out, reported
        assert all(c.isprintable() or c == "\n" for c in captured.out + captured.err), reported
        if status == 2:
            (sentence,) = [line for line in captured.err.split("\n") if "error: " in line][:1] or [
                ""
            ]
            assert len(sentence.split("error: ", 1)[-1].split()) >= 4, (reported, captured.err)


def test_every_command_and_option_is_tried():
    draw = random.Random(0)
    tried = {(words[0], word.split("=")[0]) for words in cases(draw, 20_000) for word in words}
    for name, command in COMMANDS.items():
        for action in command._actions:
            if action.option_strings and not isinstance(action, argparse._HelpAction):
                assert any((name, option) in tried for option in action.option_strings), (
                    name,
                    action.dest,
                )


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--ask", ""], "a question is a subject and one relation or more; got no name"),
        (["--ask", "   "], "got no name"),
        (["--ask", "", "r"], "no entity is named ''"),
        (
            ["--ask", "-x", "r"],
            (
                "a name that begins with a dash is asked for in one quoted string: --ask='-x"
                " relation'"
            ),
        ),
        (["--ask", "2", "-q"], "a name that begins with a dash is asked for in one quoted string"),
    ],
)
def test_an_odd_question_gets_a_clear_sentence(words, sentence, workshop, monkeypatch, capsys):
    monkeypatch.chdir(workshop)
    assert status_of(["facts", "facts.tsv", *words]) == 2
    assert sentence in capsys.readouterr().err


def test_only_who_can_ask_learns_how_to_ask(capsys):
    assert status_of(["selector", "-N", "4", "-R", "2", "-k", "2"]) == 2
    said = capsys.readouterr().err
    assert "unrecognized arguments: -k 2" in said
    assert "--ask" not in said
    assert status_of(["facts", "facts.tsv", "--ask", "2", "-q"]) == 2
    assert capsys.readouterr().err.count("--ask='-x relation'") == 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ["selector", "-N", "9" * 5000, "-R", "1"],
            "argument -N: '" + "9" * 57 + "...' is not an integer from 1 to 2^40",
        ),
        (
            ["selector", "-N", "3", "-R", "1", "--seed", "9" * 5000],
            "...' is not an integer of at least 0 and at most 4,300",
        ),
        (
            ["hybrid", "-N", "3", "-R", "2", "-k", "2", "--looked-up", "2" * 60],
            "is not an integer from 0 to 2^40",
        ),
        (["plan", "-N", "3", "-R", "1", "--max-d", "1e400"], "'1e400' is not a positive integer"),
        (["check", "a" * 5000], "File name too long"),
    ],
)
def test_an_odd_value_gets_a_clear_sentence(words, sentence, capsys):
    assert status_of(words) == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["learned pretrained", "model", "facts.tsv", "--templates=\x00"],
        ["known-answers", "\x00"],
        ["learned", "geometry", "--graph", "\x00"],
    ],
)
def test_a_name_with_a_nul_is_no_file(words, workshop, monkeypatch, capsys):
    monkeypatch.chdir(workshop)
    assert status_of(words) == 2
    assert re.search(
        r"\\x00'? cannot be the name of a|\\x00: cannot be read", capsys.readouterr().err
    )


def test_two_dashes_are_no_value(workshop, monkeypatch, capsys):
    monkeypatch.chdir(workshop)
    status = status_of(["facts", "facts.tsv", "--save=--"])
    reported = capsys.readouterr().err
    assert (status, "'--' is no value" in reported) == (2, True) or (
        workshop / "--" / "manifest.json"
    ).is_file()


@pytest.mark.parametrize(
    "question",
    [["--ask=-x r"], ["--ask", "-x r"], ["--ask=-x\tr"], ["--ask", "2", "r", "--ask", "-x r"]],
)
def test_a_name_that_begins_with_a_dash_can_be_asked_for(question, workshop, monkeypatch, capsys):
    monkeypatch.chdir(workshop)
    assert main(["facts", "facts.tsv", *question]) == 0
    assert "-x r -> -x" in capsys.readouterr().out


# ------------------------------------------------------------------ streams


@pytest.mark.parametrize(
    "words",
    [["list"], ["--help"], ["bound", "--help"], ["--version"], ["plan", "-N", "9", "-R", "2"]],
)
def test_output_that_cannot_be_written_is_reported(words):
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full on this system")
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "verify", *words]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "error: No space left on device\n")


@pytest.mark.parametrize(
    ("words", "shell", "status"),
    [
        (["list"], ">&-", 0),
        (["list"], "<&-", 0),
        (["list"], ">&- 2>&- <&-", 0),
        (["check", "gone"], "2>&-", 2),
        (["check", "gone"], "2>/dev/full", 2),
        (["check"], "2>/dev/full", 2),
    ],
)
def test_streams_that_are_closed_or_full_change_no_status(words, shell, status):
    command = f'"{sys.executable}" -m verify {" ".join(words)} {shell}'
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert done.returncode == status
    assert "Traceback" not in done.stderr


def test_a_file_that_is_written_does_not_take_the_place_of_a_closed_stream(tmp_path):
    """A descriptor that is closed is the first that `open` gives away; what is printed would land
    in the file.
    """
    command = f'"{sys.executable}" -m verify plan -N 9 -R 2 >&- 2>&- <&-; echo $?'
    done = subprocess.run(
        command, shell=True, capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.stdout == "0\n"
    code = (
        "import os, sys; from verify.__main__ import _open_closed_streams\n"
        "for number in (0, 1, 2): os.close(number)\n"
        "sys.stdin = sys.stdout = sys.stderr = None\n"
        "_open_closed_streams()\n"
        "file = open(sys.argv[1], 'w')\n"
        "print('lost'); print('lost', file=sys.stderr); os.write(1, b'lost')\n"
        "file.write(str(file.fileno() > 2)); file.close()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "file")], capture_output=True, check=False
    )
    assert (tmp_path / "file").read_text() == "True"


def test_a_folder_that_takes_no_files_is_refused_before_the_work(monkeypatch, capsys, workshop):
    monkeypatch.chdir(workshop)
    monkeypatch.setattr("verify.cli.commands.cells.default_grid", lambda: [Cell("selector", 5, 1)])
    monkeypatch.setattr("os.access", lambda path, mode: mode != os.W_OK)
    for words in (["all", "--json", "x.json"], ["facts", "facts.tsv", "--save", "new"]):
        assert main(words) == 2
        captured = capsys.readouterr()
        assert "cannot be written: give" in captured.err
        assert "margin" not in captured.out


@pytest.mark.parametrize(
    "words",
    [
        ["facts", "facts.tsv", "--json", "facts.tsv"],
        ["facts", "facts.tsv", "--json", "link.tsv"],
        ["facts", "facts.tsv", "--save", "model", "--json", "model/result.json"],
        ["facts", "facts.tsv", "--save", "new", "--json", "new"],
        ["selector", "-N", "3", "-R", "1", "--save", "model", "--json", "model/facts.tsv"],
        ["check", "model", "--json", "model/manifest.json"],
        ["check", "model", "--json", "other/result.json"],
        ["export", "model", "--to", "onnx", "out", "--json", "model/result.json"],
    ],
)
def test_a_result_is_not_written_over_what_is_read_nor_into_a_model(
    words, workshop, monkeypatch, capsys
):
    monkeypatch.chdir(workshop)
    (workshop / "other").symlink_to(workshop / "model")
    (workshop / "link.tsv").symlink_to(workshop / "facts.tsv")
    before = {path: path.read_bytes() for path in workshop.rglob("*") if path.is_file()}
    assert main(words) == 2
    captured = capsys.readouterr()
    assert re.search(r"(lies in|are both) .*; (give|each needs) .*name", captured.err)
    assert "margin" not in captured.out
    assert {path: path.read_bytes() for path in workshop.rglob("*") if path.is_file()} == before
