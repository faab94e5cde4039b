import errno
import os
import random
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from bad_tables import BAD, GOOD
from fact_grammar import stated
from hand_made import files_of, resealed
from hypothesis import given
from random_fact_files import (
    compare,
    compare_file,
    compare_folder,
    compare_sets,
    folder_files,
    folder_readers,
    random_table,
    triples,
)
from strategies import functions

from constructions import FactFileError, FactTable, InputError, load, save, selector
from constructions.facts import fact_reader
from constructions.facts.defects import MAX_DEFECTS_SHOWN
from constructions.facts.tsv import read_tsv
from constructions.saved import reading, saved_facts
from verify.__main__ import main
from verify.checking.check import check, check_files
from verify.reading import stored


def test_there_are_enough_bad_and_odd_tables():
    assert len(BAD) >= 40
    assert len(GOOD) >= 10


@pytest.mark.parametrize("name", BAD)
def test_bad_table_gets_its_message_and_ends_the_command_with_status_2(name, tmp_path, capsys):
    content, expected = BAD[name]
    path = tmp_path / "facts.tsv"
    path.write_bytes(content)
    with pytest.raises(FactFileError) as caught:
        FactTable.from_tsv(path)
    pattern = re.escape(f"{path}:{expected}").replace(re.escape("..."), ".*")
    assert any(re.match(pattern, message) for message in caught.value.defects), str(caught.value)

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
    assert triples(FactTable.from_triples(read.rows)) == expected
    assert read.repeats == repeats


def test_missing_file_and_directory_are_reported(tmp_path):
    with pytest.raises(FactFileError, match="no such file"):
        FactTable.from_tsv(tmp_path / "nowhere.tsv")
    with pytest.raises(FactFileError, match="is a directory"):
        FactTable.from_tsv(tmp_path)
    with pytest.raises(FactFileError, match="cannot be read"):
        FactTable.from_tsv("nul\0byte")


def test_all_defects_are_listed_in_the_order_of_the_file(tmp_path):
    path = tmp_path / "facts.tsv"
    path.write_bytes(
        b"a\tb\n"
        + b"x\ty\tz\n"
        + b" a\tb\tc\n"
        + b"x\ty\tw\n"
        + b"a\tb\tc\x07\n"
        + b"\xff\tb\tc\n"
    )
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


def test_a_file_system_that_cannot_flush_takes_tables(tmp_path, monkeypatch):
    def refuse(handle):
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "fsync", refuse)
    facts = FactTable.random_bijections(5, 3)
    facts.to_tsv(tmp_path / "facts.tsv")
    assert triples(FactTable.from_tsv(tmp_path / "facts.tsv")) == triples(facts)


def test_tables_that_cannot_be_written_are_refused(tmp_path):
    path = tmp_path / "facts.tsv"
    with pytest.raises(InputError, match="no facts"):
        FactTable([[-1]]).to_tsv(path)
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


@pytest.mark.parametrize("name", ["/dev/stdout", "log"])
@pytest.mark.parametrize("piped", [True, False], ids=["pipe", "file"])
def test_what_goes_where_standard_output_goes_is_written_behind_what_was_printed(
    tmp_path, name, piped
):
    """/dev/stdout of a pipe has no name of its own; a file that holds what was printed is not
    replaced.
    """
    if not os.path.exists("/dev/stdout") or (piped and name == "log"):
        pytest.skip("there is no such case here")
    code = "import sys; from constructions import FactTable; print('verdict', flush=True); "
    code += "FactTable([[1, 0]], ['a', 'b'], ['r']).to_tsv(sys.argv[1]); print('end')"
    with open(tmp_path / "log", "wb") as log:
        done = subprocess.run(
            [sys.executable, "-c", code, name],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
            stdout=subprocess.PIPE if piped else log,
            check=True,
        )
    written = done.stdout if piped else (tmp_path / "log").read_bytes()
    assert written == b"verdict\na\tr\tb\nb\tr\ta\nend\n"
    assert os.listdir(tmp_path) == ["log"]


