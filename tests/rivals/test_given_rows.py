"""Rows for given embeddings: values by hand, sizes and recall as claimed, and what is refused."""

import math

import numpy as np
import pytest
import torch
from scipy.special import betainc

from constructions import FactTable, InputError
from verify.rivals.given_embeddings import unit_vectors
from verify.rivals.memories.given_rows import MEMORIES, given_rows, largest_product
from verify.rivals.work import Work

(MEMORY,) = MEMORIES


def asked(facts):
    """The prompts of all facts (N R, 2), and their answers."""
    tokens, answers = facts.dataset()
    return torch.from_numpy(tokens), torch.from_numpy(answers)[:, 0]


def margins(module, facts):
    """The answer's logit less the largest other one."""
    tokens, answers = asked(facts)
    with torch.no_grad():
        logits = module(tokens)
    own = logits.gather(1, answers[:, None])[:, 0]
    return own - logits.scatter(1, answers[:, None], -torch.inf).amax(1)


def test_two_subjects_and_a_relation_on_three_axes_by_hand():
    """g = 1 - 0, so unit s is ReLU(2 <v_s, x> - 1); D = w, l = 0, h = 2, so u = <w, x> / 2."""
    facts = FactTable([[1, 0]])
    module = given_rows(facts, torch.eye(3)[:2], torch.eye(3)[2:])
    assert module.directions.tolist() == [[2, 0, 0], [0, 2, 0], [0, 0, 1], [0, 0, 1]]
    assert module.thresholds.tolist() == [1, 1, 0.5, 1.5]
    assert module.facts.tolist() == [[1, 0]]  # the bits of the answers to 0 and 1
    assert module.gates.tolist() == [[1, -1]]
    assert module(torch.tensor([[0, 2], [1, 2]])).tolist() == [[-1, 1], [1, -1]]
    assert module.gaps.subjects.tolist() == [1, 1]
    assert module.gaps.relations.tolist() == [1]


@pytest.mark.parametrize(("n", "r"), [(64, 4), (256, 4), (64, 16)])
def test_R_plus_4_log_N_dimensions_are_enough(n, r):
    """And the margin is 2, up to rounding, from every seed but one of twenty."""
    d, enough = r + 4 * math.ceil(math.log2(n)), 0
    for seed in range(20):
        built = MEMORY.build(Work(n, r, seed=seed), d)
        found = margins(built.module, Work(n, r, seed=seed).facts)
        gap = built.module.gaps.least
        assert (found > 1.99).all() or gap < 0.01
        enough += bool((found > 1.99).all())
    assert enough >= 19


def test_log_N_dimensions_are_not_enough():
    right = []
    for seed in range(5):
        work = Work(256, 4, seed=seed)
        found = margins(MEMORY.build(work, 4 + 8).module, work.facts)
        right.append((found > 0).double().mean().item())
    assert max(right) < 1


@pytest.mark.parametrize(("n", "r", "d"), [(16, 3, 24), (64, 4, 28), (5, 2, 20)])
def test_the_numbers_inside_are_those_of_the_formula_and_facts_are_bits(n, r, d):
    built = MEMORY.build(Work(n, r), d)
    m = max(1, math.ceil(math.log2(n)))
    inside = (n + 2 * r) * (d + 1) + r * m * (n + 2 * r + 1)
    assert built.n_numbers(with_embeddings=False) == inside
    assert built.n_stored == n * r * m
    assert set(built.module.facts.unique().tolist()) <= {0, 1}
    assert built.width == max(n + 2 * r, r * m)
    other = MEMORY.build(Work(n, r, answers="disjoint"), d)
    for name, given in built.module.named_buffers():  # none of them knows the facts
        assert torch.equal(given, other.module.get_buffer(name))


def test_units_of_other_subjects_and_relations_are_off_by_half_at_least():
    work = Work(64, 4)
    module = MEMORY.build(work, 4 + 24).module
    tokens, _ = asked(work.facts)
    x = module.subjects[tokens[:, 0]] + 2 * module.relations[tokens[:, 1] - 64]
    before = x @ module.directions.T - module.thresholds
    own = torch.nn.functional.one_hot(tokens[:, 0], 64).bool()
    assert (before[:, :64][own] - 1).abs().max() < 1e-3
    assert before[:, :64][~own].max() < -1 + 1e-3
    of_relation = torch.nn.functional.one_hot(tokens[:, 1] - 64, 4).bool()
    assert before[:, 64:68][~of_relation].max() < -0.5 + 1e-3
    assert before[:, 68:][of_relation].min() > 0.5 - 1e-3


