"""One description of a folder, two readers that share no code: what `load` refuses `check`
refuses, and the other way round.

They differ, as docs/certificates.md says, in two ways alone. `load` builds the model again, so it
also refuses what the builder of that name does not make; `check` takes any model that it can
prove. `check` proves the answers, so it also refuses weights, facts and certificates that are well
described and not right; `load` takes them.
"""

import hashlib
import itertools
import json
import random
import re

import numpy as np
import pytest
import torch
from bad_folders import DEFECTS, DEFECTS_OF_OPTIONS, DEFECTS_OF_PACKED_FACTS
from battery import GROUPS
from folder_edits import in_header
from hand_made import built, files_of
from random_folder_edits import described_as_they_are, random_edit
from tiers import few

from constructions import Codebook, FactTable, InputError, key_value, load, save, selector
from verify.checking.check import check, check_files

NOT_REBUILT = re.compile(r" cannot be built of this folder: |, but \w+ makes ")
"""What `load` says of a folder that is well described, and not made by the builder that it names.
"""
EDITS = 250
MODELS = {
    "text": lambda: selector(
        FactTable.random_bijections(6, 2, seed=3), codebook=Codebook(np.arange(7))
    ),
    "packed": lambda: selector(
        FactTable([[1, -1, 0]], ["#", "b", "c"]), codebook=Codebook(np.array([0, 1, 2, 4]))
    ),
    "hops": lambda: key_value(FactTable.random_bijections(6, 2, seed=3), 2),
    "chain": lambda: built("chain_of_thought", 3, 2, 2, partial=True),
    "bfloat16": lambda: built("scalar_selector", 3, dtype=torch.bfloat16),
}


@pytest.fixture(scope="module")
def saved():
    return {name: files_of(make()) for name, make in MODELS.items()}


def written(files, path):
    path.mkdir(exist_ok=True)
    for other in path.iterdir():
        other.unlink()
    for name, raw in files.items():
        (path / name).write_bytes(raw)
    return path


def verdicts(path):
    """What the two readers say: (why `load` refuses, whether that is for the builder alone, what
    `check` says).
    """
    try:
        load(path)
        refused = ""
    except InputError as error:
        refused = str(error)
    return refused, bool(NOT_REBUILT.search(refused)), check(path)


def require_agreement(path, reported, values=False):
    """The readers agree; where `values` are edited that are no description, `check` may refuse
    what `load` takes.
    """
    refused, not_rebuilt, proven = verdicts(path)
    if refused and not not_rebuilt:
        assert proven.verdict != "PASS", f"{reported}: load refuses ({refused}), check passes"
    if not refused and not values:
        assert proven.verdict == "PASS", f"{reported}: load takes it, check says {proven}"
    if not values:
        assert not proven.reason.startswith("the checker stopped: KeyError"), (
            f"{reported}: {proven}"
        )
    return refused, not_rebuilt, proven


@pytest.mark.parametrize("name", MODELS)
def test_what_is_saved_is_accepted_by_both(name, saved, tmp_path):
    refused, _, proven = verdicts(written(saved[name], tmp_path / "model"))
    assert (refused, proven.verdict) == ("", "PASS"), proven.reason


DAMAGED = [("text", name, damage) for name, (damage, _) in DEFECTS.items()]
DAMAGED += [("hops", str(i), damage) for i, (damage, _) in enumerate(DEFECTS_OF_OPTIONS)]
DAMAGED += [("packed", str(i), damage) for i, (damage, _) in enumerate(DEFECTS_OF_PACKED_FACTS)]


@pytest.mark.parametrize(
    ("model", "name", "damage"), DAMAGED, ids=[f"{m} {name}" for m, name, _ in DAMAGED]
)
def test_both_refuse_every_defect(model, name, damage, saved, tmp_path):
    path = written(saved[model], tmp_path / "model")
    damage(path)
    refused, not_rebuilt, proven = require_agreement(path, name, values=model == "packed")
    assert refused
    assert proven.verdict != "PASS" or not_rebuilt


@pytest.mark.parametrize(
    "group", few(["misdescribed", "exploit", "forged", "wrong", "honest"], "misdescribed")
)
def test_they_agree_on_the_whole_battery(group, tmp_path):
    """Models made by hand have no builder: of them `load` may say that, and no more than `check`
    says of them.
    """
    for name, files in itertools.islice(GROUPS[group](), 150):
        path = written(files, tmp_path / "model")
        refused, _, proven = verdicts(path)
        if refused and not NOT_REBUILT.search(refused):
            assert proven.verdict != "PASS", f"{name}: load refuses ({refused}), check passes"
        assert check_files(files) == proven


