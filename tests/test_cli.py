"""The command line as a user meets it."""

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from functools import partial

import pytest

from constructions import CATALOGUE
from verify.__main__ import main
from verify.cli.commands.saved import ATTACKS
from verify.runner.attack_kinds import KINDS
from verify.runner.cells import Cell

FAMILY = (
    "Alice\tmother\tBeth\nBeth\tmother\tCarla\nAlice\twife\tDora\nDora\tmother\tBeth\nAnn"
    " Lee\tborn in\tNew York\n"
)

CELL = ["key_value", "-N", "5", "-R", "2", "-k", "2"]
FACTS = ["facts", "FAMILY", "-k", "2"]


@pytest.fixture
def family(tmp_path):
    path = tmp_path / "family.tsv"
    path.write_text(FAMILY)
    return str(path)


def run(*arguments, **options):
    command = [sys.executable, "-m", "verify", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


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
    assert "PASS: 1 cell planned, 1 passed, 0 failed, 0 unknown; 75 queries" in printed
    cell = json.loads(path.read_text())["cells"][0]
    assert (cell["construction"], cell["entities"], cell["relations"], cell["hops"]) == (
        name,
        25,
        3,
        1,
    )
    assert (cell["queries"], cell["wrong"], cell["logits"]) == (75, 0, "both")


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
    monkeypatch.setattr("verify.runner.verifying.predicted", lambda *arguments: None)
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

    monkeypatch.setattr("verify.runner.verifying.check_recall", crash)
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
        "verify.cli.commands.cells.forms_grid", lambda: [Cell("selector", 5, 1, form="wide")] * 2
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


# ------------------------------------------------------------------ facts


def test_facts_are_verified_and_asked(family, capsys, tmp_path):
    questions = [
        "--ask",
        "Alice",
        "mother",
        "--ask",
        "Ann Lee",
        "born in",
        "--ask",
        "Dora wife",
        "--ask",
        "Ann Lee\tborn in",
    ]
    path = tmp_path / "result.json"
    assert main(["facts", family, *questions, "--json", str(path)]) == 0
    answers = json.loads(path.read_text())["answers"]
    assert answers[0] == {"subject": "Alice", "path": ["mother"], "answer": "Beth"}
    assert [answer["answer"] for answer in answers] == ["Beth", "New York", None, "New York"]
    printed = capsys.readouterr().out
    assert (
        "5 facts, 6 entities, 3 relations, 13 of 18 (entity, relation) pairs without a fact"
        in printed
    )
    assert "Alice mother -> Beth" in printed
    assert "Ann Lee born in -> New York" in printed
    assert "Dora wife -> unknown (no such fact)" in printed
    assert "PASS" in printed


@pytest.mark.parametrize("name", list(CATALOGUE))
def test_the_construction_may_be_chosen(name, family, capsys):
    if CATALOGUE[name].needs == "bijections":
        assert main(["facts", family, "--construction", name]) == 2
        assert "mother has no answer for" in capsys.readouterr().err
        return
    assert main(["facts", family, "--construction", name, "--ask", "Alice wife"]) == 0
    printed = capsys.readouterr().out
    assert f"construction: {name} (as asked)" in printed
    assert "Alice wife -> Dora" in printed


def test_a_suitable_construction_is_suggested(family, tmp_path, capsys):
    assert main(["facts", family]) == 0
    assert "construction: superposition" in capsys.readouterr().out
    shared = tmp_path / "shared.tsv"
    shared.write_text("a\tr\tb\na\tq\tb\n")
    assert main(["facts", str(shared)]) == 0
    assert "construction: selector (the relations share answers" in capsys.readouterr().out
    assert main(["facts", str(shared), "--construction", "superposition"]) == 2
    assert "a r -> b and a q -> b" in capsys.readouterr().err


def test_questions_of_several_hops_and_lengths_are_answered(family, capsys, tmp_path):
    path = tmp_path / "result.json"
    questions = [
        "--ask",
        "Alice mother mother",
        "--ask",
        "Alice",
        "wife",
        "mother",
        "mother",
        "--ask",
        "Dora wife mother",
    ]
    assert main(["facts", family, *questions, "--json", str(path)]) == 0
    printed = capsys.readouterr().out
    assert "construction: chain_of_thought" in printed
    assert "Alice mother mother -> Carla" in printed
    assert "Alice wife mother mother -> Carla" in printed
    assert "Dora wife mother -> unknown" in printed
    parsed = json.loads(path.read_text())
    assert [(cell["hops"], cell["queries"]) for cell in parsed["cells"]] == [
        (2, 6 * 9),
        (3, 6 * 27),
    ]
    assert parsed["answers"][1] == {
        "subject": "Alice",
        "path": ["wife", "mother", "mother"],
        "answer": "Carla",
    }


def test_a_model_of_one_length_is_not_asked_for_two(family, capsys):
    arguments = [
        "facts",
        family,
        "--construction",
        "key_value_rows",
        "--ask",
        "Alice mother mother",
    ]
    assert main(arguments) == 0
    assert "Alice mother mother -> Carla" in capsys.readouterr().out
    assert main([*arguments, "--ask", "Alice wife"]) == 2
    assert (
        "paths of one length, but the questions have 1 and 2 relations" in capsys.readouterr().err
    )
    assert (
        main(["facts", family, "--construction", "selector", "--ask", "Alice mother mother"]) == 2
    )
    assert "selector answers one hop" in capsys.readouterr().err


def test_options_reach_the_builder(capsys, tmp_path):
    path = tmp_path / "result.json"
    assert (
        main(["hybrid", "-N", "9", "-R", "3", "-k", "2", "--looked-up", "1", "--json", str(path)])
        == 0
    )
    assert json.loads(path.read_text())["cells"][0]["options"] == {"looked_up": 1}
    assert "hybrid q=1" in capsys.readouterr().out
    words = [
        "chain_of_thought",
        "-N",
        "9",
        "-R",
        "2",
        "-k",
        "3",
        "--max-hops",
        "5",
        "--hops-per-token",
        "2",
    ]
    assert main(words) == 0
    assert "K=5 j=2" in capsys.readouterr().out
    assert main(["hybrid", "-N", "9", "-R", "3", "-k", "2", "--looked-up", "4"]) == 1
    assert (
        "looked_up must be an integer from 0 to the number of relations, 3; got 4"
        in capsys.readouterr().out
    )


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (
            ["Alise", "mother"],
            "no entity is named 'Alise' among the 6 of the table; did you mean 'Alice'",
        ),
        (["Alice", "brother"], "no relation is named 'brother' among the 3"),
        (["Alice"], "a subject and one relation or more; got 1 name: Alice"),
        (["Ann Lee born in"], "give names with spaces as words of their own"),
    ],
)
def test_a_bad_question_is_refused_before_the_work(ask, message, family, capsys):
    assert main(["facts", family, "--ask", *ask]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert "margin" not in captured.out


# ------------------------------------------------------------------ the process


def test_bad_input_gives_status_2_and_no_traceback_in_a_real_process(tmp_path):
    done = run("facts", str(tmp_path / "nowhere.tsv"))
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr


def test_an_interrupt_is_reported_and_keeps_what_was_found(tmp_path):
    path = tmp_path / "all.json"
    command = [sys.executable, "-m", "verify", "all", "--json", str(path)]
    # A runner in the background ignores SIGINT, and a child inherits that; a user's shell does
    # not.
    listen = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=listen
    ) as process:
        assert process.stdout is not None
        for _ in range(3):
            process.stdout.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "UNKNOWN" in out
    assert "interrupted" in err
    assert "Traceback" not in err
    result = json.loads(path.read_text())
    assert result["verdict"] == "UNKNOWN"
    assert 0 < result["passed"] < result["planned"]


