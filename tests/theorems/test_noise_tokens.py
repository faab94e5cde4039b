"""Prompts with noise tokens: one-hop constructions answer all of them, with the logits that they
have without noise; and what must not pass does not.
"""

from fractions import Fraction
from itertools import permutations, product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import all_queries, bijections, disjoint, entities, functions, relations, seeds

from constructions import (
    FactTable,
    InputError,
    NoisePrompts,
    Vocabulary,
    attention_selector,
    digit_selector,
    key_value,
    precomputed,
    read_among_noise,
    scalar_selector,
    selector,
    sparse_selector,
    sparse_selector_unknown,
    superposition,
)
from constructions.guards.errors import DoesNotFit
from constructions.theorems.noise_tokens import GAP, noise_leak
from verify.queries.noise_proof import prove_all_prompts
from verify.queries.noise_sample import check_prompts

lengths = st.integers(3, 40)
kinds = st.integers(1, 20)
BUILDERS = [selector, scalar_selector, digit_selector, superposition, sparse_selector_unknown]


@st.composite
def models(draw):
    """One-hop constructions of small tables."""
    build = draw(st.sampled_from(BUILDERS))
    tables = disjoint() if build is superposition else st.one_of(bijections(), functions())
    return build(draw(tables))


@st.composite
def noise_rows(draw, model):
    """None, or the rows of some noise tokens, not integers and of any size."""
    if draw(st.booleans()):
        return None
    rng = np.random.default_rng(draw(seeds))
    size = draw(kinds), model.shape.d_model
    return rng.normal(size=size) * draw(st.sampled_from([0.01, 1, 1000]))


def run(reader, seed=0):
    """The logits after one random prompt for each query, and after the query without noise."""
    facts = reader.facts
    subjects, paths = all_queries(facts)
    return reader(torch.from_numpy(reader.prompts.tokens(subjects, paths[:, 0], seed)))


@given(st.data(), models(), lengths, kinds, seeds)
def test_the_logits_are_those_without_noise_bit_for_bit(data, model, length, count, seed):
    rows = data.draw(noise_rows(model))
    reader = read_among_noise(
        model, length, len(rows) if rows is not None else count, noise_rows=rows
    )
    assert reader.network.shape.d_model == model.shape.d_model + (rows is not None)
    found = run(reader, seed)
    wanted = model(model.prompt(*all_queries(model.facts)))[:, -1]
    assert torch.equal(found[:, : wanted.shape[1]], wanted)
    others = found[:, wanted.shape[1] :]  # noise and end token: as a relation
    assert torch.equal(others, wanted[:, [model.vocabulary.n_entities]].expand_as(others))


@given(st.data(), models(), lengths, kinds)
def test_all_prompts_are_proven_with_the_margin_of_the_construction(data, model, length, count):
    rows = data.draw(noise_rows(model))
    reader = read_among_noise(
        model, length, len(rows) if rows is not None else count, noise_rows=rows
    )
    found = check_prompts(reader, 64)
    assert (found.verdict, list(found.faults()), found.wrong) == ("PASS", [], 0)
    assert found.proven.exact == "float32"
    assert found.proven.margin >= model.margin.real
    claim = reader.margin
    assert claim.in_dtype == model.margin.in_dtype
    assert claim.attained == model.margin.attained
    loss = model.margin.real - claim.real
    assert loss == 0 if rows is None else 0 < loss < Fraction(1, 2**1000)
    assert found.proven.real_margin >= model.margin.real - Fraction(1, 2**1000)
    facts = model.facts
    v, t = reader.prompts.noise_tokens, length
    wanted = facts.n_entities * facts.n_relations * (t - 1) * (t - 2) * v ** (t - 3)
    assert found.proven.queries == wanted


@pytest.mark.parametrize(
    ("build", "d_model", "margin"),
    [
        (selector, 8 * 6 + 1, 2),
        (scalar_selector, 8 + 1, 1),
        (digit_selector, 8 * 3 + 1, 1),
    ],
)
def test_dimensions_and_margins_at_32_tokens(build, d_model, margin):
    """The setting of arXiv 2412.06538: 32 tokens, N + R kinds of noise."""
    facts = FactTable.random_bijections(64, 8, seed=0)
    reader = read_among_noise(build(facts))
    assert (reader.prompts.length, reader.prompts.noise_tokens) == (32, 72)
    assert reader.network.shape.d_model == d_model
    found = check_prompts(reader)
    assert (found.proven.margin, found.margin) == (margin, margin)
    d, heads = d_model, reader.network.shape.layers[0].heads
    assert [(head.d_qk, head.d_v) for head in heads] == [(0, d)]
    vocabulary = 64 + 8 + 1 + 72 + 1
    mlp = 2 * d * (d - 1)
    n_parameters = sum(weight.numel() for weight in reader.parameters())
    assert n_parameters == 2 * vocabulary * d + 2 * d * d + mlp


