"""Reading by position: codes of positions leave a gap, a softmax leaks less than is stated, and
what other positions do is not read (docs/position_reading.md).
"""

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from many_hops import NAMES, cases, margin_of

from constructions import (
    CATALOGUE,
    FactTable,
    InputError,
    hybrid,
    key_value,
    key_value_rows,
    meet_in_the_middle,
    precomputed,
    precomputed_digits,
)
from constructions.following.static_prefix import prefix_is_static
from constructions.guards.errors import InternalError
from constructions.writing.position_reading import GAIN, leak_bound, position_codes, with_leaks
from verify.queries.recall import check_recall


@given(n=st.integers(2, 70))
def test_position_codes_leave_a_gap_of_two_gains(n):
    codes = position_codes(n).astype(int) * 1
    scores = GAIN * codes @ codes.T
    best = np.diag(scores).copy()
    np.fill_diagonal(scores, -(10**9))
    assert ((best - scores.max(1)) >= 2 * GAIN).all()


@pytest.mark.parametrize("gain", [1, 3, 10])
def test_the_leak_bound_is_above_the_leak(gain):
    for n in (1, 2, 5, 33):
        leak = (n - 1) * np.exp(-2.0 * gain)
        assert float(leak_bound(n, gain)) >= leak
    assert isinstance(leak_bound(5), Fraction)
    assert 0 < leak_bound(2) < Fraction(1, 2**2900)


@given(case=cases())
@settings(max_examples=30)
def test_the_real_margin_is_that_in_the_dtype_less_a_positive_leak(case):
    name, facts, hops, given = case
    claim = CATALOGUE[name].build(facts, hops, given).margin
    assert claim.in_dtype == margin_of(name)
    assert claim.in_dtype - Fraction(1, 2**2000) < claim.real <= claim.in_dtype
    one_answer = len(np.unique(facts.answers)) == 1
    leaks = claim.real < claim.in_dtype
    assert leaks or one_answer, "where all embeddings are 0 nothing leaks"


@pytest.mark.parametrize(
    ("build", "gain"),
    [
        (key_value, 6),
        (precomputed, 6),
        (precomputed_digits, 6),
        (meet_in_the_middle, 6),
        (key_value_rows, 10),
        # queries leak as well
        (lambda facts, hops, **o: key_value_rows(facts, hops, share_layers=True, **o), 10),
        (lambda facts, hops, **o: hybrid(facts, hops, looked_up=1, share_layers=True, **o), 10),
    ],
)
def test_real_margin_bounds_a_softmax_that_does_leak(build, gain):
    """With a small gain the leak shows in float64; the measured margin is above the bound, and
    below that in the limit.
    """
    facts = FactTable.random_bijections(5, 2, seed=1)
    model = build(facts, 2, dtype=torch.float64)
    claim = model.margin
    with torch.no_grad():
        for layer in model.layers:
            if layer.attention is not None:
                layer.attention.query.weight.mul_(gain / GAIN)
    model.margin = claim  # of these weights too, for selection without a leak
    bound = with_leaks(model, gain).real
    measured = check_recall(model, facts, 2, "full").margin
    assert bound <= Fraction(measured) < claim.in_dtype


def test_a_gain_that_is_too_small_is_refused_not_certified():
    model = key_value(FactTable.random_bijections(5, 2), 2)
    with pytest.raises(InputError, match="gain of 1 leaves no margin"):
        with_leaks(model, gain=1)


def test_what_reads_written_slots_cannot_be_bounded():
    model = key_value(FactTable.random_bijections(5, 2), 2)
    with torch.no_grad():
        model.layers[1].attention.value.weight[0, model.stream["state"].columns[0]] = 1
    with pytest.raises(InternalError, match="reads what a layer has written"):
        with_leaks(model)


# ------------------------------------------------------------------ prefixes by their embeddings
# alone


@pytest.mark.parametrize("name", NAMES)
def test_prefixes_are_static_and_then_remembered_exactly(name):
    facts = FactTable.random_bijections(6, 2)
    model = CATALOGUE[name].build(facts, 3)
    assert prefix_is_static(model)
    tokens = torch.tensor([[2, 6, 7], [0, 7, 7]])
    with torch.no_grad():
        _, run = model.states(tokens)
        for fast, slow in zip(model.remember(tokens), run, strict=True):
            assert torch.equal(fast.keys, slow.keys)
            assert torch.equal(fast.values, slow.values)
        _, continued = model.states(tokens[:, 1:], model.remember(tokens[:, :1]))
        assert all(torch.equal(a.values, b.values) for a, b in zip(continued, run, strict=True))


@pytest.mark.parametrize("damage", ["reads a written slot", "NaN", "overflow"])
def test_what_is_not_static_is_noticed_and_run_in_full(damage):
    facts = FactTable.random_bijections(6, 2)
    model = key_value(facts, 3)
    with torch.no_grad():
        if damage == "reads a written slot":
            model.layers[2].attention.value.weight[0, model.stream["state"].columns[0]] = 5
        elif damage == "NaN":
            model.layers[0].mlp.matrix(0)[0, 0] = torch.nan
        else:
            model.layers[0].mlp.matrix(1)[0, 0] = 1e38
    assert not prefix_is_static(model)
    recall = check_recall(model, facts, 3, "full")
    tokens = torch.tensor(
        [
            [s, 6 + a, 6 + b, 6 + c]
            for s in range(6)
            for a in (0, 1)
            for b in (0, 1)
            for c in (0, 1)
        ]
    )
    with torch.no_grad():
        said = model(tokens)[:, -1]
    right = facts.answer(tokens[:, 0].numpy(), tokens[:, 1:].numpy() - 6)
    rows = torch.arange(len(said)), torch.from_numpy(right)
    own = said[rows]
    said[rows] = -torch.inf
    assert recall.wrong == int((~(own - said.amax(-1) > 0)).sum())
