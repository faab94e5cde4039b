"""Controls: of the same module, copied, saved, moved or mended, the same is stated; and what follows from other facts."""

import copy
import inspect
import io
import pickle
import random

import pytest
import torch
from small_forms import built, rotation, wider
from stated_modules import STATES, made, measured, some_weight, through_data
from tiers import few

from constructions import (
    CATALOGUE,
    InputError,
    add_noise,
    change_basis,
    construction,
    hybrid,
    install,
    mechanism,
    normalize,
    save,
    standard,
)
from constructions.facts.table import FactTable
from constructions.model.rebuild import as_built
from constructions.model.stated import Fingerprint, Stated
from constructions.saved.folder import load


def saved_and_loaded(module):
    stream = io.BytesIO()
    torch.save(module.state_dict(), stream)
    stream.seek(0)
    for weight in module.parameters():
        weight.data.fill_(3)
    module.load_state_dict(torch.load(stream))
    return module


def edited_and_mended(module):
    weight, at = some_weight(module, 0)
    before = weight[at].item()
    weight.data[at] = 17
    weight.data[at] = before
    return module


def moved_in_memory(module):
    for weight in module.parameters():
        weight.data = (
            weight.data.flip(0).T.contiguous().T.flip(0)
            if weight.dim() == 2
            else weight.data.clone()
        )
    return module


def trained_with_rate_0(module):
    optimizer = torch.optim.SGD(module.parameters(), lr=0.0)
    module.train()(torch.tensor([[0, 4]])).sum().backward()
    optimizer.step()
    return module.eval().requires_grad_(False)


SAME = [
    copy.copy,
    copy.deepcopy,
    lambda module: pickle.loads(pickle.dumps(module)),
    lambda module: module.to("cpu").to(torch.float64).double(),
    saved_and_loaded,
    edited_and_mended,
    moved_in_memory,
    trained_with_rate_0,
]


@pytest.mark.parametrize("same", SAME)
@pytest.mark.parametrize("form", few(STATES, "construction", "turned", "layernorm"))
def test_an_unchanged_module_states_what_it_stated(form, same):
    name = random.choice(list(CATALOGUE))
    module, stated = made(name, form)
    again = same(module)
    assert {what: getattr(again, what) for what in stated} == stated, name


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_saved_model_states_what_it_stated_and_an_edited_one_nothing(name, tmp_path):
    model = built(name, dtype=torch.float32)
    save(model, tmp_path / "model")
    assert load(tmp_path / "model").margin == model.margin
    through_data(model, random.getrandbits(32))
    save(model, tmp_path / "edited")
    edited = load(tmp_path / "edited")
    for other in (model, edited):
        with pytest.raises(InputError, match=r"is not as it was built: .* has changed"):
            pytest.fail(f"{name}: {other.margin}")


def test_what_looks_at_all_attributes_of_an_edited_module_finds_no_error():
    for form in STATES:
        module, _ = made("selector", form)
        through_data(module, 0)
        inspect.getmembers(module)


def test_a_construction_without_a_recipe_states_what_is_set():
    model = built("selector")
    del model.recipe
    assert model.margin.real == 2
    through_data(model, 0)
    with pytest.raises(
        InputError, match=r"the margin was proven of other weights: .* has changed"
    ):
        _ = model.margin
    with pytest.raises(InputError, match="has no recipe"):
        as_built(model)
    model.margin = model._margin.value
    assert model.margin.real == 2
    model._margin = None
    with pytest.raises(InputError, match="states no margin"):
        _ = model.margin


@pytest.mark.parametrize("name", CATALOGUE)
def test_installed_facts_have_the_claim_of_a_construction_built_for_them(name):
    entry, model = construction(name), built(name)
    if model.fact_tables is None or name == "superposition":  # its answers have other codes
        return
    facts = entry.random_facts(4, 2, random.getrandbits(16))
    model.install(facts)
    assert model.margin == entry.build(facts, model.hops, dtype=torch.float64).margin
    assert model.margin.real > 0
    through_data(model, 1)
    model.install(entry.random_facts(4, 2, 1))
    try:
        claim = model.margin
    except InputError:
        return
    assert as_built(model).margin == claim  # the edit was written over


