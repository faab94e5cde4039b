"""What is no journal is refused in a line, and what stands in one forges nothing."""

import json
import os
import resource
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from cell_journals import GRID, cells_journal, printed
from journals import whole_lines
from journals import write as write_squares

from constructions import FactTable, save, selector
from verify.runner import journal
from verify.runner.journal import opened


def test_what_is_no_journal_is_refused_in_a_line(folder, capsys):
    (folder / "text").write_text("hello\n")
    write_squares(folder / "squares", [1])
    for words, why in (
        (["none"], "there is no such file"),
        ([str(folder)], "is no regular file"),
        (["text"], "is no journal"),
        (["squares", "--table"], "jobs of the kind 'square', of which this version"),
        (["squares", "-o", "text"], "text exists, and is not overwritten"),
        (["squares", "-o", "squares"], "are both squares"),
        (["squares", "--json", "squares"], "are both squares"),
        (["squares", "-o", "none/merged"], "cannot be written"),
        (["squares", "-o", "new", "--json", "new"], "are both new"),
    ):
        status, lines, complaints = printed(capsys, "journal", *words)
        assert (status, lines, len(complaints)) == (2, [], 1), words
        assert why in complaints[0], complaints


def test_an_empty_journal_is_unknown(folder, capsys):
    (folder / "j").touch()
    for words in ([], ["--table"]):
        status, lines, complaints = printed(capsys, "journal", "j", *words)
        assert (status, complaints) == (1, [])
        assert lines[-1] == (
            "UNKNOWN: 0 jobs planned, 0 passed, 0 failed, 0 unknown, 0 lost, 0 left"
        )


def test_a_journal_cannot_steer_a_terminal_or_forge_a_verdict(folder, capsys):
    with opened("j") as book:
        book.begin(["all\n\x1b[31mPASS: 1"], "PASS:\x1b", "code", [], 0)
    status, lines, _ = printed(capsys, "journal", "j")
    assert status == 1
    assert not any("\x1b" in line for line in lines)
    assert sum(line.startswith(("PASS", "FAIL", "UNKNOWN")) for line in lines) == 1


def test_a_result_of_another_shape_is_refused_with_its_line(folder, capsys):
    path = cells_journal("j", GRID[:1])
    line = json.loads(whole_lines(folder / "j")[1])
    del line["sum"], line["result"]["dtype"]
    (folder / path).write_bytes(whole_lines(folder / "j")[0] + journal.line_of(line))
    status, _, complaints = printed(capsys, "journal", "j", "--table")
    assert status == 2
    assert "line 2 " in complaints[0]
    assert "no stored CellResult" in complaints[0]


def test_it_starts_at_once_and_without_torch(folder):
    cells_journal("j", GRID[:1])
    code = (
        "import sys; from verify.__main__ import main; status = main(['journal', 'j']);"
        "print(status, 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines()[-1] == "0 False", done.stderr


def has_opened(pid, path):
    """Whether a process has a file open."""
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # it has been closed meanwhile
            if link.samefile(path):
                return True
    return False


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_a_journal_of_thousands_of_jobs_is_interrupted_in_a_line(folder):
    write_squares(folder / "j", range(100))
    program = subprocess.Popen(
        [sys.executable, "-m", "verify", "journal", *["j"] * 5000],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while not has_opened(program.pid, folder / "j"):
        assert program.poll() is None
    program.send_signal(signal.SIGINT)
    assert program.communicate()[1] == "interrupted\n"
    assert program.returncode == 130


@pytest.mark.parametrize("workers", ["0", pytest.param("2", marks=pytest.mark.long)])
def test_a_run_whose_journal_is_full_stops_and_the_next_goes_on(workers, folder, capsys):
    """The system takes no file of more than 2,000 bytes, as a disk that is full."""
    save(selector(FactTable.random_bijections(5, 1, seed=0)), folder / "model")
    words = ["attack", "model", "-n", "3", "--workers", workers, "--journal", "j"]
    stopped = subprocess.run(
        [sys.executable, "-m", "verify", *words],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000)),
    )
    n_saved = len(whole_lines(folder / "j")) - 1
    assert 0 < n_saved < 6
    saved = "1 result is" if n_saved == 1 else f"{n_saved} results are"
    why = f"cannot be written: File too large; {saved} in it, and the same command goes on"
    assert stopped.returncode == 2
    assert stopped.stderr.startswith("error: ")
    assert why in stopped.stderr
    assert stopped.stderr.count("\n") == 1
    status, lines, _ = printed(capsys, "journal", "j")
    assert (status, lines[-1].partition(",")[0]) == (1, "UNKNOWN: 6 jobs planned")
    assert printed(capsys, *words)[0] == 0
    whole = ["attack", "model", "-n", "3", "--workers", "0", "--journal", "whole"]
    assert printed(capsys, *whole)[0] == 0
    digests = [printed(capsys, "journal", name)[1][-2] for name in ("j", "whole")]
    assert digests[0] == digests[1]
    assert printed(capsys, "journal", "j", "whole")[0] == 0
