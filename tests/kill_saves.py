"""Run as a script: processes that save over a model are killed, and each time the folder must hold
the old or the new one.

    python tests/kill_saves.py FOLDER COUNT SEED

First one save is killed at its n-th audited call, for every n; then saves go on and on, and
SIGKILL comes at random moments, COUNT times. At last a save removes what the dead have left.
Prints a line of JSON. Children are forked, so that torch is imported once.
"""

import json
import os
import random
import signal
import sys
import time
from collections import Counter
from pathlib import Path

import torch

from constructions import FactTable, key_value, load, save, selector
from constructions.saved import folder, written_facts

MODELS = {
    "old": selector(FactTable.random_bijections(200, 3, seed=0)),
    "new": key_value(FactTable.random_bijections(8, 2, seed=1), 2),
}


def child(work):
    """Fork; the child does the work and never returns."""
    process = os.fork()
    if process == 0:
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    return process


def manifests(parent):
    """The two bytes that a manifest may have."""
    known = {}
    for name, model in MODELS.items():
        save(model, parent / name)
        known[(parent / name / "manifest.json").read_bytes()] = name
    return known


def found(target, known):
    """Which model is there; it must load, and be whole."""
    name = known[(target / "manifest.json").read_bytes()]
    loaded, model = load(target), MODELS[name]
    assert all(
        torch.equal(a, b) for a, b in zip(loaded.parameters(), model.parameters(), strict=True)
    )
    return name


def parts(parent):
    return [path for path in parent.iterdir() if path.name.endswith(".part")]


def save_in_turn(target):
    """One model, then the other."""
    for model in MODELS.values():
        save(model, target)


def kill_at_random(target, known, count, seed, in_turn=save_in_turn, longest=0.06):
    """Kill what goes on and on to put both models there, at random moments within so many
    seconds.
    """
    rng = random.Random(seed)
    seen, orphans = Counter(), 0

    def on_and_on():
        while True:
            in_turn(target)

    save(MODELS["old"], target)
    for _ in range(count):
        process = child(on_and_on)
        time.sleep(rng.uniform(0.0, longest))
        os.kill(process, signal.SIGKILL)
        assert os.waitpid(process, 0)[1] == signal.SIGKILL
        seen[found(target, known)] += 1
        orphans += len(parts(target.parent))
    return {"kills": count, "seen": seen, "orphans": orphans}


def save_new(target):
    """The new model."""
    save(MODELS["new"], target)


def kill_everywhere(target, known, renew=save_new, step=1):
    """Kill what puts the new model there at its n-th audited call, for every n, or each such."""
    seen = Counter()
    for nth in range(0, 10_000, step):
        save(MODELS["old"], target)
        assert not parts(target.parent)

        def save_until(nth=nth):
            calls = 0

            def hook(event, _):
                nonlocal calls
                if event.startswith(("open", "os.", "shutil.", "fcntl.", "ctypes.dl")):
                    calls += 1
                    if calls == nth + 1:  # the kill is itself audited
                        os.kill(os.getpid(), signal.SIGKILL)

            sys.addaudithook(hook)
            renew(target)

        status = os.waitpid(child(save_until), 0)[1]
        seen[found(target, known)] += 1
        if status == 0:
            return {"kills": nth // step, "seen": seen}
        assert status == signal.SIGKILL
    raise AssertionError("the save never ended")


def kill_in_the_middle(target, known):
    """In the middle of each file that is written by `write_bytes`, or line by line: a part of its
    bytes, or none, is there.
    """
    seen = Counter()
    for share in (0, 1 / 2, 1):
        for nth in range(10_000):
            save(MODELS["old"], target)
            assert not parts(target.parent), (share, nth)

            def save_until(nth=nth, share=share):
                whole, calls = Path.write_bytes, 0

                def write_bytes(path, data):
                    nonlocal calls
                    calls += 1
                    if calls == nth + 1:
                        whole(path, data[: int(share * len(data))])
                        os.kill(os.getpid(), signal.SIGKILL)
                    return whole(path, data)

                def write_lines(path, lines):
                    write_bytes(path, "".join(lines).encode())

                Path.write_bytes, written_facts._write_lines = write_bytes, write_lines
                save(MODELS["new"], target)

            status = os.waitpid(child(save_until), 0)[1]
            seen[found(target, known)] += 1
            if status == 0:
                break
            assert status == signal.SIGKILL
    return {"seen": seen}


def main(parent, count, seed):
    torch.set_num_threads(1)
    folder.certificate = lambda model: "{}\n"
    known, target = manifests(parent), parent / "model"
    reported = {
        "everywhere": kill_everywhere(target, known),
        "in the middle": kill_in_the_middle(target, known),
        "at random": kill_at_random(target, known, count, seed),
    }
    save(MODELS["new"], target)
    print(json.dumps(reported | {"left": [path.name for path in parts(parent)]}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
