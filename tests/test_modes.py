"""Torch's modes around the library: a default device, inference mode, torch.compile,
torch.export.
"""

import copy
import shutil

import numpy as np
import pytest
import torch
from hand_made import built
from tiers import few

import constructions
from constructions import (
    CATALOGUE,
    FactTable,
    InputError,
    StandardDecoder,
    StandardShape,
    Transformer,
    save,
)
from constructions.decoders.seeding import needed_shape, seed_into, standard
from constructions.following.static_prefix import prefix_is_static
from constructions.forms.basis import change_basis
from constructions.forms.installing import install
from constructions.forms.mechanism import mechanism
from constructions.forms.noise import add_noise, noise_radius
from constructions.forms.normalizing import normalize
from constructions.forms.widening import widen
from verify.queries.capacity import capacity
from verify.queries.recall import check_recall

FACTS, OTHER_FACTS = (FactTable.random_bijections(5, 2, seed) for seed in (0, 1))
NOISY = {"n_layers": 3, "noise": 1e-4, "seed": 1}


def turn(model):
    return np.linalg.qr(np.random.default_rng(0).normal(size=(model.shape.d_model,) * 2))[0]


def installed(model):
    install(model, OTHER_FACTS)
    return model


def recalled(model):
    found = check_recall(model, FACTS, model.hops, "both")
    assert found.wrong == 0
    return found.queries


def moved(model, slot="attributes"):
    """The states of a first position with another value in a slot."""
    return model.set_slot(torch.zeros(1, model.shape.d_model, device="cpu"), slot, 1.0)


def loaded(model, folder):
    save(model, folder / "saved")
    try:
        return constructions.load(folder / "saved")
    finally:
        shutil.rmtree(folder / "saved")


def decoder(model, **others):
    with torch.device("cpu"), torch.inference_mode(mode=False):
        torch.manual_seed(0)
        sizes = {
            "d_vocab": 20,
            "d_model": 60,
            "n_layers": 2,
            "n_heads": 3,
            "d_head": 16,
            "d_mlp": 64,
            "n_positions": 6,
        }
        return StandardDecoder(StandardShape(**sizes, **others))


USES = {
    "answer": lambda model, _: model.answer([0, 1], [0] * model.hops).tolist(),
    "trace": (
        lambda model, _: (
            model.trace(torch.zeros(1, 1 + model.hops, dtype=torch.int64, device="cpu")).logits
        )
    ),
    "install": lambda model, _: installed(model),
    "install in another basis": lambda model, _: installed(change_basis(model, turn(model))),
    "save and load": loaded,
    "standard": lambda model, _: standard(model),
    "normalize": lambda model, _: normalize(model, "layernorm"),
    "seed a decoder": lambda model, _: seed_into(decoder(model, norm="rmsnorm"), model),
    "widen": lambda model, _: widen(model, 60, 60, 3, **NOISY),
    "change_basis by norms": lambda model, _: change_basis(model, turn(model)),
    "change_basis by queries": lambda model, _: change_basis(
        widen(model), turn(model), by="queries"
    ),
    "add_noise": lambda model, _: add_noise(model, 1e-3),
    "noise_radius by norms": lambda model, _: noise_radius(model),
    "noise_radius by queries": lambda model, _: noise_radius(model, "queries"),
    "mechanism": lambda model, _: [str(step) for step in mechanism(model)],
    "recall": lambda model, _: recalled(model),
    "capacity": lambda model, _: capacity(model).total_bits,
    "needed_shape": lambda model, _: needed_shape(model),
    "set_slot": lambda model, _: moved(model),
    "set_slot of a decoder": lambda model, _: moved(standard(model, norm="layernorm")),
    "set_slot in another basis": lambda model, _: moved(change_basis(model, turn(model))),
    "hold_construction": lambda model, _: standard(model).hold_construction(),
    "construction_entries": lambda model, _: standard(model).construction_entries(),
    "prefix_is_static": lambda model, _: prefix_is_static(model),
}
"""What one does with a model, as a function of it and of a folder."""

NEEDS_A_DEVICE = {"save and load"}


def same(found, wanted):
    if isinstance(wanted, torch.nn.Module):
        assert {
            (p.device.type, p.is_inference(), p.requires_grad) for p in found.parameters()
        } == {("cpu", False, True)}
        found, wanted = found.state_dict(), wanted.state_dict()
    if isinstance(wanted, dict):
        assert found.keys() == wanted.keys()
        return all(same(found[name], value) for name, value in wanted.items())
    if isinstance(wanted, torch.Tensor):
        assert torch.equal(found, wanted)
    else:
        assert found == wanted
    return True


# ------------------------------------------------------------------ a default device


