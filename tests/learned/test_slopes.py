"""Errors followed backwards: no step is off by more than is kept beside it, and no lead is smaller
than what is said.
"""

import copy

import numpy as np
import pytest
import torch
from small_trained import drawn, one_after_the_other, worst

from constructions import OneLayerShape, StandardDecoder, StandardShape
from constructions.decoders.network import network_of_decoder
from constructions.following import slopes
from constructions.following.changes import Real, Rounding
from constructions.following.follower import BoxRules, Follower
from constructions.following.norm_slopes import norm_at
from constructions.following.points import Point
from constructions.following.prefixes import without_sharing
from constructions.following.queries import lead
from constructions.following.slope_leads import leads_by_slopes
from constructions.following.slopes import Slopes
from constructions.following.walk import Norm
from constructions.learning.network import network_of_one_layer

COUNT, LENGTH, WIDTH = 18, 3, 8


def decoder(norm="layernorm", placement="pre", seed=0, dtype=torch.float64, layers=2):
    """Random weights, of a size at which every part matters."""
    torch.manual_seed(seed)
    model = StandardDecoder(StandardShape(6, WIDTH, layers, 2, 4, 12, LENGTH, norm, placement))
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(torch.randn_like(weight) * (0.5 if weight.dim() == 2 else 1))
        for module in model.norms():
            module.eps = 1e-3
    return model.to(dtype)


def all_tokens():
    return torch.cartesian_prod(*[torch.arange(6)] * LENGTH)[::12]


def rules_of(follower, tokens, change):
    """Fresh rules for these sequences, each with positions of its own."""
    wide, real = copy.copy(change), copy.copy(change)
    wide.points, real.unit = False, 0.0
    prefixes = without_sharing(tokens)
    return Slopes(*(BoxRules(follower.weights, c, prefixes, None) for c in (change, wide, real)))


def step_of(kind, follower):
    """A step of a decoder on points: its name in the network, and how it is made."""
    network = follower.network
    attention, mlp = network.parts[0], network.parts[1]
    if kind == "norm":
        return lambda rules, x: rules.normed(x, attention.before)
    if kind == "relu":
        return lambda rules, x: rules.relu(x)
    if kind == "heads":
        heads = attention.adds

        def read(rules, x):
            return rules.mixed(heads, x, Point(x.at.flip(-1), x.error), Point(2 * x.at, x.error))

        return read
    return lambda rules, x: rules.through(mlp.adds.matrices[0], x)


def off_by(kind, norm, size, break_it=lambda rules: None):
    """The largest ratio of what a step is not linear to the error that is kept, over errors of
    this size in many directions.
    """
    torch.manual_seed(1)
    follower, tokens = Follower(network_of_decoder(decoder(norm)), LENGTH), all_tokens()
    step = step_of(kind, follower)
    at = torch.randn(COUNT * LENGTH, WIDTH, dtype=torch.float64)
    error = size * torch.rand_like(at)
    rules = rules_of(follower, tokens, Real(torch.float64))
    break_it(rules)
    with torch.enable_grad():
        x = torch.nn.Parameter(at)
        made = step(rules, Point(x, error)).at
        own = rules.own[-1][1]
        worst = 0.0
        for _ in range(12):
            delta = error * torch.empty_like(at).uniform_(-1, 1).sign()
            moved = step(
                rules_of(follower, tokens, Real(torch.float64)), Point(at + delta, 0 * error)
            )
            _, linear = torch.autograd.functional.jvp(
                lambda y: (
                    step(rules_of(follower, tokens, Real(torch.float64)), Point(y, error)).at
                ),
                at,
                delta,
            )
            # less what float64 rounds here
            found = ((moved.at - made - linear).detach().abs() - 1e-13).relu() / own
            worst = max(worst, float(found.nan_to_num(0).max()))
    return worst


@pytest.mark.parametrize("size", [1e-4, 0.02, 0.1])
@pytest.mark.parametrize(
    ("kind", "norm"),
    [("norm", "rmsnorm"), ("norm", "layernorm"), ("heads", "layernorm"), ("relu", None)],
)
def test_no_step_is_less_linear_than_it_is_said_to_be(kind, norm, size):
    found = off_by(kind, norm, size)
    assert found <= 1
    assert found > 0.001 or size < 0.01


