"""Models that cannot be saved, and places where none can be, are refused."""

import errno

import pytest
import torch
from saved_models import FACTS, PARTIAL, a_file, a_folder, a_model_and_notes, contents

from constructions import (
    FactTable,
    InputError,
    load,
    save,
    scalar_selector,
    selector,
    standard,
    widen,
)
from constructions.saved import folder


def test_a_model_without_a_recipe_is_refused(tmp_path):
    model = selector(FACTS)
    del model.recipe
    with pytest.raises(InputError, match="this one has no recipe"):
        save(model, tmp_path / "model")


@pytest.mark.parametrize(
    "model", [standard(selector(FACTS)), widen(selector(FACTS), n_layers=2), "selector", None]
)
def test_what_no_builder_has_made_is_refused(model, tmp_path):
    with pytest.raises(InputError, match="only a model made by a builder, of the catalogue or"):
        save(model, tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_a_model_with_other_tensors_is_refused(tmp_path):
    model = selector(FACTS)
    model.extra = torch.nn.Linear(1, 1)
    model.unembedding.weight = torch.nn.Parameter(torch.zeros(2, 2))
    with pytest.raises(
        InputError,
        match=r"extra.bias \(1,\), not there; .*unembedding.weight \(2, 2\), not \(9, 7\)",
    ):
        save(model, tmp_path / "model")


@pytest.mark.parametrize(
    ("convert", "reported"),
    [
        (lambda model: model.half(), "use a wider dtype"),
        (
            lambda model: model.embedding.double(),
            "must have one dtype; these have torch.float32, torch.float64",
        ),
        (lambda model: model.to(torch.complex64), "these are torch.complex64"),
    ],
)
@pytest.mark.filterwarnings("ignore:Complex modules")
def test_weights_in_a_dtype_that_cannot_come_back_are_refused(convert, reported, tmp_path):
    model = scalar_selector(FactTable.random_bijections(64, 1))
    convert(model)
    with pytest.raises(InputError, match=reported):
        save(model, tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_weights_in_a_wider_dtype_come_back(tmp_path):
    model = scalar_selector(FACTS).double()
    save(model, tmp_path / "model")
    assert load(tmp_path / "model").embedding.weight.dtype == torch.float64


def test_a_model_whose_certificate_is_refused_is_not_saved(monkeypatch, tmp_path):
    def refuse(model):
        raise InputError("no claim holds")

    monkeypatch.setattr(folder, "certificate", refuse)
    with pytest.raises(InputError, match="no claim holds"):
        save(selector(FACTS), tmp_path / "model")
    assert not list(tmp_path.iterdir())


def a_folder_with_a_manifest(path):
    a_folder(path)
    (path / "manifest.json").write_text('{"name": "an app"}')


@pytest.mark.parametrize(
    ("make", "reported"),
    [
        (a_file, "is no folder, and stays as it is"),
        (a_folder, "is not empty and not the folder of a model, so it stays as it is"),
        (
            a_folder_with_a_manifest,
            "is not empty and not the folder of a model, so it stays as it is",
        ),
        (
            a_model_and_notes,
            r"is not just the model that was saved, so it stays as it is; .*holds notes\.txt, which",
        ),
    ],
)
def test_what_is_no_model_is_never_overwritten(make, reported, tmp_path):
    path = tmp_path / "model"
    make(path)
    before = path.read_bytes() if path.is_file() else contents(path)
    with pytest.raises(InputError, match=reported):
        save(selector(PARTIAL), path)
    assert (path.read_bytes() if path.is_file() else contents(path)) == before
    assert [other.name for other in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt(), MemoryError()]
)
@pytest.mark.parametrize("place", ["write_weights", "write_facts", "_description"])
def test_a_save_that_fails_leaves_what_was_there(error, place, monkeypatch, tmp_path):
    save(selector(FACTS), tmp_path / "model")
    before = contents(tmp_path / "model")

    def fail(*_):
        raise error

    monkeypatch.setattr(folder, place, fail)
    reported = (
        "model: cannot be written: No space left on device" if isinstance(error, OSError) else None
    )
    with pytest.raises(InputError if reported else type(error), match=reported):
        save(selector(PARTIAL), tmp_path / "model")
    assert contents(tmp_path / "model") == before
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
