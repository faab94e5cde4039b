"""Each step of the noise bounds by itself: what is in the boxes stays in the boxes, and the bounds
are nearly reached.
"""

import itertools
from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from constructions import FactTable, noise_radius, selector
from constructions.following.boxes import Box
from constructions.following.changes import Change, Entries
from constructions.following.follower import Follower
from constructions.following.mixtures import Selection, mixture, softmax
from constructions.following.prefixes import one_for_each
from constructions.following.walk import network_of
from constructions.forms.noise_bounds import Noise, radius_by_norms
from constructions.model.margin import MarginClaim
from constructions.model.shapes import TransformerShape
from constructions.model.transformer import Transformer
from constructions.writing.position_reading import SELECTED_GAP
from verify.queries.recall import check_recall

DRAWS = 4096


def exact(rho):
    """Noise without rounding."""
    noise = Noise(rho, torch.float64)
    noise.unit = noise.underflow = noise.flushed = 0.0
    return noise


EXACT = exact(0.0)


def generator(seed):
    return torch.Generator().manual_seed(seed)


def random_box(shape, width, error, seed):
    """Around Gaussian numbers; errors differ."""
    middle = torch.randn(shape, dtype=torch.float64, generator=generator(seed))
    share = torch.rand(shape, dtype=torch.float64, generator=generator(seed + 1))
    return Box(middle - width, middle + width, error * share)


def inside(box, seed, draws=DRAWS):
    """Vectors without noise and with, (draws, ...): half of all numbers at an end."""
    shares = (
        torch.rand((2, draws, *box.low.shape), dtype=torch.float64, generator=generator(seed + i))
        for i in range(2)
    )
    share, ends = shares
    share = torch.where(ends < 0.5, share.round(), share)
    clean = box.low + share[0] * (box.high - box.low)
    return clean, clean + (2 * share[1] - 1) * box.error


def contains(box, clean, noisy):
    """Whether all are within the bounds, up to what the oracle itself rounds; and which share of
    the error is reached.
    """
    slack = 1e-12
    assert (clean >= box.low - slack).all()
    assert (clean <= box.high + slack).all()
    moved = (noisy - clean).abs()
    assert (moved <= box.error + slack).all()
    return (moved.amax(0) / box.error.clamp(min=1e-300)).amax().item()


def read(q, k, v):
    """What a causal head reads."""
    scores = q @ k.mT
    hidden = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
    return scores.masked_fill(hidden, -torch.inf).softmax(-1) @ v


def head(change, query, key, value, selection=None):
    """What a causal head reads at each position of one sequence."""
    sees = one_for_each(len(key.low)).sees
    return mixture(change, query, key, value, sees, selection)


SIZES = st.sampled_from([0.0, 1e-3, 0.3])


@settings(max_examples=60)
@given(
    st.integers(1, 4),
    st.integers(1, 2),
    SIZES,
    SIZES,
    st.sampled_from([1.0, 4.0, 40.0]),
    st.integers(0, 10**6),
)
def test_a_head_reads_what_its_box_says(n_positions, d, width, error, gain, seed):
    boxes = [random_box((n_positions, d), width, error, seed + i) for i in range(3)]
    boxes[0] = Box(*(gain * part for part in (boxes[0].low, boxes[0].high, boxes[0].error)))
    (q, q2), (k, k2), (v, v2) = (inside(box, seed + 10 * i) for i, box in enumerate(boxes))
    contains(head(EXACT, *boxes), read(q, k, v), read(q2, k2, v2))


