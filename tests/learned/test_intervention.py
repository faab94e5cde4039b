"""One relation's component is exchanged: what moves, what stays, and both together."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from decoders_to_measure import (
    BIJECTIONS,
    GEOMETRIC,
    MEMORIES,
    N,
    R,
    edited,
    generator,
    measured,
    turned,
)

from constructions import FactTable, selector
from constructions.guards.errors import InputError
from verify.learned import superposition as fits
from verify.learned.adapters import of
from verify.learned.additive_fit import fitted
from verify.learned.claimed import answers_of
from verify.learned.intervention import intervention
from verify.learned.recall import recall


@pytest.mark.parametrize("name", GEOMETRIC)
def test_each_exchange_in_a_construction_moves_one_answer_and_keeps_the_others(name):
    found = intervention(*measured(GEOMETRIC[name]()))
    assert (found.move.value, found.keep.value, found.both.value) == (1, 1, 1)
    assert isinstance(found.both.value, Fraction)
    assert found.both.null < Fraction(1, 20)
    assert found.move.control == found.both.control == 0


@pytest.mark.parametrize("name", MEMORIES)
def test_nothing_of_it_in_a_key_value_memory(name):
    found = intervention(*measured(MEMORIES[name]()))
    assert found.move.value < Fraction(1, 20)
    assert found.both.value == 0


def test_keep_alone_is_no_evidence():
    """A random shift of a selector keeps most answers, one that is a hundredth all of them."""
    found = intervention(*measured(selector(BIJECTIONS)))
    assert found.keep.null > Fraction(1, 2)
    assert found.both.null == 0


def test_exchanged_relations_are_noticed():
    """The embeddings of relations 0 and 1 are exchanged: rows are the same superpositions, and the
    answers to 0 are those of 1. Relations 2 and 3 still move, but only the few subjects whose
    answers to 0 and 1 are one entity keep all else.
    """

    def exchange(table):
        table[[N, N + 1]] = table[[N + 1, N]].clone()

    decoder = of(edited(selector(BIJECTIONS), "embedding.weight", exchange))
    found = intervention(decoder, answers_of(BIJECTIONS))
    assert found.both.value < Fraction(1, 20)
    assert Fraction(2, 5) < found.move.value < Fraction(3, 5)
    assert found.keep.value < Fraction(3, 5)


def test_a_block_that_is_not_closed_is_noticed():
    """Relation 1 leaves block 0 open: its answers are right where the bits of block 0 are among
    those of block 1, (3/4)^6 of them.
    """

    def open_block(table):
        table[N + 1, :6] = 0

    decoder = of(edited(selector(BIJECTIONS), "embedding.weight", open_block))
    found = intervention(decoder, answers_of(BIJECTIONS))
    assert found.both.value < Fraction(1, 4)
    assert found.move.value < Fraction(9, 10)


def test_a_fit_with_two_relations_swapped_is_noticed(monkeypatch):
    def swapped(vectors, answers, rows, ridge=0.0):
        fit = fitted(vectors, answers, rows, ridge)
        fit.matrices[[0, 1]] = fit.matrices[[1, 0]].copy()
        return fit

    monkeypatch.setattr(fits, "fitted", swapped)
    found = intervention(*measured(selector(BIJECTIONS)))
    assert float(found.both.value) == pytest.approx(0.5, abs=0.02)


def test_random_rows_give_the_null():
    decoder, answers = measured(selector(BIJECTIONS))
    random = decoder.with_rows(generator().standard_normal(decoder.rows().shape))
    found = intervention(random, answers)
    assert found.both.value == found.both.null == 0
    assert found.move.value < Fraction(1, 20)


def test_what_is_not_a_number_moves_and_keeps_nothing():
    broken = edited(selector(BIJECTIONS), "unembedding.weight", lambda u: u[7].fill_(np.nan))
    assert "not finite" not in str(recall(of(broken), answers_of(BIJECTIONS)))
    broken = edited(
        selector(BIJECTIONS), "layers.0.mlp.weights.1.weight", lambda w: w.fill_(np.nan)
    )
    found = intervention(of(broken), answers_of(BIJECTIONS))
    assert (found.move.value, found.keep.value, found.both.value) == (0, 0, 0)


def test_some_subjects_stand_for_all():
    decoder, answers = measured(selector(BIJECTIONS))
    few = intervention(decoder, answers, n_subjects=10)
    assert few.both.value == 1
    assert few.both.null.denominator <= 10 * R


def test_one_relation_has_nothing_to_keep():
    found = intervention(*measured(selector(FactTable.random_bijections(64, 1, seed=0))))
    assert found.move.value == found.both.value == 1
    assert found.both.control is None
    assert found.keep.refused == "there is nothing to count"


def test_an_exchange_of_what_is_missing_is_no_control():
    """Facts of relation 0 alone: there is no other component to exchange."""
    decoder, answers = measured(selector(BIJECTIONS))
    assert intervention(decoder, answers).move.control == 0
    answers = answers.copy()
    answers[1:] = -1
    found = intervention(decoder, answers)
    assert found.move.value == 1
    assert found.move.control is None


def test_each_exchange_of_the_control_changes_one_other_answer():
    """A donor with the same answer would change nothing, and keep all R - 1 others."""
    found = intervention(*measured(selector(BIJECTIONS)))
    assert found.keep.control == Fraction(R - 2, R - 1)


@pytest.mark.parametrize("n", [0, -1, 2.5])
def test_a_number_of_subjects_that_is_none_is_refused(n):
    with pytest.raises(InputError, match="n_subjects must be an integer of at least 1"):
        intervention(*measured(selector(BIJECTIONS)), n_subjects=n)


def test_it_is_refused_where_no_component_is_known():
    decoder, answers = measured(selector(BIJECTIONS))
    found = intervention(decoder, answers, by="attribute")
    for one in (found.move, found.keep, found.both):
        assert one.value is None
        assert "by attribute 64 numbers" in one.refused


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_no_change_of_basis_changes_a_count(noise):
    """Values, nulls and controls, of exact and of noisy rows."""
    counts = []
    for model in (selector(BIJECTIONS), turned(selector(BIJECTIONS))):
        decoder, answers = measured(model)
        basis = getattr(model, "basis", torch.eye(25)).double().numpy()
        added = noise * generator().standard_normal(decoder.rows().shape) @ basis.T
        found = intervention(decoder.with_rows(decoder.rows() + added), answers)
        counts.append([(m.value, m.null, m.control) for m in (found.move, found.both)])
    assert np.array(counts[0], float) == pytest.approx(np.array(counts[1], float), abs=0.01)
    assert (counts[0][1][0] == 1) == (noise == 0)


def test_printed_it_has_a_line_for_each_share():
    lines = str(intervention(*measured(selector(BIJECTIONS)))).splitlines()
    assert [line.split(":")[0] for line in lines] == ["move", "keep", "both"]
    assert lines[2].startswith("both: 1 (null 0")
    refused = intervention(*measured(selector(BIJECTIONS)), by="attribute")
    said = str(refused)
    assert said.startswith("move, keep, both: refused, by attribute 64 numbers")
    assert max(map(len, said.splitlines())) < 100