def test_the_kinds_of_attack_that_help_names_are_those_there_are():
    """They are named twice, since help does not import torch."""
    assert list(ATTACKS) == list(KINDS)


@pytest.mark.parametrize("words", [["example", "out.tsv"], ["facts", "in.tsv"]])
def test_an_interrupt_anywhere_is_reported(words, monkeypatch, capsys, tmp_path):
    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("verify.cli.examples.unicode_facts", interrupt)
    monkeypatch.setattr("verify.cli.commands.facts.read_tsv", interrupt)
    assert main(words) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_names_that_the_terminal_cannot_show_are_escaped(tmp_path):
    path = tmp_path / "facts.tsv"
    path.write_text("Zo\u00eb\tlikes\t\u738b\n", encoding="utf-8")
    done = run(
        "facts",
        str(path),
        "--ask",
        "Zo\u00eb likes",
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert done.returncode == 0
    assert "Zo\\xeb likes -> \\u738b" in done.stdout


def test_a_full_disk_is_reported_without_a_traceback():
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full on this system")
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "verify", "list"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "error: No space left on device\n"


@pytest.mark.long
def test_a_closed_pipe_ends_quietly():
    command = [sys.executable, "-m", "verify", "all"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert "Traceback" not in process.stderr.read()
    assert process.returncode == 1


def on_a_terminal(*words, **environment):
    """What a terminal of 200 columns shows while a command runs, and its status."""
    pty = pytest.importorskip("pty")
    primary, secondary = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "verify", *words],
        stdout=secondary,
        stderr=secondary,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "200", **environment},
    )
    os.close(secondary)
    printed = b""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            chunk = os.read(primary, 65536)
        except OSError:
            break
        if not chunk:
            break
        printed += chunk
    os.close(primary)
    return printed.decode(), process.wait(timeout=60)


