"""The intervals that proofs of trained models rest on: against exact numbers, and against float32
in many orders; each bound, broken, is noticed.
"""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from small_trained import WIDE, Exact, drawn, one_after_the_other, worst

from constructions import OneLayerShape
from constructions.following import changes, mixtures, norms
from constructions.following.boxes import Box
from constructions.following.changes import Real, Rounding
from constructions.following.follower import BoxRules, Follower
from constructions.following.queries import is_wrong, lead
from constructions.learning.network import network_of_one_layer

FIELDS = "attention", "norm", "value", "tied", "n_hidden_layers"
KINDS = [
    dict(zip(FIELDS, (*fields, hidden), strict=True))
    for hidden, fields in zip(
        itertools.cycle((1, 2, 3)),
        itertools.product(
            ("uniform", "softmax"), (None, "rmsnorm", "layernorm"), (False, True), (False, True)
        ),
        strict=False,
    )
]
SIZES = (5, 3, 4, 6, 9)


def shape_of(kind):
    return OneLayerShape(*SIZES, **kind)


def all_tokens(model):
    n, r = model.shape.n_entities, model.shape.n_relations
    return torch.cartesian_prod(torch.arange(n), n + torch.arange(r))


def boxes(model, change):
    """The lower and upper ends of all logits, (Q, A)."""
    follower = Follower(network_of_one_layer(model), 2)
    found = follower.logits(follower.points(all_tokens(model), change), change, 1)
    return (found.low - found.error)[:, 0], (found.high + found.error)[:, 0]


@torch.no_grad()
def held(model):
    """Which share of the exact logits lie within the intervals of real arithmetic."""
    low, high = boxes(model, Real(model.entities.dtype))
    exact, n = Exact(model), model.shape.n_entities
    inside = [
        Fraction(a) <= x <= Fraction(b)
        for tokens, lows, highs in zip(all_tokens(model).tolist(), low, high, strict=True)
        for x, a, b in zip(
            exact.logits(tokens[0], tokens[1] - n), lows.tolist(), highs.tolist(), strict=True
        )
    ]
    return np.mean(inside)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_the_exact_logits_lie_within_the_intervals(kind):
    for seed, dtype in ((1, torch.float32), (2, torch.float64), (3, torch.bfloat16)):
        assert held(drawn(shape_of(kind), seed, dtype)) == 1


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_the_intervals_of_real_arithmetic_are_narrow(kind):
    """Exponentials are known to 2^-40."""
    low, high = boxes(drawn(shape_of(kind), 1), Real(torch.float32))
    assert (high - low).max() < (1e-6 if kind["attention"] == "softmax" else 1e-9)


def broken(kind, monkeypatch, break_it):
    """The shares that are held where something is broken."""
    break_it(monkeypatch)
    with torch.no_grad():
        return [held(drawn(shape_of(kind), seed, torch.float64)) for seed in range(3)]


PLAIN = KINDS[0]


def no_rounding_of_products(monkeypatch):
    monkeypatch.setattr(changes, "UNIT", 0.0)


def no_bias(monkeypatch):
    monkeypatch.setattr(
        Box, "with_one", lambda x: Box(*(torch.cat([e, 0 * e[:, :1]], 1) for e in ends(x)))
    )


def ends(x):
    return x.low, x.high, x.error.expand_as(x.low)


def bias_without_error(monkeypatch):
    """The bias twice."""
    monkeypatch.setattr(
        Box, "with_one", lambda x: Box(*(torch.cat([e, 0 * e[:, :1] + n], 1) for e, n in two(x)))
    )


def two(x):
    return zip(ends(x), (2.0, 2.0, 0.0), strict=True)


@pytest.mark.parametrize("break_it", [no_rounding_of_products, no_bias, bias_without_error])
def test_a_broken_step_of_the_mlp_is_noticed(break_it, monkeypatch):
    assert min(broken(PLAIN, monkeypatch, break_it)) < 1


