"""Whatever happens to a file: a journal's whole lines are read from it, and nothing else."""

import json
import os
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from journals import CODE, found, job, keys, whole_lines, write

from constructions import InputError
from verify.runner import contents, journal, lines
from verify.runner.contents import read
from verify.runner.journal import opened
from verify.runner.merged import Merged


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
        if "is no journal" not in str(error):
            raise
        return
    assert all(found(path)[n] == n * n for n in found(path))
    assert {line.entry.key for line in there.lines} <= set(keys([1, 2, 3, 4]))
    assert there.size + there.torn == len(whole)
    assert bool(there.torn) == (not whole.endswith(b"\n"))


def test_every_changed_bit_of_a_line_is_noticed(tmp_path):
    path = write(tmp_path / "j", [1])
    line = whole_lines(path)[1]
    for at in range(len(line) - 1):
        for bit in range(8):
            changed = bytearray(line)
            changed[at] ^= 1 << bit
            with pytest.raises(lines.Damaged):
                lines.content_of(bytes(changed))
    assert lines.content_of(line)["what"] == {"number": 1}


def test_a_damaged_line_is_reported_with_its_number_and_its_job_is_run_again(tmp_path):
    path = write(tmp_path / "j", [1, 2, 3])
    text = path.read_bytes().replace(b'"square":4', b'"square":5')
    path.write_bytes(text)
    there = read(path)
    assert there.damaged == [(3, "its sum is not that of what it says")]
    assert there.remarks() == ["line 3 does not count: its sum is not that of what it says"]
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


def test_a_line_of_a_kind_that_is_not_known_is_reported_and_left(tmp_path):
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
    with opened(path) as book, pytest.raises(InputError, match=r"line 2 .* no stored Square"):
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
        book.begin(["x" * 2000], "square", CODE, [], 0)


# ------------------------------------------------------------------ broken on purpose


def test_without_sums_a_changed_result_would_be_believed(tmp_path, monkeypatch):
    path = write(tmp_path / "j", [1, 2])
    path.write_bytes(path.read_bytes().replace(b'"square":4', b'"square":5'))
    assert found(path) == {1: 1}
    monkeypatch.setattr(lines, "_sum", lambda text: b"0" * 16)
    zeros = b"\n".join(line[:-18] + b"0" * 16 + b'"}' for line in path.read_bytes().splitlines())
    path.write_bytes(zeros + b"\n")
    assert found(path) == {1: 1, 2: 5}


def test_a_line_that_changes_after_it_was_read_is_refused(tmp_path):
    path = write(tmp_path / "j", [1, 2])
    there = read(path)
    path.write_bytes(path.read_bytes().replace(b'"square":4', b'"square":5'))
    said = there.said(there.lines)
    assert next(said)["result"]["square"] == 1
    with pytest.raises(InputError, match="line 3 was changed while the file was read"):
        next(said)
