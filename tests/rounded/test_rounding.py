"""Trained models on a grid: what rounding makes of weights."""

import math

import numpy as np
import pytest
import torch
from small_trained import FACTS, copied, drawn, trained

from constructions import InputError, OneLayerShape
from constructions.learning.rounding import Grid, grid_of, round_weights
from verify.learned.proven import prove_recall


@pytest.mark.parametrize("bits", [2, 5, 10, 24])
def test_every_tensor_is_small_integers_times_a_power_of_two(bits):
    model = trained()
    rounded = round_weights(model, bits)
    for name, weight in rounded.named_parameters():
        given = dict(model.named_parameters())[name].detach()
        grid = grid_of(weight)
        most = min(24, bits + 2) if name.startswith("biases") else bits
        assert grid.bits <= most
        integers = weight.double() * 2.0**-grid.step
        assert torch.equal(integers, integers.round())
        assert integers.abs().max() < 2 ** (grid.bits - 1)
        largest = float(given.abs().max())
        assert (weight - given).abs().max() <= largest * 2.0 ** (2 - most)
        assert not (torch.signbit(weight) & (weight == 0)).any()


def test_the_given_model_stays_as_it_is():
    model = copied(trained())
    round_weights(model, 3)
    assert all(map(torch.equal, model.parameters(), trained().parameters()))


def test_rounding_what_is_rounded_changes_nothing():
    once = round_weights(trained(), 10)
    assert all(map(torch.equal, once.parameters(), round_weights(once, 10).parameters()))


def test_a_coarse_grid_loses_facts_and_a_fine_one_none():
    assert prove_recall(round_weights(trained(), 10), FACTS).real.verdict == "PASS"
    assert prove_recall(round_weights(trained(), 2), FACTS).real.verdict == "FAIL"


@pytest.mark.parametrize(
    ("values", "grid"),
    [
        ([0.0, 0.0], Grid(0, 1)),
        ([1.0], Grid(0, 2)),
        ([0.5, -3.0], Grid(-1, 4)),
        ([96.0, 32.0], Grid(5, 3)),
        ([2.0**-149], Grid(-149, 2)),
        ([1.0, 2.0**-23], Grid(-23, 25)),
        ([-(2.0**127)], Grid(127, 2)),
    ],
)
def test_a_grid_has_the_largest_step(values, grid):
    assert grid_of(torch.tensor(values)) == grid


def test_grids_of_random_tensors_are_the_ones_by_definition():
    rng = np.random.default_rng(0)
    for _ in range(200):
        values = rng.integers(-40, 40, 5) * 2.0 ** rng.integers(-20, 20)
        found = grid_of(torch.tensor(values))
        if not values.any():
            assert found == Grid(0, 1)
            continue
        integers = values * 2.0**-found.step
        assert (integers == np.rint(integers)).all()
        assert (integers % 2).any()
        assert found.bits == 1 + int(abs(integers).max()).bit_length()


def test_other_models_are_refused():
    for kind in ({"attention": "softmax"}, {"norm": "rmsnorm"}, {"value": True}):
        with pytest.raises(InputError, match="softmax and norms are not exact"):
            round_weights(drawn(OneLayerShape(5, 2, 5, 4, 6, **kind), 0))
    with pytest.raises(InputError, match="a one-layer model is expected"):
        round_weights(torch.nn.Linear(2, 2))
    for bits in (1, 25, 2.5, "10"):
        with pytest.raises(InputError, match="bits"):
            round_weights(trained(), bits)
    for bad in (math.nan, math.inf):
        other = copied(trained())
        with torch.no_grad():
            other.biases[0][3] = bad
        with pytest.raises(InputError, match=r"biases\.0 holds a number that is not finite"):
            round_weights(other)


def test_an_entry_that_float32_does_not_hold_when_rounded_is_refused():
    other = copied(trained())
    with torch.no_grad():
        other.entities[0, 0] = -(2.0**128 - 2.0**120)
    assert round_weights(other, 10).entities.isfinite().all()  # the control: rounded down
    with torch.no_grad():
        other.entities[0, 0] = -torch.finfo(torch.float32).max
    with pytest.raises(InputError, match=r"entities has an entry .*, it is above all of float32"):
        round_weights(other, 10)
    wide = copied(trained()).double()
    with torch.no_grad():
        wide.entities.mul_(1e200)
    with pytest.raises(InputError, match=r"entities has an entry .*, it is above all of float32"):
        round_weights(wide, 10)