@pytest.mark.long
def test_they_agree_on_edits_at_random(saved, tmp_path):
    seed = random.getrandbits(32)
    rng, seen = random.Random(seed), set()
    for i in range(EDITS):
        name = rng.choice(sorted(saved))
        reported, files = random_edit(saved[name], rng)
        values = reported.startswith(("facts", "certificate", "weights", "vocabulary"))
        path = written(files, tmp_path / "model")
        refused, not_rebuilt, proven = require_agreement(
            path, f"seed {seed}, edit {i} of {name}: {reported}", values
        )
        seen.add((bool(refused) + not_rebuilt, proven.verdict == "PASS"))
    assert seen >= {(0, True), (0, False), (1, False), (2, True)}, f"seed {seed}: {seen}"


@pytest.mark.parametrize("size", ["d_vocab", "parameters"])
def test_a_false_size_is_refused_by_both(size, saved, tmp_path):
    """The fault that this file is about: 22 such folders passed `check`."""
    for name, change in itertools.product(saved, (-1, 1, 7)):
        manifest = json.loads(saved[name]["manifest.json"])
        manifest["sizes"][size] += change
        files = described_as_they_are(
            saved[name] | {"manifest.json": json.dumps(manifest).encode()}
        )
        refused, not_rebuilt, proven = verdicts(written(files, tmp_path / "model"))
        assert refused
        assert not not_rebuilt
        assert proven.verdict == "FAIL"
        assert size in proven.reason


@pytest.mark.parametrize("name", ["facts.tsv", "weights.safetensors"])
def test_a_file_of_another_size_is_refused_unread(name, saved, monkeypatch):
    """A sparse file of 64 GiB in its place kept `check` busy for minutes."""
    files = saved["text"] | {name: saved["text"][name] + bytes(10**6)}
    digest, hashed = hashlib.sha256, []
    monkeypatch.setattr(hashlib, "sha256", lambda data: hashed.append(len(data)) or digest(data))
    assert check_files(files).verdict == "FAIL"
    assert hashed
    assert max(hashed) < 10**6


# ------------------------------------------------------------------ the two differences


@pytest.mark.parametrize(
    ("key", "value"), [("construction", "superposition"), ("builder", "eval"), ("builder", "\n")]
)
def test_only_load_knows_the_builders(key, value, saved, tmp_path):
    manifest = json.loads(saved["text"]["manifest.json"]) | {key: value}
    files = described_as_they_are(saved["text"] | {"manifest.json": json.dumps(manifest).encode()})
    refused, not_rebuilt, proven = verdicts(written(files, tmp_path / "model"))
    assert refused
    assert not_rebuilt
    assert proven.verdict == "PASS"


def test_only_check_proves_the_answers(saved, tmp_path):
    """An honest edit of weights that keeps all answers is taken by both, one that does not by
    `load` alone.
    """
    for factor, verdict in ((2, "PASS"), (-1, "FAIL")):
        path = written(saved["text"], tmp_path / "model")
        model = load(path)
        with torch.no_grad():
            model.unembedding.weight *= factor
        weights = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
        import safetensors.torch

        files = described_as_they_are(
            saved["text"] | {"weights.safetensors": safetensors.torch.save(weights)}
        )
        refused, _, proven = verdicts(written(files, tmp_path / "model"))
        assert refused == ""
        assert proven.verdict == verdict, proven.reason


# ------------------------------------------------------------------ weights that another tool has
# written


@pytest.mark.parametrize(
    "listed", [False, True], ids=["as they were listed", "listed as they are"]
)
def test_weights_written_by_another_tool_are_refused_by_both_and_both_say_what_to_do(
    listed, saved, tmp_path
):
    import safetensors.torch

    tensors = safetensors.torch.load(saved["text"]["weights.safetensors"])
    files = saved["text"] | {
        "weights.safetensors": safetensors.torch.save(tensors, {"format": "pt"})
    }
    files = described_as_they_are(files) if listed else files
    refused, _, proven = verdicts(written(files, tmp_path / "model"))
    for reported in (refused, proven.reason):
        assert re.search(
            "weights.safetensors: another tool has written it.* __metadata__.* and save that$",
            reported,
        ), reported
    assert proven.verdict == "FAIL"
    model = selector(FactTable.random_bijections(6, 2, seed=3), codebook=Codebook(np.arange(7)))
    model.load_state_dict(tensors)  # as both say
    save(model, tmp_path / "again")
    assert verdicts(tmp_path / "again")[::2] == ("", check_files(saved["text"]))


def test_a_header_may_be_written_otherwise_where_it_says_the_same(saved, tmp_path):
    path = written(saved["text"], tmp_path / "model")
    in_header(lambda header: json.dumps(dict(reversed(header.items()))) + "   ")(path)
    assert verdicts(path)[0] == ""
    assert check(path).verdict == "PASS"