@pytest.mark.parametrize("error", [1e-6, 1e-3])
def test_the_error_of_a_head_is_nearly_reached(error):
    """Two positions with equal scores and values 1 and -1: the read value moves by tanh(eta), and
    by the values' error.
    """
    one = torch.ones(2, 1, dtype=torch.float64)
    v = torch.tensor([[1.0], [-1.0]], dtype=torch.float64)
    keys, values = Box(one, one, error * one), Box(v, v, 0 * one)
    clean, noisy = [], []
    for signs in itertools.product((-1, 1), repeat=2):
        clean.append(read(one, one, v))
        noisy.append(read(one, one + error * torch.tensor(signs)[:, None], v))
    reached = contains(
        head(EXACT, Box(one, one, 0 * one), keys, values),
        torch.stack(clean),
        torch.stack(noisy),
    )
    # 2 eta where eta is possible: e^(2 eta) is for all positions against one
    assert reached > 0.45
    values = Box(v, v, error * one)
    still = Box(one, one, 0 * one)
    box = head(EXACT, still, still, values)
    assert contains(box, read(one, one, v)[None], read(one, one, v + error)[None]) > 0.999


@pytest.mark.parametrize("gap", [2.0, 20.0, 900.0])
def test_a_head_that_selects_hardly_moves(gap):
    """By the weight of the other position: far less than the scores move."""
    q = torch.tensor([[gap], [gap]], dtype=torch.float64)
    k = torch.tensor([[1.0], [0.0]], dtype=torch.float64)
    v = torch.tensor([[1.0], [-1.0]], dtype=torch.float64)
    point = [Box(x, x, 0 * x) for x in (q, k, v)]
    point[1].error[:] = 0.1 / gap
    box = head(EXACT, *point)
    assert (box.error[0] < 1e-15).all()  # a single position
    assert 0 < box.error[1].item() < 2 * (torch.e**0.4) * torch.e**-gap + 1e-15
    moved = read(q, k + torch.tensor([[-0.1], [0.1]]) / gap, v)
    contains(box, read(q, k, v)[None], moved[None])
    known = head(EXACT, *point, Selection(1, SELECTED_GAP))  # a gap of 2 beta - 1 is known
    assert known.error[1] <= box.error[1]


@settings(max_examples=60)
@given(st.integers(1, 5), SIZES, st.sampled_from([1.0, 30.0, 3000.0]), st.integers(0, 10**6))
def test_weights_are_within_their_bounds(n_positions, width, gain, seed):
    scores = random_box((n_positions, n_positions), width, 0.0, seed)
    low, high = gain * scores.low, gain * scores.high
    hidden = torch.ones(n_positions, n_positions, dtype=torch.bool).triu(1)
    least, most, others = softmax(low, high, hidden)
    some = low + (high - low) * inside(Box(0 * low, 0 * low + 1, 0 * low), seed)[0]
    weights = some.masked_fill(hidden, -torch.inf).softmax(-1)
    assert (weights <= most * (1 + 1e-15)).all()
    assert (weights >= least * (1 - 1e-15)).all()
    assert (weights.sum(-1) - weights.amax(-1) <= others * (1 + 1e-15) + 1e-15).all()
    assert (most[~hidden] > 0).all()
    assert (others[0] == 0).all()
    if gain * width > 1:  # wide intervals lose what the slack is
        return
    for own, rest, bound in ((high, low, most), (low, high, least)):
        corner = torch.where(torch.eye(n_positions, dtype=torch.bool), own, rest).masked_fill(
            hidden, -torch.inf
        )
        torch.testing.assert_close(
            bound.diagonal(), corner.softmax(-1).diagonal(), rtol=1e-9, atol=1e-11
        )


@settings(max_examples=60)
@given(st.integers(1, 4), st.integers(1, 4), SIZES, SIZES, SIZES, st.integers(0, 10**6))
def test_a_matrix_makes_of_a_box_what_it_says(rows, columns, width, error, rho, seed):
    weight = torch.randn(rows, columns, dtype=torch.float64, generator=generator(seed))
    x = random_box((2, columns), width, error, seed + 1)
    signs = torch.randint(0, 2, (DRAWS, rows, columns), generator=generator(seed + 2)) * 2.0 - 1
    clean, noisy = inside(x, seed + 3)
    box = exact(rho).through("", Entries(weight), x)
    contains(box, clean @ weight.mT, noisy @ (weight + rho * signs).mT)
    # and no more than that: ends and errors are those of the worst signs
    positive, negative = weight.clamp(min=0).mT, weight.clamp(max=0).mT
    torch.testing.assert_close(box.low, x.low @ positive + x.high @ negative, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(
        box.high, x.high @ positive + x.low @ negative, rtol=1e-5, atol=1e-5
    )
    worst = x.error @ weight.abs().mT + rho * (x.largest + x.error).sum(-1, keepdim=True)
    torch.testing.assert_close(box.error, worst, rtol=1e-5, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e-5])
