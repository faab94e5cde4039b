"""Every defect of a folder is reported before anything is built of it."""

import errno
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
from bad_folders import DEFECTS, DEFECTS_OF_OPTIONS, DEFECTS_OF_PACKED_FACTS
from folder_edits import reseal
from safetensors import safe_open
from saved_models import FACTS, contents

from constructions import (
    Codebook,
    DoesNotFit,
    FactTable,
    InputError,
    key_value,
    load,
    save,
    selector,
)
from constructions.guards import memory
from constructions.model.fact_model import FactModel
from constructions.saved import folder


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A folder with every kind of file but packed facts; and one with those."""
    parent = tmp_path_factory.mktemp("saved")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folder, "certificate", lambda model: '{"claims": []}\n')
        save(selector(FACTS, codebook=Codebook(np.arange(7))), parent / "text")
        save(
            selector(
                FactTable([[1, -1, 0]], ["#", "b", "c"]), codebook=Codebook(np.array([0, 1, 2, 4]))
            ),
            parent / "packed",
        )
        save(key_value(FACTS, 2), parent / "hops")
    return parent


def copy_of(saved, name, tmp_path):
    return Path(shutil.copytree(saved / name, tmp_path / "model"))


class Allocated(Exception):
    """Weights were allocated."""


def refuse_to_allocate(*_, **__):
    raise Allocated


@pytest.mark.parametrize("defect", DEFECTS)
def test_every_defect_is_reported_before_weights_are_allocated(
    defect, saved, tmp_path, monkeypatch
):
    damage, reported = DEFECTS[defect]
    path = copy_of(saved, "text", tmp_path)
    damage(path)
    if defect != "construction":  # which is known when the model is there
        monkeypatch.setattr(FactModel, "__init__", refuse_to_allocate)
    with pytest.raises(InputError, match=reported) as caught:
        load(path)
    assert str(tmp_path) in str(caught.value), "the message names the file"


@pytest.mark.parametrize(
    "defect",
    [
        "header twice",
        "header after a space",
        "entry of other keys",
        "entry as a list",
        "metadata",
        "metadata null",
    ],
)
def test_safetensors_alone_takes_what_is_looked_for_beside_it(defect, saved, tmp_path):
    """The control of `read_header`: without its own look at the header these would be read."""
    path = copy_of(saved, "text", tmp_path)
    DEFECTS[defect][0](path)
    with safe_open(path / "weights.safetensors", framework="np") as file:
        assert file.get_tensor("embedding.weight").shape == (9, 7)


@pytest.mark.parametrize(("damage", "reported"), DEFECTS_OF_OPTIONS)
def test_options_that_make_another_model_are_reported(
    damage, reported, saved, tmp_path, monkeypatch
):
    path = copy_of(saved, "hops", tmp_path)
    damage(path)
    monkeypatch.setattr(FactModel, "__init__", refuse_to_allocate)
    with pytest.raises(InputError, match=reported):
        load(path)


@pytest.mark.parametrize(("damage", "reported"), DEFECTS_OF_PACKED_FACTS)
def test_defects_of_packed_facts_are_reported(damage, reported, saved, tmp_path):
    path = copy_of(saved, "packed", tmp_path)
    damage(path)
    with pytest.raises(InputError, match=reported):
        load(path)


@pytest.mark.parametrize("model", ["text", "packed"])
def test_no_flipped_bit_is_overlooked(model, saved, tmp_path):
    path = copy_of(saved, model, tmp_path)
    rng = random.Random(0)
    for name, raw in contents(path).items():
        for _ in range(150 if name == "manifest.json" else 20):
            at, bit = rng.randrange(len(raw)), rng.randrange(8)
            (path / name).write_bytes(raw[:at] + bytes([raw[at] ^ 1 << bit]) + raw[at + 1 :])
            with pytest.raises(InputError):
                load(path)
        (path / name).write_bytes(raw)
    load(path)


@pytest.mark.parametrize("model", ["text", "packed"])
def test_no_truncated_file_is_overlooked(model, saved, tmp_path):
    path = copy_of(saved, model, tmp_path)
    for name, raw in contents(path).items():
        for length in {0, 1, 7, 8, 9, len(raw) // 2, len(raw) - 1}:
            for seal in (False, True) if name != "manifest.json" else (False,):
                whole = contents(path)
                (path / name).write_bytes(raw[:length])
                reseal(path) if seal else None
                if seal and name in ("certificate.json", "facts.tsv"):
                    continue  # a shorter text may be as good
                with pytest.raises(InputError):
                    load(path)
                for other, bytes_ in whole.items():
                    (path / other).write_bytes(bytes_)


@pytest.mark.parametrize("path", ["nothing", "file", "empty", "\0"])
def test_what_is_no_model_folder_is_reported(path, tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"is no folder|no such f(older|ile)"):
        load(tmp_path / path)


def test_a_model_that_does_not_fit_is_reported(saved, monkeypatch):
    monkeypatch.setattr(memory, "memory_limit", lambda: 1000)
    with pytest.raises(
        DoesNotFit, match=r"the weights need [\d,]+ bytes, and this machine has 1,000"
    ):
        load(saved / "text")


def test_a_disk_that_fails_is_reported(saved, monkeypatch):
    def fail(_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(folder.manifests, "digest", fail)
    with pytest.raises(InputError, match="text: cannot be read: Input/output error"):
        load(saved / "text")
