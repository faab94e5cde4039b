"""A number, its null, its control, and means over seeds."""

import math
from fractions import Fraction

import numpy as np
import pytest
from scipy import stats

from constructions import FactTable, selector
from constructions.guards.errors import InputError, InternalError
from verify.learned.adapters import of
from verify.learned.claimed import answers_of
from verify.learned.measure import Measure, over_seeds
from verify.learned.recall import recall


def measured(facts):
    """A selector of these facts, and what it should answer."""
    return of(selector(facts)), answers_of(facts)


def test_the_interval_is_students():
    values = [0.5, 0.7, 0.9, 0.6]
    found = over_seeds([Measure("x", value, value / 2, 0.0) for value in values])
    low, high = stats.t.interval(0.95, 3, np.mean(values), stats.sem(values))
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.value == pytest.approx(0.675)
    assert (found.null, found.control, found.n_seeds) == (pytest.approx(0.3375), 0, 4)


def test_counts_stay_exact():
    found = over_seeds([Measure.of_counts("x", (n, 3), (0, 3)) for n in (1, 2, 3)])
    assert (found.value, found.null, found.control) == (Fraction(2, 3), Fraction(0), None)
    assert str(found).startswith("x: 0.667 [")
    same = over_seeds([Measure.of_counts("x", (3, 3))] * 5)
    assert (same.low, same.high, same.value) == (1, 1, 1)


def test_one_seed_has_no_interval():
    assert over_seeds([Measure("x", 0.5)]) == Measure("x", 0.5)


def test_a_refused_seed_refuses_the_mean():
    found = over_seeds([Measure("x", 0.5), Measure.without("x", "too few")])
    assert found.value is None
    assert found.refused == "1 of 2 seeds: too few"
    assert str(found) == "x: refused, 1 of 2 seeds: too few"


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_no_number_is_no_measure(value):
    for parts in ((value,), (0.5, value), (0.5, 0.5, value)):
        with pytest.raises(InternalError):
            Measure("x", *parts)


def test_a_measure_has_a_value_or_a_reason():
    with pytest.raises(InternalError):
        Measure("x", None)
    with pytest.raises(InternalError):
        Measure("x", 0.5, refused="but why")
    assert Measure.of_counts("x", (0, 0)).refused == "there is nothing to count"


def test_means_are_taken_of_seeds_of_one_measure():
    for wrong in ([], [Measure("x", 1.0), Measure("y", 1.0)]):
        with pytest.raises(InputError, match="seeds of one measure"):
            over_seeds(wrong)
    with pytest.raises(InputError, match="means over seeds already"):
        over_seeds([over_seeds([Measure("x", 1.0)] * 2)])


def test_recall_has_no_null_and_no_control_that_cannot_fail():
    several = recall(*measured(FactTable.random_bijections(8, 2, seed=0)))
    assert None not in (several.null, several.control)
    one = recall(*measured(FactTable.random_bijections(1, 2, seed=0)))
    assert (one.value, one.null, one.control) == (1, None, None)
    alike = recall(*measured(FactTable(np.zeros((2, 8), dtype=np.int64))))
    assert (alike.value, alike.null, alike.control) == (1, None, 1)
