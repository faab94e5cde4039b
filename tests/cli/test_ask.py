"""A saved model is asked: on the command line, from a file, from standard input, at a prompt."""

import io
import json
import os
import subprocess
import sys
from contextlib import suppress

import pytest
import torch
from own_files import TERNARY

from constructions import CATALOGUE, FactTable, construction, load, save
from verify.__main__ import main
from verify.cli.questions import without_quotes

FAMILY = [
    ("Alice", "mother", "Beth"),
    ("Beth", "mother", "Carla"),
    ("Ann", "Lee born in", "Bern"),
    ("Ann Lee", "born in", "New York"),
    ("New York", "flag", "\U0001f1fa\U0001f1f8"),
]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Folders of models: a chain of thought, one that answers at once, one of stored facts."""
    folder = tmp_path_factory.mktemp("models")
    facts = FactTable.from_triples(FAMILY)
    for name, hops in (("chain_of_thought", 2), ("selector", 1), ("sparse_selector", 1)):
        entry = CATALOGUE[name]
        longest = {entry.longest_path.name: hops} if entry.longest_path else {}
        save(entry.build(facts, hops, longest), folder / name)
    return folder


@pytest.fixture
def ask(models, monkeypatch, capsys):
    """Asks a model: exit status, lines of output, lines of errors."""

    def asked(*words, model="chain_of_thought", typed=b""):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(typed)))
        status = main(["ask", str(models / model), *map(str, words)])
        said = capsys.readouterr()
        return status, said.out.splitlines(), said.err.splitlines()

    return asked


AMBIGUOUS = [
    "error: 'Ann Lee born in': 2 readings; put TABs between the names",
    "    Ann Lee <TAB> born in",
    "    Ann <TAB> Lee born in",
]


def test_questions_are_answered_with_the_entities_on_the_way(ask):
    said = ask("Alice mother mother", "Ann Lee\tborn in\tflag", "Alice mother", "Beth flag mother")
    assert said == (
        0,
        [
            "Alice mother mother -> Beth -> Carla",
            "Ann Lee born in flag -> New York -> \U0001f1fa\U0001f1f8",
            "Alice mother -> Beth",
            "Beth flag mother -> unknown (no such fact: 'Beth' has no 'flag')",
        ],
        [],
    )
    assert ask("Alice mother", model="selector") == (0, ["Alice mother -> Beth"], [])
    status, said, _ = ask("Alice flag", "Alice mother", model="sparse_selector")
    assert (status, said) == (
        0,
        [
            "Alice flag -> not stored (no such fact: 'Alice' has no 'flag'; stored facts"
            " alone are claimed)",
            "Alice mother -> Beth",
        ],
    )


def test_several_readings_are_shown_and_not_answered(ask):
    assert ask("Ann Lee born in") == (2, [], AMBIGUOUS)


@pytest.mark.parametrize(
    ("question", "why"),
    [
        (
            "Alise mother",
            "no entity is named 'Alise' among the 8 of the table; did you mean 'Alice'?",
        ),
        (
            "Alice mothr",
            "no relation is named 'mothr' among the 4 of the table; did you mean 'mother'?",
        ),
        ("Alice", "a question is a subject and one relation or more; got 1 name: Alice"),
        ("Alice mother mother mother", "this model answers paths of 1 to 2 relations; got 3"),
    ],
)
def test_what_cannot_be_asked_is_said_and_the_others_are_answered(question, why, ask):
    status, said, errors = ask(question, "Alice mother")
    assert (status, said) == (2, ["Alice mother -> Beth"])
    assert errors == [f"error: {question!r}: {why}"]


def test_a_question_without_its_quotes_is_shown_with_them(ask, tmp_path):
    found = tmp_path / "found.json"
    status, said, errors = ask("Alice", "mother", "mother", "--json", found)
    assert (status, said) == (2, [])
    assert errors == [
        "error: 'Alice mother mother': 3 questions, none of which can be read; did you mean one,"
        ' "Alice mother mother"?'
    ]
    assert json.loads(found.read_text())["bad"] == 1
    # one of them is a question, or all together are none: each is answered for itself
    assert len(ask("Alice", "mother", "Alice mother")[2]) == 2
    assert len(ask("Alice", "mother", "cousin")[2]) == 3
    assert len(ask("Alice")[2]) == 1


def test_what_a_shell_would_change_is_shown_in_quotes_that_keep_it():
    facts = FactTable.from_triples([("A$B", "has", "C")])
    assert "'A$B has'?" in str(without_quotes(facts, ["A$B", "has"]))


TYPED = b"\xef\xbb\xbfAlice mother\r\n\n  \nAnn Lee born in\n\xff mother\nBeth mother"


def test_a_file_has_a_question_a_line(ask, tmp_path):
    path = tmp_path / "questions.txt"
    path.write_bytes(TYPED)
    status, said, errors = ask("Alice mother mother", "--questions", path)
    first = "Alice mother mother -> Beth -> Carla"
    assert (status, said) == (2, [first, "Alice mother -> Beth", "Beth mother -> Carla"])
    assert errors == [
        f"error: {path}:4: {AMBIGUOUS[0].removeprefix('error: ')}",
        *AMBIGUOUS[1:],
        f"error: {path}:5: '\\\\xff mother': is not UTF-8: invalid start byte",
    ]
    path.write_text("Alice mother\n" * 10_000)
    assert ask("--questions", path) == (0, ["Alice mother -> Beth"] * 10_000, [])


@pytest.mark.parametrize("words", [[], ["-"]])
def test_standard_input_is_answered_line_by_line(words, ask):
    status, said, errors = ask(*words, typed=TYPED.removeprefix(b"\xef\xbb\xbf"))
    assert (status, said) == (2, ["Alice mother -> Beth", "Beth mother -> Carla"])
    assert errors[0].startswith("error: standard input:4: 'Ann Lee born in'")
    assert ask(*words, typed=b"Alice mother\n")[0] == 0
    assert ask(*words) == (0, [], [])


def test_a_pipe_gets_each_answer_before_the_next_question(models):
    command = [sys.executable, "-m", "verify", "ask", str(models / "selector")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        for subject, answer in (("Alice", b"Beth"), ("Beth", b"Carla")):
            process.stdin.write(f"{subject} mother\n".encode())
            process.stdin.flush()
            assert process.stdout.readline().split()[-1] == answer
        process.stdin.close()
        assert process.wait(timeout=60) == 0


def test_at_a_prompt_a_bad_question_is_said_and_no_more(models):
    pty = pytest.importorskip("pty")
    primary, secondary = pty.openpty()
    command = [sys.executable, "-m", "verify", "ask", str(models / "selector")]
    process = subprocess.Popen(
        command,
        stdin=secondary,
        stdout=secondary,
        stderr=secondary,
        env={**os.environ, "TERM": "dumb"},
    )
    os.close(secondary)
    printed = b""
    while not printed.endswith(b"? "):
        printed += os.read(primary, 4096)
    os.write(primary, b"Alise mother\nAlice mother\n\x04")
    with suppress(OSError):  # when its other end is closed
        while more := os.read(primary, 4096):
            printed += more
    for said in (b"did you mean 'Alice'?", b"Alice mother -> Beth"):
        assert said in printed
    assert process.wait(timeout=60) == 0
    os.close(primary)


def test_the_answers_are_written_as_json(ask, tmp_path):
    path = tmp_path / "answers.json"
    ask("Alice mother mother", "Ann Lee born in", "Beth flag", "Alise mother", "--json", path)
    written = json.loads(path.read_text())
    assert (written["bad"], written["wrong"]) == (2, 0)
    one, two, three, four = written["answers"]
    assert one == {
        "question": "Alice mother mother",
        "subject": "Alice",
        "path": ["mother", "mother"],
        "written": ["Beth"],
        "answer": "Carla",
    }
    assert (two["readings"], len(two["first_readings"])) == (2, 2)
    assert (three["subject"], three["answer"]) == ("Beth", None)
    assert four.keys() == {"question", "error"}


def test_an_answer_that_is_not_the_tables_is_told_from_one_that_is(models, tmp_path, ask):
    """A damaged model, saved with all its hashes in order."""
    model = load(models / "selector")
    with torch.no_grad():
        weight = model.unembedding.weight
        weight[[1, 2]] = weight[[2, 1]]  # Beth and Carla
    save(model, models / "damaged")
    status, said, _ = ask(
        "Alice mother", "Ann Lee\tborn in", "--json", tmp_path / "a", model="damaged"
    )
    assert (status, said[0]) == (1, "Alice mother -> Carla (its table has Beth)")
    assert json.loads((tmp_path / "a").read_text())["wrong"] == 1
    assert ask("Ann Lee\tborn in", model="damaged")[0] == 0


def test_a_folder_that_was_changed_is_not_asked(models, tmp_path, ask):
    save(load(models / "selector"), tmp_path / "model")
    with (tmp_path / "model" / "facts.tsv").open("a") as file:
        file.write("Carla\tmother\tAlice\n")
    status, said, (error,) = ask("Alice mother", model=tmp_path / "model")
    assert (status, said) == (2, [])
    assert "facts.tsv" in error


def test_a_model_of_a_users_own_construction_is_asked(tmp_path, ask):
    facts = FactTable.from_triples(FAMILY)
    save(construction(TERNARY).build(facts), tmp_path / "own")
    assert ask("Alice mother", "--with", TERNARY, model=tmp_path / "own") == (
        0,
        ["Alice mother -> Beth"],
        [],
    )
    assert "--with path/file.py:mine" in ask("Alice mother", model=tmp_path / "own")[2][0]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-", "Alice mother"], "- is for questions from standard input, and stands alone"),
        (["--questions", "."], "cannot be read: Is a directory; give a file of questions"),
        (["--questions", "a\0b"], "cannot be read: embedded null byte"),
        (["Alice mother", "--json", "no/such/place"], "give a file name in an existing folder"),
    ],
)
def test_words_that_cannot_be_taken_are_refused(words, message, ask):
    status, said, (error,) = ask(*words)
    assert (status, said) == (2, [])
    assert message in error


def test_a_question_behind_an_option_is_told_where_to_stand(models, capsys):
    with pytest.raises(SystemExit):
        main(["ask", str(models / "selector"), "--questions", "q.txt", "Alice mother"])
    assert "questions stand right behind MODEL" in capsys.readouterr().err