def test_a_terminal_gets_a_progress_bar_that_shows_each_phase():
    words = ["selector", "-N", "20000", "-R", "8", "--logits", "fast"]
    printed, status = on_a_terminal(*words)
    assert status == 0
    assert "of 160,000 queries" in printed
    assert "━" in printed
    phases = [printed.index(phase) for phase in ("building", "asking", "counting bits", "proving")]
    assert phases == sorted(phases)
    assert "\x1b[32mPASS\x1b[0m: 1 cell planned" in printed
    assert "theorem" in printed, "there is room for the wide table"


def test_a_terminal_gets_the_phases_of_facts_too_and_no_colour_where_none_is_wanted(family):
    printed, status = on_a_terminal(
        "facts", family, "--ask", "Alice mother", NO_COLOR="1", COLUMNS="150"
    )
    assert status == 0
    assert "building" in printed
    assert "proving" in printed
    assert "PASS: 1 cell planned" in printed
    assert "[32m" not in printed
    assert "theorem" not in printed


# ------------------------------------------------------------------ bounds, plans, separation


def test_bounds_and_plans_do_not_import_torch(tmp_path):
    code = (
        "import sys; from verify.__main__ import main\n"
        "import bounds.capacity, bounds.counting\n"
        "assert main(['bound', '-N', '64', '-R', '2', '-k', '2']) == 0\n"
        "assert main(['plan', '-N', '64', '-R', '2', '-k', '2']) == 0\n"
        "assert main(['separation', '-R', '4', '-k', '3']) == 0\n"
        "assert main(['list']) == 0\n"
        "assert 'sympy' not in sys.modules, 'numbers need no symbols'\n"
        "assert main(['list', '--limits']) == 0\n"
        "assert not {'torch', 'matplotlib', 'rich'} & set(sys.modules), 'slow import'"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_bound_prints_the_values_of_theorem_4_2(capsys):
    assert main(["bound", "-N", "4096", "-R", "4", "-k", "3", "--embedding-bits", "12"]) == 0
    printed = capsys.readouterr().out
    assert "80,550.140669" in printed  # 80550.1406698..., rounded down
    assert "disjoint trees          30,681.336919  at M = 48" in printed
    assert "fact-aware unembedding  43,283.065280  at M = 110" in printed
    assert "124,541.597182  at M = 195" in printed
    assert (
        main(
            [
                "bound",
                "-N",
                "4096",
                "-R",
                "4",
                "-k",
                "3",
                "--embedding-bits",
                "48",
                "--unembedding-bits",
                "12",
            ]
        )
        == 0
    )
    assert "39,179.065280  at M = 110, Q = 1,760, i = 2, j = 0" in capsys.readouterr().out


def test_bound_writes_the_plane_as_table_picture_and_data(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    picture, data = tmp_path / "plane.svg", tmp_path / "plane.json"
    arguments = [
        "bound",
        "-N",
        "1e3",
        "-R",
        "2",
        "-k",
        "2",
        "--plot",
        str(picture),
        "--json",
        str(data),
    ]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert "N = 1,000, R = 2, k = 2" in printed
    assert all(name in printed for name, entry in CATALOGUE.items() if entry.multi_hop)
    assert "hybrid q=2" in printed
    assert "<svg" in picture.read_text()
    assert json.loads(data.read_text())["N"] == 1000


@pytest.mark.parametrize(
    "arguments",
    [
        ["-N", str(2**40), "-R", str(2**40), "--embedding-bits", "0"],
        ["-N", "1000", "-R", "2", "--embedding-bits", "1" + 400 * "0"],
        ["-N", "1e12", "-R", "16", "-k", "16"],
    ],
)
def test_bounds_of_any_size_are_printed(arguments, capsys):
    assert main(["bound", *arguments]) == 0
    assert "shared leaves" in capsys.readouterr().out


def test_a_loop_of_links_is_no_place_for_a_file(tmp_path, capsys):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert main(["plan", "-N", "10", "-R", "2"]) == 0
    assert main(["bound", "-N", "10", "-R", "2", "--json", str(tmp_path / "loop" / "x.json")]) == 2
    assert "existing folder" in capsys.readouterr().err


def test_a_bound_whose_condition_cannot_be_met_says_so(capsys):
    assert main(["bound", "-N", "10", "-R", "4", "-k", "3"]) == 0
    printed = capsys.readouterr().out
    assert "shared leaves: shared_leaves_bound needs M I(k) <= N for some M >= 1" in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["bound", "-N", "10", "-R", "2", "--unembedding-bits", "3"], "needs --embedding-bits"),
        (
            ["bound", "-N", "10", "-R", "2", "--embedding-bits", "3", "--plot", "x.svg"],
            "asks for one point",
        ),
        (["bound", "-N", "10", "-R", "2", "--plot", "no/such/folder.svg"], "existing folder"),
        (["bound", "-N", "10", "-R", "2000"], "up to 1,000 relations"),
        (["plan", "-N", "10", "-R", "2", "-k", "65"], "64 hops; got 2 and 65"),
        (["separation", "-R", "1", "-k", "3"], "nowhere separated"),
        (["separation", "-R", "4", "-k", "100000"], "64 hops; got 4 and 100,000"),
        (["bound", "-N", "10", "-R", "2", "--plot", "plane.pdf"], "ends in .svg"),
        (
            ["bound", "-N", "10", "-R", "2", "--plot", "x.svg", "--json", "x.svg"],
            "--json and --plot are both x.svg; each needs a name",
        ),
        (
            ["separation", "-R", "4", "-k", "2", "--hops-per-token", "2"],
            "fewer hops per token than hops; got 2 and 2",
        ),
    ],
)
def test_bad_questions_about_bounds_are_reported(arguments, message, capsys):
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert "Traceback" not in captured.err