@pytest.mark.parametrize("use", USES)
def test_a_default_device_changes_nothing_for_a_model_that_lies_elsewhere(use, tmp_path):
    """`meta` tensors hold nothing: one that is made in passing, and read, is an error."""
    wanted = USES[use](constructions.selector(FACTS), tmp_path)
    model = constructions.selector(FACTS)
    if use in NEEDS_A_DEVICE:
        with (
            torch.device("meta"),
            pytest.raises(InputError, match="torch's default device is meta"),
        ):
            USES[use](model, tmp_path)
        return
    with torch.device("meta"):
        found = USES[use](model, tmp_path)
    same(found, wanted)


@pytest.mark.parametrize("name", CATALOGUE)
def test_builders_refuse_a_device_whose_tensors_hold_nothing(name):
    with (
        torch.device("meta"),
        pytest.raises(InputError, match="default device is meta, where tensors hold nothing"),
    ):
        built(name)


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_built_model_is_moved_to_the_default_device(name, monkeypatch):
    """Machines without a second device: torch is reported of one, and `to` is watched; weights are
    written on the CPU.
    """
    gone = []
    monkeypatch.setattr(torch, "get_default_device", lambda: torch.device("cuda", 1))
    monkeypatch.setattr(Transformer, "to", lambda self, device: gone.append(device) or self)
    model = built(name)
    assert gone == [torch.device("cuda", 1)]
    assert {parameter.device.type for parameter in model.parameters()} == {"cpu"}


# ------------------------------------------------------------------ inference mode


@pytest.mark.parametrize("use", USES)
def test_inference_mode_changes_nothing_and_leaves_no_inference_tensors(use, tmp_path):
    wanted = USES[use](constructions.selector(FACTS), tmp_path)
    with torch.inference_mode():
        found = USES[use](constructions.selector(FACTS), tmp_path)
    same(found, wanted)


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_model_built_in_inference_mode_can_be_changed_and_trained(name):
    entry = CATALOGUE[name]
    with torch.inference_mode():
        model = built(name, 5, 2)
    if model.fact_tables is not None and entry.tables == "bijections":
        model.install(OTHER_FACTS)
        path = [0] * model.hops
        assert model.answer(3, path) == OTHER_FACTS.answer(3, path)
    tokens, _ = model.training_examples(
        np.array([0, 1]), np.zeros((2, model.hops), dtype=np.int64)
    )
    model(tokens).square().sum().backward()
    assert model.embedding.weight.grad.abs().sum() > 0


def test_inference_tensors_are_refused_by_name_and_a_copy_takes_facts():
    with torch.inference_mode():
        model = constructions.selector(FACTS).to(torch.float64)
        target = StandardDecoder(decoder(model).shape)
        wide = widen(constructions.selector(FACTS), 60).to(torch.float64)
    assert all(
        parameter.is_inference() for parameter in (*model.parameters(), *target.parameters())
    )
    for changed in (model, wide):
        with pytest.raises(
            InputError, match=r"embedding.weight was made in torch.inference_mode.*copy"
        ):
            install(changed, OTHER_FACTS)
    with pytest.raises(
        InputError, match=r"embedding.weight of the target was made in torch.inference_mode.*copy"
    ):
        seed_into(target, constructions.selector(FACTS))
    other = copy.deepcopy(model)
    other.install(OTHER_FACTS)
    assert other.answer(3, [1]) == OTHER_FACTS.answer(3, [1])


# ------------------------------------------------------------------ one graph


def one_graph(model, *shapes):
    """Compiled by the backend that runs the graph as it was caught: the same logits, for tokens
    of each shape.
    """
    torch._dynamo.reset()
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    for shape in shapes:
        tokens = torch.randint(model.shape.d_vocab, shape)
        assert torch.equal(compiled(tokens), model(tokens))


@pytest.mark.parametrize("name", few(CATALOGUE, "selector", "key_value"))
def test_every_construction_is_compiled_as_one_graph(name):
    model = built(name, 4, 2, hops=2)
    one_graph(model, (3, 1 + model.hops))


@pytest.mark.parametrize("form", few(["standard", "widen"], "widen"))
def test_forms_are_compiled_as_one_graph_and_batches_and_lengths_may_vary(form):
    model = built("attention_selector", 4, 2)
    other = (
        normalize(model, "layernorm", proven=False)
        if form == "standard"
        else widen(model, n_heads=4)
    )
    one_graph(other, (3, 2), (5, 1), (2, 4, 2))


def test_a_chain_of_thought_is_exported():
    model = built("chain_of_thought", 4, 2, hops=2)
    tokens = torch.randint(model.shape.d_vocab, (2, 3))
    assert torch.equal(torch.export.export(model, (tokens,)).module()(tokens), model(tokens))
