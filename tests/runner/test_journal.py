"""A journal holds what was written into it, whatever happens to the file; nothing that was not
written is ever read from it.
"""

import errno
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from journals import CODE, SQUARE, Square, done, job, keys, whole_lines, write

from constructions import InputError
from constructions.files import locks
from verify.runner import contents, journal, lines
from verify.runner.contents import read
from verify.runner.journal import opened
from verify.runner.merged import Merged
from verify.runner.outcome import Lost

ROOT = Path(__file__).resolve().parents[2]


def found(path):
    """The results that stand in a file, by number."""
    results = Merged([read(path)]).done.values()
    return {one.said()["what"]["number"]: one.said()["result"]["square"] for one in results}


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
        book.begin(["x"], CODE, [], 0)
        calls.clear()
        book.note_done(job(1), done(1))
        assert calls == ["write", "fsync"]


# ------------------------------------------------------------------ torn and damaged


def test_every_beginning_of_a_journal_has_its_whole_lines_and_no_other(tmp_path):
    whole = write(tmp_path / "whole", [1, 2, 3], lost=[4]).read_bytes()
    path = tmp_path / "cut"
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size])
        complete = whole[:size].count(b"\n")
        there = read(path)
        assert len(there.plans) + len(there.lines) == complete
        assert (there.damaged, there.unknown) == ([], [])
        assert (there.size, there.size + there.torn) == (whole.rfind(b"\n", 0, size) + 1, size)
        assert found(path) == {n: n * n for n in range(1, min(complete, 4))}


def test_a_torn_line_is_cut_off_and_the_run_goes_on(tmp_path):
    whole = write(tmp_path / "whole", [1, 2, 3]).read_bytes()
    path = tmp_path / "cut"
    for _ in range(20):
        size = random.randint(0, len(whole))
        path.write_bytes(whole[:size])
        write(path, [n for n in (1, 2, 3) if n not in found(path)], plan=[1, 2, 3])
        there = read(path)
        assert (there.torn, there.damaged) == (0, [])
        assert found(path) == {1: 1, 2: 4, 3: 9}, size


@given(st.data())
def test_random_damage_never_makes_another_result(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("damage") / "j"
    write(path, [1, 2, 3], lost=[4])
    whole = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(whole) - 1))
        match data.draw(st.sampled_from(["flip", "drop", "double", "put"])):
            case "flip":
                whole[at] ^= 1 << data.draw(st.integers(0, 7))
            case "drop":
                del whole[at : at + data.draw(st.integers(1, 50))]
            case "double":
                whole[at:at] = whole[at : at + data.draw(st.integers(1, 1000))]
            case _:
                whole[at:at] = data.draw(st.binary(max_size=20))
        whole = whole or bytearray(b"x")
    path.write_bytes(whole)
    try:
        there = read(path)
    except InputError as error:
        assert "is no journal" in str(error)
        return
    assert all(found(path)[n] == n * n for n in found(path))
    assert {line.entry.key for line in there.lines} <= set(keys([1, 2, 3, 4]))
    assert there.size + there.torn == len(whole)
    assert bool(there.torn) == (not whole.endswith(b"\n"))


def test_every_changed_bit_of_a_line_is_noticed(tmp_path):
    path = write(tmp_path / "j", [1])
    plan, line = whole_lines(path)
    for at in range(len(line) - 1):
        for bit in range(8):
            changed = bytearray(line)
            changed[at] ^= 1 << bit
            with pytest.raises(lines.Damaged):
                lines.content_of(bytes(changed))
    assert lines.content_of(line)["what"] == {"number": 1}


def test_a_damaged_line_is_told_with_its_number_and_its_job_is_run_again(tmp_path):
    path = write(tmp_path / "j", [1, 2, 3])
    text = path.read_bytes().replace(b'"square":4', b'"square":5')
    path.write_bytes(text)
    there = read(path)
    assert there.damaged == [(3, "its sum is not that of what it says")]
    assert there.remarks() == [
        f"{path}: line 3 does not count: its sum is not that of what it says"
    ]
    assert found(path) == {1: 1, 3: 9}
    with opened(path) as book:
        assert book.found(job(2)) is None
    assert path.read_bytes() == text, "what is damaged in the middle stays"


def test_a_lost_first_line_loses_nothing_else(tmp_path):
    path = write(tmp_path / "j", [1, 2])
    path.write_bytes(b"".join([b"#" * 50 + b"\n", *whole_lines(path)[1:]]))
    assert found(path) == {1: 1, 2: 4}
    assert [number for number, _ in read(path).damaged] == [1]


