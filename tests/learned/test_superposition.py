"""Held-out R^2 of constructions, of memories, of random rows; what is refused, and why."""

import numpy as np
import pytest
from decoders_to_measure import (
    BIJECTIONS,
    GEOMETRIC,
    MEMORIES,
    R,
    edited,
    generator,
    measured,
    orthogonal,
    turned,
)

from constructions import FactTable, selector
from constructions.guards.errors import InputError
from verify.learned import superposition as module
from verify.learned.adapters import of
from verify.learned.additive_fit import attribute_vectors, features, fitted
from verify.learned.claimed import answers_of, claimed_by
from verify.learned.intervention import intervention
from verify.learned.superposition import parametrisation, superposition
from verify.learned.transfer import zero_step


def worlds(count, size=8, relations=3):
    """Answers (R, count * size) of independent worlds, each of bijections onto one set."""
    draw = generator(count)
    identity = np.tile(np.arange(size), (relations, count, 1))
    return draw.permuted(identity, axis=2).reshape(relations, -1)


def many_worlds(count=16):
    """A selector of many worlds: the attributes are the first 8 entities."""
    return selector(FactTable(worlds(count)))


@pytest.mark.parametrize("name", GEOMETRIC)
def test_rows_of_a_construction_are_exactly_superpositions(name):
    found = superposition(*measured(GEOMETRIC[name]()))
    assert found.value == pytest.approx(1, abs=1e-9)
    assert found.null < 0.1
    assert found.control < 0.1


@pytest.mark.parametrize("name", MEMORIES)
def test_rows_of_a_key_value_memory_are_none(name):
    found = superposition(*measured(MEMORIES[name]()))
    assert found.value < 0.1
    assert found.value == pytest.approx(found.null, abs=0.3)


def test_random_rows_are_none():
    decoder, answers = measured(selector(BIJECTIONS))
    random = decoder.with_rows(generator().standard_normal(decoder.rows().shape))
    assert superposition(random, answers).value < 0


def test_many_worlds_are_fitted_by_attribute():
    model = many_worlds()
    assert parametrisation(of(model), claimed_by(model)).by == "attribute"
    for by in ("attribute", "unembedding"):
        found = superposition(of(model), claimed_by(model), by=by)
        assert found.value == pytest.approx(1, abs=1e-9)
        assert found.null < 0.1


def test_one_world_is_refused_by_attribute_where_random_rows_would_have_r2_1():
    """In one world the fit by attribute has as many numbers as subjects, so that the in-sample R^2
    of random rows is 1.
    """
    decoder, answers = measured(selector(BIJECTIONS))
    refused = superposition(decoder, answers, by="attribute")
    assert refused.value is None
    assert "by attribute 64 numbers for each coordinate, to be fitted by 51" in refused.refused
    random = generator().standard_normal(decoder.rows().shape)
    fit = fitted(attribute_vectors(decoder, answers, "attribute"), answers, random)
    assert np.square(fit.rows(answers) - random).sum() < 1e-12


def test_few_worlds_are_refused_too_and_held_out_subjects_must_be_determined():
    """Two worlds have twice as many subjects as attributes; three relations use all of them up."""
    model = many_worlds(2)
    assert superposition(of(model), claimed_by(model), by="attribute").value is None
    answers = worlds(1)
    vectors = attribute_vectors(of(many_worlds(1)), answers, "attribute")
    fit = fitted(vectors, answers[:, 1:], np.zeros((7, 2)))
    assert not fit.determines(answers[:, :1]).any()
    assert fit.determines(answers[:, 1:]).all()


def test_a_wide_unembedding_is_refused_where_it_spans_all_functions_of_the_answer():
    """Fewer subjects than R times the rank of the unembedding."""
    model = selector(FactTable.random_bijections(16, 6, seed=0))
    found = superposition(of(model), claimed_by(model))
    assert found.refused.startswith("by attribute 16 numbers for each coordinate and by unem")


@pytest.mark.parametrize("noise", [0.0, 0.1, 0.5])
def test_no_change_of_basis_changes_r2(noise):
    """Of rows with noise, so that it is not 1."""
    model = selector(BIJECTIONS)
    decoder, answers = measured(model)
    rows = decoder.rows() + noise * generator().standard_normal(decoder.rows().shape)
    q = orthogonal(rows.shape[1], 4).numpy()
    values = [superposition(decoder.with_rows(their), answers).value for their in (rows, rows @ q)]
    assert values[0] == pytest.approx(values[1], abs=1e-5)
    assert (values[0] > 0.999) == (noise == 0)


