"""Run as a script: processes that update a saved model in its place are killed, and each time the
folder must hold the old or the new one, whole.

    python tests/kill_updates.py FOLDER COUNT SEED

As `kill_saves.py`, whose means these are, with `python -m verify update` in place of `save`, and at
every seventh call, since an update reads the whole model first.
"""

import json
import os
import sys
from pathlib import Path

import kill_saves
import torch
from kill_saves import kill_at_random, kill_everywhere, manifests, parts

from constructions import FactTable, load, selector
from constructions.saved import folder
from verify.__main__ import main as verify

OLD = FactTable.random_functions(40, 3, seed=0, missing=0.1)
CHANGED = "e7\tr1\te3\n"


def models():
    """The model before the update, and after it."""
    old, new = selector(OLD), selector(OLD)
    new.update([tuple(CHANGED.split())])
    return {"old": old, "new": new}


def update(target, changes):
    """Run the command in this process, without its words."""
    status = verify(["update", str(target), str(changes), "--by", "none"])
    assert status == 0, status


def main(parent, count, seed):
    torch.set_num_threads(1)
    folder.certificate = lambda model: "{}\n"
    kill_saves.MODELS = models()
    known, target = manifests(parent), parent / "model"
    there, back = parent / "there.tsv", parent / "back.tsv"
    there.write_text(CHANGED)
    before = OLD.entity_name(int(OLD.answers[1, 7]))
    back.write_text(CHANGED.replace("e3", before))

    def in_turn(place):
        """There and back again."""
        for changes in (there, back):
            update(place, changes)

    said, sys.stdout = sys.stdout, open(os.devnull, "w")  # noqa: SIM115  # open to the end
    reported = {
        "everywhere": kill_everywhere(target, known, lambda place: update(place, there), 7),
        "at random": kill_at_random(target, known, count, seed, in_turn, 1.0),
    }
    update(target, there)
    assert load(target).facts == kill_saves.MODELS["new"].facts
    sys.stdout = said
    print(json.dumps(reported | {"left": [path.name for path in parts(parent)]}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
