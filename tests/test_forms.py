"""Other forms of a construction: the same logits, the same answers, and noise below the certified
radius changes none.
"""

import copy
import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiers import diagonal, few

from constructions import (
    CATALOGUE,
    DoesNotFit,
    FactTable,
    InputError,
    Transformer,
    construction,
    scalar_selector,
    seed_into,
    standard,
)
from constructions.following.queries import WAYS
from constructions.forms.basis import change_basis
from constructions.forms.installing import install
from constructions.forms.noise import add_noise, noise_radius
from constructions.forms.widening import widen
from constructions.model.answering import Writing
from constructions.model.shapes import HeadShape, LayerShape
from verify.queries.recall import check_recall

NAMES = list(CATALOGUE)
INSTALLABLE = [
    "selector",
    "superposition",
    "precomputed",
    "meet_in_the_middle",
    "chain_of_thought",
]


def built(name, n=4, n_relations=2, dtype=torch.float64, seed=0, partial=False):
    entry = construction(name)
    facts = (
        entry.random_partial_facts(n, n_relations, seed, 0.25)
        if partial
        else entry.random_facts(n, n_relations, seed)
    )
    return entry.build(facts, 2 if entry.multi_hop else 1, dtype=dtype)


def rotation(d, seed=0):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))[0]


def wider(model, noise=0.0, seed=0, more=3):
    shape = model.shape
    sizes = (shape.d_model + more, shape.d_mlp + more, shape.n_heads + 1, len(shape.layers) + 1)
    return widen(model, *sizes, noise=noise, seed=seed)


def wrong(model, source):
    """Answers among all queries of all lengths that are wrong, or that rounding may turn."""
    shortest = 1 if source.construction == "chain_of_thought" else source.hops
    found = [
        check_recall(model, source.facts, k, logits="full")
        for k in range(shortest, source.hops + 1)
    ]
    n, r = source.facts.n_entities, source.facts.n_relations
    assert sum(recall.queries for recall in found) == sum(
        n * r**k for k in range(shortest, source.hops + 1)
    )
    return sum(recall.wrong + recall.unknown for recall in found)


@torch.no_grad()
def final_logits(model, source):
    """The logits where the model answers, for all paths; for a chain of thought where it writes
    its first token.
    """
    n, r, k = source.facts.n_entities, source.facts.n_relations, source.hops
    queries = np.array(list(itertools.product(range(n), *[range(r)] * k)))
    if source.construction == "chain_of_thought":
        return model(source.prompt(queries[:, 0], queries[:, 1:]))[:, -1]
    queries[:, 1:] += n
    return model(torch.from_numpy(queries))[:, -1]


def examples(source):
    """All queries of all lengths, one batch for each."""
    shortest = 1 if isinstance(source, Writing) else source.hops
    for hops in range(shortest, source.hops + 1):
        total = source.facts.n_entities * source.facts.n_relations**hops
        yield source.training_examples(*source.facts.queries(np.arange(total), hops))


@pytest.mark.parametrize("name", few(NAMES, "selector", "hybrid_shared", "chain_of_thought"))
@settings(max_examples=5)
@given(data=st.data())
def test_another_basis_keeps_all_logits(name, data):
    n, r, seed = (
        data.draw(st.integers(1, 5)),
        data.draw(st.integers(1, 3)),
        data.draw(st.integers(0, 9)),
    )
    source = built(name, n, r, seed=seed)
    once = change_basis(source, rotation(source.shape.d_model, seed))
    turned = change_basis(once, rotation(source.shape.d_model, seed + 1), by="queries")
    assert wrong(turned, source) == 0
    assert (final_logits(turned, source) - final_logits(source, source)).abs().max() < 1e-8
    if source.shape.d_model > 1:
        assert (turned.embedding.weight != source.embedding.weight).any()
    tokens = torch.tensor([0])
    for slot in source.stream.slots:
        seen = turned.slot_state(turned.states(tokens)[0], slot) - source.slot_state(
            source.states(tokens)[0], slot
        )
        assert seen.abs().max() < 1e-8


@pytest.mark.parametrize(
    ("name", "dtype", "by"), diagonal(NAMES, [torch.float32, torch.float64], WAYS)
)
@settings(max_examples=4)
@given(data=st.data())
def test_another_basis_moves_logits_by_no_more_than_it_says(name, dtype, by, data):
    """Constructions are exact in float64, but for attention_selector: there the bound has room for
    that rounding.
    """
    n, r, seed = (
        data.draw(st.integers(1, 9)),
        data.draw(st.integers(1, 3)),
        data.draw(st.integers(0, 9)),
    )
    source = built(name, n, r, dtype, seed)
    # the matrix is orthogonal up to the rounding of float32 only
    single = data.draw(st.booleans())
    q = rotation(source.shape.d_model, seed).astype(np.float32 if single else np.float64)
    try:
        turned = change_basis(source, q, by=by)
    except DoesNotFit:
        assert dtype == torch.float32 or single
        return
    reference = copy.deepcopy(source).double()
    for tokens, said in examples(source):
        moved = (turned(tokens) - reference(tokens))[:, -said.shape[1] :].abs().max()
        assert moved <= turned.logit_error
    assert by == "queries" or 2 * turned.logit_error < source.margin.real
    assert wrong(turned, source) == 0