def test_an_object_may_start_with_a_hash(tmp_path):
    path = tmp_path / "facts.tsv"
    path.write_text("a\tr\t#b\n")
    facts = FactTable.from_tsv(path)
    facts.to_tsv(path)
    assert triples(FactTable.from_tsv(path)) == {("a", "r", "#b")}


def test_a_subject_may_start_with_a_hash_below_literal(tmp_path):
    path = tmp_path / "facts.tsv"
    facts = FactTable.from_triples([("C#", "designer", "Anders"), ("#MeToo", "country", "US")])
    facts.to_tsv(path)
    assert path.read_text() == "#literal\nC#\tdesigner\tAnders\n#MeToo\tcountry\tUS\n"
    assert FactTable.from_tsv(path) == facts


# -------------------------------------------------------------------- one grammar, several readers


def test_the_grammar_of_the_page_says_the_same_of_each_table():
    assert [name for name, (raw, _) in BAD.items() if stated(raw) is not None] == []
    assert [name for name, (raw, said, _) in GOOD.items() if stated(raw) != said] == []


@pytest.mark.parametrize("at_once", [2**20, 5])
def test_all_readers_agree_on_random_files(at_once, tmp_path, monkeypatch):
    for reader in (stored, saved_facts):
        monkeypatch.setattr(reader, "READ_AT_ONCE", at_once)
    seed = random.getrandbits(32)
    found = compare(900, seed, tmp_path)
    for kind in ("file: ", "folder: ", "folder: tensor ", "sets: "):
        for outcome in ("read by both", "refused by both"):
            assert found[kind + outcome] >= 24, f"seed {seed}: {found}"
    assert found["file: refused as foreign, read by both when it says #literal"] >= 6, (
        f"seed {seed}: {found}"
    )


def lenient(path, names, table_of, many):
    """How the loader read the facts of a folder before: as any fact file."""
    ids = [
        (names.entity_id(subject), names.relation_id(relation), names.entity_id(target))
        for subject, relation, target in FactTable.from_tsv(path).rows()
    ]
    return table_of(np.array(ids), names)


def without(condition):
    """The checker's `require`, blind to one condition."""
    original = stored.require
    return lambda holds, otherwise: None if condition in otherwise else original(holds, otherwise)


def skipping(self, number, line):
    """How fact files were read before: a line that starts with # is skipped, whatever it holds."""
    return None if line.startswith("#") else ORIGINAL(self, number, line)


ORIGINAL = fact_reader.FactReader.checked_fields
BLIND = [
    "the order of the ids",
    "a comment to other readers",
    "a control character",
    "ends with a space",
]
BLIND += ["a name stands twice", "is not subject", "the tensor facts alone"]


@pytest.mark.parametrize(
    ("place", "name", "other", "kind"),
    [
        (reading, "read_saved_facts", lenient, compare_folder),
        (fact_reader.FactReader, "checked_fields", skipping, compare_file),
        (fact_reader.FactReader, "check_spellings", lambda self, used: None, compare_file),
        (fact_reader, "name_defect", lambda name: None, compare_file),
        *((stored, "require", without(condition), compare_folder) for condition in BLIND),
        (stored, "require", without("the order of the ids"), compare_sets),
        (stored, "require", without("of no entity"), compare_sets),
        (
            stored,
            "unicodedata",
            SimpleNamespace(normalize=lambda form, name: name),
            compare_folder,
        ),
    ],
)
def test_a_reader_that_knows_one_rule_less_is_noticed(
    place, name, other, kind, tmp_path, monkeypatch
):
    monkeypatch.setattr(place, name, other)
    with pytest.raises((AssertionError, FactFileError, InputError)):
        compare(10_000, random.getrandbits(32), tmp_path, (kind,))


NOT_CANONICAL = {
    "a comment": lambda raw: b"# said\n" + raw,
    "#literal": lambda raw: b"#literal\n" + raw,
    "a blank line": lambda raw: raw + b"\n",
    "a byte order mark": lambda raw: b"\xef\xbb\xbf" + raw,
    "CRLF": lambda raw: raw.replace(b"\n", b"\r\n"),
    "no end": lambda raw: raw[:-1],
    "a repeat": lambda raw: raw + raw.splitlines(keepends=True)[0],
    "another order": lambda raw: b"".join(raw.splitlines(keepends=True)[::-1]),
    "another spelling": lambda raw: raw.replace("\u00e9".encode(), "e\u0301".encode()),
    "a subject with a hash": lambda raw: b"#" + raw,
}