def test_rounding_is_bounded(dtype, scale):
    """Of inner products of numbers that are no integers, in the dtype, against rationals; small
    ones underflow in float16.
    """
    noise = Change(dtype)
    for seed in range(20):
        weight = (scale * torch.randn(7, 50, generator=generator(seed))).to(dtype)
        x = (scale * torch.randn(3, 50, generator=generator(seed + 99))).to(dtype)
        exact = [
            [
                sum(Fraction(a) * Fraction(b) for a, b in zip(u, v, strict=True))
                for v in weight.tolist()
            ]
            for u in x.tolist()
        ]
        box = noise.through(
            "", Entries(weight.double()), Box(x.double(), x.double(), 0 * x.double())
        )
        found, allowed = (x @ weight.mT).tolist(), box.error.tolist()
        for i, j in itertools.product(range(3), range(7)):
            assert abs(Fraction(found[i][j]) - exact[i][j]) <= allowed[i][j]
            assert box.low[i, j].item() <= exact[i][j] <= box.high[i, j].item()
        sums = x.double().abs() @ weight.double().abs().mT
        flushed = noise.flushed * (x.abs().double().sum(1)[:, None] + weight.abs().double().sum(1))
        assert (box.error <= 53 * (noise.unit * sums + noise.underflow) + 2 * flushed).all()


def test_where_sums_may_overflow_nothing_is_known():
    one = torch.ones(2, 1, dtype=torch.float64)
    point = Box(one, one, 0 * one)
    noise = Change(torch.float16)
    assert noise.through("", Entries(1e4 * one), point).error.isfinite().all()
    assert (
        noise.through("", Entries(torch.tensor([[3e4], [1.0]], dtype=torch.float64)), point)
        .error.isnan()
        .tolist()
        == [[1, 0]] * 2
    )
    large = Box(200 * one, 200 * one, 0 * one)
    assert head(noise, large, point, point).error.isfinite().all()
    # also where a single position is visible
    assert head(noise, large, large, point).error.isnan().all()
    lost = Box(one, one, torch.nan * one)
    for boxes in ((lost, point, point), (point, lost, point), (point, point, lost)):
        assert head(noise, *boxes).error.isnan().all()
    assert lost.relu().error.isnan().all()
    assert noise.plus(lost, point).error.isnan().all()
    assert noise.plus(large, large).error.isfinite().all()
    half = Box(9e3 * one, 9e3 * one, 0 * one)
    assert noise.plus(half, half).error.isnan().all()  # the stream itself may overflow


def test_what_may_overflow_has_no_radius():
    model = selector(FactTable.random_bijections(4, 2, 0), dtype=torch.float16)
    assert 0 < noise_radius(model) < noise_radius(model, "queries")
    with torch.no_grad():
        model.embedding.weight *= 2.0**14
        model.unembedding.weight *= 2.0**-14
    assert check_recall(model, model.facts, logits="full").wrong == 0
    assert noise_radius(model, "queries") == 0


