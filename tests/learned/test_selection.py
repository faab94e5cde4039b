"""Which units select which relation, against the mask that is known; attention to the subject."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from decoders_to_measure import BIJECTIONS, GEOMETRIC, N, R, edited, turned

from constructions import (
    FactTable,
    attention_selector,
    key_value,
    key_value_rows,
    selector,
    superposition,
    widen,
)
from constructions.guards.errors import InputError
from verify.learned.adapters import of, scrambled
from verify.learned.attention import attention
from verify.learned.planted import planted_units
from verify.learned.selection import selection

CLOSING = [
    name
    for name in GEOMETRIC
    if "selector" in name and not name.startswith("attention") and "RMSNorm" not in name
]


@pytest.mark.parametrize("name", CLOSING)
def test_the_exact_mask_of_a_selector_is_found(name):
    model = GEOMETRIC[name]()
    found, planted = selection(of(model)), planted_units(model)
    agreement = found.agreement(planted.on, planted.units)
    assert agreement.value == 1
    assert agreement.null == 0
    assert found.measure.value == pytest.approx(1, abs=1e-6)
    assert found.measure.null < 0.3


def test_the_mask_stays_in_a_wider_model_and_further_units_are_off():
    model = widen(selector(BIJECTIONS), d_model=40, d_mlp=30)
    found, planted = selection(of(model)), planted_units(model)
    assert found.agreement(planted.on, planted.units).value == 1
    assert len(planted.units) == 24
    assert not found.on[:, 24:].any()
    assert not found.score[24:].any()


def test_units_behind_a_norm_are_found():
    model = GEOMETRIC["selector with RMSNorm"]()
    planted = planted_units(selector(BIJECTIONS))
    assert selection(of(model)).agreement(planted.on, planted.units).value == 1


def test_a_unit_that_ignores_its_mask_is_noticed():
    """Relation 2 no longer closes the first column of block 0: one unit of 24 is off for it."""

    def leave_open(table):
        table[N + 2, 0] = 0

    model = selector(BIJECTIONS)
    broken, planted = edited(model, "embedding.weight", leave_open), planted_units(model)
    found = selection(of(broken)).agreement(planted.on, planted.units)
    assert found.value == Fraction(23, 24)


def test_a_unit_that_does_not_look_at_the_relation_is_on_for_all():
    """A unit that reads nothing but the subject."""

    def ignore(table):
        table[N:, 0] = -3

    model = selector(BIJECTIONS)
    found = selection(of(edited(model, "embedding.weight", ignore)))
    assert found.score[0] == 0
    assert found.on[:, 0].all()


def test_the_null_of_units_that_fire_once_is_high():
    """Each unit of a key-value memory fires for one query: it has a relation however relations are
    shuffled, and a high score is no evidence there.
    """
    found = selection(of(key_value(BIJECTIONS, hops=1))).measure
    assert found.value > 0.9
    assert found.null > 0.9


def test_random_weights_prefer_relations_too():
    """So that the control must be an untrained decoder, and not the shuffled null."""
    decoder = of(turned(selector(BIJECTIONS)))
    found = selection(decoder, control=scrambled(decoder)).measure
    assert found.null < found.control < found.value


def test_without_units_or_relations_there_is_nothing_to_select():
    none = selection(of(superposition(FactTable.random_disjoint(N, R, seed=1))))
    assert none.measure.refused == "there are no hidden units"
    one = selection(of(selector(FactTable.random_bijections(N, 1, seed=1))))
    assert one.measure.refused == "with one relation there is nothing to select"
    lost = edited(selector(BIJECTIONS), "embedding.weight", lambda e: e.fill_(torch.nan))
    assert selection(of(lost)).measure.refused == "activations are not finite"
    with pytest.raises(InputError, match="no units of key_value close"):
        planted_units(key_value(BIJECTIONS, hops=1))
    with pytest.raises(InputError, match="the mask must have"):
        selection(of(selector(BIJECTIONS))).agreement(np.ones((2, 2), bool), np.arange(2))


@pytest.mark.parametrize("name", ["selector", "selector, turned", "superposition"])
def test_uniform_attention_is_exactly_one_half(name):
    found = attention(of(GEOMETRIC[name]()))
    assert found.measure.value == found.measure.null == found.measure.control == Fraction(1, 2)
    assert (found.by_head == 0.5).all()


@pytest.mark.parametrize("form", [lambda model: model, turned])
def test_heads_of_the_attention_selector_look_at_the_subject_when_asked(form):
    """Head h: e^beta / (1 + e^beta) if the relation is h, else 1 / (1 + e^beta)."""
    found = attention(of(form(attention_selector(BIJECTIONS, beta=3))))
    on = 1 / (1 + np.exp(-3))
    expected = np.where(np.eye(R, dtype=bool), on, 1 - on)
    assert found.by_head == pytest.approx(expected, abs=1e-6)
    assert found.measure.value == pytest.approx(expected.mean(), abs=1e-6)
    assert found.measure.control == pytest.approx(0.5)


def test_attention_to_the_wrong_place_is_noticed():
    """The queries of all heads have the other sign."""
    broken = edited(
        attention_selector(BIJECTIONS, beta=3),
        "layers.0.attention.query.weight",
        lambda q: q.neg_(),
    )
    found = attention(of(broken))
    assert (np.diag(found.by_head) < 0.1).all()
    assert found.measure.value == pytest.approx((0.04742587 + 3 * 0.95257413) / 4, abs=1e-6)


def test_a_head_that_looks_at_a_place_has_the_value_as_its_control():
    found = attention(of(key_value_rows(BIJECTIONS, hops=1)))
    assert found.by_head[:, 0] == pytest.approx(1)
    assert found.measure.control == found.measure.value


def test_without_numbers_there_is_no_attention():
    lost = edited(selector(BIJECTIONS), "embedding.weight", lambda e: e.fill_(torch.nan))
    assert attention(of(lost)).measure.value == pytest.approx(0.5)
    lost = edited(attention_selector(BIJECTIONS), "embedding.weight", lambda e: e.fill_(torch.nan))
    assert attention(of(lost)).measure.refused == "shares are not finite"


def test_printed_they_are_their_measure_and_a_line():
    found = selection(of(selector(BIJECTIONS)))
    on = int((found.score >= 0.5).sum())
    assert str(found).splitlines() == [
        str(found.measure),
        f"{on} of {len(found.score)} units are on for some of the {R} relations alone",
    ]
    looks = attention(of(selector(BIJECTIONS)))
    assert str(looks).splitlines() == [
        "attention to the subject: 0.500 (null 0.500, control 0.500)",
        f"of 1 head and {R} relations: 0.500 to 0.500",
    ]


def test_printed_they_say_why_there_is_none():
    one = selection(of(selector(FactTable.random_bijections(8, 1, seed=0))))
    assert str(one) == "selection: refused, with one relation there is nothing to select"
    broken = edited(selector(BIJECTIONS), "embedding.weight", lambda w: w.fill_(np.nan))
    assert str(attention(of(broken))).count("\n") <= 1
