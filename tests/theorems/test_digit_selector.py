"""Digits of C bits: digit_selector, with its constants, and what it shares with its neighbours."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import all_queries, bijections, functions

from bounds.sizes import predicted_for_bijections
from constructions import (
    CATALOGUE,
    MISSING,
    Codebook,
    Digits,
    DoesNotFit,
    FactTable,
    InputError,
    digit_selector,
    scalar_selector,
    selector,
)
from constructions.facts.codes import digit_codes
from constructions.theorems.lemmas import digit_blocks
from constructions.theorems.lemmas.closed_blocks import close_other_blocks
from verify.cells.cell import Cell
from verify.cells.verifying import run_cell
from verify.queries.readout import MarginReader
from verify.queries.recall import check_recall

FACTS = FactTable.random_bijections(37, 3, seed=5)


@given(facts=st.one_of(bijections(), functions()), bits=st.integers(1, 6))
def test_digit_selector_has_the_stated_size_and_margin_exactly_one(facts, bits):
    model = digit_selector(facts, bits_per_coordinate=bits)
    m, n_relations = Codebook.of(facts).bits, facts.n_relations
    n = math.ceil(m / bits)
    assert model.shape.d_model == n_relations * n + 1
    assert model.shape.layers[0].d_mlp == (n_relations * n,)
    for logits in ("full", "fast"):
        recall = check_recall(model, facts, logits=logits)
        assert (recall.wrong, recall.margin, recall.defect) == (0, 1, None)


def test_a_subject_holds_digits_and_all_blocks_but_one_are_closed():
    facts = FactTable.random_bijections(20, 2, seed=1)
    model = digit_selector(facts, bits_per_coordinate=2)
    trace = model.trace(torch.tensor([[7, 20 + 1]]))  # subject 7, relation 1

    def digits(relation):
        number = int(facts.answers[relation, 7])
        return [number % 4, number // 4 % 4, number // 16]

    def blocks(where, position):
        return model.slot_state(trace.residual[where], "attributes")[0, position].tolist()

    assert blocks("embedding", 0) == [digits(0), digits(1)]
    assert blocks("embedding", 1) == [[-3, -3, -3], [0, 0, 0]]
    assert blocks("layers.0.mid", 1) == [[digit - 6 for digit in digits(0)], digits(1)]
    assert blocks("layers.0.post", 1) == [[0, 0, 0], digits(1)]


@pytest.mark.parametrize("bits", [6, 7, 64])
def test_one_digit_for_all_answers_is_scalar_selector_weight_by_weight(bits):
    one, other = digit_selector(FACTS, bits_per_coordinate=bits), scalar_selector(FACTS)
    for (name, mine), (_, theirs) in zip(
        one.named_parameters(), other.named_parameters(), strict=True
    ):
        assert torch.equal(mine, theirs), name
    several = digit_selector(FACTS, bits_per_coordinate=5)
    assert several.shape.d_model == 2 * 3 + 1 > other.shape.d_model


def test_digits_of_one_bit_are_as_wide_as_selector():
    bits = digit_selector(FACTS, bits_per_coordinate=1)
    assert bits.shape == selector(FACTS).shape
    assert torch.equal(bits.embedding.weight, selector(FACTS).embedding.weight)


@pytest.mark.parametrize("bits", [1, 2, 3, 6])
def test_the_margin_is_read_off_a_state_of_digits_exactly(bits):
    """Without all logits: 1 at each query, also where all digits are the largest."""
    model = digit_selector(FACTS, bits_per_coordinate=bits)
    subjects, paths = all_queries(FACTS)
    tokens = torch.from_numpy(np.stack([subjects, FACTS.n_entities + paths[:, 0]], axis=1))
    answers = torch.from_numpy(FACTS.answers[paths[:, 0], subjects])
    with torch.no_grad():
        margins = MarginReader(model).margins(model.states(tokens)[0][:, -1], answers)
    assert (margins == 1).all()


def test_missing_facts_are_answered_with_unknown():
    answers = FACTS.answers.copy()
    answers[1, ::3] = -1
    facts = FactTable(answers)
    model = digit_selector(facts)
    assert check_recall(model, facts, logits="full").margin == 1
    assert model.answer(0, [1]) == MISSING


# ------------------------------------------------------------------ exactness


@pytest.mark.parametrize(
    ("dtype", "bits", "answers"),
    [(torch.bfloat16, 3, 8), (torch.float16, 4, 4096), (torch.float16, 5, 27)],
)
def test_digit_selector_takes_just_what_its_dtype_holds(dtype, bits, answers):
    """3 n L^2 <= 2 / eps, on both sides of the limit."""
    exact = 2 / torch.finfo(dtype).eps

    def sums(count):
        n = math.ceil(max(1, (count - 1).bit_length()) / bits)
        return 3 * n * (min(2**bits, count) - 1) ** 2

    assert sums(answers) <= exact < sums(answers + 1)
    facts = FactTable.random_bijections(answers, 2)
    model = digit_selector(facts, bits_per_coordinate=bits, dtype=dtype)
    assert check_recall(model, facts, logits="both").margin == 1
    with pytest.raises(DoesNotFit, match=r"sums reach .* exactly up to .*use a wider dtype"):
        digit_selector(
            FactTable.random_bijections(answers + 1, 2), bits_per_coordinate=bits, dtype=dtype
        )


def test_float32_takes_what_the_page_says():
    def sums(bits, digits):
        return 3 * digits * (2**bits - 1) ** 2

    assert max(sums(c, math.ceil(64 / c)) for c in range(1, 10)) <= 2**24
    assert sums(10, 5) <= 2**24 < sums(10, 6)
    assert all(sums(c, 2) > 2**24 for c in range(11, 25))
    assert 3 * 2364**2 <= 2**24 < 3 * 2365**2


@pytest.mark.parametrize("bits", [0, -1, 65, 2.0, None, True])
def test_bits_that_no_digit_has_are_refused(bits):
    with pytest.raises(InputError, match="bits_per_coordinate"):
        digit_selector(FACTS, bits_per_coordinate=bits)


@pytest.mark.parametrize("bits", [0, 65, 10**12])
def test_a_cell_of_such_bits_is_unknown_at_once(bits):
    """Before formulas are evaluated, which would take for ever."""
    result = run_cell(Cell("digit_selector", 5, 2, options=(("bits_per_coordinate", bits),)))
    assert result.verdict == "UNKNOWN"
    assert f"must be an integer from 1 to 64; got {bits}" in result.reason


# ------------------------------------------------------------------ sizes and codes


@pytest.mark.parametrize(
    ("bits", "d_model"), [(1, 193), (2, 97), (3, 65), (4, 49), (6, 33), (11, 33), (12, 17)]
)
def test_sizes_in_numbers(bits, d_model):
    given = {"bits_per_coordinate": bits}
    costs = predicted_for_bijections(CATALOGUE["digit_selector"], 4096, 16, 1, given)
    assert (costs.d_model, costs.d_mlp) == (d_model, d_model - 1)
    assert costs.embedding_fact_bits == (d_model - 1) * bits
    assert costs.internal_fact_bits == costs.unembedding_fact_bits == 0


@pytest.mark.parametrize("bits", [1, 2, 3, 5])
def test_the_sizes_of_a_built_model_are_those_of_the_formulas(bits):
    options = (("bits_per_coordinate", bits),)
    for n, r in ((1, 1), (1, 2), (2, 2), (5, 1), (16, 3), (17, 2), (64, 2)):
        result = run_cell(Cell("digit_selector", n, r, options=options))
        assert result.verdict == "PASS", (n, r, result.reason)


@given(base=st.integers(2, 40), digits=st.integers(1, 6), data=st.data())
def test_digits_are_those_of_the_number(base, digits, data):
    number = data.draw(st.integers(0, base**digits - 1))
    found = digit_codes([number], base, digits)[0]
    assert ((found >= 0) & (found < base)).all()
    assert sum(int(d) * base**i for i, d in enumerate(found)) == number
    if base == 2:
        book = Codebook(np.arange(2**digits))
        rows = Digits(book, 2, digits).rows(np.array([number]))
        assert (rows == book.binary(np.array([number]))).all()


# ------------------------------------------------------------------ controls


@pytest.mark.parametrize("close", [0, 1, 2])
def test_blocks_that_are_not_closed_as_far_as_the_largest_digit_are_noticed(monkeypatch, close):
    """-3 closes digits up to 6 less; -1 or -2 leave something of a 3, or nothing: twice counts."""
    monkeypatch.setattr(
        digit_blocks,
        "close_other_blocks",
        lambda draft, blocks, largest: close_other_blocks(draft, blocks, close),
    )
    recall = check_recall(digit_selector(FACTS), FACTS, logits="full")
    assert (recall.wrong > 0) == (2 * close < 3)


def test_two_answers_with_the_same_digits_are_noticed(monkeypatch):
    def cut(numbers, base, digits):
        return digit_codes(numbers, base, digits) * (np.arange(digits) > 0)

    monkeypatch.setattr(digit_blocks, "digit_codes", cut)
    model = digit_selector(FACTS)
    assert "same code" in check_recall(model, FACTS, logits="fast").defect
    assert check_recall(model, FACTS, logits="full").wrong > 0