def test_total_facts_installed_where_some_were_missing_have_a_claim_too():
    """The builder is called with facts of which some are missing, and installs the others."""
    model = hybrid(FactTable([[0, -1, 2, 3], [1, 2, 3, 0]]), 2, looked_up=0)
    model.install(FactTable([[3, 2, 1, 0], [1, 2, 3, 0]]))
    assert 1 < model.margin.real < model.margin.in_dtype == 2
    through_data(model, 0)
    with pytest.raises(InputError, match="is not as it was built"):
        _ = model.margin


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_form_has_the_margin_that_it_states_or_states_none(name):
    source = built(name, 3)
    wide, q, noise = wider(source), rotation(source.shape.d_model), 1e-12
    assert wide.margin == source.margin
    for norm in (None, "layernorm"):
        decoder = standard(source, norm=norm)
        assert 0 < decoder.margin.in_dtype <= measured(decoder, source)
        assert (decoder.margin == source.margin) == (decoder.logit_error == 0)
    turned = [
        change_basis(source, q),
        change_basis(source, q, by="queries"),
        change_basis(source, q, by=None),
    ]
    for form in turned[:2]:
        assert 0 < form.margin.in_dtype <= measured(form, source)
        assert form.margin.real == source.margin.real - 2 * type(source.margin.real)(
            form.logit_error
        )
    assert turned[2].margin is None
    assert add_noise(wide, noise).margin is wider(source, noise).margin is None
    assert add_noise(wide, 0.0).margin == source.margin
    noisy = change_basis(add_noise(source, noise), q, by="queries")
    assert noisy.margin is None
    assert noisy.logit_error > 0
    edited = built(name, 3)
    through_data(edited, random.getrandbits(32))
    assert wider(edited).margin is None


def test_other_facts_in_a_form_leave_nothing_stated_of_the_former():
    for form in (wider(built("selector")), change_basis(built("selector"), rotation(5))):
        steps = mechanism(form)
        install(form, construction("selector").random_facts(4, 2, 9))
        assert form.margin is form.logit_error is None
        assert mechanism(form) == steps
        through_data(form, 0)
        install(form, construction("selector").random_facts(4, 2, 8))
        for read in (lambda f: f.margin, lambda f: f.logit_error, mechanism):
            with pytest.raises(InputError, match="has changed"):
                read(form)


@pytest.mark.parametrize("name", CATALOGUE)
def test_the_mechanism_of_other_weights_is_not_known(name):
    source = built(name)
    steps = mechanism(source)
    for form in (
        wider(source),
        change_basis(source, rotation(source.shape.d_model)),
        add_noise(source, 1e-9),
    ):
        assert mechanism(form) == steps
        through_data(form, random.getrandbits(32))
        with pytest.raises(
            InputError, match="what a form does is known of the weights that it was made with"
        ):
            mechanism(form)
    through_data(source, random.getrandbits(32))
    for model in (source, wider(source)):
        with pytest.raises(InputError, match="is not as it was built"):
            mechanism(model)


def test_a_slack_too_small_for_a_bound_states_none():
    """With norms after each part the bounds count on a slack that dominates; before each part they
    do not.
    """
    model = built("precomputed")
    before, after = (
        normalize(model, "rmsnorm", where, slack=1, proven=False) for where in ("pre", "post")
    )
    assert before.logit_error > 0
    for what in ("logit_error", "distortion"):
        with pytest.raises(InputError, match=r"is not bounded: with a slack of 2\^1"):
            getattr(after, what)
    assert after.margin is None


def test_the_first_change_is_named():
    model = built("selector")
    stated = Stated(model, 7)
    assert stated.of(model, "it") == 7
    assert Fingerprint(model).change(model) is None
    model.layers[0].mlp = None
    with pytest.raises(
        InputError, match=r"it was proven of other weights: layers\.0\.mlp is gone\. Nothing is"
    ):
        stated.of(model, "it")
