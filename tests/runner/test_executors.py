"""Executors: results and exceptions of calls, workers that end, and the standard interface."""

import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import CancelledError, wait
from pathlib import Path

import pytest
from items import done_or_raise, numbers_of_threads, process, write_pid

from verify.runner.executors import ONE_THREAD, Processes, Serial
from verify.runner.outcome import Lost

EXECUTORS = {"serial": Serial, "one": lambda: Processes(1), "three": lambda: Processes(3)}


@pytest.mark.parametrize("make", EXECUTORS.values(), ids=EXECUTORS)
def test_calls_give_what_they_return_and_raise(make):
    with make() as executor:
        assert list(executor.map(pow, [2, 3, 4], [5, 2, 3])) == [32, 9, 64]
        assert executor.submit(sorted, [3, 1, 2], reverse=True).result() == [3, 2, 1]
        with pytest.raises(ValueError, match="no such thing"):
            executor.submit(done_or_raise, "raise").result()
        assert executor.submit(done_or_raise, "a").result() == "a is done"


def test_a_worker_that_ends_is_reported_and_the_others_go_on():
    items = ["a", "kill", "b", "crash", "c", "leave", "d", "unsendable", "e"]
    random.shuffle(items)
    ends = {
        "kill": (
            "its process was ended by SIGKILL, as a system does that is out of memory",
            False,
        ),
        "crash": ("its process was ended by SIGABRT", True),
        "leave": ("its process ended with status 3", True),
    }
    with Processes(2) as executor:
        futures = {item: executor.submit(done_or_raise, item) for item in items}
        wait(futures.values())
    for item, future in futures.items():
        if item in ends:
            lost = future.exception()
            assert (type(lost), str(lost), lost.crashed) == (Lost, *ends[item]), items
        elif item == "unsendable":
            assert str(future.exception()).startswith("its result cannot be sent: ")
        else:
            assert future.result() == f"{item} is done"


def test_an_argument_that_cannot_be_sent_is_reported_and_the_worker_goes_on():
    with Processes(1) as executor:
        before = executor.submit(process).result()
        with pytest.raises(Exception, match="pickle"):
            executor.submit(done_or_raise, lambda: None).result()
        assert executor.submit(process).result() == before


def test_workers_have_one_thread_and_this_process_keeps_its_own(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    with Processes(1) as executor:
        assert executor.submit(numbers_of_threads, list(ONE_THREAD)).result() == ["1"] * 4
    assert numbers_of_threads(["OMP_NUM_THREADS", "MKL_NUM_THREADS"]) == ["7", None]


def test_after_the_end_no_call_is_taken():
    executor = Processes(2)
    assert executor.submit(pow, 2, 3).result() == 8
    executor.shutdown()
    with pytest.raises(RuntimeError):
        executor.submit(pow, 2, 3)


def test_workers_are_ended_at_once_and_what_they_had_not_begun_is_cancelled():
    executor, started = Processes(1), time.monotonic()
    assert executor.submit(pow, 2, 3).result() == 8
    sleeping, waiting = (executor.submit(done_or_raise, "sleep") for _ in range(2))
    while not sleeping.running():
        time.sleep(0.01)
    executor.kill_workers()
    assert time.monotonic() - started < 50, "what sleeps takes a minute"
    assert "SIGKILL" in str(sleeping.exception())
    with pytest.raises(CancelledError):
        waiting.result()


def test_a_worker_that_is_suspended_is_ended_too():
    executor = Processes(1)
    pid = executor.submit(process).result()
    sleeping = executor.submit(done_or_raise, "sleep")
    while not sleeping.running():
        time.sleep(0.01)
    os.kill(pid, signal.SIGSTOP)
    executor.kill_workers()
    assert isinstance(sleeping.exception(), Lost)
    assert not runs(str(pid))


def test_no_process_is_started_while_one_is_free():
    """Each call begins when the one before it has ended."""
    with Processes(3) as executor:
        assert len({executor.submit(process).result() for _ in range(20)}) == 1
        together = [executor.submit(done_or_raise, item) for item in "abcdef"]
        assert [future.result() for future in together] == [f"{item} is done" for item in "abcdef"]


@pytest.mark.parametrize("workers", [0, -1])
def test_there_is_at_least_one_worker(workers):
    with pytest.raises(ValueError, match="workers do nothing"):
        Processes(workers)


def test_how_a_process_has_ended_is_unknown_where_the_system_does_not_say(monkeypatch):
    """As where SIGCHLD is ignored: that is no crash of the job."""
    with Processes(1) as executor:
        executor.submit(process).result()
        monkeypatch.setattr("multiprocessing.popen_fork.Popen.poll", lambda *arguments: None)
        monkeypatch.setattr("verify.runner.executors.SECONDS_UNTIL_KNOWN", 0.05)
        lost = executor.submit(done_or_raise, "kill").exception()
    assert (str(lost), lost.crashed) == (
        "its process has ended, and the system does not say how",
        False,
    )


@pytest.mark.parametrize("busy", [False, True])
def test_workers_end_with_a_parent_that_is_killed(tmp_path, busy):
    """Also those that are doing something, which takes a minute here."""
    code = (
        "import os, signal, sys; sys.path.insert(0, sys.argv[1])\n"
        "from items import done_or_raise, write_pid\n"
        "from verify.runner.executors import Processes\n"
        "if __name__ == '__main__':\n"
        "    executor = Processes(2)\n"
        "    futures = [executor.submit(write_pid, file) for file in sys.argv[2:]]\n"
        "    [future.result() for future in futures]\n"
        f"    busy = [executor.submit(done_or_raise, 'sleep') for _ in range({2 * busy})]\n"
        "    while not all(future.running() for future in busy):\n"
        "        pass\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    program = tmp_path / "program.py"
    program.write_text(code)
    files = [tmp_path / "one", tmp_path / "two"]
    tests = str(Path(__file__).parents[1])
    done = subprocess.run([sys.executable, str(program), tests, *map(str, files)], check=False)
    assert done.returncode == -signal.SIGKILL
    pids = {file.read_text() for file in files}
    deadline = time.monotonic() + 30
    while any(map(runs, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(runs, pids))
    assert str(os.getpid()) not in pids


def runs(pid):
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def test_writing_a_process_id_is_done_elsewhere(tmp_path):
    """The control of the test above."""
    with Processes(1) as executor:
        executor.submit(write_pid, str(tmp_path / "pid")).result()
    assert (tmp_path / "pid").read_text() != str(os.getpid())