def test_swapped_components_are_noticed():
    """Every other subject has the blocks of relations 0 and 1 exchanged."""
    model = turned(selector(BIJECTIONS))
    decoder, answers = measured(model)
    columns = model.source.stream["attributes"].columns
    held = decoder.rows() @ model.basis.double().numpy()
    swapped = held.copy()
    swapped[::2, columns[[0, 1]]] = held[::2][:, columns[[1, 0]]]
    broken = decoder.with_rows(decoder.rows() + (swapped - held) @ model.basis.double().numpy().T)
    assert superposition(broken, answers).value < 0.6


def test_missing_facts_that_are_not_claimed_take_no_part():
    answers = answers_of(BIJECTIONS)
    answers[generator().random(answers.shape) < 0.2] = -1
    rows = np.zeros((64, 6))
    vectors = attribute_vectors(of(selector(BIJECTIONS)), answers, "unembedding")
    coefficients = generator().standard_normal((R * vectors.shape[1], 6))
    rows = features(vectors, answers) @ coefficients + 5
    decoder = of(selector(BIJECTIONS))
    groups = module.fold_of(answers, 5, generator())
    folds = list(module._folds(vectors, answers, rows, groups, 0.0))
    left, spread = module._held_out(folds, answers, rows)
    assert left.sum() < 1e-9 * spread.sum()
    assert superposition(decoder, answers).value < 1


def test_the_noise_of_coefficients_is_as_the_page_says():
    """Rows of pure noise: in-sample R^2 is (p - 1) / (n - 1), held out -p / (n - p)."""
    answers, size = worlds(32), (256, 200)
    rows = generator().standard_normal(size)
    decoder = of(many_worlds(32))
    vectors = attribute_vectors(decoder, answers, "attribute")
    fit = fitted(vectors, answers, rows)
    assert fit.rank == 1 + 3 * 7
    left = np.square(rows - fit.rows(answers)).sum()
    r2 = 1 - left / np.square(rows - rows.mean(axis=0)).sum()
    assert r2 == pytest.approx(21 / 255, abs=0.01)
    groups = module.fold_of(answers, 5, generator())
    left, spread = module._held_out(
        list(module._folds(vectors, answers, rows, groups, 0.0)), answers, rows
    )
    assert 1 - left.sum() / spread.sum() == pytest.approx(-22 / (205 - 22), abs=0.03)


def test_a_ridge_shrinks():
    """An exact superposition is fitted exactly without one only."""
    decoder, answers = measured(selector(BIJECTIONS))
    assert superposition(decoder, answers, ridge=1.0).value < 0.99


def test_rows_that_say_nothing_are_refused():
    decoder, answers = measured(selector(BIJECTIONS))
    rows = decoder.rows()
    rows[3, 2] = np.nan
    assert "not finite" in superposition(decoder.with_rows(rows), answers).refused
    assert "equal" in superposition(decoder.with_rows(np.ones_like(rows)), answers).refused
    for wrong in ({"by": "sign"}, {"folds": 1}):
        with pytest.raises(InputError, match="folds at least 2"):
            superposition(decoder, answers, **wrong)
    with pytest.raises(InputError, match="folds must be an integer"):
        superposition(decoder, answers, folds=2.5)


@pytest.mark.parametrize("measure", [superposition, zero_step, intervention])
@pytest.mark.parametrize("ridge", [-1.0, np.nan, np.inf])
def test_what_is_no_ridge_is_refused(measure, ridge):
    with pytest.raises(InputError, match="ridge must be a finite number of at least 0"):
        measure(*measured(selector(BIJECTIONS)), ridge=ridge)


@pytest.mark.parametrize("measure", [superposition, zero_step])
def test_what_has_no_features_is_refused(measure):
    """No fact, one answer for all, and unembeddings of zeros or of what is no number."""
    model = many_worlds()
    decoder, answers = of(model), claimed_by(model)
    assert measure(decoder, answers, by="unembedding").value > 0.9  # the control
    assert measure(decoder, np.full_like(answers, -1)).refused == "no subject has a fact"
    one = "by attribute and by unembedding all subjects have the same features"
    assert one in measure(decoder, np.zeros_like(answers)).refused
    zero = of(edited(model, "unembedding.weight", lambda u: u.zero_()))
    assert "by unembedding all subj" in measure(zero, answers, by="unembedding").refused
    for value in (np.nan, np.inf):
        bad = of(edited(model, "unembedding.weight", lambda u, v=value: u[3].fill_(v)))
        assert "not finite" in measure(bad, answers, by="unembedding").refused
        assert not superposition(bad, answers).refused  # by attribute, of which it is no part
