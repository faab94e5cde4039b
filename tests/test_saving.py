"""Saving where others save and write too: nobody's files are lost, a whole model stands there
always, reports are true.
"""

import contextlib
import errno
import json
import os
import random
import shutil
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

from constructions import FactTable, InputError, load, save, selector
from constructions.files import locks, new_folder
from constructions.files.outputs import require_apart, require_outside_models
from constructions.saved import folder
from verify.__main__ import main
from verify.symbolic.checker import check

ROOT = Path(__file__).resolve().parents[1]
SAVERS = ROOT / "tests" / "two_savers.py"
OLD, NEW = (selector(FactTable.random_bijections(6, 2, seed=seed)) for seed in (0, 1))
UNSHARE = ["unshare", "--pid", "--fork"]


@pytest.fixture(autouse=True)
def certificate(monkeypatch):
    """What is claimed of a model is not the subject here, and takes time."""
    monkeypatch.setattr(folder, "certificate", lambda model: '{"claims": []}\n')


def contents(path):
    """All that is in a folder: bytes of files, targets of links, names of folders, attributes."""
    found = {}
    for other in sorted(path.rglob("*")):
        held = (
            os.readlink(other)
            if other.is_symlink()
            else other.read_bytes()
            if other.is_file()
            else "folder"
        )
        found[str(other.relative_to(path))] = held, attributes(other)
    return found


def attributes(path):
    return sorted(os.listxattr(path, follow_symlinks=False)) if hasattr(os, "listxattr") else []


def is_whole(path, model):
    state = load(path).state_dict()
    return all(bool((state[name] == tensor).all()) for name, tensor in model.state_dict().items())


# ------------------------------------------------------------------ several savers


