"""Of an edited construction nothing is proven but what holds."""

import copy
import random
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from small_forms import built, rotation, wider, wrong
from stated_modules import through_data

from constructions import (
    CATALOGUE,
    DoesNotFit,
    InputError,
    StandardDecoder,
    Transformer,
    change_basis,
    needed_shape,
    noise_radius,
    normalize,
    seed_into,
    standard,
)
from verify.queries.recall import check_recall

PROVEN = {
    "standard": standard,
    "tied": lambda m: standard(m, tied=True),
    "rmsnorm": lambda m: normalize(m, "rmsnorm", "post"),
    "layernorm": lambda m: normalize(m, "layernorm"),
    "seed a decoder": lambda m: seed_into(StandardDecoder(needed_shape(m), torch.float64), m),
    "seed a transformer": lambda m: seed_into(Transformer(wider(m).shape, torch.float64), m),
    "basis": lambda m: change_basis(m, rotation(m.shape.d_model)),
    "basis by queries": lambda m: change_basis(m, rotation(m.shape.d_model), by="queries"),
    "radius": lambda m: noise_radius(m) and None,
}


@torch.no_grad()
def edited_to_the_edge(name, dtype, seed):
    """A construction whose answers are all right, with one weight moved at random until the next
    step would lose one.
    """
    model, generator = built(name, 3, dtype=dtype), torch.Generator().manual_seed(seed)
    weights = [p for p in model.parameters() if p.numel()]
    weight = weights[torch.randint(len(weights), (), generator=generator)]
    before, step = weight.clone(), torch.randn(weight.shape, generator=generator).to(dtype)
    low, high = 0.0, 1.0
    while high < 64 and not lost(model, weight, before + high * step):
        low, high = high, 2 * high
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (
            (low, middle) if lost(model, weight, before + middle * step) else (middle, high)
        )
    weight.copy_(before + low * step)
    return model


def answered_wrong(other, source):
    """Wrong answers as it runs; what `check_recall` leaves undecided a sharper bound may prove."""
    return sum(
        check_recall(other, source.facts, k, logits="full").wrong for k in source.path_lengths
    )


def lost(model, weight, value):
    weight.copy_(value)
    tokens, said = model.training_examples(
        *model.queries(np.arange(model.n_queries(model.hops)), model.hops)
    )
    logits = model(tokens)[:, -said.shape[1] :]
    return bool((logits.argmax(-1) != said).any())


@pytest.mark.parametrize("trial", range(8))
def test_of_an_edited_construction_nothing_is_proven_but_what_holds(trial):
    """The edits keep all answers; so near to losing one that what rounds otherwise may lose it."""
    seed, dtype = random.getrandbits(32), (torch.float32, torch.float64)[trial % 2]
    name = list(CATALOGUE)[seed % len(CATALOGUE)]
    model = edited_to_the_edge(name, dtype, seed)
    before = copy.deepcopy(model.state_dict())
    right = wrong(model, model) == 0  # of a chain of thought: also those of shorter paths
    for how, prove in PROVEN.items():
        try:
            other = prove(model)
        except InputError:
            continue
        assert other is not None, (how, seed)
        assert not right or answered_wrong(other, model) == 0, (how, seed)
        assert how == "basis by queries", (
            "the others begin with what is proven of a construction as it was built"
        )
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize("how", ["seed a decoder", "seed a transformer"])
def test_a_target_of_an_edited_construction_stays_as_it_is(how):
    model = built("selector")
    decoder = how == "seed a decoder"
    target = (StandardDecoder if decoder else Transformer)(
        needed_shape(model) if decoder else wider(model).shape, torch.float64
    )
    before = copy.deepcopy(target.state_dict())
    through_data(model, 0)
    with pytest.raises(InputError, match="is not as it was built"):
        seed_into(target, model)
    assert all(torch.equal(value, before[name]) for name, value in target.state_dict().items())
    seeded = seed_into(target, model, proven=False)
    if not decoder:
        assert seeded.margin is None


WITHOUT_PROOF = [
    {},
    {"tied": True},
    {"norm": "rmsnorm"},
    {"norm": "layernorm", "placement": "post"},
    {"norm": "layernorm", "tied": True},
]


@pytest.mark.parametrize("form", WITHOUT_PROOF * 2)
def test_without_proof_the_error_is_a_bound_on_the_distance_from_the_edited_constructions_own_logits(
    form,
):
    """The decoder in float32; the construction in float64, where its rounding is far smaller."""
    seed = random.getrandbits(32)
    name = list(CATALOGUE)[seed % len(CATALOGUE)]
    model = edited_to_the_edge(name, torch.float32, seed)
    try:
        other = standard(model, **form, proven=False)
    except DoesNotFit:
        return
    tokens = model.training_examples(
        *model.facts.queries(np.arange(3 * 2**model.hops), model.hops)
    )[0]
    with torch.no_grad():
        expected, found = copy.deepcopy(model).double()(tokens)[:, -1], other(tokens)[:, -1]
    assert (found - expected).abs().max() <= other.logit_error, (name, seed)


def test_the_python_of_the_page_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = (Path(__file__).parents[2] / "docs" / "forms.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```", page, re.M | re.S)
    assert blocks
    for block in blocks:
        exec(compile(block, "forms.md", "exec"), {})
