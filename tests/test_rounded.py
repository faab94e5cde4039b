"""No answer is called right that another order of summation turns; where arithmetic is exact, none
is doubted.
"""

import copy
import os

import numpy as np
import pytest
import torch
from near_ties import margins, near_tie, permuted, sequences, shapes

from constructions import (
    CATALOGUE,
    FactTable,
    StandardDecoder,
    StandardShape,
    attention_selector,
    selector,
    standard,
)
from constructions.decoders.network import network_of_decoder
from constructions.following.boxes import Box
from constructions.following.changes import Change
from constructions.following.follower import Follower
from constructions.following.norms import layer_norm, rms_norm
from verify.queries.answers import Recall
from verify.queries.exact import Exactness
from verify.queries.recall import check_recall
from verify.queries.rounded import Rounding

FRESH = int(os.environ["TEST_SEED"])
"""Another one in each run; every message has it."""
MODELS = 8


def rng_of(*key):
    return np.random.default_rng([FRESH, *key])


# ------------------------------------------------------------------ models on the edge


def found_of(key, **how):
    """An edited model, what the pass says of it, and for each query: wrong in all shapes of the
    batch, wrong in any.
    """
    rng = rng_of(*key)
    model, facts, reported = near_tie(rng, **how)
    wrong = torch.stack([~(found > 0) for _, found in shapes(model, facts, rng)])
    recall = check_recall(
        model, facts, model.hops, "full", batch_rows=int(rng.choice([1, 4, 17, 1000]))
    )
    return recall, wrong.all(0), wrong.any(0), f"{reported} ({FRESH} {key}): {recall}"


@pytest.mark.parametrize("key", range(MODELS))
def test_no_edited_model_is_called_right_that_is_wrong_in_another_shape(key):
    recall, always, ever, reported = found_of((1, key), largest=7, most=24)
    assert recall.queries == len(ever), reported
    assert recall.verdict != "PASS" or not ever.any(), reported
    assert recall.wrong <= int(always.sum()), (
        reported
    )  # what is surely wrong is wrong in every shape
    assert recall.queries - recall.wrong - recall.unknown <= int((~ever).sum()), reported


def test_without_a_bound_some_edited_model_is_called_right_and_is_wrong(monkeypatch):
    """The control: the rule that any positive margin will do is refuted by the same models."""

    def trusting(self, margins, tokens, answers, open_):
        return open_ & ~(margins > 0), torch.zeros_like(open_)

    monkeypatch.setattr(Rounding, "decide", trusting)
    for key in range(40):
        name = ["selector", "attention_selector", "superposition"][key % 3]
        recall, _, ever, _ = found_of(
            (2, key), name=name, form="itself", dtype=torch.float32, largest=12, edge=True
        )
        if recall.verdict == "PASS" and ever.any():
            return
    raise AssertionError(f"40 models on the edge, and none was wrong in another shape ({FRESH})")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_near_tie_is_unknown_a_clear_one_is_not(dtype):
    facts = FactTable.random_bijections(6, 2, seed=3)
    model = attention_selector(facts, dtype=dtype, beta=8)
    clear = check_recall(model, facts, logits="full")
    assert (clear.verdict, clear.unknown) == ("PASS", 0)
    answer = int(facts.answer(2, [1]))
    with torch.no_grad():
        model.unembedding.weight[(answer + 1) % 6] = (
            1 - 4 * torch.finfo(dtype).eps
        ) * model.unembedding.weight[answer]
    near = check_recall(model, facts, logits="full")
    assert near.unknown >= 1
    assert near.verdict in ("UNKNOWN", "FAIL")
    assert "in another order of summation" in near.reason
    for mode in ("fast", "both"):  # the unembedding is no longer as declared
        assert check_recall(model, facts, logits=mode).verdict == "FAIL"


def test_a_tie_is_wrong_where_arithmetic_is_exact_and_unknown_where_it_rounds():
    facts = FactTable.random_bijections(6, 2, seed=3)
    exact, rounding = selector(facts), attention_selector(facts)
    with torch.no_grad():
        for model in (exact, rounding):
            model.unembedding.weight[0] = model.unembedding.weight[1]
    assert (
        check_recall(exact, facts, logits="full").wrong,
        check_recall(exact, facts, logits="full").unknown,
    ) == (
        4,
        0,
    )
    found = check_recall(rounding, facts, logits="full")
    assert found.wrong + found.unknown == 4
    assert found.unknown > 0


def test_verdicts():
    assert Recall(planned=1, queries=1, margin=1.0).verdict == "PASS"
    assert Recall().verdict == "UNKNOWN"
    assert Recall(planned=1, queries=1, margin=float("nan")).verdict == "FAIL"
    assert Recall(2, 2, margin=1.0, unknown=1).verdict == "UNKNOWN"
    assert Recall(2, 2, margin=1.0, reason="not plain").verdict == "UNKNOWN"
    assert Recall(2, 2, margin=1.0, unknown=1, wrong=1).verdict == "FAIL"
    assert Recall(2, 2, margin=1.0, defect="not as declared").verdict == "FAIL"