def line_with(path, **changes):
    """The last line of a journal with other values, and its sum."""
    said = json.loads(whole_lines(path)[-1]) | changes
    del said["sum"]
    return lines.line_of({name: value for name, value in said.items() if value is not ...})


@pytest.mark.parametrize(
    "changes",
    [
        {"done": 5},
        {"kind": None},
        {"code": ...},
        {"when": "yesterday"},
        {"when": "2026-01-01T00:00:00"},
        {"where": ["x"]},
        {"verdict": "pass"},
        {"verdict": ["PASS"]},
        {"seconds": 1},
        {"seconds": "nan"},
        {"memory": 1.5},
        {"memory": True},
        {"result": [1]},
        {"result": ...},
    ],
    ids=str,
)
def test_a_whole_line_that_says_nonsense_does_not_count(changes, tmp_path):
    path = write(tmp_path / "j", [1])
    line = line_with(path, **changes)
    with open(path, "ab") as file:
        file.write(line)
    there = read(path)
    assert [number for number, _ in there.damaged] == [3], there.damaged
    assert found(path) == {1: 1}


def test_a_line_of_a_kind_that_is_not_known_is_told_and_left(tmp_path):
    path = write(tmp_path / "j", [1])
    with open(path, "ab") as file:
        file.write(lines.line_of({"remark": "from a later version"}))
    assert read(path).unknown == [3]
    assert "does not know" in read(path).remarks()[0]
    write(path, [2])
    assert found(path) == {1: 1, 2: 4}


def test_another_format_is_refused_in_a_sentence(tmp_path):
    path = write(tmp_path / "j", [1])
    said = json.loads(whole_lines(path)[0])
    path.write_bytes(lines.line_of({"plan": said["plan"] | {"format": 2}}))
    before = path.read_bytes()
    for use in (read, lambda path: write(path, [2])):
        with pytest.raises(InputError, match="line 1 is of format 2, and this version"):
            use(path)
    assert path.read_bytes() == before


def test_a_result_of_another_shape_than_its_kind_has_now_is_refused(tmp_path):
    path = write(tmp_path / "j", [1])
    line = line_with(path, result={"of": 1})
    path.write_bytes(whole_lines(path)[0] + line)
    with opened(path) as book, pytest.raises(InputError, match="line 2 .* no stored Square"):
        book.found(job(1))


# ------------------------------------------------------------------ no journal


@pytest.mark.parametrize(
    "text",
    [b"hello", b"hello\n", b"\n", b"{}\n", b"[1]", b'{"plan":1}', b"\0" * 1000, b"\xff\xfe\n"],
)
def test_what_is_no_journal_is_refused_and_stays(text, tmp_path):
    path = tmp_path / "j"
    path.write_bytes(text)
    for use in (read, lambda path: write(path, [2])):
        with pytest.raises(InputError, match="is no journal"):
            use(path)
    assert path.read_bytes() == text


def test_an_empty_file_is_a_journal_of_nothing(tmp_path):
    path = tmp_path / "j"
    path.write_bytes(b"")
    assert Merged([read(path)]).keys == []
    assert found(write(path, [1])) == {1: 1}


def test_places_that_take_no_journal_are_refused_in_a_sentence(tmp_path):
    with pytest.raises(InputError, match="there is no such file"):
        read(tmp_path / "none")
    with pytest.raises(InputError, match="is no regular file"):
        read(tmp_path)
    for place, why in (
        (tmp_path, "Is a directory"),
        (tmp_path / "none" / "j", "No such file"),
        (Path(os.devnull), "is no regular file"),
        ("a\0b", "null byte"),
    ):
        with pytest.raises(InputError, match=why), opened(place):
            pass


def test_a_line_that_is_too_long_does_not_count_and_takes_no_memory(tmp_path, monkeypatch):
    path = write(tmp_path / "j", [1])
    monkeypatch.setattr(contents, "MOST_BYTES", 1000)
    monkeypatch.setattr(journal, "MOST_BYTES", 1000)
    with open(path, "ab") as file:
        file.write(b"x" * 5500 + b"\n")
    write(path, [2])
    assert [number for number, _ in read(path).damaged] == [3]
    assert found(path) == {1: 1, 2: 4}
    with open(path, "ab") as file:
        file.write(b"x" * 5500)
    assert read(path).torn == 5500
    with opened(path) as book, pytest.raises(InputError, match="too long"):
        book.begin(["x" * 2000], CODE, [], 0)


# ------------------------------------------------------------------ writers


def test_a_second_writer_is_refused_and_the_first_goes_on(tmp_path):
    path = tmp_path / "j"
    with opened(path) as first:
        first.begin(["x"], CODE, keys([1]), 1)
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