def test_a_missing_matplotlib_is_reported(monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["bound", "-N", "10", "-R", "2", "--plot", str(tmp_path / "x.svg")]) == 2
    assert "pip install" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_plan_exits_with_1_if_nothing_fits(capsys):
    assert main(["plan", "-N", "1e6", "-R", "50", "-k", "3", "--max-d", "100"]) == 0
    printed = capsys.readouterr().out
    assert (
        printed.index("key_value_rows_shared")
        < printed.index("does not fit")
        < printed.index("chain_of_thought")
    )
    assert (
        main(["plan", "-N", "1e6", "-R", "50", "-k", "3", "--max-d", "100", "--max-depth", "1"])
        == 1
    )
    assert capsys.readouterr().out.startswith("nothing fits")


def test_plan_holds_every_limit(capsys):
    limits = ["--max-d", "2000", "--max-bits", "1e15", "--max-depth", "1", "--max-tokens", "3"]
    assert main(["plan", "-N", "1e6", "-R", "50", "-k", "3", *limits, "--all"]) == 0
    rows = capsys.readouterr().out.split("does not fit")[0].splitlines()[1:]
    assert [row.split()[0] for row in rows] == ["chain_of_thought"]


def test_separation_finds_the_smallest_table(capsys):
    assert main(["separation", "-R", "4", "-k", "3"]) == 0
    printed = capsys.readouterr().out
    assert "any unembedding: chain_of_thought is nowhere separated" in printed
    assert (
        "unembeddings that do not depend on the facts: separated first at N = 788: B_T = 15,912, B_e"
        " = 68" in printed
    )
    assert main(["separation", "-R", "16", "-k", "3"]) == 0
    assert (
        "any unembedding: separated first at N = 64,838: B_T = 420,132, B_e = 314, B_u = 1,884"
        in capsys.readouterr().out
    )
