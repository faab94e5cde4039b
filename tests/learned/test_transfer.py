"""New facts in the rows of subjects, without a gradient and with few steps of one."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from decoders_to_measure import BIJECTIONS, GEOMETRIC, MEMORIES, N, R, edited, generator, measured

from constructions import FactTable, key_value_rows, precomputed, selector, superposition
from constructions.guards.errors import InputError
from verify.learned import transfer
from verify.learned.adapters import of, scrambled
from verify.learned.additive_fit import fitted
from verify.learned.claimed import answers_of, claimed_by
from verify.learned.transfer import after_steps, zero_step


@pytest.mark.parametrize("name", GEOMETRIC)
def test_rows_written_for_new_facts_recall_all_of_them(name):
    found = zero_step(*measured(GEOMETRIC[name]()))
    assert found.value == 1
    assert isinstance(found.value, Fraction)
    assert found.null < Fraction(1, 8)


@pytest.mark.parametrize("name", MEMORIES)
def test_a_key_value_memory_does_not_transfer(name):
    decoder, answers = measured(MEMORIES[name]())
    assert zero_step(decoder, answers).value < Fraction(1, 10)
    assert after_steps(decoder, answers).value < Fraction(1, 4)


def test_a_control_stands_beside_the_value():
    decoder, answers = measured(selector(BIJECTIONS))
    memory = of(key_value_rows(BIJECTIONS, hops=1))
    found = zero_step(decoder, answers, control=memory)
    assert found.value == 1
    assert found.control < Fraction(1, 10)


def test_random_rows_give_the_null():
    decoder, answers = measured(selector(BIJECTIONS))
    random = decoder.with_rows(generator().standard_normal(decoder.rows().shape))
    assert zero_step(random, answers).value < Fraction(1, 10)


def test_other_bijections_and_paths_of_two_hops_may_be_given():
    new = FactTable.random_bijections(N, R, seed=9)
    assert zero_step(of(selector(BIJECTIONS)), answers_of(BIJECTIONS), answers_of(new)).value == 1
    old, new = (FactTable.random_bijections(N, 2, seed=seed) for seed in (1, 2))
    model = precomputed(old, hops=2)
    assert zero_step(of(model), claimed_by(model), answers_of(new, hops=2)).value == 1


def test_a_unit_that_says_nothing_is_noticed():
    """A bit of block 0 is not written by the MLP: new facts of relation 0 are lost."""
    broken = edited(
        selector(BIJECTIONS), "layers.0.attention.output.weight", lambda w: w[0].zero_()
    )
    value = zero_step(of(broken), answers_of(BIJECTIONS)).value
    assert Fraction(1, 2) < value < 1


def test_a_fit_with_two_relations_swapped_is_noticed(monkeypatch):
    def swapped(vectors, answers, rows, ridge=0.0):
        fit = fitted(vectors, answers, rows, ridge)
        fit.matrices[[0, 1]] = fit.matrices[[1, 0]].copy()
        return fit

    monkeypatch.setattr(transfer, "fitted", swapped)
    assert Fraction(1, 2) <= zero_step(*measured(selector(BIJECTIONS))).value < Fraction(3, 5)


@pytest.mark.parametrize("name", ["superposition", "superposition, turned", "attention_selector"])
def test_few_steps_are_enough_where_no_unit_can_die(name):
    decoder, answers = measured(GEOMETRIC[name]())
    found = after_steps(decoder, answers, control=scrambled(decoder))
    assert found.value > Fraction(7, 10)
    assert found.null < Fraction(1, 5)
    assert found.control < Fraction(1, 5)


def test_few_steps_tell_a_selector_from_a_memory_and_from_an_untrained_decoder():
    decoder, answers = measured(selector(BIJECTIONS))
    memory = of(key_value_rows(BIJECTIONS, hops=1))
    found = after_steps(decoder, answers, control=memory)
    assert found.value > Fraction(1, 2)
    assert found.control < Fraction(1, 5)
    assert after_steps(scrambled(decoder), answers).value < Fraction(1, 4)


def test_no_step_leaves_the_random_rows():
    decoder, answers = measured(superposition(FactTable.random_disjoint(N, R, seed=1)))
    found = after_steps(decoder, answers, steps=0)
    assert found.value == found.null
    assert after_steps(decoder, answers, steps=25).value > found.value


def test_nothing_of_the_decoder_is_changed():
    model = selector(BIJECTIONS)
    after_steps(of(model), claimed_by(model), steps=2)
    assert model.margin.real == 2


def test_what_cannot_be_measured_is_refused():
    decoder, answers = measured(selector(BIJECTIONS))
    rows = decoder.rows()
    assert "equal" in after_steps(decoder.with_rows(np.ones_like(rows)), answers).refused
    rows[0] = np.inf
    assert "not finite" in after_steps(decoder.with_rows(rows), answers).refused
    assert "by attribute 64" in zero_step(decoder, answers, by="attribute").refused
    with pytest.raises(InputError, match="rate must be positive"):
        after_steps(decoder, answers, rate=0)


def test_steps_need_no_gradients_of_the_caller():
    decoder, answers = measured(selector(BIJECTIONS))
    wanted = after_steps(decoder, answers, steps=2)
    with torch.no_grad():
        assert after_steps(decoder, answers, steps=2) == wanted
