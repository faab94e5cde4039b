"""An interrupt at any moment, and workers that are killed or crash: a sentence, a status, and no
traceback.

Moments are drawn anew in each run, and stand in the message of a test that fails.
"""

import os
import random
import signal
import subprocess
import sys
import time
from functools import partial
from multiprocessing.connection import wait
from pathlib import Path

import pytest
from items import done_or_lost, reported

from constructions.saved.manifest import NAME as MANIFEST
from verify.__main__ import main
from verify.cells.cell import Cell
from verify.cells.results import CellResult
from verify.cells.workers import MOST, side_by_side
from verify.queries.answers import Recall

# Interrupts itself at a call of a Python function, by number, counted from where our code begins;
# 0: never, and counts.
AT_A_CALL = """
import signal, sys
from verify.__main__ import process

moment, calls = int(sys.argv[1]), 0
del sys.argv[1]

def count(frame, event, argument):
    global calls
    if event == "call":
        calls += 1
        if calls == moment:
            signal.raise_signal(signal.SIGINT)

sys.setprofile(count)
status = process()
sys.setprofile(None)
print("calls", calls)
sys.exit(status)
"""

# Interrupts itself and its workers, as a terminal does, after so many seconds, wherever they are,
# and soon after once more.
AFTER_SECONDS = """
import os, signal, sys, threading, time
from verify.__main__ import process

def interrupt(seconds):
    for pause in (seconds, 0.01):
        time.sleep(pause)
        os.killpg(0, signal.SIGINT)

threading.Thread(target=interrupt, args=(float(sys.argv.pop(1)),), daemon=True).start()
sys.exit(process())
"""


def interrupted(code, moment, *words, cwd=None):
    # A runner in the background ignores SIGINT, and a child inherits that; a user's shell does
    # not.
    listen = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    command = [sys.executable, "-c", code, str(moment), *words]
    options = {"preexec_fn": listen, "start_new_session": True, "cwd": cwd}
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def test_an_interrupt_at_any_call_is_one_line_and_130():
    counted = interrupted(AT_A_CALL, 0, "list")
    assert counted.returncode == 0, counted.stderr
    calls = int(counted.stdout.split()[-1])
    assert calls > 5000, "the imports are counted too"
    for moment in [random.randint(1, calls - 50) for _ in range(5)]:
        done = interrupted(AT_A_CALL, moment, "list")
        assert (done.returncode, done.stderr) == (
            130,
            "interrupted\n",
        ), f"at call {moment} of {calls}"


@pytest.mark.long
def test_an_interrupt_at_any_time_leaves_a_whole_model_or_none(tmp_path):
    (tmp_path / "facts.tsv").write_text("".join(f"s{i}\tr{i % 3}\to{i % 7}\n" for i in range(300)))
    for seconds in [random.uniform(0, 2) for _ in range(2)]:
        done = interrupted(
            AFTER_SECONDS, seconds, "facts", "facts.tsv", "--save", "model", cwd=tmp_path
        )
        reported = f"after {seconds} s: {done.returncode}, {done.stderr}"
        assert (done.returncode, done.stderr) in ((130, "interrupted\n"), (0, "")), reported
        assert not (tmp_path / "model").exists() or (tmp_path / "model" / MANIFEST).is_file(), (
            reported
        )


@pytest.mark.long
def test_an_interrupt_at_any_time_ends_workers_too():
    for seconds in [random.uniform(0, 3) for _ in range(2)]:
        done = interrupted(AFTER_SECONDS, seconds, "all")
        reported = f"after {seconds} s: {done.returncode}, {done.stderr}"
        assert done.returncode == 130, reported
        assert done.stderr in (
            "interrupted\n",
            "interrupted: the cells that were not run are unknown\n",
        ), reported


def test_an_interrupt_that_is_to_be_ignored_is_ignored():
    deaf = partial(signal.signal, signal.SIGINT, signal.SIG_IGN)
    command = [sys.executable, "-c", AT_A_CALL, "3000", "list"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=deaf)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_interrupt_is_reported_where_main_is_called_from_python(monkeypatch, capsys):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("verify.cli.command_line.run", interrupt)
    assert main(["list"]) == 130
    assert capsys.readouterr().err == "interrupted\n"


