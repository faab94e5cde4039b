"""A model that holds its weights as they are mapped from the folder in which it was saved."""

import shutil

import pytest
import torch

from constructions import FactTable, load, save, selector
from constructions.saved.folder import hold_as_saved
from constructions.saved.manifest import WEIGHTS


@pytest.fixture
def saved(tmp_path):
    """A model, its folder, and the folder's bytes of weights."""
    model = selector(FactTable.random_bijections(8, 2, seed=0))
    save(model, folder := tmp_path / "model")
    return model, folder, (folder / WEIGHTS).read_bytes()


def test_every_weight_is_that_of_the_file(saved):
    model, folder, _ = saved
    with torch.no_grad():
        model.embedding.weight += 1  # so that a model that keeps its own weights is noticed
    hold_as_saved(model, folder)
    for name, weight in load(folder).state_dict().items():
        assert weight.equal(model.state_dict()[name]), name
    assert model.answer(3, [1]) == model.facts.answer(3, [1])


def test_what_is_written_into_the_weights_is_not_written_into_the_file(saved):
    model, folder, raw = saved
    hold_as_saved(model, folder)
    with torch.no_grad():
        model.embedding.weight.zero_()
    assert not model.embedding.weight.any()
    assert (folder / WEIGHTS).read_bytes() == raw


def test_the_model_outlives_the_folder(saved):
    model, folder, _ = saved
    hold_as_saved(model, folder)
    shutil.rmtree(folder)
    assert model.answer(3, [1]) == model.facts.answer(3, [1])