def started(command):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def namespaces():
    """Why processes cannot have namespaces of their own here; nothing if they can."""
    if shutil.which(UNSHARE[0]) is None:
        return "there is no program `unshare`"
    done = subprocess.run([*UNSHARE, "true"], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else f"`unshare` is not allowed: {done.stderr.strip()}"


@pytest.mark.long
def test_a_saver_in_another_process_namespace_leaves_a_live_one_alone(tmp_path):
    """As two containers on one volume: process ids mean nothing to one another. The first writes
    while the second saves.
    """
    if why := namespaces():
        pytest.skip(why)
    target, wait, done = tmp_path / "model", tmp_path / "wait", tmp_path / "done"
    inside = 'i=0; while [ $i -lt "$1" ]; do /bin/true; i=$((i+1)); done; shift; "$@"; exit $?'

    def saver(spent, *words):  # each has other process ids in its own namespace
        command = [sys.executable, str(SAVERS), "save", str(target), *map(str, words)]
        return started([*UNSHARE, "sh", "-c", inside, "sh", str(spent), *command])

    first = saver(20, "one", wait, done)
    until = time.monotonic() + 60
    while not Path(f"{wait}.begun").exists() and first.poll() is None and time.monotonic() < until:
        time.sleep(0.01)
    second = saver(3, "two", "-", "-")
    reported, error = second.communicate(timeout=60)
    assert second.returncode == 0, error
    pids = [json.loads(reported)["pid"]]
    assert len(list(tmp_path.glob(".model.*.part"))) == 1, "the first one's folder is swept"
    done.touch()
    reported, error = first.communicate(timeout=60)
    assert first.returncode == 0, error
    pids.append(json.loads(reported)["pid"])
    assert max(pids) < 100, "they have no namespaces of their own"
    assert len(set(pids)) == 2
    assert load(target).facts.n_entities == 50, (
        "the first is there, whole, which was in place last"
    )
    assert not list(tmp_path.glob(".model.*"))


@pytest.mark.long
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_savers_at_once_leave_a_whole_model_at_every_moment_and_tell_the_truth(tmp_path):
    """Interleaved at random; some are killed. `two_savers.py` says how it is looked at."""
    seed = f"{random.getrandbits(32):x}"
    command = [
        sys.executable,
        str(SAVERS),
        "race",
        str(tmp_path),
        os.environ.get("RACES", "25"),
        seed,
    ]
    race = started(command)
    reported, error = race.communicate(timeout=300)
    assert race.returncode == 0, f"seed {seed}: {error}"
    found = json.loads(reported)
    assert found["left"] == []
    assert found["reads"]["one"] + found["reads"]["two"] > 0


def test_a_saver_whose_files_are_taken_away_does_not_tell_of_success(tmp_path, monkeypatch):
    """The commit point is looked at: a manifest that vanishes before the folder is in place is
    missed after.
    """
    save(OLD, tmp_path / "model")
    exchange = new_folder.exchange

    def taken(one, other):
        (one / "manifest.json").unlink()
        exchange(one, other)

    monkeypatch.setattr(new_folder, "exchange", taken)
    with pytest.raises(
        InputError, match=r"model: was written and put in place, and is not there whole any more"
    ):
        save(NEW, tmp_path / "model")


def test_without_locks_all_is_saved_and_nothing_is_swept(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locks.fcntl, "flock", refuse)
    orphan = tmp_path / ".model.0123456789abcdef.part"
    orphan.mkdir()
    for model in (OLD, NEW):
        save(model, tmp_path / "model")
        assert is_whole(tmp_path / "model", model)
    assert sorted(path.name for path in tmp_path.iterdir()) == [orphan.name, "model"]


@pytest.mark.parametrize("back", [False, True])
@pytest.mark.parametrize("reader", ["load, early", "load, late", "check"])
def test_a_folder_that_is_exchanged_while_it_is_read_is_read_again(
    reader, back, tmp_path, monkeypatch
):
    """What is found is one of the two models, and never files of both.

    The models have the same sizes, so that the weights of one would fit the facts of the other.
    """
    target, other = tmp_path / "model", tmp_path / "other"
    save(OLD, target)
    save(NEW, other)
    called = []

    def exchanging(function, nth):
        def wrapped(*given, **named):
            if called and called[-1] == nth and back:
                new_folder.exchange(target, other)
            found = function(*given, **named)
            called.append(len(called) + 1)
            if called[-1] == nth:
                new_folder.exchange(target, other)
            return found

        return wrapped

    if reader == "load, early":
        read = folder.manifests.read_manifest
        monkeypatch.setattr(folder.manifests, "read_manifest", exchanging(read, 1))
    elif reader == "load, late":
        monkeypatch.setattr(folder, "planned", exchanging(folder.planned, 1))
    else:
        monkeypatch.setattr(np, "memmap", exchanging(np.memmap, 2))
    if reader == "check":
        reason = check(target).reason
        assert reason.startswith("certificate.json"), "it is none, and all else is right"
    else:
        model = load(target)
        wanted = OLD if model.facts == OLD.facts else NEW
        state = wanted.state_dict()
        assert all(bool((state[n] == w).all()) for n, w in model.state_dict().items())
        assert back or wanted is NEW
    assert len(called) > 1


# ------------------------------------------------------------------ file systems that promise less


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


# ------------------------------------------------------------------ what users put there


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


# ------------------------------------------------------------------ outputs that lie in one
# another


def test_no_model_is_saved_into_a_model(tmp_path):
    save(OLD, tmp_path / "model")
    before = contents(tmp_path)
    with pytest.raises(InputError, match="lies in the folder of a saved model"):
        save(NEW, tmp_path / "model" / "inner")
    assert contents(tmp_path) == before


FAMILY = "Alice\tmother\tBeth\nBeth\tmother\tCarla\nAlice\twife\tDora\n"
COMMANDS = [
    "facts f.tsv --json f.tsv",
    "facts f.tsv --json linked.tsv",
    "facts f.tsv --json hard.tsv",
    "facts f.tsv --save model --json model/reported.json",
    "facts f.tsv --save model --json model/facts.tsv",
    "facts f.tsv --save model --json link/reported.json",
    "facts f.tsv --json model/reported.json",
    "facts f.tsv --save new --json new",
    "facts f.tsv --save f.tsv",
    "facts f.tsv --save model/inner",
    "facts model/facts.tsv --save model",
    "facts model/facts.tsv --json model/facts.tsv",
    "selector -N 4 -R 2 --save model --json model/reported.json",
    "selector -N 4 -R 2 --json model/manifest.json",
    "check model --json model/reported.json",
    "check model --json link/certificate.json",
    "bound -N 9 -R 2 --plot p.svg --json p.svg",
    "bound -N 9 -R 2 --plot p.svg --json ./x/../p.svg",
    "bound -N 9 -R 2 --plot model/p.svg",
    "bound -N 9 -R 2 --json model/p.json",
    "export model --to onnx model",
    "export model --to onnx model/out",
    "export model --to onnx out --json out",
    "export model --to onnx out --json model/reported.json",
    "export model --to onnx empty --json empty/reported.json",
    "example model/example.tsv",
    "example model/facts.tsv",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_no_output_damages_a_model_an_input_or_another_output(
    command, tmp_path, monkeypatch, capsys
):
    """Refused before any work, in one sentence; all files are as they were."""
    save(OLD, tmp_path / "model")
    (tmp_path / "f.tsv").write_text(FAMILY)
    (tmp_path / "x").mkdir()
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to("model")
    (tmp_path / "linked.tsv").symlink_to("f.tsv")
    os.link(tmp_path / "f.tsv", tmp_path / "hard.tsv")
    before = contents(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert main(command.split()) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert any(reported in printed.err for reported in ("lies in", "each needs a name of its own"))
    assert printed.err.count("\n") == 1
    assert contents(tmp_path) == before


def test_outputs_that_are_apart_are_written(tmp_path, monkeypatch):
    (tmp_path / "f.tsv").write_text(FAMILY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.undo()
    with contextlib.chdir(tmp_path):
        assert main(["facts", "f.tsv", "--save", "model", "--json", "model.json"]) == 0
        assert main(["facts", "f.tsv", "--save", "model", "--json", "model.json"]) == 0
        assert main(["check", "model", "--json", "model.json"]) == 0
        assert main(["check", "model", "--json", "/dev/null"]) == 0
    require_apart({"a": None}, {"b": tmp_path / "b", "c": tmp_path / "c", "d": None})
    require_apart({}, {"b": Path("/dev/null"), "c": Path("/dev/null")})
    require_outside_models("\0")
    with pytest.raises(InputError, match="b and c are both"):
        require_apart({}, {"b": tmp_path / "b", "c": tmp_path / "x" / ".." / "b"})