@pytest.mark.parametrize("change", NOT_CANONICAL)
def test_the_facts_of_a_saved_model_have_one_form(change, tmp_path):
    """Also where the change leaves the facts what they are, and the manifest lists the file as it
    is.
    """
    place = tmp_path / "model"
    files = files_of(selector(FactTable([[1, 0, -1]], ["Bob", "Jos\u00e9", "#Bob"], ["r"])))
    changed = resealed(files, facts_tsv=NOT_CANONICAL[change](files["facts.tsv"]))
    write(place, changed)
    assert check_files(files).verdict == "PASS"
    proven = check(place)
    assert proven.verdict == "FAIL"
    assert proven.reason.startswith("facts.tsv: ")
    with pytest.raises(InputError, match=r"facts\.tsv"):
        load(place)


# Names that stand twice, or that no file may hold, are in battery.py and bad_folders.py.
NOT_A_VOCABULARY = {
    "a leading space": " a\nb\nr\nunknown\n",
    "an empty relation": "a\nb\n\nunknown\n",
    "a name of a space": "a\n \nr\nunknown\n",
    "a TAB": "a\tb\nb\nr\nunknown\n",
    "CRLF": "a\r\nb\r\nr\r\nunknown\r\n",
    "a next line": "a\x85b\nb\nr\nunknown\n",
    "a line separator": "a\u2028b\nb\nr\nunknown\n",
    "a sign that is a letter": "K\n\u212a\nr\nunknown\n",
    "a line more": "a\nb\nr\nunknown\n\n",
    "a line less": "a\nr\nunknown\n",
    "nothing": "",
}


@pytest.mark.parametrize("tensor", [True, False])
def test_both_readers_refuse_a_vocabulary_with_other_names(tensor, tmp_path):
    sizes, specials, files = folder_files(FactTable([[1, 0]], ["a", "b"], ["r"]), tensor=tensor)
    assert folder_readers(tmp_path, sizes, specials, files)[0] == "read by both"
    for what, text in NOT_A_VOCABULARY.items():
        changed = files | {"vocabulary.txt": text.encode()}
        assert folder_readers(tmp_path, sizes, specials, changed)[0] == "refused by both", what
    # an entity and a relation
    changed = files | {"vocabulary.txt": "\u00e9\nb\ne\u0301\nunknown\n".encode()}
    assert folder_readers(tmp_path, sizes, specials, changed)[0] == (
        "read by both" if tensor else "refused by both"
    )


def write(place, files):
    place.mkdir()
    for name, data in files.items():
        (place / name).write_bytes(data)


def test_models_of_tables_with_odd_names_are_proven_and_come_back(tmp_path):
    seed = random.getrandbits(32)
    for number in range(12):
        facts = random_table(np.random.default_rng([seed, number]))
        save(selector(facts), tmp_path / "model")
        assert check(tmp_path / "model").verdict == "PASS", f"seed {seed}, number {number}"
        assert load(tmp_path / "model").facts == facts, f"seed {seed}, number {number}"


def test_a_model_that_knows_a_hashtag_is_proven_and_keeps_its_facts(tmp_path):
    facts = FactTable([[1, 0]], ["#Bob", "b"], ["r"])
    save(selector(facts), tmp_path / "model")
    assert check(tmp_path / "model").verdict == "PASS"
    assert load(tmp_path / "model").facts == facts
    files = files_of(selector(FactTable([[1, 0]], ["Bob", "b"], ["r"])))
    forged = {
        name: files[name].replace(b"Bob", b"#Bob") for name in ("facts.tsv", "vocabulary.txt")
    }
    write(tmp_path / "other", resealed(files | forged))
    assert check(tmp_path / "other").verdict == "FAIL"
    with pytest.raises(InputError, match=r"facts\.tsv:1:1: a line that starts with #"):
        load(tmp_path / "other")
