import os
import re

import numpy as np
import pytest
from bad_tables import BAD, GOOD
from hypothesis import given
from strategies import functions

from constructions import FactFileError, FactTable, InputError
from constructions.tsv import MAX_DEFECTS_SHOWN, read_tsv
from verify.__main__ import main


def triples(facts):
    return {
        (facts.entity_name(s), facts.relation_name(r), facts.entity_name(facts.answers[r, s]))
        for r, s in np.argwhere(facts.answers >= 0)
    }


def test_there_are_enough_bad_and_odd_tables():
    assert len(BAD) >= 40
    assert len(GOOD) >= 10


@pytest.mark.parametrize("name", BAD)
def test_bad_table_gets_its_message(name, tmp_path):
    content, expected = BAD[name]
    path = tmp_path / "facts.tsv"
    path.write_bytes(content)
    with pytest.raises(FactFileError) as caught:
        FactTable.from_tsv(path)
    pattern = re.escape(f"{path}:{expected}").replace(re.escape("..."), ".*")
    assert any(re.match(pattern, message) for message in caught.value.defects), str(caught.value)


@pytest.mark.parametrize("name", BAD)
def test_bad_table_ends_the_command_with_status_2(name, tmp_path, capsys):
    path = tmp_path / "facts.tsv"
    path.write_bytes(BAD[name][0])
    out = tmp_path / "out.json"
    assert main(["facts", str(path), "--json", str(out)]) == 2
    assert not out.exists()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert str(path) in captured.err
    assert "Traceback" not in captured.err


@pytest.mark.parametrize("name", GOOD)
def test_odd_table_is_read(name, tmp_path):
    content, expected, repeats = GOOD[name]
    path = tmp_path / "facts.tsv"
    path.write_bytes(content)
    read = read_tsv(path)
    assert triples(read.facts) == expected
    assert read.repeats == repeats


def test_missing_file_and_directory_are_told(tmp_path):
    with pytest.raises(FactFileError, match="no such file"):
        FactTable.from_tsv(tmp_path / "nowhere.tsv")
    with pytest.raises(FactFileError, match="is a directory"):
        FactTable.from_tsv(tmp_path)
    with pytest.raises(FactFileError, match="cannot be read"):
        FactTable.from_tsv("nul\0byte")


def test_all_defects_are_listed_in_the_order_of_the_file(tmp_path):
    path = tmp_path / "facts.tsv"
    path.write_bytes(b"a\tb\n" + b"x\ty\tz\n" + b" a\tb\tc\n" + b"x\ty\tw\n" + b"a\tb\tc\x07\n" + b"\xff\tb\tc\n")
    with pytest.raises(FactFileError) as caught:
        FactTable.from_tsv(path)
    assert [int(message.split(":")[1]) for message in caught.value.defects] == [1, 3, 4, 5, 6]


def test_at_most_twenty_defects_are_spelled_out_and_the_rest_counted(tmp_path):
    path = tmp_path / "facts.tsv"
    path.write_bytes(b"one field\n" * 25)
    with pytest.raises(FactFileError) as caught:
        FactTable.from_tsv(path)
    assert len(caught.value.defects) == MAX_DEFECTS_SHOWN
    assert caught.value.total == 25
    assert str(caught.value).endswith("... and 5 more")


@given(facts=functions())
def test_written_facts_are_read_back(facts, tmp_path_factory):
    if facts.n_facts == 0:
        return
    path = tmp_path_factory.mktemp("tsv") / "facts.tsv"
    facts.to_tsv(path)
    assert triples(FactTable.from_tsv(path)) == triples(facts)


def test_writing_is_atomic(tmp_path, monkeypatch):
    path = tmp_path / "facts.tsv"
    path.write_text("as it was")
    facts = FactTable.random_bijections(50, 3)

    def crash(*arguments):
        raise OSError(28, "No space left on device")

    for step in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, step, crash)
            with pytest.raises(InputError, match="No space left"):
                facts.to_tsv(path)
        assert path.read_text() == "as it was"
        assert list(tmp_path.iterdir()) == [path]
    facts.to_tsv(path)
    umask = os.umask(0)
    os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask


def test_tables_that_cannot_be_written_are_refused(tmp_path):
    path = tmp_path / "facts.tsv"
    with pytest.raises(InputError, match="no facts"):
        FactTable([[-1]]).to_tsv(path)
    with pytest.raises(InputError, match="comment"):
        FactTable([[0]], ["#a"]).to_tsv(path)
    with pytest.raises(InputError, match="cannot be written"):
        FactTable([[0]]).to_tsv(tmp_path / "no" / "folder.tsv")
    with pytest.raises(InputError, match="is no file name"):
        FactTable([[0]]).to_tsv("nul\0byte")
    assert list(tmp_path.iterdir()) == []


def test_a_link_is_followed_and_a_pipe_is_written_to(tmp_path):
    facts = FactTable([[1, 0]], ["a", "b"], ["r"])
    real, link, pipe = tmp_path / "real.tsv", tmp_path / "link.tsv", tmp_path / "pipe"
    real.write_text("old")
    link.symlink_to(real)
    facts.to_tsv(link)
    assert link.is_symlink()
    assert real.read_text() == "a\tr\tb\nb\tr\ta\n"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    facts.to_tsv(pipe)
    assert os.read(reader, 1000) == real.read_bytes()
    os.close(reader)
    assert not pipe.is_file()


def test_an_object_may_start_with_a_hash(tmp_path):
    path = tmp_path / "facts.tsv"
    path.write_text("a\tr\t#b\n")
    facts = FactTable.from_tsv(path)
    facts.to_tsv(path)
    assert triples(FactTable.from_tsv(path)) == {("a", "r", "#b")}
