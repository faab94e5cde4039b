"""Noise below the certified radius changes no answer, and logits move by no more
than is followed.
"""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_forms import NAMES, built, examples, rotation, wider, wrong
from tiers import diagonal, few

from constructions import InputError, construction
from constructions.following import queries
from constructions.following.alike import without_idle
from constructions.following.follower import Follower
from constructions.following.queries import WAYS, positions_of
from constructions.following.walk import network_of
from constructions.forms import noise_bounds
from constructions.forms.basis import change_basis
from constructions.forms.noise import add_noise, noise_radius
from constructions.forms.noise_bounds import Noise
from constructions.writing.position_reading import SELECTED_GAP


@pytest.mark.parametrize("by", WAYS)
@pytest.mark.parametrize("name", few(NAMES, "selector", "superposition", "key_value_shared"))
def test_noise_at_the_radius_changes_no_answer_and_some_larger_noise_does(name, by):
    source = built(name)
    wide = wider(source)
    radius = noise_radius(wide, by)
    assert radius > 0
    for seed in range(3):
        noisy = wider(source, radius, seed)
        largest = max(weight.abs().max() for weight in noisy.layers[-1].parameters())
        assert radius / 4 < largest <= radius
        assert wrong(noisy, source) == 0
        assert wrong(add_noise(wide, radius, seed), source) == 0
    assert any(wrong(add_noise(wide, scale, 0), source) for scale in (0.1, 1.0, 10.0))


@pytest.mark.parametrize("by", WAYS)
@pytest.mark.parametrize("name", few(NAMES, "selector", "superposition", "key_value_shared"))
def test_the_worst_change_within_the_radius_changes_no_answer(name, by):
    """Every weight is moved by the whole radius, in the direction that costs a query most."""
    source = built(name)
    wide = wider(source)
    radius = noise_radius(wide, by)
    r = source.facts.n_relations
    queries = source.training_examples(np.array([3]), np.full((1, source.hops), r - 1))[0]
    logits = wide(queries)[0, -1]
    best = logits.topk(2).indices
    (logits[best[0]] - logits[best[1]]).backward()
    with torch.no_grad():
        for weight in wide.parameters():
            weight -= radius * torch.where(weight.grad >= 0, 1.0, -1.0)
    after = wide(queries)[0, -1]
    assert after[best[0]] - after[best[1]] < logits[best[0]] - logits[best[1]]
    assert wrong(wide, source) == 0


@pytest.mark.parametrize("name", few(NAMES, "selector", "key_value_shared"))
@settings(max_examples=8)
@given(data=st.data())
def test_logits_move_by_no_more_than_is_followed(name, data):
    """Whatever the noise, also far beyond the radius."""
    source = built(
        name,
        data.draw(st.integers(2, 5)),
        data.draw(st.integers(1, 3)),
        seed=data.draw(st.integers(0, 9)),
    )
    rho = 10.0 ** data.draw(st.integers(-9, 0))
    wide = wider(source, more=1)
    noisy = copy.deepcopy(wide)
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 99)))
    with torch.no_grad():
        for weight in noisy.parameters():
            weight += rho * (2 * torch.randint(0, 2, weight.shape, generator=generator) - 1)
    positions, noise = positions_of(wide), Noise(rho, torch.float64)
    follower = Follower(network_of(wide), positions)
    box = follower.box(positions, noise)
    gap = None if source.positions is None else SELECTED_GAP
    whole = follower.logits(box, noise, positions - source.hops, gap)
    numbers, small = (
        Noise(rho, torch.float64, points=True),
        Follower(without_idle(network_of(wide)), positions),
    )
    for tokens, said in examples(source):
        before, after = (model(tokens)[:, -said.shape[1] :] for model in (wide, noisy))
        point = follower.logits(follower.points(tokens, noise), noise, said.shape[1])
        assert ((point.low <= before) & (before <= point.high)).all()
        moved = (after - before).abs()
        assert (moved <= point.error).all()
        assert 0 < moved.max() <= whole.error.max()
        number = small.logits(small.points(tokens, numbers), numbers, said.shape[1])
        assert number.is_point
        assert ((after - number.low).abs() <= number.error).all()
        assert ((before - number.low).abs() <= number.error).all()
        worst = point.error + (point.high - point.low) / 2  # a number is in the middle
        torch.testing.assert_close(number.error, worst, rtol=1e-4, atol=1e-10)


@pytest.mark.parametrize(
    ("name", "partial", "dtype"),
    diagonal(NAMES, [False, True], [torch.float32, torch.float64]),
)
def test_a_query_by_itself_bears_more_than_all_at_once(name, partial, dtype):
    if partial and not construction(name).missing:
        partial = False
    source = built(name, partial=partial, dtype=dtype)
    assert 0 <= noise_radius(source) < noise_radius(source, "queries")


def test_by_queries_every_form_has_a_radius(monkeypatch):
    """Also one with noise: what it bears beside the noise that it has."""
    source = built("key_value")
    radius = noise_radius(wider(source), "queries")
    noisy = add_noise(wider(source), 4 * radius, seed=1)
    assert wrong(noisy, source) == 0
    further = noise_radius(noisy, "queries")
    assert 0 < further < radius
    turned = change_basis(noisy, rotation(noisy.shape.d_model), by="queries")
    for model in (noisy, turned):
        for seed in range(3):
            assert wrong(add_noise(model, noise_radius(model, "queries"), seed), source) == 0
    edited = built("selector")
    edited.embedding.weight.data[0] = 0
    assert wrong(edited, edited) > 0
    assert noise_radius(edited, "queries") == 0
    edited.embedding.weight.data[0] = torch.nan
    monkeypatch.setattr(queries, "_MEMORY", 1)
    assert noise_radius(edited, "queries") == 0


