"""Saving where others save and read too: nobody's files are lost, and a whole model stands there
always.
"""

import errno
import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from saved_contents import NEW, OLD, is_whole

from constructions import InputError, load, save
from constructions.files import locks, new_folder
from constructions.saved import folder
from verify.checking.check import check

ROOT = Path(__file__).resolve().parents[2]
SAVERS = ROOT / "tests" / "two_savers.py"
UNSHARE = ["unshare", "--pid", "--fork"]


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


def test_what_another_saver_still_writes_is_not_swept(tmp_path):
    """Whoever holds the lock of a folder writes it; once it is let go, the folder is left over."""
    written = tmp_path / ".model.0123456789abcdef.part"
    written.mkdir()
    handle = os.open(written, os.O_RDONLY)
    try:
        locks.fcntl.flock(handle, locks.fcntl.LOCK_EX)
        save(OLD, tmp_path / "model")
        assert sorted(path.name for path in tmp_path.iterdir()) == [written.name, "model"]
    finally:
        os.close(handle)
    save(NEW, tmp_path / "model")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


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
