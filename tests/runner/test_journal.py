"""A journal holds what was written into it, whoever else writes, and whatever ends the process."""

import errno
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from journals import CODE, SQUARE, Square, done, found, job, keys, whole_lines, write

from constructions import InputError
from constructions.files import locks
from verify.runner.contents import read
from verify.runner.journal import opened
from verify.runner.outcome import Lost

ROOT = Path(__file__).resolve().parents[2]


def test_what_was_written_is_found_again(tmp_path):
    path = write(tmp_path / "j", [3, 1, 2], lost=[9])
    with opened(path) as again:
        assert again.saved == 3
        assert [again.found(job(n)) for n in (1, 2, 3)] == [done(1), done(2), done(3)]
        assert again.found(job(9)) is None, "what was lost is run again"
        assert again.found(job(1, code="another")) is None
        assert again.found(job(4)) is None
        again.note_done(job(9), done(9))
    assert found(path) == {1: 1, 2: 4, 3: 9, 9: 81}


def test_every_line_is_strict_json_of_one_line_and_ascii(tmp_path):
    for line in whole_lines(write(tmp_path / "j", [1, 2], lost=[3])):
        said = json.loads(line.decode("ascii"), parse_constant=pytest.fail)
        assert next(iter(said)) in ("plan", "done", "lost")
        assert list(said)[-1] == "sum"
    said = json.loads(whole_lines(tmp_path / "j")[1])
    assert said["what"] == {"number": 1}
    assert said["result"]["square"] == 1
    assert (said["kind"], said["code"], said["verdict"]) == ("square", CODE, "PASS")


def test_each_line_is_on_the_disk_before_it_counts(tmp_path, monkeypatch):
    """A line is written in one write and flushed, and nothing comes between."""
    calls = []
    write_, fsync = os.write, os.fsync
    monkeypatch.setattr(os, "write", lambda *args: calls.append("write") or write_(*args))
    monkeypatch.setattr(os, "fsync", lambda handle: calls.append("fsync") or fsync(handle))
    with opened(tmp_path / "j") as book:
        book.begin(["x"], "square", CODE, [], 0)
        calls.clear()
        book.note_done(job(1), done(1))
        assert calls == ["write", "fsync"]


# ------------------------------------------------------------------ writers


def test_a_second_writer_is_refused_and_the_first_goes_on(tmp_path):
    path = tmp_path / "j"
    with opened(path) as first:
        first.begin(["x"], "square", CODE, keys([1]), 1)
        with pytest.raises(InputError, match="another process writes this journal"):
            write(path, [2])
        first.note_done(job(1), done(1))
        assert found(path) == {1: 1}, "it is read meanwhile"
    assert found(write(path, [2])) == {1: 1, 2: 4}


def test_where_there_are_no_locks_it_is_written_all_the_same(tmp_path, monkeypatch):
    def refuse(*args):
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(locks.fcntl, "flock", refuse)
    assert found(write(tmp_path / "j", [1])) == {1: 1}
    monkeypatch.setattr(locks, "fcntl", None)
    assert found(write(tmp_path / "j", [2])) == {1: 1, 2: 4}


def test_a_full_disk_is_reported_and_loses_nothing(tmp_path, monkeypatch):
    path = tmp_path / "j"
    write_ = os.write

    def full(handle, line):
        """Takes the first bytes of a line, then nothing."""
        if not line.startswith(b"{"):
            raise OSError(errno.ENOSPC, "No space left on device")
        return write_(handle, line[:50])

    with opened(path) as book:
        book.begin(["x"], "square", CODE, keys([1, 2]), 2)
        book.note_done(job(1), done(1))
        before = path.read_bytes()
        monkeypatch.setattr(os, "write", full)
        why = "cannot be written: No space left on device; 1 result is in it, and the same command"
        with pytest.raises(InputError, match=why):
            book.note_done(job(2), done(2))
        monkeypatch.setattr(os, "write", write_)
        with pytest.raises(InputError, match=why):
            book.note_lost(job(2), Lost("why", crashed=False))
    assert path.read_bytes() == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_device_is_no_journal():
    with pytest.raises(InputError, match="is no regular file"), opened("/dev/full"):
        pass


