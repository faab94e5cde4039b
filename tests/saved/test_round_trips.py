"""Every model comes back whole from its folder."""

import numpy as np
import pytest
import torch
from saved_models import DTYPES, FACTS, NAMED, PARTIAL, assert_same, comes_back, contents

from constructions import (
    CATALOGUE,
    Codebook,
    DoesNotFit,
    FactTable,
    hybrid,
    key_value,
    load,
    save,
    selector,
    sparse_selector,
)
from constructions.saved import written_facts


@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize("name", CATALOGUE)
def test_every_construction_comes_back(name, partial, tmp_path):
    entry = CATALOGUE[name]
    if partial and not entry.missing:
        pytest.skip("total facts only")
    facts = entry.random_partial_facts(5, 2, 8, 0.3) if partial else entry.random_facts(5, 2, 8)
    comes_back(entry.build(facts, 2 if entry.multi_hop else 1), tmp_path / "model")
    assert set(contents(tmp_path / "model")) == {
        *(
            "weights.safetensors",
            "vocabulary.txt",
            "facts.tsv",
            "certificate.json",
            "manifest.json",
        )
    }


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "name", ["selector", "scalar_selector", "superposition", "key_value_shared"]
)
def test_every_dtype_comes_back(name, dtype, tmp_path):
    loaded = comes_back(
        CATALOGUE[name].build(CATALOGUE[name].random_facts(4, 2, 1), dtype=dtype),
        tmp_path / "model",
    )
    assert loaded.embedding.weight.dtype == dtype


@pytest.mark.parametrize("options", [{"beta": 7}, {}])
def test_options_come_back(options, tmp_path):
    model = CATALOGUE["attention_selector"].constructor()(FACTS, **options)
    assert comes_back(model, tmp_path / "model").recipe.options == {"beta": None} | options


def test_names_come_back(tmp_path):
    loaded = comes_back(selector(NAMED), tmp_path / "model")
    assert loaded.answer("a b", ["lies in"]) == loaded.facts.entity_id("unknown")
    assert (tmp_path / "model" / "vocabulary.txt").read_text(encoding="utf-8").split("\n")[:4] == [
        *NAMED.entity_names,
        "lies in",
    ]


def books_of(name, *tables):
    if name == "superposition":
        return {
            "codebooks": [Codebook.of(*tables, relation=r) for r in range(tables[0].n_relations)]
        }
    return {"codebook": Codebook.of(*tables)}


@pytest.mark.parametrize(
    "name",
    [
        "selector",
        "scalar_selector",
        "attention_selector",
        "superposition",
        "precomputed",
        "chain_of_thought",
    ],
)
def test_codebooks_come_back_and_take_other_facts(name, tmp_path):
    entry = CATALOGUE[name]
    one, other = (
        FactTable([[0, 1, 0, 0], [2, -1, 2, 2]]),
        FactTable([[1, 1, -1, 0], [-1, 3, 2, 2]]),
    )
    model = entry.build(one, 2 if entry.multi_hop else 1, **books_of(name, one, other))
    loaded = comes_back(model, tmp_path / "a")
    assert "codebooks.safetensors" in contents(tmp_path / "a")
    for each in (model, loaded):
        each.install(other)
    assert_same(model, loaded)
    assert_same(comes_back(model, tmp_path / "b"), loaded)


def test_facts_that_need_fewer_codes_come_back_after_install(tmp_path):
    model = selector(FactTable.random_bijections(9, 2))
    model.install(FactTable(np.zeros((2, 9), int), [f"n{i}" for i in range(9)], ["p", "q"]))
    loaded = comes_back(model, tmp_path / "model")
    assert loaded.answer("n3", ["q"]) == 0


def test_total_facts_in_a_hybrid_built_for_partial_ones_come_back(tmp_path):
    model = hybrid(FactTable([[0, -1, 2, 3], [1, 2, 3, 0]]), 2, looked_up=0)
    model.install(FactTable([[3, 2, 1, 0], [1, 2, 3, 0]]))
    comes_back(model, tmp_path / "model")