def test_a_full_disk_is_told_and_loses_nothing(tmp_path, monkeypatch):
    path = tmp_path / "j"
    write_ = os.write

    def full(handle, line):
        """Takes one half of a line, then nothing."""
        if len(line) < 300:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write_(handle, line[: len(line) - 250])

    with opened(path) as book:
        book.begin(["x"], CODE, keys([1, 2]), 2)
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


def test_a_limit_on_the_size_of_files_is_told(tmp_path):
    """By the system itself: a process of its own that may write files of 8 KiB."""
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192));"
        "sys.argv[1:] = [sys.argv[1]]; import runpy; runpy.run_path(sys.argv[2] if 0 else"
        f" {str(ROOT / 'tests' / 'journals.py')!r}, run_name='__main__')"
    )
    path = tmp_path / "j"
    ended = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        env=os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    printed = len(ended.stdout.split())
    assert f"File too large; {printed} results are in it" in ended.stderr, ended.stderr
    assert found(path) == {n: n * n for n in range(printed)}
    assert read(path).torn == 0


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs permissions of files")
def test_a_file_that_may_only_be_read_is_told(tmp_path):
    path = write(tmp_path / "j", [1])
    path.chmod(0o444)
    before = path.read_bytes()
    if os.geteuid() == 0:
        pytest.skip("root may write it")
    with pytest.raises(InputError, match="cannot be written: Permission denied"):
        write(path, [2])
    assert path.read_bytes() == before
    assert found(path) == {1: 1}


def test_a_journal_that_is_removed_meanwhile_is_told(tmp_path):
    with opened(tmp_path / "j") as book:
        book.begin(["x"], CODE, keys([1]), 1)
        (tmp_path / "j").rename(tmp_path / "other")
        with pytest.raises(InputError, match="another file has got its name, or it was removed"):
            book.note_done(job(1), done(1))


def test_a_link_is_followed(tmp_path):
    (tmp_path / "link").symlink_to("there")
    write(tmp_path / "link", [1])
    assert (tmp_path / "link").is_symlink()
    assert found(tmp_path / "there") == {1: 1}


def test_two_results_that_differ_are_told_where_a_run_would_go_on(tmp_path):
    path = write(tmp_path / "j", [1])
    write(path, [1], verdict="FAIL")
    with pytest.raises(
        InputError, match="two results of one job are not equal: .*line 2 .*line 4"
    ):
        write(path, [2])


@pytest.mark.parametrize("kills", [5, pytest.param(30, marks=pytest.mark.long)])
def test_a_process_that_is_killed_while_it_writes_leaves_all_that_it_has_told(kills, tmp_path):
    """Each line is told by the process when it is written. Of the journal each beginning is whole;
    the next process goes on with it.
    """
    path, told = tmp_path / "j", 0
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
    for _ in range(kills):
        command = [sys.executable, str(ROOT / "tests" / "journals.py"), str(path)]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        process.stdout.readline()
        time.sleep(random.uniform(0, 0.05))
        process.send_signal(signal.SIGKILL)
        rest = process.communicate()[0].rpartition("\n")[0].split()
        told = max(told, *map(int, rest)) if rest else told
        there = found(path)
        assert there == {n: n * n for n in range(len(there))}
        assert len(there) > told
        assert read(path).damaged == []
    assert len(read(path).plans) == kills


# ------------------------------------------------------------------ broken on purpose


def test_without_sums_a_changed_result_would_be_believed(tmp_path, monkeypatch):
    path = write(tmp_path / "j", [1, 2])
    path.write_bytes(path.read_bytes().replace(b'"square":4', b'"square":5'))
    assert found(path) == {1: 1}
    monkeypatch.setattr(lines, "_sum", lambda text: b"0" * 16)
    zeros = b"\n".join(line[:-18] + b"0" * 16 + b'"}' for line in path.read_bytes().splitlines())
    path.write_bytes(zeros + b"\n")
    assert found(path) == {1: 1, 2: 5}


def test_without_cutting_the_next_line_would_be_lost(tmp_path, monkeypatch):
    path = write(tmp_path / "j", [1, 2])
    path.write_bytes(path.read_bytes()[:-5])
    monkeypatch.setattr(os, "ftruncate", lambda handle, size: None)
    write(path, [3], plan=[])
    assert found(path) == {1: 1, 3: 9}
    assert [number for number, _ in read(path).damaged] == [3], "the plan, glued to what was torn"


def test_the_jobs_of_these_tests_are_computed_as_they_are_written():
    assert SQUARE.run(7) == Square(7, 49)
