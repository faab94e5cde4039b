"""Where a file system promises less, it is said what is not promised; success and failure are reported as they are."""

import errno
import os
from pathlib import Path

import pytest
from saved_contents import NEW, OLD, contents, is_whole

from constructions import InputError, save
from constructions.files import new_folder


def failing_sync(monkeypatch, code, fails):
    fsync = os.fsync

    def sync(handle):
        if fails(Path(os.readlink(f"/proc/self/fd/{handle}"))):
            raise OSError(code, os.strerror(code))
        fsync(handle)

    if not Path("/proc/self/fd").is_dir():
        pytest.skip("no /proc")
    monkeypatch.setattr(os, "fsync", sync)


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS])
@pytest.mark.parametrize("fails", [Path.is_dir, Path.exists], ids=["folders", "files and folders"])
@pytest.mark.parametrize("replaced", [False, True])
def test_where_nothing_can_be_flushed_the_model_is_saved_and_it_is_said_what_is_not_promised(
    code, fails, replaced, tmp_path, monkeypatch
):
    if replaced:
        save(OLD, tmp_path / "model")
    failing_sync(monkeypatch, code, fails)
    with pytest.warns(
        UserWarning,
        match=r"model: is written and in place, .* cannot flush a (file|folder) .*; load it then$",
    ) as warned:
        save(NEW, tmp_path / "model")
    assert any("cannot flush a folder" in str(warning.message) for warning in warned)
    assert is_whole(tmp_path / "model", NEW)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_success_is_never_reported_as_failure(tmp_path, monkeypatch):
    """The folder is in place, and only then the disk fails, or the old folder cannot be removed:
    that is a warning.
    """
    save(OLD, tmp_path / "model")
    with monkeypatch.context() as patch:
        failing_sync(patch, errno.EIO, lambda path: path == tmp_path)
        with pytest.warns(
            UserWarning,
            match="is written and in place, but the system does not confirm that: Input",
        ):
            save(NEW, tmp_path / "model")
    assert is_whole(tmp_path / "model", NEW)
    with monkeypatch.context() as patch:
        patch.setattr(new_folder, "remove", lambda *_: False)
        with pytest.warns(
            UserWarning,
            match=r"the folder that it has replaced could not be removed: see .*\.part",
        ):
            save(OLD, tmp_path / "model")
    assert is_whole(tmp_path / "model", OLD)


@pytest.mark.parametrize("what", ["model", "weights.safetensors"])
def test_failure_is_never_reported_as_success(what, tmp_path, monkeypatch):
    """A disk that fails before the folder is in place: the old model stays, and nothing else."""
    save(OLD, tmp_path / "model")
    before = contents(tmp_path)
    failing_sync(monkeypatch, errno.EIO, lambda path: what in path.name and path != tmp_path)
    with pytest.raises(InputError, match="model: cannot be written: Input/output error"):
        save(NEW, tmp_path / "model")
    assert contents(tmp_path) == before
