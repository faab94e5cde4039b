"""Other facts in forms, their training, and forms inside larger transformers."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from small_forms import NAMES, built, final_logits, rotation, wider, wrong

from constructions import (
    InputError,
    Transformer,
    construction,
    seed_into,
    standard,
)
from constructions.forms.basis import change_basis
from constructions.forms.installing import install
from constructions.forms.noise import add_noise, noise_radius
from constructions.forms.widening import widen
from constructions.model.shapes import HeadShape, LayerShape

INSTALLABLE = [
    "selector",
    "superposition",
    "precomputed",
    "meet_in_the_middle",
    "chain_of_thought",
]


@pytest.mark.parametrize("name", INSTALLABLE)
def test_other_facts_are_installed_in_every_form(name):
    source = built(name)
    facts = construction(name).random_facts(4, 2, seed=5)
    if name == "superposition":  # its answers have codes of their own
        facts = source.facts.__class__(source.facts.answers[:, ::-1])
    forms = [
        wider(source),
        wider(source, noise_radius(wider(source))),
        change_basis(source, rotation(source.shape.d_model)),
    ]
    for form in [*forms, change_basis(forms[0], rotation(forms[0].shape.d_model))]:
        inside = {key: weight.clone() for key, weight in form.internal_weights()}
        install(form, facts)
        assert form.facts is facts
        assert wrong(form, form.source) == 0
        assert (form.source.facts.answers == facts.answers).all()
        assert all(torch.equal(inside[key], weight) for key, weight in form.internal_weights())
    assert wrong(source, source) == 0, "the model that the forms were made of has changed"
    install(source, facts)
    assert source.facts is facts


def test_what_cannot_be_installed_changes_nothing():
    form = wider(built("key_value"))
    before = {key: weight.clone() for key, weight in form.named_parameters()}
    with pytest.raises(InputError, match="internal weights"):
        install(form, form.facts)
    assert all(torch.equal(before[key], weight) for key, weight in form.named_parameters())


def test_a_form_trains_its_own_weights_alone():
    form = wider(built("chain_of_thought"))
    assert sum(weight.numel() for weight in form.parameters()) == form.shape.n_parameters()
    assert set(form.state_dict()) == {name for name, _ in form.named_parameters()}
    twin = copy.deepcopy(form)
    with torch.no_grad():
        twin.embedding.weight.zero_()
    assert wrong(form, form.source) == 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", NAMES)
def test_a_larger_transformer_is_seeded_and_learns_on(name, dtype):
    """Random weights all around; what stays of them cannot reach the construction."""
    source = built(name, dtype=dtype)
    shape = source.shape
    layers = [
        LayerShape(
            tuple(
                HeadShape(head.d_qk + 1, head.d_v + 2) for head in (*layer.heads, HeadShape(1, 1))
            ),
            tuple(width + 3 for width in layer.d_mlp or (2,)),
        )
        for layer in (*shape.layers, LayerShape())
    ]
    sizes = {
        "d_vocab": shape.d_vocab + 4,
        "d_model": shape.d_model + 5,
        "n_positions": source.hops + 9,
    }
    target = Transformer(replace(shape, layers=tuple(layers), **sizes), dtype)
    with torch.no_grad():
        for weight in target.parameters():
            weight.normal_(0, 0.5, generator=torch.Generator().manual_seed(0))
    before = {key: weight.clone() for key, weight in target.named_parameters()}
    seeded = seed_into(target, source)
    assert wrong(seeded, source) == 0
    assert torch.equal(
        final_logits(seeded, source)[:, : shape.d_vocab], final_logits(source, source)
    )
    assert seeded.get_parameter("embedding.weight") is target.embedding.weight
    assert all(
        (before[key] == weight).any()
        for key, weight in target.named_parameters()
        if key != "unembedding.weight"
    )
    target(torch.tensor([[0] + [source.vocabulary.n_entities] * source.hops]))[
        0, -1
    ].sum().backward()
    assert target.unembedding.weight.grad[:, shape.d_model :].any(), (
        "the rest cannot be learned to be read"
    )


@pytest.mark.parametrize(
    ("changed", "reported"),
    [
        ({"d_vocab": 3}, r"7 tokens \(it has 3\)"),
        ({"d_model": 2}, r"coordinates \(it has 2\)"),
        ({"layers": ()}, r"1 layers \(it has 0\)"),
        ({"layers": (LayerShape((), (99,)),)}, r"1 heads of a layer \(it has 0\)"),
        ({"layers": (LayerShape((HeadShape(0, 1),), (99,)),)}, r"channels of a head \(it has 1\)"),
        ({"layers": (LayerShape((HeadShape(0, 99),), (1,)),)}, r"hidden units \(it has 1\)"),
        (
            {"layers": (LayerShape((HeadShape(0, 99),), (99, 99)),)},
            "with \\[1\\] hidden layers, .* has \\[2\\] hidden layers",
        ),
        ({"n_positions": 1}, r"2 positions \(it has 1\)"),
        ({"repeats": 2}, "applied 1 times; .* applied 2 times"),
    ],
)
def test_a_transformer_without_room_is_refused_and_stays_as_it_is(changed, reported):
    source = built("selector")
    target = Transformer(replace(source.shape, **changed), torch.float64)
    with torch.no_grad():
        for weight in target.parameters():
            weight.fill_(7)
    with pytest.raises(InputError, match=reported):
        seed_into(target, source)
    assert all((weight == 7).all() for weight in target.parameters())


@pytest.mark.parametrize(
    "convert",
    [lambda form: form.float(), lambda form: form.double(), lambda form: copy.deepcopy(form)],
)
def test_facts_are_installed_in_forms_of_another_dtype_or_not_at_all(convert):
    source = built("selector", dtype=torch.float32)
    form, facts = convert(wider(source)), construction("selector").random_facts(4, 2, seed=5)
    with pytest.raises(InputError, match="this model has"):
        install(form, construction("selector").random_facts(5, 2, seed=5))
    assert wrong(form, form.source) == 0
    install(form, facts)
    assert form.facts is facts
    assert wrong(form, form.source) == 0


@pytest.mark.parametrize(
    "call",
    [
        lambda m: change_basis(m, "a"),
        lambda m: change_basis(m, None),
        lambda m: change_basis(m, np.eye(m.shape.d_model) * 1j),
        lambda m: change_basis(
            m, torch.zeros(m.shape.d_model, m.shape.d_model, dtype=torch.float16)
        ),
        lambda m: change_basis(3, np.eye(3)),
        lambda m: widen(wider(m)),
        lambda m: widen(m, d_model="7"),
        lambda m: widen(m, d_model=0),
        lambda m: widen(built("superposition"), d_mlp=-3),
        lambda m: widen(m, n_layers=10**15),
        lambda m: widen(m, n_layers=2.5),
        lambda m: widen(m, noise="a"),
        lambda m: widen(m, noise=0.1, seed=1.5),
        lambda m: widen(m, noise=0.1, seed=2**70),
        lambda m: noise_radius(standard(m)),
        lambda m: noise_radius(None),
        lambda m: add_noise(3, 1.0),
        lambda m: install(m, None),
        lambda m: install(standard(m), m.facts),
        lambda m: seed_into(m, m),
        lambda m: seed_into(Transformer(m.shape, torch.float64), wider(m)),
        lambda m: seed_into(Transformer(m.shape, torch.float16), m),
    ],
)
def test_bad_input_is_reported_in_words(call):
    model = built("selector")
    with pytest.raises(InputError):
        call(model)
    assert wrong(model, model) == 0


@pytest.mark.parametrize(
    "spoil",
    [
        lambda t: t.layers[-1].mlp.matrix(-1)[-1].fill_(float("nan")),
        lambda t: t.embedding.weight[0, -1].fill_(float("inf")),
        lambda t: [weight.mul_(1e30) for weight in t.parameters()],
    ],
)
def test_a_target_that_would_spoil_the_facts_is_refused_and_stays_as_it_is(spoil):
    source = built("precomputed", dtype=torch.float32)
    target = wider(source)
    target = Transformer(target.shape, torch.float32)
    with torch.no_grad():
        for weight in target.parameters():
            weight.normal_(generator=torch.Generator().manual_seed(0))
        spoil(target)
    before = {name: weight.clone() for name, weight in target.named_parameters()}
    with pytest.raises(InputError):
        seed_into(target, source)
    assert all(
        torch.equal(before[name].nan_to_num(), weight.nan_to_num())
        for name, weight in target.named_parameters()
    )


def test_a_target_with_tied_tables_of_its_own_is_refused():
    source = built("selector")
    target = Transformer(replace(source.shape, d_model=source.shape.d_model + 2), torch.float64)
    target.unembedding.weight = target.embedding.weight
    with pytest.raises(InputError, match="embedding"):
        seed_into(target, source)