def test_superposition_has_R_m_plus_R_and_margin_two():
    facts = FactTable.random_disjoint(64, 4, seed=0)
    model = superposition(facts)
    reader = read_among_noise(model)
    assert reader.network.shape.d_model == model.shape.d_model
    assert reader.network.shape.d_mlp == 0
    found = check_prompts(reader)
    assert (found.verdict, found.proven.margin) == ("PASS", model.margin.real)


def test_stored_facts_alone_are_claimed_where_the_construction_claims_no_others():
    facts = FactTable.random_sparse(40, 12, seed=0)
    reader = read_among_noise(sparse_selector(facts), 8, 5)
    found = check_prompts(reader)
    assert found.verdict == "PASS"
    assert found.proven.queries == facts.n_facts * 7 * 6 * 5**5
    assert found.proven.not_claimed == (40 * 12 - facts.n_facts) * 7 * 6 * 5**5


@pytest.mark.parametrize("build", [selector, superposition])
@pytest.mark.parametrize("given_rows", [False, True])
def test_every_single_prompt_at_a_tiny_size(build, given_rows):
    """All 2 x 2 queries, all places, all fillings: 4 x 12 x 3^2 prompts of 5 tokens."""
    facts = FactTable([[1, 0], [1, 0]] if build is selector else [[0, 0], [1, 1]])
    model = build(facts)
    rows = np.random.default_rng(0).normal(size=(3, model.shape.d_model)) if given_rows else None
    reader = read_among_noise(model, 5, 3, rows)
    prompts, wanted = [], []
    for s, r in product(range(2), range(2)):
        for places in permutations(range(4), 2):
            for filling in product(reader.prompts.noise.tolist(), repeat=2):
                tokens, free = [0] * 4 + [reader.prompts.end], list(filling)
                for place in range(4):
                    is_asked = place in places
                    tokens[place] = [s, 2 + r][places.index(place)] if is_asked else free.pop()
                prompts.append(tokens)
                wanted.append(facts.answer(s, [r]))
    assert len(set(map(tuple, prompts))) == prove_all_prompts(reader).queries == 4 * 12 * 9
    assert reader.answer(np.array(prompts)).tolist() == wanted


@given(entities, relations, lengths, kinds, seeds)
def test_prompts_are_read_as_they_were_made(n, r, length, count, seed):
    prompts = NoisePrompts(Vocabulary(n, r), count, length)
    rng = np.random.default_rng(seed)
    subjects, asked = rng.integers(n, size=(5, 1)), rng.integers(r, size=7)
    tokens = prompts.tokens(subjects, asked, seed)
    assert tokens.shape == (5, 7, length)
    assert (tokens[..., -1] == prompts.end).all()
    read = prompts.queries(tokens)
    assert (read[0] == subjects).all()
    assert (read[1] == asked).all()
    assert (prompts.tokens(subjects, asked, seed) == tokens).all()


def test_places_and_noise_are_uniform():
    """50,000 prompts of 6 tokens: each ordered pair of places, and each noise token, equally
    often, within five standard deviations.
    """
    prompts = NoisePrompts(Vocabulary(3, 2), 4, 6)
    tokens = prompts.tokens(np.zeros(50_000, np.int64), np.ones(50_000, np.int64), seed=1)
    one, other = (tokens == 0).argmax(1), (tokens == 4).argmax(1)
    pairs = np.bincount(5 * one + other, minlength=25).reshape(5, 5)
    assert (np.diag(pairs) == 0).all()
    off = pairs[~np.eye(5, dtype=bool)]
    assert (abs(off - 2500) < 5 * np.sqrt(2500)).all()
    noise = np.bincount(tokens[tokens > 5] - 6)[:4]
    assert (abs(noise - 37_500) < 5 * np.sqrt(37_500)).all()


# -------------------------------------------------------------------- hypotheses


FACTS = FactTable.random_bijections(16, 3, seed=2)


@pytest.mark.parametrize(("gap", "largest"), [(8, 1), (12, 3), (16, 100)])
def test_the_selector_loses_no_more_than_its_formula_says_to_the_worst_noise(gap, largest):
    """In float64, where 2^-40 is no rounding: prompts filled with rows of the largest entries, of
    either sign and at random; the loss is of the order of the formula, too.
    """
    model = selector(FACTS, dtype=torch.float64)
    signs = np.random.default_rng(0).choice([-1, 1], size=(60, model.shape.d_model))
    rows = largest * np.concatenate([np.ones((1, model.shape.d_model)), -(signs[:1] ** 2), signs])
    reader = read_among_noise(model, 32, noise_rows=rows)
    with torch.no_grad():
        reader.network.layers[0].attention.query.weight[0, -1] = -gap
    subjects, paths = all_queries(FACTS)
    wanted = torch.from_numpy(FACTS.answer(subjects, paths))[:, None]
    margins = []
    for token in reader.prompts.noise:
        tokens = np.full((len(subjects), 32), token)
        tokens[:, 3], tokens[:, 20], tokens[:, -1] = subjects, 16 + paths[:, 0], reader.prompts.end
        logits = reader(torch.from_numpy(tokens))
        own = logits.gather(1, wanted)[:, 0]
        margins.append((own - logits.scatter(1, wanted, -torch.inf).amax(1)).min().item())
    leak = 30 * np.exp(-gap) / (2 + 30 * np.exp(-gap))
    assert 2 * leak * largest <= 1 - leak  # else nothing is said
    least = 2 * (1 - (1 + 6 * largest) * leak)
    assert least - 2**-40 <= min(margins) < 2 - (2 - least) / 4


