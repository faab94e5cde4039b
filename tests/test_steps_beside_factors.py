"""Each step of the bounds by itself, beside a common factor and a shift: numbers from the corners of
a box end in the box that the step makes of it.
"""

import os
from dataclasses import replace

import numpy as np
import pytest
import torch

from constructions.following.boxes import MOST_SCALE, Box
from constructions.following.changes import Change, Entries
from constructions.following.follower import BoxRules
from constructions.following.norms import layer_norm, rms_norm
from constructions.following.prefixes import one_for_each
from constructions.following.walk import Heads, Matrix
from constructions.model.shapes import HeadShape

FRESH = int(os.environ["TEST_SEED"])
"""Another one in each run; every message has it."""
RUNS = 150
DRAWS = 64
PLACES, WIDTH = 3, 4


def exact():
    """Sums that do not round, so that a bound holds errors and factors alone."""
    change = Change(torch.float64)
    change.unit = change.underflow = change.flushed = 0.0
    return change


def box_of(rng, shift=False, scale=True):
    """Of one vector for each place; as often as not a point."""
    middle = rng.normal(size=(PLACES, WIDTH)) * 10.0 ** rng.uniform(-2, 1, (1, WIDTH))
    half = rng.choice([0, 0, 0.1, 1e-10]) * rng.random((PLACES, WIDTH))
    error = np.abs(middle) * rng.choice([0, 0, 0.01, 0.1]) * rng.random((PLACES, WIDTH))
    error[:, rng.random(WIDTH) < rng.choice([0.0, 0.5])] = 0
    low, high, error = (torch.from_numpy(one) for one in (middle - half, middle + half, error))
    shifts = torch.from_numpy(rng.random((PLACES, 1)) * rng.choice([0.01, 0.3])), torch.ones(WIDTH)
    along = torch.from_numpy(rng.normal(size=WIDTH) + 1) if rng.random() < 1 / 2 else shifts[1]
    factor = torch.from_numpy(rng.random((PLACES, 1)) * MOST_SCALE) if scale else None
    return Box(low, high, error, *((shifts[0], along.double()) if shift else (None, None)), factor)


def corners(rng, box):
    """Numbers (DRAWS, PLACES, WIDTH) that the box holds, nearly all at its ends; and their
    factors.
    """
    size = (DRAWS, PLACES, WIDTH)
    x = torch.where(torch.from_numpy(rng.random(size) < 0.5), box.low, box.high)
    share = torch.from_numpy(rng.choice([-1.0, 1.0], size))
    with_x = torch.from_numpy(rng.random((DRAWS, 1, 1)) < 0.5)
    share = torch.where(with_x, x.sign() * share[..., :1], share)
    x = x + share * box.error
    if box.shift is not None:
        x = x + torch.from_numpy(rng.choice([-1.0, 1.0], size[:2]))[..., None] * (
            box.shift * box.along
        )
    factor = torch.ones(DRAWS, PLACES, 1, dtype=torch.float64)
    if box.scale is not None:
        sign = torch.from_numpy(rng.choice([-1.0, 1.0], size[:2]))[..., None]
        factor = 1 + sign * box.scale
    return factor * x, factor


def matrix(rng, rows, columns, name="weight"):
    return Matrix(name, torch.from_numpy(rng.normal(size=(rows, columns))))


def the_same(rng):
    box = box_of(rng, shift=True)
    return box, corners(rng, box)[0]


def a_place(rng):
    box, places = box_of(rng, shift=True), torch.tensor([2, 0, 1])
    return box.at(places), corners(rng, box)[0][:, places]


def a_matrix(rng):
    box, weight = box_of(rng, shift=True), matrix(rng, 5, WIDTH)
    found = exact().through("", Entries(weight.weight), box)
    return found, corners(rng, box)[0] @ weight.weight.mT