@pytest.mark.long
@pytest.mark.parametrize("name", ["hybrid", "chain_of_thought"])
def test_the_smallest_radius_of_all_batches_is_found(name, monkeypatch):
    """However queries are put together; 1e-3 is more than bisection leaves open."""
    source = built(name)
    radius = noise_radius(source, "queries")
    alone = []
    monkeypatch.setattr(noise_bounds, "spread", lambda model: [])
    assert noise_radius(source, "queries") == pytest.approx(radius, rel=1e-3)
    monkeypatch.setattr(queries, "_NUMBERS", 1)
    assert noise_radius(source, "queries") == pytest.approx(radius, rel=1e-3)
    monkeypatch.setattr(queries, "_MEMORY", 1)
    done = []
    assert noise_radius(source, "queries", done.append) == pytest.approx(radius, rel=1e-3)
    assert done == list(range(1, sum(len(tokens) for tokens, _ in examples(source)) + 1))
    for tokens, said in examples(source):
        for i in range(len(tokens)):
            monkeypatch.setattr(
                noise_bounds, "sequences", lambda model, one=(tokens[[i]], said[[i]]): [one]
            )
            alone.append(noise_radius(source, "queries"))
    assert min(alone) == pytest.approx(radius, rel=1e-3)


@pytest.mark.parametrize("at_once", [1, 3, 64])
def test_queries_of_different_strength_are_all_borne(at_once, monkeypatch):
    """Whichever of them comes first, and is bisected first."""
    model = built("selector", 5, 2)
    generator = torch.Generator().manual_seed(at_once)
    with torch.no_grad():
        for weight in model.parameters():
            weight += 0.02 * torch.randn(weight.shape, generator=generator, dtype=weight.dtype)
    ((tokens, said),) = examples(model)
    monkeypatch.setattr(noise_bounds, "spread", lambda model: [])
    alone = []
    for i in range(len(tokens)):
        one = tokens[[i]], said[[i]]
        monkeypatch.setattr(noise_bounds, "sequences", lambda model, one=one: [one])
        alone.append(noise_radius(model, "queries"))
    parts = [slice(start, start + at_once) for start in range(0, len(tokens), at_once)]
    monkeypatch.setattr(noise_bounds, "parts", lambda shape, tokens: parts)
    for order in (np.argsort(alone), np.argsort(alone)[::-1].copy()):
        some = tokens[order], said[order]
        monkeypatch.setattr(noise_bounds, "sequences", lambda model, some=some: [some])
        assert noise_radius(model, "queries") == pytest.approx(min(alone), rel=1e-3)
    assert 0 < min(alone) < 0.9 * max(alone)


def biased(model):
    model.unembedding = torch.nn.Linear(
        *reversed(model.unembedding.weight.shape), dtype=torch.float64
    )


def tied(model):
    model.unembedding.weight = model.embedding.weight


def in_two_dtypes(model):
    model.unembedding.float()


def nowhere(model):
    model.to("meta")


def scaled(model):
    model.layers[0].attention.scaled = True


@pytest.mark.parametrize("by", WAYS)
@pytest.mark.parametrize("change", [biased, tied, in_two_dtypes, nowhere, scaled])
@pytest.mark.parametrize(
    "prove", [noise_radius, lambda m, by: change_basis(m, np.eye(m.shape.d_model), by=by)]
)
def test_nothing_is_proven_of_a_module_that_is_not_what_its_shape_says(prove, change, by):
    model = built("attention_selector")
    change(model)
    with pytest.raises(InputError):
        prove(model, by)


def test_by_norms_heads_of_shared_layers_are_known_to_select():
    """From the intervals of their scores that cannot be seen: the pointer has been through a
    memory.
    """
    shared, stored = built("key_value_shared"), built("key_value")
    assert noise_radius(shared) > noise_radius(stored) / 2
    errors = [change_basis(m, rotation(m.shape.d_model)).logit_error for m in (shared, stored)]
    assert errors[0] < 2 * errors[1]


def test_in_another_dtype_the_radius_is_that_of_a_construction_built_there_or_there_is_none():
    model = built("selector")
    assert (
        noise_radius(copy.deepcopy(model).half())
        == noise_radius(built("selector", dtype=torch.float16))
        > 0
    )
    assert (
        noise_radius(wider(model).float())
        == noise_radius(wider(built("selector", dtype=torch.float32)))
        > 0
    )
    numbers = built("scalar_selector", 28)
    with pytest.raises(
        InputError, match=r"as it was built: nothing is proven of these weights in torch.bfloat16"
    ):
        noise_radius(numbers.bfloat16())
    assert noise_radius(model.half(), "queries") > 0


def test_a_radius_depends_on_what_is_known():
    source = built("selector")
    assert 0 < noise_radius(wider(source, more=50)) < noise_radius(source)
    edited = built("selector")
    edited.embedding.weight.data[0] = 0
    turned = change_basis(source, rotation(source.shape.d_model))
    for changed in (turned, wider(source, 1e-9), add_noise(source, 1e-9), edited, wider(edited)):
        with pytest.raises(InputError, match=r"embedding.weight has changed"):
            noise_radius(changed)
    rows = built("key_value_rows", 5, dtype=torch.float32)
    assert noise_radius(rows) == 0  # rounding is not bounded below the margin
    with pytest.raises(InputError, match="by must be one of norms, queries; got 'margin'"):
        noise_radius(rows, "margin")
    with pytest.raises(InputError, match="by must be one of norms, queries, None; got"):
        change_basis(rows, np.eye(rows.shape.d_model), by=np.array(["norms", "queries"]))