@pytest.mark.parametrize(("kind", "norm"), [("norm", "rmsnorm"), ("heads", "layernorm")])
def test_steps_that_count_as_linear_are_noticed(kind, norm, monkeypatch):
    kept = Slopes._step

    def linear(self, made, rule, *read, bent=0.0, rounded=None):
        return kept(self, made, rule, *read, bent=1e-9, rounded=rounded)

    monkeypatch.setattr(Slopes, "_step", linear)
    monkeypatch.setattr(slopes, "_BACKWARD", 0.0)
    assert off_by(kind, norm, 0.1) > 1


def scores_off_by(query_size, query_error, key_error):
    """The largest ratio, as `off_by`, of a head whose values are known: queries and keys of these
    sizes, with these errors.
    """
    torch.manual_seed(2)
    follower, tokens = Follower(network_of_decoder(decoder(None)), LENGTH), all_tokens()
    heads = follower.network.parts[0].adds
    query, key, value = (torch.randn(COUNT * LENGTH, 8, dtype=torch.float64) for _ in range(3))
    query, key = query_size * query, query_size * key
    some = torch.ones_like(query)

    def read(query, key, query_error, key_error):
        rules = rules_of(follower, tokens, Real(torch.float64))
        points = Point(query, query_error * some), Point(key, key_error * some)
        return rules.mixed(heads, *points, Point(value, 0 * some)).at, rules.own[-1][1]

    made, own = read(query, key, query_error, key_error)
    worst = 0.0
    for _ in range(20):
        d_query, d_key = (
            error * torch.randn_like(some).sign() for error in (query_error, key_error)
        )
        moved, _ = read(query + d_query, key + d_key, 0, 0)
        _, linear = torch.autograd.functional.jvp(
            lambda q, k: read(q, k, query_error, key_error)[0], (query, key), (d_query, d_key)
        )
        found = ((moved - made - linear).detach().abs() - 1e-13).relu() / own
        worst = max(worst, float(found.nan_to_num(0).max()))
    return worst


SCORES = {
    "queries alone": (1.0, 0.3, 0.0),
    "both, about 0": (0.0, 0.1, 0.1),
    "both": (1.0, 0.1, 0.1),
}


@pytest.mark.parametrize("case", SCORES)
def test_no_score_is_less_linear_than_it_is_said_to_be(case):
    assert 0.01 < scores_off_by(*SCORES[case]) <= 1


@pytest.mark.parametrize(("case", "without"), [("queries alone", 1), ("both, about 0", 0)])
def test_each_part_of_what_scores_are_not_linear_is_needed(case, without, monkeypatch):
    """Second derivatives of the softmax, and products of two errors."""
    kept = slopes.bent_scores

    def less(most, bend):
        return kept(most, bend) - (kept(most, 0 * bend) if without else kept(0 * most, bend))

    monkeypatch.setattr(slopes, "bent_scores", less)
    assert scores_off_by(*SCORES[case]) > 1


def norm_rounds(norm, change):
    """The largest ratio of what float32 rounds in a norm to what is said, near points."""
    torch.manual_seed(3)
    module = decoder(norm, dtype=torch.float32).norms()[0]
    at = torch.randn(400, WIDTH, dtype=torch.float64) * 3 + 1
    error = 1e-3 * at.abs()
    named = Norm("norm", module)
    gain, bias = module.weight.double(), getattr(module, "bias", None)
    bias = None if bias is None else bias.double()
    said = norm_at(Point(at, error), named, gain, bias, change).rounded
    worst = 0.0
    for _ in range(20):
        near = (at + error * torch.empty_like(at).uniform_(-1, 1)).float()
        exact = norm_at(Point(near.double(), 0 * error), named, gain, bias, change).made
        worst = max(worst, float(((module(near).double() - exact).abs() / said).max()))
    return worst


@torch.no_grad()
@pytest.mark.parametrize("norm", ["rmsnorm", "layernorm"])
def test_norms_round_by_no_more_than_is_said(norm):
    assert 0.01 < norm_rounds(norm, Rounding(torch.float32)) <= 1
    finer = Rounding(torch.float32)
    finer.unit /= 2**8
    assert norm_rounds(norm, finer) > 1, "the control"


