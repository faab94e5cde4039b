"""One cell or all of them on the command line: verdicts, tables, numbers and statuses."""

import itertools
import json
import subprocess
import sys

import pytest

from constructions import CATALOGUE
from verify.__main__ import main
from verify.cells.cell import Cell

CELL = ["key_value", "-N", "5", "-R", "2", "-k", "2"]
FACTS = ["facts", "FAMILY", "-k", "2"]


@pytest.mark.parametrize("arguments", [["--help"], ["list"], ["selector", "--help"]])
def test_help_and_list_do_not_import_torch_or_sympy(arguments):
    code = (
        "import sys; from verify.__main__ import main\n"
        "try: main(sys.argv[1:])\nexcept SystemExit: pass\n"
        "assert not {'torch', 'sympy', 'scipy', 'rich'} & set(sys.modules), 'slow import'"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "selector" in done.stdout


def test_list_names_every_construction_with_its_theorem(capsys):
    assert main(["list"]) == 0
    printed = capsys.readouterr().out
    assert all(entry.name in printed and entry.theorem in printed for entry in CATALOGUE.values())
    words = " ".join(printed.split())
    assert all(entry.claim in words for entry in CATALOGUE.values())
    assert max(map(len, printed.splitlines())) < 100


@pytest.mark.parametrize("name", list(CATALOGUE))
def test_one_construction_at_one_size(name, tmp_path, capsys):
    path = tmp_path / "result.json"
    hops = ["-k", "1"] if CATALOGUE[name].multi_hop else []
    assert (
        main(
            [
                name,
                "-N",
                "25",
                "-R",
                "3",
                *hops,
                "--seed",
                "7",
                "--logits",
                "both",
                "--json",
                str(path),
            ]
        )
        == 0
    )
    printed = capsys.readouterr().out
    entry = CATALOGUE[name]
    claimed = entry.random_facts(25, 3, 7).n_facts if entry.stored_only else 75
    assert f"PASS: 1 cell planned, 1 passed, 0 failed, 0 unknown; {claimed} queries" in printed
    cell = json.loads(path.read_text())["cells"][0]
    assert (cell["construction"], cell["entities"], cell["relations"], cell["hops"]) == (
        name,
        25,
        3,
        1,
    )
    assert (cell["queries"], cell["wrong"], cell["logits"]) == (claimed, 0, "both")


def test_sizes_may_be_written_as_people_write_them(capsys):
    assert main(["selector", "-N", "1e2", "-R", "1_0"]) == 0
    assert "1,000 queries" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ["selector", "-N", "0", "-R", "1"],
        ["selector", "-N", "2.5", "-R", "1"],
        ["selector", "-N", "many", "-R", "1"],
        ["selector", "-N", "inf", "-R", "1"],
        ["selector", "-N", "3"],
        ["selector", "-N", "1e300", "-R", "1"],
        ["selector", "-N", "3", "-R", "1", "--seed", "-1"],
        ["nothing"],
        ["selector", "-N", "3", "-R", "1", "--dtype", "int8"],
    ],
)
def test_bad_arguments_exit_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


def test_no_command_prints_the_help_and_exits_with_2(capsys):
    assert main([]) == 2
    assert "examples:" in capsys.readouterr().out


