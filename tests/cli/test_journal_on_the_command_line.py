"""`verify journal` sums up what long work has left, and shows it as if nothing had disturbed it."""

import json
import os
import re
import sys

import pytest
from cell_journals import GRID, PASSING, cells_journal, printed
from command_line import run
from journals import whole_lines
from journals import write as write_squares
from own_files import START

from constructions import FactTable, save, selector
from verify.cells.cell import Cell
from verify.cells.evidence import Ended
from verify.cells.jobs import CELLS, describe, described
from verify.cells.results import CellResult
from verify.runner.code_version import code_version
from verify.runner.contents import read
from verify.runner.job import Job
from verify.runner.journal import opened
from verify.runner.merged import Merged
from verify.runner.outcome import Done


def without_times(lines):
    """The time on the clock at the end is another one."""
    return [line.partition(" queries in ")[0] for line in lines]


def test_the_table_and_the_json_are_those_of_an_undisturbed_run(folder, capsys):
    everything = ("--json", "all.json", "--workers", "0")
    for wide in ([], ["--wide"]):
        status, table, _ = printed(capsys, "all", "--journal", "j", *everything, *wide)
        assert status == 0
        status, again, complaints = printed(
            capsys, "journal", "j", "--table", "--json", "j.json", *wide
        )
        assert (status, complaints) == (0, [])
        assert without_times(again) == without_times(table)
        assert (folder / "j.json").read_bytes() == (folder / "all.json").read_bytes()
    assert printed(capsys, "journal", "j", "--json", "alone.json")[0] == 0
    assert (folder / "alone.json").read_bytes() == (folder / "all.json").read_bytes()


def test_it_sums_up_in_lines_below_100_columns(folder, capsys):
    cells_journal("j", GRID, done=GRID[:3], lost=GRID[3:4])
    status, lines, complaints = printed(capsys, "journal", "j")
    assert (status, complaints) == (1, [])
    assert max(map(len, lines)) < 100
    text = "\n".join(lines)
    for said in (
        "journal   j",
        "command   all",
        f"code      {code_version()} (the present one), Python 3.",
        "machines  here: 3 results",
        "jobs      5 planned (cell): 3 done, 1 lost, 1 left; 3 passed, 0 failed, 0 unknown",
        "time      3.0 s of one core, ",
        "slowest   1.0 s: cell construction=selector",
        "looked_up=1",
        "lost      cell construction=key_value entities=5 relations=2 hops=2 facts=partial seed=0",
        "ended by SIGKILL",
        f"digest    {Merged([read(folder / 'j')]).digest}",
    ):
        assert said in text, said
    assert lines[-1] == ("UNKNOWN: 5 jobs planned, 3 passed, 0 failed, 0 unknown, 1 lost, 1 left")


@pytest.mark.parametrize(
    ("done", "lost", "crashed", "verdict"),
    [
        (PASSING, [], False, "PASS"),
        (PASSING[:3], [], False, "UNKNOWN"),
        (PASSING[:3], PASSING[3:], False, "UNKNOWN"),
        (PASSING[:3], PASSING[3:], True, "FAIL"),
        ([], [], False, "UNKNOWN"),
    ],
)
def test_the_verdict_and_the_status_follow_from_all_jobs(
    done, lost, crashed, verdict, folder, capsys
):
    cells_journal("j", PASSING, done, lost, crashed)
    for words in ([], ["--table"]):
        status, lines, _ = printed(capsys, "journal", "j", *words)
        assert lines[-1].startswith(f"{verdict}: 4 "), lines[-1]
        assert status == (0 if verdict == "PASS" else 1)


def test_a_cell_that_failed_and_one_without_a_verdict_turn_it(folder, capsys):
    cells_journal("unknown", GRID)
    assert printed(capsys, "journal", "unknown")[1][-1].startswith("UNKNOWN: 5 jobs")
    job = Job(CELLS, GRID[0], code_version())
    with opened("fail") as book:
        book.begin(["all"], "cell", code_version(), [job.key], 1)
        crashed = CellResult(GRID[0], "float32", ended=Ended("bug", crashed=True, traceback="t"))
        book.note_done(job, Done(crashed, 1.0, None, "here"))
    status, lines, _ = printed(capsys, "journal", "fail")
    assert (status, lines[-1][:14]) == (1, "FAIL: 1 job pl")
    assert [line for line in lines if line.startswith("failed    cell construction=selector")]
    status, lines, complaints = printed(capsys, "journal", "fail", "--table")
    assert (status, complaints) == (1, ["t"])
    assert "why FAIL: crashed: bug" in "\n".join(lines)


def test_a_lost_cell_stands_in_the_table_as_in_that_of_the_run(folder, capsys):
    """Lost jobs are described by what decides them alone, and that is enough."""
    for cell in GRID:
        assert described(json.loads(json.dumps(describe(cell)))) == cell
    cells_journal("j", PASSING, PASSING[:3], PASSING[3:])
    lines = printed(capsys, "journal", "j", "--table")[1]
    row = next(number for number, line in enumerate(lines) if line.startswith("key_value"))
    assert lines[row].split()[-2:] == ["UNKNOWN", "0.00"]
    assert lines[row + 1] == "    why UNKNOWN: its process was ended by SIGKILL"


