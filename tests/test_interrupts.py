"""An interrupt at any moment, and workers that are killed or crash: a sentence, a status, and no
traceback.

Moments are drawn anew in each run, and stand in the message of a test that fails.
"""

import os
import random
import signal
import subprocess
import sys
from dataclasses import replace
from functools import partial

import pytest

from constructions.saved.manifest import NAME as MANIFEST
from verify.__main__ import main
from verify.cells.cell import Cell
from verify.cells.jobs import CELLS
from verify.cells.results import CellResult
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

# Interrupts itself at the first call of a function of this name, and after every text that is then
# written to standard error.
ONCE_MORE = """
import signal, sys
from verify.__main__ import process

name, again = sys.argv.pop(1), False

def begin(frame, event, argument):
    global again
    if event == "call" and frame.f_code.co_name == name:
        sys.setprofile(None)
        again = True
        signal.raise_signal(signal.SIGINT)

class Stderr:
    def write(self, text):
        sys.__stderr__.write(text)
        sys.__stderr__.flush()
        if again:
            signal.raise_signal(signal.SIGINT)

    def flush(self):
        pass

sys.stderr = Stderr()
sys.setprofile(begin)
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


@pytest.mark.parametrize(
    ("function", "line"),
    [("say", "interrupted"), ("run_cell", "interrupted: the cells that were not run are unknown")],
)
def test_a_second_interrupt_while_the_first_is_reported_is_ignored(function, line):
    done = interrupted(ONCE_MORE, function, "selector", "-N", "4", "-R", "2")
    assert (done.returncode, done.stderr) == (130, f"{line}\n")


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


def test_a_lost_cell_is_no_pass(monkeypatch, capsys):
    cells = [Cell("selector", 5, 1), Cell("selector", 5, 2), Cell("selector", 5, 3)]
    monkeypatch.setattr("verify.cli.commands.cells.default_grid", lambda: cells)
    killing = replace(CELLS, run=kill_the_second)
    monkeypatch.setattr("verify.cells.jobs.CELLS", killing)
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