def an_mlp(rng):
    """A sum of two with the same factor, of which one has passed hidden units."""
    box, one, other = box_of(rng, shift=True), matrix(rng, 5, WIDTH), matrix(rng, WIDTH, 5)
    hidden = exact().through("", Entries(one.weight), box).relu()
    found = exact().plus(box, exact().through("", Entries(other.weight), hidden))
    x, _ = corners(rng, box)
    return found, x + (x @ one.weight.mT).relu() @ other.weight.mT


def a_sum(first, second):
    """Of two, of which each may have a factor of its own; often they nearly cancel."""

    def step(rng):
        box, other = box_of(rng, shift=True, scale=first), box_of(rng, scale=second)
        if rng.random() < 1 / 2:
            other = replace(other, low=-box.high, high=-box.low)
        return exact().plus(box, other), corners(rng, box)[0] + corners(rng, other)[0]

    return step


def rms(rng):
    box = box_of(rng, scale=bool(rng.integers(2)))
    gain, eps = torch.from_numpy(rng.normal(size=WIDTH)), float(rng.choice([0, 0.1, 30]))
    x, _ = corners(rng, box)
    found = rms_norm(box, gain, eps, exact())
    return found, x / (x.square().mean(-1, keepdim=True) + eps).sqrt() * gain


def layer(rng):
    box = box_of(rng, *map(bool, rng.integers(2, size=2)))
    gain, eps = torch.from_numpy(rng.normal(size=WIDTH)), float(rng.choice([0, 0.1, 30]))
    bias = torch.from_numpy(rng.normal(size=WIDTH)) if rng.random() < 1 / 2 else None
    x, _ = corners(rng, box)
    found = layer_norm(box, gain, bias, eps, exact())
    return found, torch.nn.functional.layer_norm(x, (WIDTH,), gain, bias, eps)


def heads(which):
    """Queries, keys and values, of which some have factors."""

    def step(rng):
        q, k, v = (box_of(rng, scale=name in which) for name in "qkv")
        matrices = (matrix(rng, WIDTH, WIDTH, name) for name in ("q", "k", "v", "o"))
        shape = Heads(*matrices, (HeadShape(WIDTH, WIDTH),), True)
        weights = {"q": Entries(shape.query.weight)}
        rules = BoxRules(weights, exact(), one_for_each(PLACES), None)
        (x, _), (y, _), (z, _) = (corners(rng, one) for one in (q, k, v))
        hidden = torch.ones(PLACES, PLACES, dtype=torch.bool).triu(1)
        pattern = (x @ y.mT / WIDTH**0.5).masked_fill(hidden, -torch.inf).softmax(-1)
        return rules.mixed(shape, q, k, v), pattern @ z

    return step


STEPS = {
    "the same": the_same,
    "a place": a_place,
    "a matrix": a_matrix,
    "an MLP": an_mlp,
    "a sum, both": a_sum(True, True),
    "a sum, the first": a_sum(True, False),
    "a sum, the second": a_sum(False, True),
    "RMSNorm": rms,
    "LayerNorm": layer,
    "queries": heads("q"),
    "keys": heads("k"),
    "values": heads("v"),
    "all of a head": heads("qkv"),
}


def outside(name, key):
    """How far numbers are outside of what the step says, relative to its size; NaN where nothing
    is known.
    """
    rng = np.random.default_rng([FRESH, list(STEPS).index(name), key])
    found, numbers = STEPS[name](rng)
    found = found.unscaled()
    beside = found.error
    if found.shift is not None:
        beside = beside + found.shift * found.along.abs()
    off = torch.maximum(numbers - found.high - beside, found.low - beside - numbers)
    return (off / (1 + numbers.abs())).max().item()


@pytest.mark.parametrize("name", STEPS)
def test_numbers_of_a_box_stay_in_the_boxes(name):
    found = [outside(name, key) for key in range(RUNS)]
    assert all(not off > 1e-12 for off in found), (FRESH, name, max(found))
    assert sum(off <= 1e-12 for off in found) > RUNS / 3, (FRESH, name)