def test_both_tables_have_noise():
    """The worst signs of all weights reach the bound where there is no layer."""
    rho = 0.1
    model = Transformer(
        TransformerShape(d_vocab=3, d_model=3, layers=(), n_positions=2), torch.float64
    )
    with torch.no_grad():
        model.embedding.weight.copy_(torch.rand(3, 3, generator=generator(0)))
        model.positions.weight.copy_(torch.rand(2, 3, generator=generator(1)))
        model.unembedding.weight.copy_(torch.eye(3))
        tokens = torch.tensor([[0, 1]])
        follower, noise = Follower(network_of(model), 2), Noise(rho, torch.float64)
        box = follower.logits(follower.points(tokens, noise), noise, 1)
        before = model(tokens)[:, -1:]
        for weight in model.parameters():
            weight += rho
        contains(box, before, model(tokens)[:, -1:])
        torch.testing.assert_close(model(tokens)[:, -1:] - before, box.error, rtol=1e-5, atol=0)


def test_by_norms_the_error_is_below_half_the_margin():
    """Logits E U^T with E = U = I: in the box of all tokens an error of rho + rho (2 + 2 rho);
    twice that is 1 at the end.
    """
    model = Transformer(TransformerShape(d_vocab=2, d_model=2, layers=()), torch.float64)
    with torch.no_grad():
        model.embedding.weight.copy_(torch.eye(2))
        model.unembedding.weight.copy_(torch.eye(2))
    model.hops = 1
    radius = radius_by_norms(model, MarginClaim.exactly(1), gap=None)
    assert radius == pytest.approx((-3 + 13**0.5) / 4, rel=1e-3)


def test_relu_bounds_what_it_lets_through():
    low = torch.tensor([[-3.0, -1.0, 1.0, -1.0]], dtype=torch.float64)
    high = torch.tensor([[-2.0, -0.5, 2.0, 1.0]], dtype=torch.float64)
    error = torch.tensor([[1.0, 1.0, 0.5, 0.25]], dtype=torch.float64)
    found = Box(low, high, error).relu()
    assert found.low.tolist() == [[0, 0, 1, 0]]
    assert found.high.tolist() == [[0, 0, 2, 1]]
    torch.testing.assert_close(
        found.error, torch.tensor([[0, 0.5, 0.5, 0.25]]).double(), rtol=1e-5, atol=0
    )
    clean, noisy = inside(Box(low, high, error), 0)
    assert contains(found, clean.relu(), noisy.relu()) > 0.9


def test_noise_on_weights_that_were_0_rounds_too():
    """Each of n products may round, and not only those of weights that were given."""
    n, unit = 500, 2.0**-24
    weight, total = torch.zeros(1, n, dtype=torch.float64), torch.ones(1, n, dtype=torch.float64)
    noise = Noise(1.0, torch.float32)
    moved = noise.moved("w", weight, total)
    assert noise.rounded("w", Entries(weight), total, moved).item() >= n * unit * n
    assert noise.rounded("w", Entries(weight), total, moved).item() < 1.1 * n * unit * n
    box = Box(total, total, 0 * total)
    assert n * unit * n <= noise.off("w", Entries(weight), box).item() - n < 1.1 * n * unit * n


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_one_product_bounds_noise_as_several_do(dtype):
    """Also of columns that stand for several, and of weights most of which are 0."""
    noise = Noise(0.01, dtype)
    weight = torch.randn(6, 9, dtype=torch.float64, generator=generator(0))
    weight[:, 5:] = weight[2:] = 0
    x = random_box((4, 9), 0.0, 0.1, 1)
    counts = torch.ones(9, dtype=torch.float64)
    counts[8] = 5
    for entries in (Entries(weight), Entries(weight, counts)):
        several = Change.off(noise, "w", entries, x, 0.001)
        torch.testing.assert_close(noise.off("w", entries, x, 0.001), several, rtol=1e-5, atol=0)
    more = [torch.cat([end, end[:, 8:].expand(-1, 4)], 1) for end in (x.low, x.high, x.error)]
    alike = torch.cat([weight, weight[:, 8:].expand(-1, 4)], 1)
    torch.testing.assert_close(
        noise.off("w", Entries(weight, counts), x),
        noise.off("w", Entries(alike), Box(*more)),
        rtol=1e-9,
        atol=0,
    )
