"""Bounds and exactness where a dtype ends: sums that overflow before they are divided, the eps of
norms in narrow dtypes, weights that are subnormal, scores that round by much.
"""

import copy
import itertools

import numpy as np
import pytest
import torch

from constructions import FactTable, StandardDecoder, StandardShape, selector
from constructions.decoders.network import network_of_decoder
from constructions.following.boxes import Box
from constructions.following.changes import Change, Entries
from constructions.following.follower import Follower
from constructions.following.norms import layer_norm
from verify.queries.exact import Exactness
from verify.queries.exact_numbers import Known
from verify.queries.rounded import Rounding


def bounds(decoder, tokens):
    """On the logits (Q, 1, d_vocab) of token sequences (Q, L)."""
    change = Change(decoder.embedding.weight.dtype)
    follower = Follower(network_of_decoder(decoder), tokens.shape[1])
    return follower.logits(follower.points(tokens, change), change, 1)


def with_large_scores(signs, size):
    """A decoder whose head adds up products of this size, of these signs, at all positions, before
    they are divided by 8; what it reads by them is 0.
    """
    torch.manual_seed(0)
    decoder = StandardDecoder(StandardShape(10, 8, 1, 1, 64, 4, 4))
    with torch.no_grad():
        for weight in decoder.parameters():
            weight.zero_()
        decoder.embedding.weight[:, :4] = torch.randn(10, 4).round()
        decoder.embedding.weight[:, 7] = 1
        decoder.unembedding.weight.copy_(torch.randn(10, 8).round())
        attention = decoder.blocks[0].attention
        for row, sign in enumerate(signs):
            attention.query.weight[row, 7] = size**0.5
            attention.key.weight[row, 7] = sign * size**0.5
    return decoder


@pytest.mark.parametrize(("size", "held"), [(2.0**126.6, False), (2.0**123, True)])
def test_scores_that_overflow_before_they_are_divided_have_no_bound(size, held):
    """Of five products, three of one sign, some order adds three up first: infinity, of which
    softmax makes NaN. By 8 they are divided later.
    """
    tokens, found = torch.arange(6).view(2, 3), set()
    for signs in set(itertools.permutations([1, 1, 1, -1, -1])):
        decoder = with_large_scores(signs, size)
        with torch.no_grad():
            finite = bool(decoder(tokens).isfinite().all())
        known = bool(bounds(decoder, tokens).error.isfinite().any())
        assert known is held
        assert finite or not known, signs
        found.add(finite)
    assert held or False in found  # the control: one of these orders does overflow


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_rms_norm_without_eps_is_bounded_with_that_which_torch_takes(dtype):
    """That of float32 for narrower dtypes, in torch 2.13; that of the dtype in earlier ones. Here
    the stream is so small that it matters.
    """
    torch.manual_seed(0)
    decoder = StandardDecoder(StandardShape(10, 8, 1, 1, 4, 8, 4, norm="rmsnorm"), dtype=dtype)
    assert all(norm.eps is None for norm in decoder.norms())
    tokens = torch.randint(0, 10, (6, 3))
    bound = bounds(decoder, tokens)
    known = bound.error.isfinite()  # not where a norm reads next to nothing
    assert known.double().mean() > 1 / 2
    for eps in {
        torch.finfo(dtype).eps,
        min(torch.finfo(dtype).eps, torch.finfo(torch.float32).eps),
    }:
        other = copy.deepcopy(decoder)
        for norm in other.norms():
            norm.eps = eps
        for one in (decoder, other):
            with torch.no_grad():
                logits = one(tokens)[:, -1:].double()
            assert (logits <= bound.high + bound.error)[known].all()
            assert (logits >= bound.low - bound.error)[known].all()


@pytest.mark.parametrize(
    ("first", "second", "exact"),
    [(2.0**-140, 2.0**100, False), (2.0**100, 2.0**-140, False), (2.0**-120, 2.0**100, True)],
)
def test_what_reads_subnormal_weights_is_not_exact(first, second, exact):
    """Some processors take them for 0, whatever they are multiplied by."""
    table, weight = (
        torch.nn.Parameter(size * torch.tensor([[3.0, 1.0]]), False) for size in (first, second)
    )
    exactness = Exactness(torch.float32)
    with exactness:
        read = torch.nn.functional.embedding(torch.tensor([0]), table)
    assert exactness.exact_product(read, weight) is exact


@pytest.mark.parametrize("error", [0.0, 30.0, 1000.0])
def test_a_softmax_that_is_exact_is_so_with_scores_of_any_other_order(error):
    """Here and there each score is off by at most the error: so two orders differ by twice that, of
    either score.
    """
    rng, proven = np.random.default_rng(0), 0
    for gap in np.linspace(750, 6000, 200):
        scores = torch.tensor([[gap, 0.0, float(rng.normal())]], dtype=torch.float64)
        scores.exactly = Known(0.0, error=error)
        with Exactness(torch.float64):
            weights = scores.softmax(-1)
        if weights.exactly.loose is None:
            other = scores + 2 * error * torch.tensor([[-1.0, 1.0, 1.0]])
            assert torch.equal(other.softmax(-1), weights), gap
            proven += 1
    assert proven > 20


def test_the_mean_of_a_layer_norm_may_round_by_more_than_each_coordinate():
    """A coordinate at the mean becomes what the mean is off by."""
    n, change = 64, Change(torch.float32)
    x = torch.ones(1, n, dtype=torch.float64)
    x[0, 0], x[0, 1] = 1.5, 0.5
    found = layer_norm(Box(x, x, 0 * x), torch.ones(n, dtype=torch.float64), None, 0.0, change)
    allowed = (found.error + found.shift * found.along)[0, 2].item()
    spread = (2 * 0.5**2 / n) ** 0.5
    assert allowed >= (n + 8) * change.unit / spread


def test_the_worst_order_of_an_inner_product_is_within_the_bound_and_nearly_reaches_it():
    """2^24 + 1 is 2^24 in float32: added one by one after it, 63 products of 1 are lost. Zeros cost
    nothing.
    """
    x, weight = torch.ones(1, 128, dtype=torch.float64), torch.ones(1, 128, dtype=torch.float64)
    x[0, 0], weight[0, 64:] = 2.0**24, 0
    lost = 63 - sum_of(x[0, :64])
    found = Change(torch.float32).through("", Entries(weight), Box(x, x, 0 * x))
    assert lost == 63
    assert lost <= found.error.item() < 1.1 * lost


def sum_of(numbers):
    """One by one in float32, above 2^24."""
    total = np.float32(0)
    for number in numbers.tolist():
        total += np.float32(number)
    return float(total) - 2.0**24


def test_a_margin_is_decided_by_norms_if_four_times_the_bound_on_a_logit_is_less():
    """The real margin is within twice the bound of it, and so is that of any other order."""
    model = selector(FactTable.random_bijections(6, 2, seed=3))
    rounding = Rounding(model, 1)
    rounding.error, rounding._found = 1.0, []
    margins = torch.tensor([5.0, 4.1, 3.9, 1.5, 0.0, -1.5, -3.9, -4.1, torch.nan]).double()
    tokens, answers = torch.zeros(9, 2, dtype=torch.long), torch.zeros(9, dtype=torch.long)
    wrong, undecided = rounding.decide(margins, tokens, answers, torch.ones(9, dtype=torch.bool))
    assert wrong.tolist() == [False] * 7 + [True] * 2
    assert undecided.tolist() == [False] * 2 + [True] * 5 + [False] * 2