def test_a_basis_in_which_an_answer_would_be_lost_is_refused():
    source = scalar_selector(FactTable.random_bijections(1000, 2, 0))
    q = rotation(source.shape.d_model)
    for by in WAYS:
        with pytest.raises(
            DoesNotFit, match=r"in torch.float32 a logit may be off by .* use float64, or"
        ):
            change_basis(source, q, by=by)
    turned = change_basis(source, q, by=None)
    assert turned.logit_error is None
    assert wrong(turned, source) > 0
    wide = scalar_selector(source.facts, dtype=torch.float64)
    assert (
        0
        < change_basis(wide, q, by="queries").logit_error
        < change_basis(wide, q).logit_error
        < 0.5
    )
    rows = construction("key_value_rows").build(
        FactTable.random_bijections(16, 2, 0), 4, dtype=torch.float64
    )
    with pytest.raises(
        DoesNotFit, match=r"in torch.float64 a logit may be off by .* 2; ask by queries"
    ):
        change_basis(rows, rotation(rows.shape.d_model))
    rows.embedding.weight.data[0] = 0
    with pytest.raises(
        InputError, match=r"by norms .* embedding.weight has changed.* ask by .queries"
    ):
        change_basis(rows, rotation(rows.shape.d_model))
    with pytest.raises(
        DoesNotFit, match=r"too much for .* run all queries to see what it answers \(by=None\)"
    ):
        change_basis(rows, rotation(rows.shape.d_model), by="queries")


def test_every_real_matrix_is_taken():
    source = built("selector")
    q = rotation(source.shape.d_model)
    q.flags.writeable = False
    others = (
        q[:, ::-1],
        q.astype(">f8"),
        q.astype(np.longdouble),
        torch.eye(len(q)).to_sparse(),
        q.tolist(),
    )
    for other in others:
        assert change_basis(source, other).logit_error < 1e-9


def test_what_is_stated_is_about_the_weights_that_are_returned():
    turned = change_basis(built("selector"), rotation(built("selector").shape.d_model))
    assert turned.logit_error > 0
    assert add_noise(turned, 0.0).logit_error is None
    install(turned, turned.facts)
    assert turned.logit_error is None
    assert widen(built("selector")).logit_error is None


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_basis_must_be_one(dtype):
    source = built("selector", dtype=dtype)
    d = source.shape.d_model
    with pytest.raises(InputError, match=rf"{d} coordinates.*\({d + 1}, {d + 1}\)"):
        change_basis(source, rotation(d + 1))
    with pytest.raises(InputError, match="not orthogonal"):
        change_basis(source, 1.01 * rotation(d))
    with pytest.raises(InputError, match="not orthogonal"):
        change_basis(source, np.full((d, d), np.nan))
    assert wrong(change_basis(source, rotation(d).astype(np.float32)), source) == 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", NAMES)
def test_a_wider_model_has_the_same_logits_bit_for_bit(name, dtype):
    source = built(name, dtype=dtype, partial=construction(name).random_partial_facts is not None)
    wide = wider(source)
    assert torch.equal(final_logits(wide, source), final_logits(source, source))
    assert wrong(wide, source) == 0
    sizes = (wide.shape.d_model, wide.shape.d_mlp, wide.shape.n_heads, len(wide.shape.layers))
    assert sizes == (
        source.shape.d_model + 3,
        source.shape.d_mlp + 3,
        source.shape.n_heads + 1,
        len(source.shape.layers) + 1,
    )
    assert sum(p.numel() for p in wide.parameters()) == wide.shape.n_parameters()


@pytest.mark.parametrize("sizes", [{"d_model": 2}, {"d_mlp": 1}, {"n_heads": 0}, {"n_layers": 0}])
def test_no_model_becomes_smaller(sizes):
    with pytest.raises(InputError, match="were asked for"):
        widen(built("chain_of_thought"), **sizes)


@pytest.mark.parametrize("noise", [-1.0, float("nan"), float("inf")])
def test_noise_is_a_number(noise):
    with pytest.raises(InputError, match="at least 0"):
        widen(built("selector"), noise=noise)


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


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_no_weight_changes_by_more_than_the_noise(dtype):
    source = built("key_value_rows", dtype=dtype)
    for noise in (1e-9, 1e-7, 1e-3, 0.3):
        noisy = add_noise(source, noise)
        for name, weight in source.named_parameters():
            changed = noisy.get_parameter(name)
            assert (changed.double() - weight.double()).abs().max() <= noise
        assert all(
            (weight.double().abs() <= noise).all()
            for weight in wider(source, noise).layers[-1].parameters()
        )
    assert any(
        (noisy.get_parameter(name) != weight).any() for name, weight in source.named_parameters()
    )


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
    "kind",
    [lambda q: q.astype(int), lambda q: torch.from_numpy(q).bfloat16(), lambda q: q.tolist()],
)
def test_a_basis_may_be_given_in_any_numbers(kind):
    source = built("selector")
    turned = change_basis(source, kind(np.eye(source.shape.d_model)[::-1].copy()))
    assert wrong(turned, source) == 0
    assert torch.equal(turned.embedding.weight, source.embedding.weight.flip(1))


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
