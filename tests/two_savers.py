"""Run as a script: several processes save to one place at once, and at every moment a whole model
must stand there.

    python tests/two_savers.py race FOLDER ROUNDS SEED       two savers at once, slowed down at
    random steps python tests/two_savers.py save FOLDER NAME WAIT DONE    one saver, which tells by
    the file WAIT.begun that it has written, and moves its folder into place when DONE is there

In each round of a race both savers save another model once, and a third process may kill one of
them. Who is not killed must succeed, under the name there must be one of the two models, whole,
and nothing else may be left when the next has saved. While they run the folder is read over and
over. Prints a line of JSON. Children are forked, so that torch is imported once.
"""

import json
import os
import random
import signal
import sys
import time
import traceback
from collections import Counter
from functools import partial
from pathlib import Path

import torch
from kill_saves import child, parts

from constructions import FactTable, key_value, load, save, selector
from constructions.saved import folder

FACTS = FactTable.random_bijections(8, 2, seed=1)
MODELS = {
    "one": selector(FactTable.random_bijections(50, 3, seed=0)),
    "two": key_value(FACTS, 2),
    "before": selector(FACTS),
}


def known_manifests(parent):
    """The digest that each model's manifest has, as bytes to names."""
    for name, model in MODELS.items():
        save(model, parent / name)
    return {(parent / name / "manifest.json").read_bytes(): name for name in MODELS}


def whole(target, known):
    """The name of the model that stands there, read through one descriptor; None if it was
    replaced meanwhile.
    """
    handle = os.open(target, os.O_RDONLY | os.O_DIRECTORY)
    try:
        found = {}
        for name in os.listdir(handle):
            with open(os.open(name, os.O_RDONLY, dir_fd=handle), "rb") as file:
                found[name] = file.read()
        model = known[found["manifest.json"]]
        assert found == {
            path.name: path.read_bytes() for path in (target.parent / model).iterdir()
        }, "not whole"
        return model
    except (FileNotFoundError, KeyError, AssertionError):
        if os.fstat(handle).st_ino == os.stat(target).st_ino:
            raise
        return None
    finally:
        os.close(handle)


def slowed(name, target, seed):
    """Save, and sleep for moments before some of the calls to the system."""
    rng = random.Random(seed)

    def hook(event, _):
        if event.startswith(("open", "os.", "fcntl.")) and rng.random() < 0.3:
            time.sleep(rng.uniform(0, 0.002))

    sys.addaudithook(hook)
    try:
        save(MODELS[name], target)
    except Exception:
        traceback.print_exc()
        raise


def race(parent, rounds, seed):
    rng = random.Random(seed)
    known, target = known_manifests(parent), parent / "model"
    seen, reads, killed = Counter(), Counter(), 0
    for i in range(rounds):
        if rng.random() < 0.8:
            save(MODELS["before"], target)
        elif target.exists():
            for path in target.iterdir():
                path.unlink()
            if rng.random() < 0.5:
                target.rmdir()
        names = ["one", "two"]
        savers = {
            child(partial(slowed, name, target, f"{seed} {i} {name}")): name for name in names
        }
        victim = rng.choice(sorted(savers)) if rng.random() < 0.3 else None
        at = time.monotonic() + rng.uniform(0, 0.06)
        left = set(savers)
        while left:
            if victim in left and time.monotonic() > at:
                os.kill(victim, signal.SIGKILL)
                at = float("inf")
            for process in sorted(left):
                done, status = os.waitpid(process, os.WNOHANG)
                if done:
                    left.remove(process)
                    was_killed = process == victim and status == signal.SIGKILL
                    killed += was_killed
                    assert was_killed or status == 0, (
                        f"round {i}: {savers[process]} failed: {status}"
                    )
            if target.exists() and any(target.iterdir()):
                reads[str(whole(target, known))] += 1
                if rng.random() < 0.1:
                    load(target)
            time.sleep(0.0005)
        there = whole(target, known)
        if victim is None:
            assert there in names, f"round {i}: both reported of success, and {there} is there"
        seen[there] += 1
        load(target)
    save(MODELS["before"], target)
    left_over = [path.name for path in parts(parent)]
    return {"seen": seen, "reads": reads, "killed": killed, "left": left_over}


def slow_save(target, name, wait, done):
    """One save that stops before it flushes its files, until it is reported to go on."""
    describe = folder._description

    def slow(model):
        if wait != "-":
            Path(f"{wait}.begun").touch()
            until = time.monotonic() + 60
            while not Path(done).exists() and time.monotonic() < until:
                time.sleep(0.01)
        return describe(model)

    folder._description = slow
    save(MODELS[name], target)
    return {"saved": name, "pid": os.getpid()}


if __name__ == "__main__":
    torch.set_num_threads(1)
    folder.certificate = lambda model: "{}\n"
    what, place, *others = sys.argv[1:]
    if what == "race":
        reported = race(Path(place), int(others[0]), others[1])
    else:
        reported = slow_save(Path(place), *others)
    print(json.dumps(reported))
