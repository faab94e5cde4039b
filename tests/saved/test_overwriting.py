"""A model takes the place of a model, whole; what fails or is killed leaves the old one or the new one."""

import ctypes
import errno
import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from saved_models import (
    FACTS,
    PARTIAL,
    ROOT,
    a_file,
    a_folder,
    a_model_and_notes,
    assert_same,
    comes_back,
    contents,
)

from constructions import (
    Codebook,
    InputError,
    key_value,
    load,
    save,
    selector,
)
from constructions.saved import folder


def test_a_model_replaces_a_model(tmp_path):
    for model in (
        selector(FACTS),
        key_value(PARTIAL, 2),
        selector(FACTS, codebook=Codebook(np.arange(7))),
    ):
        save(model, tmp_path / "model")
        assert_same(model, load(tmp_path / "model"))
        assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_an_empty_folder_is_taken(tmp_path):
    (tmp_path / "model").mkdir()
    comes_back(selector(FACTS), tmp_path / "model")


def test_a_link_is_followed(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "there" / "model")
    for model in (selector(FACTS), selector(PARTIAL)):
        save(model, tmp_path / "link")
        assert_same(model, load(tmp_path / "link"))
    assert (tmp_path / "link").is_symlink()
    assert [path.name for path in (tmp_path / "there").iterdir()] == ["model"]


def test_what_comes_while_the_model_is_written_is_not_overwritten(monkeypatch, tmp_path):
    for make in (a_file, a_folder, a_model_and_notes):
        path = tmp_path / make.__name__

        def describe(model, make=make, path=path):
            monkeypatch.undo()
            make(path)
            return folder._description(model)

        monkeypatch.setattr(folder, "_description", describe)
        with pytest.raises(InputError):
            save(selector(PARTIAL), path)
        assert path.is_file() or {"thesis.tex", "notes.txt"} & set(contents(path))
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize(
    ("path", "reported"),
    [
        ("none/model", "there is no folder .*none; make it first"),
        ("a" * 250, "cannot be written: File name too long"),
        ("/proc/model", "/proc/model: cannot be written"),
        ("/", "give the name of a folder in it"),
        ("\0", "is no folder name"),
    ],
)
def test_a_place_that_cannot_be_written_is_reported(path, reported, tmp_path):
    if path.startswith("/proc") and not Path("/proc/self").exists():
        pytest.skip("no /proc")
    with pytest.raises(InputError, match=reported):
        save(selector(FACTS), tmp_path / path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("library", [object(), "EINVAL", "EIO"])
def test_where_folders_cannot_be_exchanged_the_old_one_stays(library, monkeypatch, tmp_path):
    class Refuses:
        def renameat2(self, *_):
            ctypes.set_errno(getattr(errno, library))
            return -1

        renamex_np = renameat2

    save(selector(FACTS), tmp_path / "model")
    before = contents(tmp_path / "model")
    monkeypatch.setattr(
        ctypes, "CDLL", lambda *_, **__: Refuses() if isinstance(library, str) else library
    )
    reported = "Input/output error" if library == "EIO" else "remove the old folder first"
    with pytest.raises(InputError, match=reported):
        save(selector(PARTIAL), tmp_path / "model")
    assert contents(tmp_path / "model") == before
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


ORPHAN = ".model.0123456789abcdef.part"


def test_only_orphans_of_the_same_folder_are_swept(tmp_path):
    others = [
        ".other.0123456789abcdef.part",
        ".model.0123456789abcdef.part.bak",
        ".model.0123456789abcde.part",
        f".model.{os.getpid()}.0123abcd.part",
    ]
    for name in (ORPHAN, *others):
        (tmp_path / name).mkdir()
        (tmp_path / name / "facts.tsv").write_text("")
    (tmp_path / ORPHAN / ".tmpXFJ8jV").write_bytes(b"")  # as safetensors begins its file
    save(selector(FACTS), tmp_path / "model")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*others, "model"])


@pytest.mark.parametrize(
    "name", ["notes.txt", "weights.safetensors.bak", ".tmpnotes.txt", "facts.tsv"]
)
def test_what_no_save_has_left_is_not_swept(name, tmp_path):
    """A file of another name, and a folder of one; also in a whole model."""
    for i, make in enumerate((Path.mkdir, partial(save, selector(FACTS)))):
        orphan = tmp_path / ORPHAN.replace("f.part", f"{i}.part")
        make(orphan)
        (orphan / name).unlink(missing_ok=True)
        a_folder(orphan / name) if name == "facts.tsv" else a_file(orphan / name)
    before = {path: sorted(path.iterdir()) for path in tmp_path.iterdir()}
    save(selector(FACTS), tmp_path / "model")
    assert {
        path: sorted(path.iterdir()) for path in tmp_path.iterdir() if path.name != "model"
    } == before


@pytest.mark.long
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_saves_that_are_killed_leave_the_old_or_the_new_model(tmp_path):
    """`kill_saves.py` checks the folder after each kill: at each step of a save, and KILLS times
    at a random moment.
    """
    count = os.environ.get("KILLS", "20")
    command = [sys.executable, ROOT / "tests" / "kill_saves.py", tmp_path, count, "5"]
    done = subprocess.run(
        command,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["everywhere"]["seen"]["old"] > 20
    assert found["everywhere"]["seen"]["new"] > 5
    # three files at least, each with none, half and all of its bytes
    assert found["in the middle"]["seen"]["old"] >= 9
    assert found["at random"]["kills"] == int(count)
    assert found["left"] == []


@pytest.mark.long
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_updates_that_are_killed_leave_the_old_or_the_new_model(tmp_path):
    """`kill_updates.py` checks the folder after each kill, as `kill_saves.py` does."""
    count = os.environ.get("KILLS", "20")
    command = [sys.executable, ROOT / "tests" / "kill_updates.py", tmp_path, count, "5"]
    done = subprocess.run(
        command,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["everywhere"]["seen"]["old"] > 20
    assert found["everywhere"]["seen"]["new"] > 1
    assert found["at random"]["kills"] == int(count)
    assert found["left"] == []
