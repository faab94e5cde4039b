"""Every public builder records how it was called, and its model names its codebooks."""

import copy
import inspect
import pickle
from typing import get_type_hints

import numpy as np
import pytest
import torch

from constructions import (
    CATALOGUE,
    Codebook,
    FactTable,
    InputError,
    Transformer,
    hybrid,
    key_value,
    precomputed,
    selector,
    superposition,
)
from constructions.model.recipe import Recipe, codebooks_argument, recorded

FACTS = FactTable.random_bijections(5, 2, seed=1)


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_construction_records_its_options(name):
    entry = CATALOGUE[name]
    facts = entry.random_facts(5, 2, 1)
    model = entry.build(facts, 2 if entry.multi_hop else 1, dtype=torch.float64)
    again = entry.constructor()(facts, **model.recipe.options, dtype=torch.float64)
    assert model.recipe.builder == entry.builder_name
    assert again.recipe == model.recipe
    assert all(
        torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True)
    )
    arguments = set(inspect.signature(entry.constructor()).parameters)
    assert set(model.recipe.options) == arguments - {"facts", "codebook", "codebooks", "dtype"}
    assert len(model.codebooks) == (2 if name == "superposition" else 1)


def test_defaults_are_written_down():
    assert key_value(FACTS, 2).recipe == Recipe(key_value, {"hops": 2, "share_layers": False})
    assert precomputed(FACTS, hops=2).recipe == Recipe(precomputed, {"hops": 2, "layers": None})


def test_options_are_plain_integers_and_flags():
    options = hybrid(FACTS, 2, looked_up=np.int64(1), share_layers=1).recipe.options
    assert {name: type(value) for name, value in options.items()} == {
        "hops": int,
        "looked_up": int,
        "share_layers": bool,
    }


def test_a_module_that_does_not_keep_annotations_as_text_is_read_the_same():
    """`from __future__ import annotations` may stand at the top of a builder's file, or not."""

    def plan(
        facts, hops, *, beta: int = 3, flag: bool = False, books: list[Codebook] | None = None
    ):
        found.append((hops, beta, flag, books))
        return key_value.plan(facts, hops)

    found = []
    assert codebooks_argument(plan) == ("books", True)
    recipe = recorded(plan)(FACTS, 2, beta=np.int64(4), flag=1).recipe
    assert recipe.options == {"hops": 2, "beta": 4, "flag": True}
    assert [type(value) for value in found[0][1:3]] == [int, bool]
    with pytest.raises(InputError, match="beta must be an integer"):
        recorded(plan)(FACTS, 2, beta=2.5)


def test_codebooks_are_those_given():
    books = [Codebook(np.array([0, 1])), Codebook(np.array([2, 3, 4]))]
    facts = FactTable([[0, 1, 0, 1, 0], [2, 3, 4, 2, 3]])
    assert superposition(facts, codebooks=books).codebooks == tuple(books)


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_plan_knows_all_sizes_and_holds_no_weight(name, monkeypatch):
    entry = CATALOGUE[name]
    facts = entry.random_facts(5, 2, 1)
    options = entry.build(facts, 2 if entry.multi_hop else 1).recipe.options
    with monkeypatch.context() as patched:
        patched.setattr(Transformer, "__init__", lambda *_: pytest.fail("weights are allocated"))
        plan = entry.constructor().plan(facts, **options)
    model = plan.build()
    assert plan.shape == model.shape
    assert plan.construction == model.construction
    assert model.answer(0, [0] * model.hops) == facts.answer(0, [0] * model.hops)


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_builder_is_a_function_that_returns_a_model(name):
    """As it is seen by `inspect`, by `help`, and by pickle, which finds it by its name."""
    build = CATALOGUE[name].constructor()
    assert inspect.isfunction(build)
    assert inspect.signature(build).return_annotation == "FactModel"
    assert get_type_hints(build)["return"].__name__ == "FactModel"
    assert pickle.loads(pickle.dumps(build)) is build is copy.deepcopy(build)
    assert "Weights." in inspect.getdoc(build)


def test_an_argument_that_no_recipe_can_record_is_refused():
    @recorded
    def vague(facts, codebook=None, spare: str = "", *, dtype=torch.float32):
        return selector.plan(facts, dtype=dtype)

    facts = FactTable([[1, 0]])
    assert vague.plan(facts, spare=None).recipe.options == {"codebook": None, "spare": None}
    with pytest.raises(InputError, match="the builder vague declares codebook as nothing, and a"):
        vague(facts, Codebook.of(facts))
    with pytest.raises(InputError, match="declares spare as str, and a recipe records integers"):
        vague(facts, spare="a")
    assert selector(facts, codebook=Codebook.of(facts)).recipe.options == {}