def test_a_query_that_was_undecided_stays_so_along_a_chain():
    facts = FactTable.random_bijections(5, 2, seed=1)
    model = CATALOGUE["chain_of_thought"].build(facts, 2)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name != "unembedding.weight":
                weight.mul_(1 + 1e-6)  # nothing is exact, all is right
        model.unembedding.weight[0] = model.unembedding.weight[1] * (1 - 1e-7)
    recall = check_recall(model, facts, 2, "full")
    assert recall.queries == 20
    assert 0 < recall.unknown < 20
    assert recall.verdict in ("UNKNOWN", "FAIL")


# ------------------------------------------------------------------ what is exact


@pytest.mark.parametrize("name", CATALOGUE)
@pytest.mark.parametrize("form", ["itself", "rmsnorm"])
def test_constructions_are_exact_and_then_the_same_bit_for_bit(name, form, monkeypatch):
    """Rounding is never asked, in any mode; and no shape of the batch changes a margin."""
    entry = CATALOGUE[name]
    facts = entry.random_facts(5, 2, 3)
    model = entry.build(facts, 2 if entry.multi_hop else 1)
    if form == "rmsnorm":
        model = standard(model, norm="rmsnorm", placement="post", proven=False)
    asked = []
    decide = Rounding.decide
    monkeypatch.setattr(
        Rounding, "decide", lambda self, *args: asked.append(self) or decide(self, *args)
    )
    for mode in ("full",) if form == "rmsnorm" else ("fast", "full", "both"):
        assert check_recall(model, facts, model.hops, mode).verdict == "PASS"
    if name == "attention_selector":
        assert asked
        return
    assert not asked
    found = [margin for _, margin in shapes(model, facts, rng_of(3))]
    assert all(torch.equal(margin, found[0]) for margin in found)


def edited(key, steps=1.0):
    """A construction with weights on random grids, of random sizes; whether it is proven exact;
    two orders of summation.
    """
    rng = rng_of(4, key)
    name = rng.choice([name for name in CATALOGUE if name != "attention_selector"])
    entry = CATALOGUE[name]
    facts = entry.random_facts(int(rng.integers(2, 7)), 2, key)
    model = entry.build(facts, 2 if entry.multi_hop else 1)
    with torch.no_grad():
        for weight in model.parameters():
            size, share = 2.0 ** rng.integers(-9, 12), rng.choice([0.0, 0.0, 0.1, 0.5])
            whole = torch.from_numpy(rng.integers(-9, 10, tuple(weight.shape))).to(weight)
            weight.add_(whole * size * torch.from_numpy(rng.random(tuple(weight.shape)) < share))
    exactness = Exactness(torch.float32)
    exactness.arithmetic.steps *= steps
    tokens, _ = sequences(model, facts)
    other = permuted(model, rng)
    with torch.no_grad():
        cache, later = None, None
        for token in tokens.split(1, -1):
            with exactness:
                states, cache = model.states(token, cache)
            wide, later = other.double().states(token, later)
        proven = exactness.exact_product(states, model.unembedding.weight)
        same = torch.equal(model.unembedding(states).double(), other.unembedding(wide))
    return proven, same, f"{name} ({FRESH} {key})"


def test_what_is_proven_exact_is_what_real_arithmetic_gives():
    """Against float64 with the coordinates in another order: the same numbers, whatever the
    weights.
    """
    found = [edited(key) for key in range(40)]
    for proven, same, reported in found:
        assert same or not proven, reported
    assert any(proven for proven, _, _ in found)
    assert any(not same for _, same, _ in found)


def test_a_reach_that_is_too_large_is_noticed():
    assert any(
        proven and not same
        for proven, same, _ in (edited(key, steps=2.0**20) for key in range(120))
    )


@pytest.mark.parametrize(
    ("change", "exact"),
    [
        (lambda model: model.embedding.weight.mul_(3), True),
        (lambda model: model.embedding.weight.mul_(2.0**-20), True),
        (lambda model: model.embedding.weight.mul_(1 / 3), False),
        (lambda model: model.embedding.weight.mul_(2.0**-130), False),  # products underflow
        (lambda model: model.layers[0].mlp.matrix(0).mul_(2**24 - 1), False),
        (lambda model: model.layers[0].attention.value.weight.mul_(2.0**126), False),
        (lambda model: model.unembedding.weight[0].mul_(1 / 3), False),
        (lambda model: model.unembedding.weight[0, 0].fill_(torch.nan), False),
        (lambda model: model.embedding.weight[0, 0].fill_(torch.inf), False),
    ],
)
def test_what_makes_a_selector_exact(change, exact):
    model = selector(FactTable.random_bijections(6, 2, seed=3))
    exactness, tokens = Exactness(torch.float32), sequences(model, model.facts)[0]
    with torch.no_grad():
        change(model)
        with exactness:
            _, cache = model.states(tokens[:, :1])
            states, _ = model.states(tokens[:, 1:], cache)
        assert exactness.exact_product(states, model.unembedding.weight) is exact