def test_a_limit_on_the_size_of_files_is_reported(tmp_path):
    """By the system itself: a process of its own that may write files of 8 KiB."""
    path = tmp_path / "j"
    ended = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "journals.py"), str(path)],
        env=os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192)),
    )
    printed = len(ended.stdout.split())
    assert f"File too large; {printed} results are in it" in ended.stderr, ended.stderr
    assert found(path) == {n: n * n for n in range(printed)}
    assert read(path).torn == 0


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs permissions of files")
def test_a_file_that_may_only_be_read_is_reported(tmp_path):
    path = write(tmp_path / "j", [1])
    path.chmod(0o444)
    before = path.read_bytes()
    if os.geteuid() == 0:
        pytest.skip("root may write it")
    with pytest.raises(InputError, match="cannot be written: Permission denied"):
        write(path, [2])
    assert path.read_bytes() == before
    assert found(path) == {1: 1}


def test_a_journal_that_is_removed_meanwhile_is_reported(tmp_path):
    with opened(tmp_path / "j") as book:
        book.begin(["x"], "square", CODE, keys([1]), 1)
        (tmp_path / "j").rename(tmp_path / "other")
        with pytest.raises(InputError, match="another file has got its name, or it was removed"):
            book.note_done(job(1), done(1))


@pytest.mark.parametrize("change", ["", '{"done"'], ids=["emptied", "added"])
def test_a_journal_that_another_program_changes_meanwhile_is_told(change, tmp_path):
    """Else the next line would stand behind half a line, and not count."""
    with opened(tmp_path / "j") as book:
        book.begin(["x"], "square", CODE, keys([1, 2]), 2)
        book.note_done(job(1), done(1))
        with (tmp_path / "j").open("a" if change else "w") as file:
            file.write(change)
        with pytest.raises(InputError, match="another program has changed it meanwhile"):
            book.note_done(job(2), done(2))
    assert found(tmp_path / "j") == ({1: 1} if change else {})


def test_a_link_is_followed(tmp_path):
    (tmp_path / "link").symlink_to("there")
    write(tmp_path / "link", [1])
    assert (tmp_path / "link").is_symlink()
    assert found(tmp_path / "there") == {1: 1}


def test_two_results_that_differ_are_reported_where_a_run_would_go_on(tmp_path):
    path = write(tmp_path / "j", [1])
    write(path, [1], verdict="FAIL")
    with pytest.raises(
        InputError, match=r"two results of one job are not equal: .*line 2 .*line 4"
    ):
        write(path, [2])


@pytest.mark.parametrize("kills", [5, pytest.param(30, marks=pytest.mark.long)])
def test_a_process_that_is_killed_while_it_writes_leaves_all_that_it_has_reported(kills, tmp_path):
    """Each line is reported by the process when it is written. Of the journal each beginning is whole;
    the next process goes on with it.
    """
    path, reported = tmp_path / "j", 0
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
    for _ in range(kills):
        command = [sys.executable, str(ROOT / "tests" / "journals.py"), str(path)]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        process.stdout.readline()
        time.sleep(random.uniform(0, 0.05))
        process.send_signal(signal.SIGKILL)
        rest = process.communicate()[0].rpartition("\n")[0].split()
        reported = max(reported, *map(int, rest)) if rest else reported
        there = found(path)
        assert there == {n: n * n for n in range(len(there))}
        assert len(there) > reported
        assert read(path).damaged == []
    assert len(read(path).plans) == kills


# ------------------------------------------------------------------ broken on purpose


def test_without_cutting_the_next_line_would_be_lost(tmp_path, monkeypatch):
    path = write(tmp_path / "j", [1, 2])
    path.write_bytes(path.read_bytes()[:-5])
    monkeypatch.setattr(os, "ftruncate", lambda handle, size: None)
    # who has the lock sees by the size that there is something behind the last whole line
    monkeypatch.setattr("verify.runner.journal.held", lambda handle: False)
    write(path, [3], plan=[])
    assert found(path) == {1: 1, 3: 9}
    assert [number for number, _ in read(path).damaged] == [3], "the plan, glued to what was torn"


def test_the_jobs_of_these_tests_are_computed_as_they_are_written():
    assert SQUARE.run(7) == Square(7, 49)
