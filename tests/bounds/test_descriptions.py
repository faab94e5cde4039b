"""Wrong accounts of the description of a model, and of what a format holds, are caught."""

import itertools
from fractions import Fraction

import pytest
from model_words import PLACES, encode, hidden_in

from bounds import grids
from bounds.capacity import EMBEDDING, UNEMBEDDING, Capacity
from bounds.grids import Grid, natural_bits, signed_bits
from verify.queries import capacity as module
from verify.queries.capacity import capacity, format_of


def less(owner, name, bits):
    """What counts bits, less those that a function of its argument says."""
    right = getattr(owner, name)
    return owner, name, lambda of: right(of) - bits(of)


def of_low(grid):
    """The odd part of the least number and its power of two."""
    return grids._odd_part(grid.low)


WRONG = {
    "a width is not described": less(
        Grid, "description_bits", lambda grid: natural_bits(grid.width)
    ),
    "the least number is not described": less(
        Grid, "description_bits", lambda grid: signed_bits(of_low(grid)[0])
    ),
    "its exponent is not described": less(
        Grid,
        "description_bits",
        lambda grid: signed_bits(of_low(grid)[1]) if grid.low else 0,
    ),
    "a spacing is not described": less(
        Grid, "description_bits", lambda grid: signed_bits(grid.spacing) if grid.steps else 0
    ),
    "sizes are not described": (
        module,
        "description_bits",
        lambda described: 2 + sum(grid.description_bits() for grid in described.grids.values()),
    ),
    "grids are not described": less(
        module,
        "description_bits",
        lambda described: sum(grid.description_bits() for grid in described.grids.values()),
    ),
    "repeats are not described": less(
        module, "description_bits", lambda described: natural_bits(described.shape.repeats)
    ),
    "numbers have a code that is not prefix-free": (
        module,
        "natural_bits",
        lambda number: (number + 1).bit_length(),
    ),
    "the description belongs to no part": (
        Capacity,
        "internal_bits",
        property(
            lambda found: sum(
                cost.bits
                for name, cost in found.tensors.items()
                if name not in (EMBEDDING, UNEMBEDDING)
            )
        ),
    ),
}


def counts_alone():
    """Models that hide a number are counted by just the bits that name them, and the description
    is internal.
    """
    hidden = [hidden_in(place, number) for place, number in itertools.product(PLACES, (1, 7, 40))]
    return all(
        capacity(model).total_bits == len(encode(model))
        and capacity(model).internal_bits > capacity(model, format_of(model)).internal_bits
        for model in hidden
    )


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_account_of_the_description_is_caught(wrong, monkeypatch):
    assert counts_alone()
    monkeypatch.setattr(*WRONG[wrong])
    assert not counts_alone()


CONDITIONS = {
    "other is no finer": lambda one, other: not (other.steps and other.spacing < one.spacing),
    "its first number is one of the grid's": lambda one, other: place(one, other).denominator == 1,
    "its first number is not below the grid's": lambda one, other: place(one, other) >= 0,
    "its last number has a name": lambda one, other: (
        place(one, other) + other.steps * Fraction(2) ** (other.spacing - one.spacing)
        < 2**one.width
    ),
}
"""All that `Grid.holds` asks for."""


def place(one, other):
    """The number of the first number of a grid on another."""
    return (other.low - one.low) / Fraction(2) ** one.spacing


@pytest.mark.parametrize("left_out", [None, *CONDITIONS])
def test_no_condition_of_the_membership_may_be_left_out(left_out):
    grid = Grid(Fraction(0), 1, 2)
    others = [
        Grid(Fraction(1), 1, 1),
        Grid(Fraction(-2), 1, 1),
        Grid(Fraction(2), 2, 2),
        Grid(Fraction(0), 0, 2),
        Grid(Fraction(0), 1, 2),
    ]
    found = [grid.holds(other) for other in others]
    assert found == [False, False, False, False, True]
    asked = [holds for name, holds in CONDITIONS.items() if name != left_out]
    same = found == [all(holds(grid, other) for holds in asked) for other in others]
    assert same == (left_out is None)
