"""Models that are saved, and whether they come back."""

from pathlib import Path

import numpy as np
import torch

from constructions import (
    FactTable,
    InputError,
    load,
    save,
    selector,
)

ROOT = Path(__file__).resolve().parents[1]
FACTS = FactTable.random_bijections(6, 2, seed=3)
PARTIAL = FactTable.random_functions(6, 2, seed=4, missing=0.4)
DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16]
NAMED = FactTable(
    [[1, 2, 0], [-1, 0, 0]], ["Zürich", "a b", "unknown"], ["lies in", "unknown"]
)  # names may be those of special tokens


def contents(path):
    return {file.name: file.read_bytes() for file in path.iterdir()}


def assert_same(model, loaded):
    """Nothing that can be asked of the two models tells them apart."""
    assert type(loaded) is type(model)
    for name in (
        "construction",
        "recipe",
        "shape",
        "hops",
        "vocabulary",
        "facts",
        "fact_tables",
        "hops_per_token",
        "stored_only",
        "record",
    ):
        assert getattr(loaded, name) == getattr(model, name), name
    one, other = margin_of(model), margin_of(loaded)
    assert (one is None) == (other is None)
    if one is not None:
        # Where facts were installed, the bound of the leak may be from weights of two tables.
        assert float(one.real) == float(other.real)
        assert (one.in_dtype, one.attained, one.rounds) == (
            other.in_dtype,
            other.attained,
            other.rounds,
        )
    assert [book.tokens.tolist() for book in loaded.codebooks] == [
        book.tokens.tolist() for book in model.codebooks
    ]
    state, other = model.state_dict(), loaded.state_dict()
    assert list(state) == list(other)
    for name in state:
        assert state[name].dtype == other[name].dtype
        assert torch.equal(state[name].cpu(), other[name]), name
    subjects, paths = model.queries(np.arange(model.n_queries(model.hops)), model.hops)
    assert np.array_equal(model.answer(subjects, paths), loaded.answer(subjects, paths))
    tokens = torch.randint(model.shape.d_vocab, (7, model.shape.n_positions or 2))
    with torch.no_grad():
        assert torch.equal(model(tokens), loaded(tokens))
    assert all(parameter.requires_grad for parameter in loaded.parameters())


def margin_of(model):
    """What is proven of the margin; None of a model that was trained or edited."""
    try:
        return model.margin
    except InputError:
        return None


def comes_back(model, path):
    """Save, load, compare, and save what was loaded: the bytes are the same. Returns the loaded
    model.
    """
    save(model, path)
    loaded = load(path)
    assert_same(model, loaded)
    before = contents(path)
    save(loaded, path)
    assert contents(path) == before
    return loaded


def a_file(path):
    path.write_text("mine")


def a_folder(path):
    path.mkdir()
    (path / "thesis.tex").write_text("mine")


def a_model_and_notes(path):
    save(selector(FACTS), path)
    (path / "notes.txt").write_text("mine")