def leads(model, dtype, break_it=lambda change: None):
    """What slopes say of each query, and the lead that the module itself computes."""
    tokens = all_tokens()
    change = Rounding(dtype)
    break_it(change)
    with torch.no_grad():
        logits = model(tokens).double()[:, -1]
        answers = logits.argmax(-1)[:, None]
        follower = Follower(network_of_decoder(model), LENGTH)
        said = leads_by_slopes(follower, tokens, answers, change, 64)
        boxes = lead(follower.logits(follower.points(tokens, change), change, 1), answers)
    best = logits.sort().values
    return said, best[:, -1] - best[:, -2], boxes


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("placement", ["pre", "post"])
@pytest.mark.parametrize("norm", [None, "rmsnorm", "layernorm"])
def test_the_module_leads_by_no_less_than_slopes_say(norm, placement, dtype):
    for seed in range(3):
        model = decoder(norm, placement, seed, dtype, layers=1)
        said, computed, _ = leads(model, dtype)
        known = ~said.isnan()
        assert (said <= computed)[known].all()
        assert dtype != torch.float32 or known.all()


def test_slopes_say_more_than_boxes_of_deep_decoders():
    said, computed, boxes = leads(decoder("rmsnorm", dtype=torch.float32), torch.float32)
    clear = computed > 0.1
    assert (said > 0)[clear].all()
    assert float((computed - said)[clear].median()) < 0.1 * float(
        (computed - boxes)[clear].median()
    )


def test_rounding_that_is_taken_for_less_is_noticed():
    """In bfloat16, with a unit roundoff of 2^-20 for 2^-8."""

    def finer(change):
        change.unit = 2.0**-20

    found = []
    for seed in range(3):
        model = decoder(None, "pre", seed, torch.bfloat16, layers=1)
        said, computed, _ = leads(model, torch.bfloat16, finer)
        found.append(bool((said <= computed)[~said.isnan()].all()))
    assert not all(found)


def test_nothing_is_known_where_numbers_overflow():
    """The one hidden unit that is on overflows in the second matrix."""
    model = decoder(None, dtype=torch.float32)
    with torch.no_grad():
        model.blocks[0].mlp.matrix(0).fill_(1e20)
        model.blocks[0].mlp.matrix(1).fill_(1e25)
        finite = model(all_tokens())[:, -1].isfinite().all(-1)
    said, _, _ = leads(model, torch.float32)
    assert 0 < finite.sum() < len(finite)
    assert not (said > 0)[~finite].any()


def test_more_rivals_than_are_asked_for_are_not_decided():
    model, tokens = decoder(dtype=torch.bfloat16), all_tokens()
    follower = Follower(network_of_decoder(model), LENGTH)
    answers = torch.zeros(len(tokens), 1, dtype=torch.int64)
    assert leads_by_slopes(follower, tokens, answers, Rounding(torch.bfloat16), 0).isnan().all()


def test_pairs_are_followed_too():
    """The exact lead of a one-layer model is at least what slopes say in float32."""
    model = drawn(OneLayerShape(5, 3, 5, 6, 9), 2)
    tokens = torch.cartesian_prod(torch.arange(5), 5 + torch.arange(3))
    with torch.no_grad():
        logits = model.double()(tokens)
        best = logits.sort().values
        follower = Follower(network_of_one_layer(model), 2)
        said = leads_by_slopes(
            follower, tokens, logits.argmax(-1)[:, None], Rounding(torch.float32), 64
        )
    assert (said <= best[:, -1] - best[:, -2]).all()
    assert np.isclose(said, best[:, -1] - best[:, -2], atol=1e-2).all()


def lead_in_the_worst_order():
    """Logit 0 is 2^24 + 47, of which one order loses 47; logit 1 is 2^24 + 40. What slopes say of
    the lead, and what it is in that order.
    """
    model = worst("unembedding")
    with torch.no_grad():
        model.answers[1:] = 0
        model.answers[1, 0] = 2.0**24 + 40
        follower, tokens = Follower(network_of_one_layer(model), 2), torch.tensor([[0, 4]])
        change, answers = Rounding(torch.float32), torch.tensor([[0]])
        said = float(leads_by_slopes(follower, tokens, answers, change, 64))
        logits = one_after_the_other(model, 0, 0).astype(float)
    return said, logits[0] - logits[1]


def test_no_order_of_summation_leads_by_less_than_slopes_say():
    said, lead_in_order = lead_in_the_worst_order()
    assert lead_in_order == -40
    assert -120 < said <= -40


def test_a_step_that_does_not_round_is_noticed(monkeypatch):
    kept = Slopes._step

    def exact(self, made, rule, *read, bent=0.0, rounded=None):
        return kept(self, made, rule, *read, bent=bent, rounded=torch.zeros_like(made))

    monkeypatch.setattr(Slopes, "_step", exact)
    said, lead_in_order = lead_in_the_worst_order()
    assert said > lead_in_order