@pytest.mark.parametrize("norm", ["rmsnorm", "layernorm"])
def test_a_norm_without_its_own_rounding_is_noticed(norm, monkeypatch):
    """Norms narrow their intervals by what float64 rounds."""
    monkeypatch.setattr(norms, "UNIT", 0.0)
    monkeypatch.setattr(changes, "UNIT", 0.0)
    monkeypatch.setattr(norms, "up", lambda values: 0 * values)
    monkeypatch.setattr(changes, "up", lambda values: 0 * values)
    kind = {**PLAIN, "norm": norm}
    assert min(broken(kind, monkeypatch, lambda monkeypatch: None)) < 1


def test_a_softmax_without_its_slack_is_noticed(monkeypatch):
    kind = {**PLAIN, "attention": "softmax"}
    real = mixtures.softmax

    def narrow(low, high, hidden):
        least, most, others = real(low, high, hidden)
        middle = (least + most) / 2 * (1 + 2.0**-30)
        return middle, middle, others

    monkeypatch.setattr(mixtures, "softmax", narrow)
    with torch.no_grad():
        assert held(drawn(shape_of(kind), 1, torch.float64)) < 1


# -------------------------------------------------------------------- in a dtype, in any order


def summed(values, rng):
    """A sum in float32, in an order drawn at random: one after the other, or in pairs."""
    values = np.asarray(values, dtype=np.float32)
    way = rng.integers(4)
    order = rng.permutation(len(values))
    if way == 0:
        order = np.argsort(values)
    elif way == 1:
        order = np.argsort(-np.abs(values))
    values = values[order]
    if way == 2:
        while len(values) > 1:
            odd = values[len(values) // 2 * 2 :]
            values = np.concatenate([values[0:-1:2] + values[1::2], odd]).astype(np.float32)
        return values[0]
    total = np.float32(0)
    for value in values:
        total = np.float32(total + value)
    return total


def in_some_order(model, subject, relation, rng):
    """The logits (A,) in float32, without norms and softmax; biases enter the sums anywhere."""
    weights = {name: w.numpy() for name, w in model.state_dict().items()}

    def layer(matrix, x, bias=None):
        products = (matrix * x).astype(np.float32)
        rows = products if bias is None else np.concatenate([products, bias[:, None]], 1)
        return np.array([summed(row, rng) for row in rows], dtype=np.float32)

    x = weights["entities"][subject] + weights["relations"][relation]
    h, depth = x, model.shape.n_hidden_layers + 1
    for place in range(depth):
        h = layer(weights[f"weights.{place}"], h, weights[f"biases.{place}"])
        h = np.maximum(h, 0) if place < depth - 1 else h
    return layer(weights["answers"], x + h)


def share_in_dtype(model, seed):
    """Which share of logits in float32, in several orders, lie within their intervals."""
    low, high = (end.numpy() for end in boxes(model, Rounding(torch.float32)))
    rng, n, inside = np.random.default_rng(seed), model.shape.n_entities, []
    for query, (subject, relation) in enumerate(all_tokens(model).tolist()):
        for _ in range(4):
            found = in_some_order(model, subject, relation - n, rng).astype(np.float64)
            inside.append((low[query] <= found) & (found <= high[query]))
    return np.mean(inside)


@torch.no_grad()
def test_float32_in_any_order_lies_within_the_intervals():
    for seed in range(3):
        assert share_in_dtype(drawn(WIDE, seed), seed) == 1


def lost_and_allowed(model):
    """How much the worst order loses of a logit, and what the intervals allow."""
    follower, change = Follower(network_of_one_layer(model), 2), Rounding(torch.float32)
    tokens = all_tokens(model)[:1]
    found = follower.logits(follower.points(tokens, change), change, 1)
    exact = Exact(model).logits(0, 0)[0]
    return float(exact) - float(one_after_the_other(model, 0, 0)[0]), float(found.error.max())


@torch.no_grad()
@pytest.mark.parametrize("large", ["unembedding", "bias"])
def test_the_worst_order_loses_no_more_than_is_allowed(large):
    lost, allowed = lost_and_allowed(worst(large))
    assert 40 < lost <= allowed < 3 * lost


@torch.no_grad()
@pytest.mark.parametrize("large", ["unembedding", "bias"])
def test_sums_that_round_once_alone_would_be_too_little(large, monkeypatch):
    monkeypatch.setattr(changes.Entries, "most_terms", 0)
    lost, allowed = lost_and_allowed(worst(large))
    assert allowed < lost


@torch.no_grad()
def test_a_bias_that_is_added_last_would_be_too_little(monkeypatch):
    def afterwards(self, matrix, x):
        if matrix.bias is None:
            return self.through(matrix, x)
        none = Box(*(torch.cat([end, 0 * end[:, :1]], 1) for end in ends(x)))
        bias = matrix.bias.double().expand(len(x.low), -1)
        return self.change.plus(self.through(matrix, none), Box(bias, bias, 0 * bias))

    monkeypatch.setattr(BoxRules, "layer", afterwards)
    lost, allowed = lost_and_allowed(worst("bias"))
    assert allowed < lost


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("kind", KINDS[::3], ids=str)
def test_the_module_itself_lies_within_the_intervals_of_its_dtype(kind, dtype):
    model = drawn(shape_of(kind), 4, dtype)
    low, high = boxes(model, Rounding(dtype))
    found = model(all_tokens(model)).double()
    known = ~(low.isnan() | high.isnan())
    assert ((low <= found) & (found <= high))[known].all()
    assert known.float().mean() > (0.5 if dtype == torch.float16 else 0.99) or kind["norm"]


def test_what_may_overflow_is_not_known():
    model = drawn(shape_of(PLAIN), 1)
    with torch.no_grad():
        for table in (model.entities, model.relations):
            table.abs_()
        model.weights[0].fill_(1e30)
        model.weights[1].fill_(1e30)
        low, _ = boxes(model, Rounding(torch.float32))
        real, _ = boxes(model, Real(torch.float32))
    assert low.isnan().all()
    assert not real.isnan().any()
    assert math.isfinite(real.abs().max())


# -------------------------------------------------------------------- biases, and what is decided


def double(rows):
    return torch.tensor(rows, dtype=torch.float64)


def normed_after_a_bias():
    """What is known of (1 + s, 1), as `W (1 + s) + b`, after a norm; and what it may be."""
    x, zero = double([[1.0]]), double([[0.0]])
    box = Box(x, x, zero, scale=double([[2.0**-5]])).with_one()
    change = Real(torch.float64)
    entries = changes.Entries(changes.with_bias(double([[1.0], [0.0]]), double([0.0, 1.0])))
    found = norms.rms_norm(change.through("", entries, box), double([1.0, 1.0]), 0.0, change)
    found = found.unscaled()
    given = double([[1 + s, 1.0] for s in (-(2.0**-5), 0, 2.0**-5)])
    wanted = given / (given * given).mean(-1, keepdim=True).sqrt()
    return (found.low - found.error <= wanted) & (wanted <= found.high + found.error)


def test_a_bias_has_no_part_in_a_common_factor():
    assert normed_after_a_bias().all()


def test_a_bias_that_is_multiplied_by_the_factor_is_noticed(monkeypatch):
    """Norms take factors away: what a factor does to a bias would be lost."""
    real = Box.with_one

    def wrong(self):
        found = real(self)
        found.error[..., -1] = 0
        return found

    monkeypatch.setattr(Box, "with_one", wrong)
    monkeypatch.setattr(norms, "up", lambda values: values)
    assert not normed_after_a_bias().all()


def test_a_lead_is_what_is_left_between_the_ends():
    low = double([[[3.0, 1.0, 2.0]], [[3.0, 1.0, 2.0]], [[3.0, 1.0, 2.0]]])
    error = double([[[0.25] * 3], [[0.5] * 3], [[math.nan] * 3]])
    box, answers = Box(low, low, error), torch.tensor([[0], [0], [0]])
    found = lead(box, answers)
    assert found[:2].tolist() == [0.5, 0.0]
    assert not bool(found[2] > 0)
    assert is_wrong(box, answers).tolist() == [False, False, False]
    assert is_wrong(box, torch.tensor([[2], [2], [2]])).tolist() == [True, False, False]


def test_ends_that_are_rounded_together_decide_nothing():
    """1 - 2^-54 and 1 + 2^-54 are both 1 in float64: the right logit may still be above."""
    low, error = double([[[1.0, 1.0]]]), double([[[2.0**-54, 0.0]]])
    box = Box(low, low, error)
    assert not is_wrong(box, torch.tensor([[0]])).any()
    assert not (lead(box, torch.tensor([[0]])) > 0).any()


def test_an_rms_norm_without_an_eps_of_its_own_has_that_of_the_dtype(monkeypatch):
    """Of float32, also in real arithmetic."""
    kind = {**PLAIN, "norm": "rmsnorm"}
    model = drawn(shape_of(kind), 1)
    with torch.no_grad():
        for table in (model.entities, model.relations):
            table.mul_(1e-3)
        assert held(model) == 1
        made = Real.__init__

        def other(self, dtype):
            made(self, torch.float64)

        monkeypatch.setattr(Real, "__init__", other)
        assert held(model) < 1


# -------------------------------------------------------------------- single steps


@pytest.mark.parametrize(
    "change", [Real(torch.float32), Rounding(torch.float32)], ids=["real", "32"]
)
def test_a_product_is_off_by_no_more_than_its_error(change):
    """Beside the exact one, and in float32 beside the one of the worst order that is tried."""
    rng = np.random.default_rng(0)
    weight, x = (rng.normal(size=size).astype(np.float32) for size in ((30, 400), (400,)))
    entries = changes.Entries(torch.from_numpy(weight).double())
    point = torch.from_numpy(x).double()[None]
    found = change.through("", entries, Box(point, point, 0 * point))
    for row, low, error in zip(
        weight, found.low[0].tolist(), found.error[0].tolist(), strict=True
    ):
        exact = sum(Fraction(float(a)) * Fraction(float(b)) for a, b in zip(row, x, strict=True))
        assert abs(exact - Fraction(low)) <= Fraction(error)
        if change.unit:
            some = [float(summed(row * x, rng)) for _ in range(8)]
            assert max(abs(each - low) for each in some) <= error
    assert found.error.max() < (1e-2 if change.unit else 1e-10)


@pytest.mark.parametrize("value", [False, True])
def test_a_pair_is_off_by_no_more_than_its_error(value):
    """Of numbers whose sum float64 rounds, and float32."""
    model = drawn(OneLayerShape(4, 2, 4, 50, 3, value=value), 1, torch.float64)
    with torch.no_grad():
        tokens, exact = all_tokens(model), Exact(model)
        follower = Follower(network_of_one_layer(model), 2)
        for change in (Real(torch.float64), Rounding(torch.float32)):
            found = follower.points(tokens, change).box
            for (subject, relation), low, error in zip(
                tokens.tolist(), found.low.tolist(), found.error.tolist(), strict=True
            ):
                e, p = exact.row(model.entities[subject]), exact.row(model.relations[relation - 4])
                e = exact.times(model.value, e) if value else e
                wanted = [a + b for a, b in zip(e, p, strict=True)]
                off = [abs(Fraction(a) - b) for a, b in zip(low, wanted, strict=True)]
                assert all(a <= Fraction(b) for a, b in zip(off, error, strict=True))
                assert any(off)
            single = 2.0**-26 * np.abs(np.array(low))
            assert not change.unit or (np.array(error) >= single).all()