@pytest.mark.parametrize(
    ("scale", "exact"),
    [(1, True), (2.0**-1, True), (2.0**-2, False), (2.0**-8, False), (0, False)],
)
def test_a_softmax_is_exact_if_what_it_leaks_underflows(scale, exact):
    """Gaps of 2048; with a quarter of it the leak still underflows in float32, but not in
    float64.
    """
    facts = FactTable.random_bijections(4, 2, seed=3)
    model = CATALOGUE["key_value"].build(facts, 2)
    exactness, tokens = Exactness(torch.float32), sequences(model, facts)[0]
    with torch.no_grad():
        model.layers[0].attention.query.weight.mul_(scale)
        cache = None
        for token in tokens.split(1, -1):
            with exactness:
                states, cache = model.states(token, cache)
        assert exactness.exact_product(states, model.unembedding.weight) is exact


# ------------------------------------------------------------------ rounding through norms


def decoder_of(key):
    rng = rng_of(5, key)
    norm, placement = [
        ("rmsnorm", "pre"),
        ("layernorm", "pre"),
        ("layernorm", "post"),
        ("rmsnorm", "post"),
    ][key % 4]
    torch.manual_seed(int(rng.integers(2**31)))
    decoder = StandardDecoder(
        StandardShape(11, 24, 2, 2, 4, 16, 5, norm=norm, placement=placement)
    )
    with torch.no_grad():
        for weight in decoder.parameters():
            weight.copy_(torch.randn_like(weight) * 0.5 + (weight.dim() == 1))
        decoder.positions.weight[:, :4] += 2.0 ** int(rng.integers(3, 12)) * torch.tensor(
            [1, -1, 1, -1]
        )
    return decoder, torch.from_numpy(rng.integers(0, 11, (6, 4)))


def off_by(key, unit=1.0):
    """Of logits in float32, several ways: how far from the reference, in parts of what is allowed,
    at most.
    """
    decoder, tokens = decoder_of(key)
    change = Change(torch.float32)
    change.unit *= unit
    follower = Follower(network_of_decoder(decoder), 4)
    bound = follower.logits(follower.points(tokens, change), change, 1)
    middle, half = (bound.low + bound.high) / 2, (bound.high - bound.low) / 2
    worst = 0.0
    with torch.no_grad():
        wide = copy.deepcopy(decoder).double()
        if bound.error.isnan().any():
            return torch.nan  # nothing is known: a norm of something near 0
        for one in (
            decoder(tokens),
            torch.cat([decoder(row[None]) for row in tokens]),
            wide(tokens),
        ):
            off = (one[:, -1:].double() - middle).abs() / (half + bound.error)
            worst = max(worst, off.max().item())
    return worst


def test_rounding_through_norms_is_within_its_bound():
    found = [off_by(key) for key in range(24)]
    assert all(not off > 1 for off in found), (FRESH, found)
    assert sum(off <= 1 for off in found) >= 5, (FRESH, found)


def test_a_bound_that_is_much_too_small_is_noticed():
    assert any(off_by(key, unit=1e-4) > 1 for key in range(12))


@pytest.mark.parametrize("norm", ["rmsnorm", "layernorm"])
def test_the_worst_order_of_a_sum_of_squares_is_within_the_bound(norm):
    """2^24 + 1 is 2^24 in float32: added one by one after it, 4,095 squares of 1 are lost."""
    d = 4096
    x = torch.ones(1, 1, d, dtype=torch.float64)
    x[..., ::2] = -1  # the mean is almost 0
    x[..., 0] = 2.0**12
    box, gain, change = Box(x, x, 0 * x), torch.ones(d, dtype=torch.float64), Change(torch.float32)
    y = (
        rms_norm(box, gain, 2.0**-23, change)
        if norm == "rmsnorm"
        else layer_norm(box, gain, None, 1e-5, change)
    ).unscaled()
    lost = x * (2.0**24 / d) ** -0.5
    beside = torch.zeros(()) if y.shift is None else y.shift
    assert bool(
        ((lost - (y.low + y.high) / 2).abs() <= (y.high - y.low) / 2 + y.error + beside)[
            ..., :1
        ].all()
    )
    assert float((lost - (y.low + y.high) / 2).abs().amax() / lost.abs().amax()) > 1e-4


def test_a_shift_that_all_coordinates_share_is_not_lost():
    """Beside a slack of 2^k the mean rounds; what reads a single coordinate, and no difference,
    does see it.
    """
    model = standard(selector(FactTable.random_bijections(4, 2, seed=1)), norm="layernorm")
    change, follower = Change(torch.float32), Follower(network_of_decoder(model), 2)
    tokens = sequences(model, model.facts)[0]
    small = follower.logits(follower.points(tokens, change), change, 1).error.max()
    with torch.no_grad():
        mirror = torch.from_numpy(model.embedding_map.mirror)
        model.unembedding.weight[:, mirror] = 0
    follower = Follower(network_of_decoder(model), 2)
    assert follower.logits(follower.points(tokens, change), change, 1).error.max() > 4 * small


def test_margins_by_several_ways_of_calling_agree_with_the_pass():
    facts = FactTable.random_bijections(6, 2, seed=3)
    model = selector(facts)
    assert (
        margins(model, *sequences(model, facts)).amin().item()
        == check_recall(model, facts, logits="full").margin
    )