def test_prompts_that_ask_nothing_or_two_things_are_refused():
    reader = read_among_noise(selector(FACTS), 6, 4)
    subject, relation, noise, end = 3, 16, int(reader.prompts.noise[0]), reader.prompts.end
    for prompt, message in (
        ([subject, subject, relation, noise, noise, end], "2 subjects, and 1 must"),
        ([subject, 4, relation, noise, noise, end], "2 subjects, and 1 must"),
        ([noise, noise, relation, noise, noise, end], "0 subjects, and 1 must"),
        ([subject, relation, relation, noise, noise, end], "2 relations, and 1 must"),
        ([subject, relation, noise, noise, end, end], "2 noise tokens, and 3 must"),
        ([subject, relation, noise, noise, noise, noise], "0 end tokens in the last place"),
        ([subject, relation, noise, noise, -1, end], "2 noise tokens, and 3 must"),
        ([subject, relation, end], r"the shape \(\.\.\., 6\); got int64 of the shape \(3,\)"),
    ):
        with pytest.raises(InputError, match=message):
            reader.answer(prompt)


def test_a_subject_that_stands_there_twice_may_be_answered_wrong():
    """Why the hypothesis is needed: two different subjects add up."""
    reader = read_among_noise(selector(FACTS), 6, 4)
    noise, end = int(reader.prompts.noise[0]), reader.prompts.end
    prompts = [[s, t, 16, noise, noise, end] for s in range(16) for t in range(16) if s != t]
    said = reader(torch.tensor(prompts)).argmax(-1).numpy()
    right = np.array([FACTS.answer(prompt[0], [0]) for prompt in prompts])
    assert (said != right).any()


def test_constructions_that_do_not_fit_are_refused_with_the_reason():
    for model, reported in (
        (attention_selector(FACTS), r"attention_selector has .* heads of query widths \[1\]"),
        (precomputed(FACTS, 1), "precomputed has 1 layer.s., 2 positions"),
        (key_value(FACTS, 2), "key_value has 2 layer.s., 3 positions"),
    ):
        with pytest.raises(InputError, match=reported):
            read_among_noise(model)


def test_wrong_arguments_are_refused():
    model = selector(FACTS)
    d = model.shape.d_model
    for rows, reported in (
        (np.zeros((3, d + 1)), rf"of the shape \(3, {d}\)"),
        (np.zeros((2, d)), rf"of the shape \(3, {d}\).* got the shape \(2, {d}\)"),
        (np.full((3, d), np.nan), "must be finite"),
        ("rows", "a matrix of numbers"),
    ):
        with pytest.raises(InputError, match=reported):
            read_among_noise(model, 8, 3, rows)
    for length in (2, 4097):
        with pytest.raises(InputError, match=r"length must be an integer from 3 to 4,096; got"):
            read_among_noise(model, length)
    with pytest.raises(InputError, match="noise_tokens must be an integer of at least 1; got 0"):
        read_among_noise(model, 4, 0)
    with pytest.raises(InputError, match="a construction is needed"):
        read_among_noise(model.state_dict())
    with pytest.raises(InputError, match="entity 16 does not exist"):
        read_among_noise(model, 4, 1).prompts.tokens(np.array([16]), np.array([0]))
    with pytest.raises(InputError, match="prompts of 9 tokens are too long"):
        read_among_noise(model, 8, 1)(torch.zeros(9, dtype=torch.int64))
    with pytest.raises(DoesNotFit, match="use a wider dtype or shorter prompts"):
        read_among_noise(scalar_selector(FACTS, dtype=torch.float16), 1024)


def test_a_leak_is_bounded_from_above():
    """Against e to the power of the gap, in decimals."""
    for length in (4, 32, 1024):
        assert noise_leak(length, 10) >= Fraction((length - 2) / (2 * np.exp(10)))
        assert 0 < noise_leak(length) < Fraction(length, 2**GAP)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("given_rows", [False, True])
def test_other_dtypes_compute_without_rounding_too(dtype, given_rows):
    model = selector(FACTS, dtype=dtype)
    rows = np.random.default_rng(0).normal(size=(4, model.shape.d_model)) if given_rows else None
    reader = read_among_noise(model, 32, 4, rows)
    found = check_prompts(reader)
    assert (found.verdict, found.margin, found.proven.margin) == ("PASS", 2, 2)
    assert found.proven.exact == str(dtype).removeprefix("torch.")
