"""Trained models, small enough for a few seconds: what gradient descent finds in many worlds, and a
memory of the same facts.

Many worlds as of theory: two hidden layers, weight decay 1, d above R log2 K + R + 1. The numbers
of more seeds and larger sizes are those of the experiments; here they are only roughly seen.
"""

import pytest
import torch

from constructions import FactTable
from constructions.learning.fit import fit
from constructions.learning.one_layer import OneLayerShape
from verify.learned.adapters import of, scrambled
from verify.learned.claimed import answers_of
from verify.learned.intervention import intervention
from verify.learned.recall import recall
from verify.learned.selection import selection
from verify.learned.superposition import superposition
from verify.learned.transfer import after_steps, zero_step

FACTS = FactTable.random_worlds(16, 16, 4, seed=0)
ANSWERS = answers_of(FACTS)
NEW = answers_of(FactTable.random_worlds(16, 16, 4, seed=1))


@pytest.fixture(scope="module")
def geometric():
    shape = OneLayerShape.of(FACTS, 32, 64, n_hidden_layers=2)
    found = fit(shape, FACTS, 500, 0, weight_decay=1.0, until=None, device="cpu")
    return of(found.models[0])


@pytest.fixture(scope="module")
def memory():
    """The rows of subjects are random and frozen; a wider MLP learns the facts."""
    shape = OneLayerShape.of(FACTS, 32, 256, n_hidden_layers=2)
    found = fit(shape, FACTS, 300, 0, frozen=["entities"], device="cpu")
    assert found.reached.all()
    return of(found.models[0])


def test_training_finds_superpositions(geometric):
    assert recall(geometric, ANSWERS).value == 1
    found = superposition(geometric, ANSWERS)
    assert 0.6 < found.value < 1
    assert found.null < 0
    assert found.control < 0


def test_an_exchange_in_a_trained_model_moves_and_keeps(geometric):
    found = intervention(geometric, ANSWERS)
    assert found.both.value > 0.75
    assert found.both.null < 0.05
    assert found.both.control < 0.05


def test_rows_for_new_worlds_are_recalled(geometric, memory):
    found = zero_step(geometric, ANSWERS, NEW, control=memory)
    assert found.value > 0.85
    assert found.null < 0.2
    assert found.control < 0.75


def test_a_trained_memory_has_the_same_recall_and_none_of_it(memory):
    assert recall(memory, ANSWERS).value == 1
    assert superposition(memory, ANSWERS).value < 0
    assert intervention(memory, ANSWERS).both.value < 0.3


def test_what_misleads_zero_step_transfer_of_a_memory_is_far_above_its_null(memory):
    """Mean rows of an attribute are what a smooth MLP has learned to classify."""
    found = zero_step(memory, ANSWERS, NEW)
    assert found.value > 3 * found.null


def test_few_steps_tell_trained_from_untrained_but_not_from_a_wide_memory(geometric, memory):
    found = after_steps(geometric, ANSWERS, NEW, control=scrambled(geometric))
    assert found.value > 0.93
    assert found.control < 0.6
    assert after_steps(memory, ANSWERS, NEW).value > 0.9


def test_units_of_a_trained_model_select_no_more_than_scrambled_ones(geometric):
    """Above the shuffled null by far, and so are random weights."""
    found = selection(geometric, control=scrambled(geometric)).measure
    assert found.value > 3 * found.null
    assert found.control > 3 * found.null


def test_a_mutated_row_is_noticed(geometric):
    """Noise as large as the rows: what was exact in the rows is gone."""
    rows = geometric.rows()
    noise = torch.randn(rows.shape, generator=torch.Generator().manual_seed(0)).numpy()
    noisy = geometric.with_rows(rows + rows.std() * noise)
    assert superposition(noisy, ANSWERS).value < superposition(geometric, ANSWERS).value - 0.3
    assert recall(noisy, ANSWERS).value < 0.9
