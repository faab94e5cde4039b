"""What users put into a folder, before or while a model is saved there, is never lost."""

import errno
import os
import warnings

import pytest
from saved_contents import NEW, OLD, contents, is_whole

from constructions import InputError, save
from constructions.files import new_folder
from constructions.saved import folder


def overwritten(path):
    raw = bytearray((path / "facts.tsv").read_bytes())
    raw[0] ^= 1
    (path / "facts.tsv").write_bytes(raw)  # as long as before


def longer(path):
    with (path / "vocabulary.txt").open("a") as file:
        file.write("mine\n")


def of_another_manifest(path):
    manifest = (path / "manifest.json").read_bytes()
    (path / "manifest.json").write_bytes(manifest.replace(b'"selector"', b'"selectoR"'))


def linked(path):
    (path / "facts.tsv").rename(path.parent / "mine.tsv")
    (path / "facts.tsv").symlink_to(path.parent / "mine.tsv")


def hard_linked(path):
    (path.parent / "mine.txt").write_text("mine")
    (path / "facts.tsv").unlink()
    os.link(path.parent / "mine.txt", path / "facts.tsv")


def noted(path):
    (path / "notes.txt").write_text("mine")


def hidden(path):
    (path / ".notes").write_text("mine")


def with_a_folder(path):
    (path / "mine").mkdir()


def a_folder_for_a_file(path):
    (path / "certificate.json").unlink()
    (path / "certificate.json").mkdir()
    (path / "certificate.json" / "notes.txt").write_text("mine")


def with_attributes(path):
    try:
        os.setxattr(path / "facts.tsv", "user.comment", b"mine")
    except (OSError, AttributeError):
        pytest.skip("no extended attributes here")


def without_a_file(path):
    (path / "certificate.json").unlink()


TOUCHES = [
    overwritten,
    longer,
    of_another_manifest,
    linked,
    hard_linked,
    noted,
    hidden,
    with_a_folder,
]
TOUCHES += [a_folder_for_a_file, with_attributes, without_a_file]
MOMENTS = ["before", "while it is written", "before the exchange", "after the exchange"]


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("touch", TOUCHES)
def test_what_a_user_has_put_into_a_folder_is_never_removed(touch, moment, tmp_path, monkeypatch):
    """Whenever it comes, the folder stays or comes back as the user has left it, and the save says
    so.
    """
    (tmp_path / "there").mkdir()
    target = tmp_path / "there" / "model"
    save(OLD, target)
    left = []

    def touched(path):
        touch(path)
        left.append(contents(path))

    exchange, describe = new_folder.exchange, folder._description

    def exchanged(one, other):
        if not left and moment == "before the exchange":
            touched(other)
        exchange(one, other)
        if not left:
            touched(one)  # by a process that has the old folder open

    def described(model):
        if moment == "while it is written":
            touched(target)
        return describe(model)

    if moment == "before":
        touched(target)
    monkeypatch.setattr(folder, "_description", described)
    monkeypatch.setattr(new_folder, "exchange", exchanged)
    with pytest.raises(InputError, match="stays as it is"):
        save(NEW, target)
    assert contents(target) == left[0]
    assert [path.name for path in target.parent.iterdir() if path.name.startswith(".")] == []


def test_what_comes_when_the_old_folder_is_being_removed_is_kept_and_reported(
    tmp_path, monkeypatch
):
    """The last moment of all: it has been compared, and is being removed."""
    save(OLD, tmp_path / "model")
    remove = new_folder.remove

    def late(path, files):
        noted(path)
        overwritten(path)
        return remove(path, files)

    monkeypatch.setattr(new_folder, "remove", late)
    with pytest.warns(UserWarning, match="could not be removed: see"):
        save(NEW, tmp_path / "model")
    (kept,) = tmp_path.glob(".model.*.part")
    assert {"notes.txt", "facts.tsv"} <= {path.name for path in kept.iterdir()}
    monkeypatch.undo()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        monkeypatch.setattr(folder, "certificate", lambda model: '{"claims": []}\n')
        save(OLD, tmp_path / "model")
    assert (kept / "notes.txt").read_text() == "mine", "the next save sweeps no user's file"


def test_a_folder_that_cannot_be_put_back_is_kept_under_the_name_that_is_reported(
    tmp_path, monkeypatch
):
    save(OLD, tmp_path / "model")
    exchange, calls = new_folder.exchange, []

    def once(one, other):
        calls.append(one)
        if len(calls) > 1:
            raise OSError(errno.EIO, "Input/output error")
        exchange(one, other)
        noted(one)

    monkeypatch.setattr(new_folder, "exchange", once)
    with pytest.raises(InputError, match=r"so the old folder is kept, as .*\.part"):
        save(NEW, tmp_path / "model")
    assert (calls[0] / "notes.txt").read_text() == "mine"


def test_links_of_others_to_saved_files_live_on(tmp_path):
    save(OLD, tmp_path / "model")
    os.link(tmp_path / "model" / "facts.tsv", tmp_path / "mine.tsv")
    held = (tmp_path / "mine.tsv").read_bytes()
    save(NEW, tmp_path / "model")
    assert (tmp_path / "mine.tsv").read_bytes() == held
    assert is_whole(tmp_path / "model", NEW)
