"""A model counted alone is named by just as many bits; formats, and what is in them."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from model_words import Reader, decode, encode, models, natural, same_model, signed
from strategies import bijections

from bounds.grids import grid_of, natural_bits, signed_bits
from constructions import CATALOGUE, FactTable, InputError, selector
from verify.queries.capacity import capacity, format_of


@given(models(), st.text("01", max_size=20))
@settings(max_examples=80, deadline=None)
def test_a_model_counted_alone_is_named_by_just_as_many_bits_whatever_follows_them(model, rest):
    """So these words are prefix-free, and different models (signs of zeros aside) have different
    ones.
    """
    word = encode(model)
    assert len(word) == capacity(model).total_bits
    reader = Reader(word + rest)
    assert same_model(decode(reader), model)
    assert reader.at == len(word)


@given(st.integers(0, 10**6) | st.integers(0, 2**200))
def test_numbers_take_the_bits_of_their_code(number):
    assert natural_bits(number) == len(natural(number))
    for value in (number, -number):
        assert signed_bits(value) == len(signed(value))
        assert Reader(signed(value)).signed() == value


@given(models())
@settings(max_examples=30, deadline=None)
def test_within_its_own_format_a_model_has_no_description(model):
    alone, within = capacity(model), capacity(model, format_of(model))
    assert (within.outside, within.description, within.other_unembedding) == ("", 0, False)
    assert alone.total_bits - alone.description == within.total_bits
    assert alone.internal_bits - alone.description == within.internal_bits
    assert (alone.embedding_bits, alone.unembedding_bits) == (
        within.embedding_bits,
        within.unembedding_bits,
    )


def test_the_example_of_the_page():
    model = selector(FactTable.rotations(16, 3))
    found = capacity(model)
    page = (Path(__file__).parents[2] / "docs" / "verification.md").read_text()
    assert (found.description, found.internal_bits - found.description) == (113, 624)
    assert "113 bits beside 624" in " ".join(page.split())


values = st.lists(st.integers(-6, 6), min_size=1, max_size=4)


@given(values, values, st.integers(-2, 2), st.integers(-2, 2))
@settings(max_examples=150)
def test_a_grid_holds_another_if_all_its_numbers_have_names_there(
    some, others, scale, other_scale
):
    grid, other = (
        grid_of([np.array(v) * 2.0**e]) for v, e in ((some, scale), (others, other_scale))
    )

    def numbers(of, count):
        return {of.low + n * Fraction(2) ** of.spacing for n in range(count)}

    assert grid.holds(other) == (numbers(other, other.steps + 1) <= numbers(grid, 2**grid.width))
    assert grid.holds(grid)


@pytest.mark.parametrize(
    "name", [name for name, entry in CATALOGUE.items() if entry.takes_bijections]
)
@given(data=st.data())
@settings(max_examples=8, deadline=None)
def test_models_of_all_bijections_are_in_the_format_of_rotations(name, data):
    """Widths, spacings, constants and sizes are those of the size; and so is the unembedding,
    where it holds no facts.
    """
    entry = CATALOGUE[name]
    facts = data.draw(bijections(st.integers(1, 9), st.integers(1, 3)))
    hops = data.draw(st.integers(1, 3)) if entry.multi_hop else 1
    rotations = FactTable.rotations(facts.n_entities, facts.n_relations)
    found = capacity(entry.build(facts, hops), format_of(entry.build(rotations, hops)))
    assert found.outside == ""
    assert not found.other_unembedding or (name == "meet_in_the_middle" and hops > 1)


def test_rotations_are_bijections_of_their_size():
    facts = FactTable.rotations(5, 3)
    assert facts.is_bijective
    assert facts.answers.tolist() == [[0, 1, 2, 3, 4], [1, 2, 3, 4, 0], [2, 3, 4, 0, 1]]


def test_models_whose_parameters_are_not_all_are_refused():
    model = selector(FactTable.rotations(4, 2))
    model.layers[0].attention.scaled = True
    with pytest.raises(InputError, match="scaled: True"):
        capacity(model)
    model = selector(FactTable.rotations(4, 2))
    model.layers[0].extra = torch.nn.Parameter(torch.ones(1))
    with pytest.raises(InputError, match=r"layers\.0\.extra"):
        capacity(model)
    model = selector(FactTable.rotations(4, 2))
    model.unembedding.weight = model.embedding.weight
    with pytest.raises(
        InputError, match=r"unembedding\.weight of the target shares memory with embedding\.weight"
    ):
        capacity(model)