@pytest.mark.parametrize(
    ("facts", "file"),
    [
        (FACTS, "facts.tsv"),
        (FactTable([[-1, -1]]), "facts.safetensors"),
        (FactTable([[1, 0]], ["# 1", "b"]), "facts.safetensors"),
        (FactTable([[1, 0]], ["#1", "b"]), "facts.safetensors"),
        (FactTable([[1, 0]], ["a", "#1"]), "facts.safetensors"),
        (FactTable([[1, -1]], ["a", "#1"]), "facts.tsv"),  # no line starts with it
        (FactTable([[1, 0]], ["head", "tail"], ["relation"]), "facts.safetensors"),
        (FactTable([[1, 0]], ["\u00e9", "b"], ["e\u0301"]), "facts.tsv"),
        (FactTable([[1, 0]], ["\u00e9", "b"], ["\u00e9"]), "facts.tsv"),
    ],
)
def test_facts_are_text_where_they_can_be(facts, file, tmp_path):
    comes_back(selector(facts), tmp_path / "model")
    assert [name for name in contents(tmp_path / "model") if name.startswith("facts")] == [file]


def test_facts_that_lie_in_another_order_in_memory_are_packed(tmp_path):
    """Facts read by subject: the transpose of what is stored."""
    facts = FactTable(np.full((5, 3), -1).T)
    assert not facts.answers.flags["C_CONTIGUOUS"]
    comes_back(selector(facts), tmp_path / "model")
    assert "facts.safetensors" in contents(tmp_path / "model")


def test_installed_facts_come_back_that_the_codebook_by_default_leaves_no_room_for(tmp_path):
    """Two answers would do, but then the numbers that sum to them are too large."""
    facts = FactTable([[-1] * 5, [-1] * 5, [-1, -1, 2, -1, -1]])
    model = sparse_selector(facts, n_gates=1, excess_bits=0, codebook=Codebook(np.arange(5)))
    other = FactTable([[0, -1, -1, -1, -1], [-1, 1, -1, -1, -1], [-1, -1, -1, 0, 1]])
    options = model.recipe.options
    with pytest.raises(DoesNotFit, match="give more gates, a larger excess"):
        sparse_selector(other, **options)
    model.install(other)
    loaded = comes_back(model, tmp_path / "model")
    assert loaded.margin == model.margin
    assert "codebooks.safetensors" in contents(tmp_path / "model")


def test_many_facts_are_packed(monkeypatch, tmp_path):
    monkeypatch.setattr(written_facts, "MOST_FACTS_AS_TEXT", FACTS.n_facts)
    comes_back(selector(FACTS), tmp_path / "model")
    assert "facts.tsv" in contents(tmp_path / "model")
    monkeypatch.setattr(written_facts, "MOST_FACTS_AS_TEXT", FACTS.n_facts - 1)
    comes_back(selector(FACTS), tmp_path / "model")
    assert "facts.tsv" not in contents(tmp_path / "model")


def test_a_trained_model_comes_back(tmp_path):
    model = key_value(PARTIAL, 2, share_layers=True)
    model(torch.tensor([[0, 6, 7], [1, 7, 7]])).square().mean().backward()
    for parameter in model.parameters():
        parameter.data -= 0.01 * parameter.grad
    comes_back(model, tmp_path / "model")


@pytest.mark.parametrize("value", [-7, 0.5, torch.inf, 2.0**70])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_weights_of_every_value_come_back(value, dtype, tmp_path):
    model = selector(FACTS, dtype=dtype)
    with torch.no_grad():
        model.layers[0].mlp.matrix(0)[1, 1] = value
        model.unembedding.weight[1, 1] = torch.nan
        model.layers[0].attention.output.weight[0, 0] = -0.0
    model.layers[0].mlp.matrix(0).data[0, 0] = 2
    save(model, tmp_path / "model")
    weights = load(tmp_path / "model").state_dict()
    assert all(
        torch.equal(weights[n].nan_to_num(9), tensor.nan_to_num(9))
        for n, tensor in model.state_dict().items()
    )


def test_how_weights_lie_in_memory_does_not_matter(tmp_path):
    save(selector(FACTS), tmp_path / "plain")
    model = selector(FACTS).requires_grad_(False)
    for parameter in model.parameters():
        parameter.data = parameter.data.t().contiguous().t()
    save(model, tmp_path / "other")
    assert contents(tmp_path / "other") == contents(tmp_path / "plain")


def test_tied_weights_are_saved_twice(tmp_path):
    model = selector(FACTS)
    model.unembedding.weight = model.embedding.weight
    save(model, tmp_path / "model")
    assert torch.equal(load(tmp_path / "model").unembedding.weight, model.embedding.weight)
