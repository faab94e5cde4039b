"""The readout is checked before the fast decision is used: what is declared, and what rounding may do."""

import re

import numpy as np
import pytest
import torch
from damaged_models import FACTS, SINGLE_HOP, model_of
from hypothesis import given
from hypothesis import strategies as st
from strategies import seeds

from constructions import (
    CATALOGUE,
    FactTable,
    digit_selector,
    scalar_selector,
    selector,
    superposition,
)
from constructions.model.readout import BankField, NumberField, Readout, SignField
from verify.queries.readout import MarginReader
from verify.queries.readout_declared import check_readout
from verify.queries.recall import check_recall


def test_a_difference_in_the_last_bit_is_shown_as_one():
    model = CATALOGUE["scalar_selector"].build(FactTable.random_bijections(4, 2, seed=0))
    weight = model.unembedding.weight.data
    row, column = weight.nonzero()[0].tolist()
    weight[row, column] *= 1 + 2**-23
    found, declared = re.search(
        r"has (\S+) in column .* has (\S+)$", check_readout(model)
    ).groups()
    assert float(found) == weight[row, column].item() != float(declared)


def test_the_decoder_check_reads_every_entry():
    for name in SINGLE_HOP:
        model, _ = model_of(name)
        assert check_readout(model) is None
        weight = model.unembedding.weight
        for row in range(weight.shape[0]):
            for column in range(weight.shape[1]):
                with torch.no_grad():
                    kept = weight[row, column].item()
                    weight[row, column] = kept + 1
                    assert f"token {row} " in check_readout(model)
                    weight[row, column] = kept


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: SignField(f.tokens, np.ones_like(f.codes), f.read), "two tokens the same code"),
        (lambda f: SignField(f.tokens, f.codes * 2, f.read), "other than -1 and \\+1"),
        (lambda f: SignField(np.zeros_like(f.tokens), f.codes, f.read), "read before"),
        (lambda f: SignField(f.tokens[:0], f.codes[:0], f.read), "reads no token"),
        (lambda f: SignField(f.tokens, f.codes[:, :-1], f.read), "codes of shape"),
        (lambda f: SignField(f.tokens[:-1], f.codes, f.read), "codes of shape"),
        (lambda f: SignField(f.tokens, f.codes.astype(float), f.read), "codes of shape"),
        (lambda f: SignField(f.tokens, f.codes, f.read, bonus=f.read), "needs a single bonus"),
        (lambda f: SignField(f.tokens + 10**6, f.codes, f.read), "does not exist"),
        (
            lambda f: NumberField(f.tokens, np.arange(37) / 2, f.read[0], f.read[0]),
            "one integer for each token",
        ),
        (
            lambda f: NumberField(f.tokens, np.arange(38), f.read[0], f.read[0]),
            "one integer for each token",
        ),
        (
            lambda f: NumberField(f.tokens, np.arange(37), f.read, f.read[0]),
            "one integer for each token",
        ),
        (lambda f: BankField(f.tokens, f.codes, f.read), "row of forms for each bank"),
        (lambda f: type("Sly", (SignField,), {})(f.tokens, f.codes, f.read), "is a Sly"),
    ],
)
def test_an_unsound_declaration_is_a_defect(damage, message):
    model, facts = model_of("selector")
    (field,) = model.readout.fields
    model.readout = Readout((damage(field),), model.readout.rest)
    with pytest.raises(AssertionError, match=message):
        assert check_recall(model, facts, logits="fast").defect is None, check_recall(
            model, facts, logits="fast"
        ).defect


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: NumberField(f.tokens, f.numbers[:, :-1], f.read, f.one), "one integer for"),
        (lambda f: NumberField(f.tokens, f.numbers[:, 0], f.read, f.one), "one integer for"),
        (lambda f: NumberField(f.tokens, f.numbers, f.read[0], f.one), "one integer for"),
        (lambda f: NumberField(f.tokens, f.numbers, f.read, f.read), "one integer for"),
        (lambda f: NumberField(f.tokens, f.numbers // 2, f.read, f.one), "the same code"),
    ],
)
def test_digits_that_are_no_declaration_are_a_defect(damage, message):
    model = digit_selector(FACTS)
    (field,) = model.readout.fields
    assert check_readout(model) is None
    model.readout = Readout((damage(field),), model.readout.rest)
    assert message in check_readout(model)