# ------------------------------------------------------------------ workers


def test_a_worker_that_ends_is_reported_and_the_others_go_on():
    items = ["a", "kill", "b", "crash", "raise", "leave", "c", "unsendable", "d"]
    random.shuffle(items)
    expected = {
        "kill": "kill: its process was ended by SIGKILL, as a system does that is out of memory",
        "crash": "crash: its process was ended by SIGABRT (crashed)",
        "leave": "leave: its process ended with status 3 (crashed)",
        "raise": "raise: it raised ValueError: no such thing (crashed)",
    }
    with side_by_side(done_or_lost, items, reported) as results:
        found = dict(zip(items, results, strict=True))
    assert found.pop("unsendable").startswith("unsendable: its result cannot be sent: ")
    assert found == {
        item: expected.get(item, f"{item} is done") for item in items if item != "unsendable"
    }, items


@pytest.mark.parametrize("processes", [1, MOST])
def test_a_program_whose_workers_all_crash_ends(processes, monkeypatch):
    """With one process none is left when the rest is given up; with more, all may end at once."""

    def wait_for_some(pipes):
        assert pipes, "waiting for no process never ends"
        return wait(pipes)

    monkeypatch.setattr("verify.cells.workers.wait", wait_for_some)
    monkeypatch.setattr("verify.cells.workers.MOST", processes)
    monkeypatch.setattr("verify.cells.workers.MOST_LOST", 3)
    items = ["a", "b", *["leave"] * 30]
    with side_by_side(done_or_lost, items, reported) as results:
        found = list(results)
    assert found[:2] == ["a is done", "b is done"]
    ended = [line for line in found if line == "leave: its process ended with status 3 (crashed)"]
    assert 3 <= len(ended) < 3 + MOST
    assert found[-1].startswith("leave: it was not run, since ")
    assert found[-1].endswith(" others had been lost")


def test_an_exception_ends_workers_at_once():
    started = time.monotonic()
    with (
        pytest.raises(KeyboardInterrupt),
        side_by_side(done_or_lost, ["a", "sleep", "sleep"], reported) as results,
    ):
        interrupt_after(next(results))
    assert time.monotonic() - started < 50, "the items that sleep take a minute"


def interrupt_after(result):
    assert result == "a is done"
    raise KeyboardInterrupt


def test_workers_end_with_a_parent_that_is_killed(tmp_path):
    code = (
        "import os, signal, sys; sys.path.insert(0, sys.argv[1])\n"
        "from items import reported, write_pid\n"
        "from verify.cells.workers import side_by_side\n"
        "if __name__ == '__main__':\n"
        "    with side_by_side(write_pid, sys.argv[2:], reported) as results:\n"
        "        next(results)\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    program = tmp_path / "program.py"
    program.write_text(code)
    files = [tmp_path / "one", tmp_path / "two"]
    done = subprocess.run(
        [sys.executable, str(program), os.path.dirname(__file__), *map(str, files)], check=False
    )
    assert done.returncode == -signal.SIGKILL
    pids = {file.read_text() for file in files if file.exists()}
    assert pids
    deadline = time.monotonic() + 30
    while any(map(runs, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(runs, pids))


def runs(pid):
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def test_a_lost_cell_is_no_pass(monkeypatch, capsys):
    cells = [Cell("selector", 5, 1), Cell("selector", 5, 2), Cell("selector", 5, 3)]
    monkeypatch.setattr("verify.cli.commands.cells.default_grid", lambda: cells)
    monkeypatch.setattr("verify.cli.commands.cells._run_in_worker", kill_the_second)
    assert main(["all"]) == 1
    captured = capsys.readouterr()
    reported = "its process was ended by SIGKILL, as a system does that is out of memory"
    assert f"\n    why UNKNOWN: {reported}\n" in captured.out
    assert "UNKNOWN: 3 cells planned, 2 passed, 0 failed, 1 unknown" in captured.out
    assert "Traceback" not in captured.err


def kill_the_second(cell):
    if cell.relations == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return CellResult(cell, "float32", recall=Recall(planned=1, queries=1, margin=1.0))