def test_a_json_path_is_refused_before_the_work(tmp_path, capsys):
    assert main(["all", "--json", str(tmp_path / "no" / "file.json")]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "existing folder" in captured.err


def test_a_failed_check_exits_with_1(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("verify.cells.verifying.predicted", lambda *arguments: None)
    path = tmp_path / "result.json"
    assert main(["selector", "-N", "3", "-R", "1", "--json", str(path)]) == 1
    assert "FAIL" in capsys.readouterr().out
    assert json.loads(path.read_text())["verdict"] == "FAIL"


def test_what_has_no_verdict_exits_with_1(capsys):
    assert main(["scalar_selector", "-N", "5000", "-R", "1", "--dtype", "float32"]) == 1
    printed = capsys.readouterr().out
    assert "UNKNOWN: scalar_selector with 5,000 possible answers: sums reach" in printed


def test_a_crash_is_reported_in_full_and_fails(monkeypatch, capsys):
    def crash(*args, **kwargs):
        raise RuntimeError("boom")

    monkeypatch.setattr("verify.cells.verifying.check_recall", crash)
    assert main(["selector", "-N", "3", "-R", "1"]) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith("Traceback (most recent call last):\n")
    assert captured.err.endswith("RuntimeError: boom\n")
    assert "why FAIL: crashed: RuntimeError: boom" in captured.out


@pytest.mark.parametrize("words", [["plan", "-N", "1e6", "-R", "50", "-k", "3"], CELL, FACTS])
def test_tables_have_under_100_columns_unless_they_are_asked_to_be_wide(words, family, capsys):
    words = [family if word == "FAMILY" else word for word in words]
    assert main(words) == 0
    narrow = table(capsys.readouterr().out)
    assert main([*words, "--wide"]) == 0
    wide = table(capsys.readouterr().out)
    assert max(map(len, narrow)) < 100 < max(map(len, wide))
    assert len(narrow) == len(wide)


def table(printed):
    """The header and the rows: from the titles to the line that is of another kind."""
    lines = printed.split("\n")
    start = next(i for i, line in enumerate(lines) if "  " in line)
    return list(itertools.takewhile(lambda line: "  " in line, lines[start:]))


def test_all_runs_the_default_grid_and_counts(monkeypatch, capsys, tmp_path):
    cells = [Cell(name, 5, 2, 2 if entry.multi_hop else 1) for name, entry in CATALOGUE.items()]
    monkeypatch.setattr("verify.cli.commands.cells.default_grid", lambda: cells)
    path = tmp_path / "all.json"
    assert main(["all", "--json", str(path)]) == 0
    printed = capsys.readouterr().out
    assert f"PASS: {len(cells)} cells planned, {len(cells)} passed" in printed
    assert len(json.loads(path.read_text())["cells"]) == len(cells)


def test_all_runs_the_forms_too_if_asked(monkeypatch, capsys):
    monkeypatch.setattr("verify.cli.commands.cells.default_grid", lambda: [Cell("selector", 5, 1)])
    monkeypatch.setattr(
        "verify.cli.commands.cells.forms_grid",
        lambda: [Cell("selector", 5, r, form="wide") for r in (1, 2)],
    )
    assert main(["all"]) == 0
    assert "PASS: 1 cell planned, 1 passed" in capsys.readouterr().out
    assert main(["all", "--forms"]) == 0
    printed = capsys.readouterr().out
    assert "PASS: 3 cells planned, 3 passed" in printed
    assert "forms: 2 cells" in printed


def test_one_bad_cell_of_all_does_not_hide_the_others(monkeypatch, capsys):
    cells = [
        Cell("selector", 5, 1),
        Cell("scalar_selector", 500, 2, dtype="float16"),
        Cell("selector", 5, 3),
    ]
    monkeypatch.setattr("verify.cli.commands.cells.default_grid", lambda: cells)
    assert main(["all"]) == 1
    out = capsys.readouterr().out
    assert "UNKNOWN: 3 cells planned, 2 passed, 0 failed, 1 unknown" in out
    assert "UNKNOWN: scalar_selector with 500 possible answers: sums reach" in out


def test_a_folder_of_other_files_is_refused_before_the_work(tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("kept")
    words = ["selector", "-N", "4", "-R", "2", "--save"]
    assert main([*words, str(tmp_path)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "is not empty and not the folder of a model, so it stays as it is" in printed.err
    assert (tmp_path / "mine.txt").read_text() == "kept"
    for _ in range(2):  # an empty folder is taken, and then a model is replaced
        (tmp_path / "new").mkdir(exist_ok=True)
        assert main([*words, str(tmp_path / "new")]) == 0