def test_equal_numbers_are_a_defect():
    model = scalar_selector(FACTS)
    (field,) = model.readout.fields
    model.readout = Readout(
        (NumberField(field.tokens, field.numbers * 0, field.read, field.one),), model.readout.rest
    )
    assert "same code" in check_readout(model)


@given(seed=seeds, scale=st.sampled_from([0.1, 1.0, 3.0]))
def test_margins_are_lower_bounds_for_any_state(seed, scale):
    """Against all logits in float64, for states far from any code: the bound never exceeds the
    true margin.
    """
    generator = torch.Generator().manual_seed(seed)
    split = FactTable.random_disjoint(11, 3, seed=2)
    partial = split.answers.copy()
    partial[1, 4] = -1
    tables = [
        (selector, FACTS),
        (scalar_selector, FACTS),
        (digit_selector, FACTS),
        (superposition, split),
        (superposition, FactTable(partial)),
    ]
    for build, facts in tables:
        model = build(facts, dtype=torch.float64)
        states = scale * torch.randn(
            200, model.shape.d_model, generator=generator, dtype=torch.float64
        )
        possible = torch.from_numpy(np.unique(facts.answers[facts.answers >= 0]))
        answers = possible[torch.randint(0, len(possible), (200,), generator=generator)]
        logits = model.unembedding(states).detach()
        own = logits.gather(1, answers[:, None])[:, 0]
        logits.scatter_(1, answers[:, None], -torch.inf)
        true = own - logits.amax(1)
        bound = MarginReader(model).margins(states, answers)
        assert bool((bound <= true + 1e-9).all())
        assert not bound.isnan().any()


def test_rounding_is_none_only_for_exact_integers():
    model = selector(FACTS)
    reader, d = MarginReader(model), model.shape.d_model
    ones = torch.ones(2, d)
    assert reader.rounding(ones) is None
    mixed = reader.rounding(torch.stack([ones[0], ones[0] / 3]))
    assert mixed[0] == 0
    assert mixed[1] > 0


def test_rounding_bounds_a_sum_of_d_products():
    model = selector(FACTS)
    reader, d = MarginReader(model), model.shape.d_model
    eps = 2.0**-23
    third = (torch.ones(1, d) / 3).float()
    magnitude = third[0, 0].item() * reader.largest.sum().item()
    least = 2 * magnitude * d * eps / 2
    assert least <= reader.rounding(third).item() <= 1.01 * least + 1e-30
    edge = torch.zeros(2, d)
    column = int(reader.largest.argmax())
    edge[0, column], edge[1, column] = 2.0**24 / 8, 2.0**24
    assert reader.largest[column] == 7
    found = reader.rounding(edge)
    assert found[0] == 0  # 7 * 2^21 is exact
    assert found[1] > 0  # 7 * 2^24 is not


def test_rounding_counts_the_weights_themselves():
    """A weight can exceed every declared form: the constant column adds up m signs."""
    model = selector(FACTS)
    model.write_readout(Readout(model.readout.fields, rest=None))
    largest = MarginReader(model).largest
    assert (largest >= model.unembedding.weight.abs().amax(0)).all()
    assert largest[model.stream["one"].columns] == 6


def test_rounding_is_infinite_where_logits_overflow():
    reader = MarginReader(selector(FACTS))
    huge = torch.full((1, selector(FACTS).shape.d_model), 1e38)
    assert reader.rounding(huge).item() == torch.inf


def test_weights_that_are_no_integers_are_never_exact():
    model = selector(FACTS)
    (field,) = model.readout.fields
    tiny = SignField(
        field.tokens,
        field.codes,
        2.0**-30 * model.stream["attributes"].sum(axis=0),
        bonus=model.stream["one"].form(),
    )
    model.write_readout(Readout((tiny,), -1 * model.stream["one"].form()))
    fast, full = (check_recall(model, FACTS, logits=mode) for mode in ("fast", "full"))
    assert full.wrong + full.unknown == fast.wrong + fast.unknown > 0