def test_parts_of_two_machines_are_the_whole(folder, capsys):
    whole = printed(capsys, "all", "--journal", "whole", "--workers", "0")[1]
    digest = printed(capsys, "journal", "whole")[1][-2]
    for part in "12":
        words = ["--part", f"{part}/2", "--journal", part, "--workers", "0"]
        assert printed(capsys, "all", *words)[0] == 0
    status, lines, _ = printed(capsys, "journal", "1")
    assert (status, lines[-1]) == (
        1,
        "UNKNOWN: 4 jobs planned, 2 passed, 0 failed, 0 unknown, 0 lost, 2 left",
    )
    assert printed(capsys, "journal", "2", "1", "-o", "both")[0] == 0
    for words in (["2", "1"], ["both"], ["1", "both", "2"]):
        status, lines, _ = printed(capsys, "journal", *words)
        assert (status, lines[-2]) == (0, digest)
        table = printed(capsys, "journal", *words, "--table")[1]
        assert [row.split()[:3] for row in table[:-1]] == [row.split()[:3] for row in whole[:-1]]


def test_a_part_without_a_job_has_nothing_to_say(folder, capsys):
    """More machines than there are jobs: the last of them."""
    status, lines, complaints = printed(capsys, "all", "--part", "9/9", "--journal", "j")
    assert (status, complaints) == (1, [])
    assert lines[-1].startswith("UNKNOWN: 0 cells planned, 0 passed")
    assert "4 planned (cell): 0 done, 0 lost, 4 left" in "\n".join(
        printed(capsys, "journal", "j")[1]
    )


def test_results_that_are_not_equal_are_reported_with_both_sides(folder, capsys):
    cells_journal("one", GRID[:1])
    job = Job(CELLS, GRID[0], code_version())
    with opened("other") as book:
        book.begin(["all"], "cell", code_version(), [job.key], 1)
        result = CELLS.run(GRID[0])
        result.recall.counterexamples.append("a change")
        book.note_done(job, Done(result, 1.0, None, "there"))
    status, lines, _ = printed(capsys, "journal", "one", "other", "--table", "-o", "both")
    assert status == 1
    assert lines[0].startswith("not equal: cell construction=selector entities=5")
    assert lines[1].startswith("    one, line 2 (here, 20")
    assert lines[2].startswith("    other, line 2 (there, 20")
    assert "counterexamples" in lines[2]
    assert lines[-1].startswith("FAIL: 1 job planned")
    assert lines[-1].endswith("1 with results that are not equal")
    assert not (folder / "both").exists()


def test_what_does_not_count_is_reported(folder, capsys):
    cells_journal("j", PASSING)
    lines = whole_lines(folder / "j")
    (folder / "j").write_bytes(b"".join([*lines[:2], b"damage\n", *lines[3:], b'{"done":']))
    status, table, complaints = printed(capsys, "journal", "j")
    assert (status, len(complaints)) == (1, 2)
    assert complaints[0] == "j: line 3 does not count: its sum is not that of what it says"
    assert complaints[1].startswith("j: its last line has no end (8 bytes) and does not count")
    assert table[-1].startswith("UNKNOWN: 4 jobs planned, 3 passed")


def test_results_of_another_version_are_reported_and_do_not_count(folder, capsys):
    write_squares(folder / "j", [1, 2], code="older")
    write_squares(folder / "j", [1])
    lines = printed(capsys, "journal", "j")[1]
    assert "others    2 results of another version of the code do not count" in lines
    assert f"(not the present one, {code_version()})" in "\n".join(lines)


def test_attacks_have_the_table_of_the_run(folder, capsys):
    save(selector(FactTable.random_bijections(5, 1, seed=0)), folder / "model")
    words = ["attack", "model", "-n", "3", "--workers", "0", "--journal", "j"]
    status, table, _ = printed(capsys, *words)
    assert status == 0
    assert printed(capsys, "journal", "j", "--table") == (0, table, [])
    status, lines, _ = printed(capsys, "journal", "j")
    assert (status, lines[-1][:4]) == (0, "PASS")
    slowest = re.findall(r" s: attack model=\S+ kind=\S+ seed=0", " ".join(lines))
    assert len(slowest) == 3, lines
    assert printed(capsys, "journal", "j", "--json", "x.json")[0] == 2
    printed(capsys, "all", "--workers", "0", "--journal", "j")
    both = printed(capsys, "journal", "j", "--table")[1]
    assert both[-len(table) :] == table
    assert both[0].startswith("construction ")


def test_a_user_s_own_file_is_run_only_where_he_names_it(folder, capsys, monkeypatch):
    (folder / "own.py").write_text(f"{START}print('run')\nmine = right\n")
    own = [Cell("own.py:mine", 4, 2)]
    monkeypatch.setattr("verify.cli.commands.cells.default_grid", lambda *given: own)
    words = ["--with", "own.py:mine"]
    assert printed(capsys, "all", *words, "--workers", "0", "--journal", "j")[0] == 0
    program = ("journal", "j")
    summed = run(*program, cwd=folder, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})
    assert "run" not in summed.stdout.split()
    assert "compare with --with own.py:mine" in " ".join(summed.stdout.split())
    for more in (["--table"], ["--json", "j.json"]):
        status, _, complaints = printed(capsys, *program, *more)
        assert status == 2
        assert "its file is run only if you say so: --with own.py:mine" in complaints[0]
    status, lines, _ = printed(capsys, *program, *words)
    assert status == 0
    assert "(the present one)" in "\n".join(lines)
    assert printed(capsys, *program, *words, "--table")[0] == 0


# ------------------------------------------------------------------ broken on purpose


def test_a_table_in_the_order_of_the_lines_would_not_be_that_of_the_run(
    folder, capsys, monkeypatch
):
    cells_journal("j", PASSING[::-1], done=PASSING[:2])
    keys = [Job(CELLS, cell, code_version()).key for cell in PASSING]
    with opened("j") as book:
        for cell in PASSING[2:]:
            job = Job(CELLS, cell, code_version())
            book.note_done(job, Done(CELLS.run(cell), 1.0, None, "here"))
    merged = Merged([read(folder / "j")])
    assert [found.entry.key for found in merged.results] == keys[::-1]
    assert list(merged.done) != keys[::-1], "lines stand in another order"