def test_a_flipped_bit_and_another_embedding_lose_an_answer():
    work = Work(64, 4)
    for change in (
        lambda module: module.facts.data[3, 7].mul_(-1).add_(1),
        lambda module: module.subjects[7].copy_(module.subjects[8]),
        lambda module: module.relations[1].copy_(module.relations[2]),
    ):
        module = MEMORY.build(work, 28).module
        assert (margins(module, work.facts) > 0).all()
        change(module)
        assert not (margins(module, work.facts) > 0).all()


def test_embeddings_that_are_too_close_are_refused_with_the_pair():
    facts = FactTable.random_bijections(6, 2, seed=0)
    random = torch.Generator().manual_seed(0)
    subjects, relations = (unit_vectors(count, 24, random) for count in (6, 2))
    assert (margins(given_rows(facts, subjects, relations), facts) > 1.99).all()
    near = subjects.clone()
    near[4] = subjects[1]
    with pytest.raises(InputError, match=r"subjects (1 and 4|4 and 1) are too close: .* is 1 of"):
        given_rows(facts, near, relations)
    near[4] = subjects[1] + 3 * relations[0]  # apart, but only where relations are
    with pytest.raises(InputError, match=r"subjects (1 and 4|4 and 1) are too close"):
        given_rows(facts, near, relations)
    far = subjects.clone()
    far[3] += 5 * relations[1]
    with pytest.raises(InputError, match=r"subjects 3 and \d are too far apart .* relation 1"):
        given_rows(facts, far, relations)


def test_what_is_no_embedding_of_the_table_is_refused():
    facts = FactTable.random_bijections(6, 2, seed=0)
    subjects, relations = torch.eye(8)[:6], torch.eye(8)[6:]
    given_rows(facts, subjects, relations)
    twice = relations[[0, 0]]
    for given, message in (
        ((FactTable([[1, -1]]), subjects[:2], relations[:1]), "1 of 2 are there"),
        ((facts, subjects[:5], relations), r"shapes \(6, 8\) and \(2, 8\); got \(5, 8\)"),
        ((facts, subjects, relations / 0), "embeddings are finite"),
        ((facts, subjects, twice), "the 2 relations span 1 dimensions of 8"),
        ((FactTable([[0], [0]]), torch.eye(2)[:1], torch.eye(2)), "leave a dimension"),
    ):
        with pytest.raises(InputError, match=message):
            given_rows(*given)


def test_one_subject_has_no_other():
    module = given_rows(FactTable([[0], [0]]), torch.eye(3)[:1], torch.eye(3)[1:])
    assert torch.isfinite(module(torch.tensor([[0, 1], [0, 2]]))).all()


@pytest.mark.parametrize("work", [Work(9, 2, hops=2), Work(9, 2, noise_tokens=3)])
def test_other_works_are_lacking(work):
    assert MEMORY.lacks(work)
    assert not MEMORY.lacks(Work(9, 2))


# -------------------------------------------------------------------- the inner-product bound


@pytest.mark.parametrize("dimension", [2, 3, 10, 28, 100])
def test_the_bound_for_a_pair_lies_above_the_exact_probability(dimension):
    for tau in (0.0, 0.1, 0.5, 0.71, 0.87, 0.99):
        exact = betainc((dimension - 1) / 2, 0.5, 1 - tau**2) / 2
        assert exact <= (1 - tau**2) ** ((dimension - 1) / 2) / 2 + 1e-15


def test_dimensions_for_three_values_of_tau():
    """n / log2 N at large N for tau = .5, 1/sqrt(2) and .87: 9.6, 4 and 2."""
    for tau, factor in ((0.5, 9.6), (math.sqrt(0.5), 4.0), (math.sqrt(0.75), 2.0)):
        bits = 200
        dimension = 1 + round(factor * bits)
        assert largest_product(2**bits, dimension, 0.25) == pytest.approx(tau, abs=0.002)


@pytest.mark.parametrize(("n", "dimension"), [(32, 12), (100, 28)])
def test_the_largest_inner_product_is_beyond_the_bound_no_more_often_than_it_says(n, dimension):
    """400 draws; and the bound is not empty: with P = 1/4 some draws are beyond it."""
    rng = np.random.default_rng(n)
    found = []
    for _ in range(400):
        vectors = rng.normal(size=(n, dimension))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        products = vectors @ vectors.T
        found.append(np.max(products - 2 * np.eye(n)))
    for probability in (0.25, 0.1, 0.02):
        beyond = np.mean(np.array(found) > largest_product(n, dimension, probability))
        assert beyond <= probability + 3 * math.sqrt(probability / 400)
        assert beyond > 0 or probability < 0.1
    assert np.mean(np.array(found) > largest_product(n, dimension, 0.25) - 0.1) > 0.25  # a control
