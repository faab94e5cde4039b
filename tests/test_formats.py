"""What names a model: an encoder and a decoder that spend just the bits that are counted, and
cheats that are charged.
"""

import itertools
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import bijections

from bounds import grids
from bounds.capacity import EMBEDDING, UNEMBEDDING, Capacity
from bounds.grids import Grid, grid_of, natural_bits, signed_bits
from bounds.theorem_4_2 import sharpened_global_bound
from constructions import CATALOGUE, FactTable, InputError, selector
from constructions.model.shapes import HeadShape, LayerShape, TransformerShape
from constructions.model.transformer import Transformer
from verify.queries import capacity as module
from verify.queries.capacity import DTYPES, capacity, fact_capacity, format_of
from verify.runner.cells import Cell
from verify.runner.verifying import run_cell

# ------------------------------------------------------------------ a model as a word of bits, and
# back


def natural(number):
    """Elias' delta code of number + 1."""
    digits = f"{number + 1:b}"
    length = f"{len(digits):b}"
    return "0" * (len(length) - 1) + length + digits[1:]


def signed(number):
    return natural(2 * number if number >= 0 else -2 * number - 1)


class Reader:
    """A word of bits, read from the front; what is left over stays."""

    def __init__(self, word):
        self.word, self.at = word, 0

    def bits(self, count):
        self.at += count
        assert self.at <= len(self.word)
        return self.word[self.at - count : self.at]

    def natural(self):
        zeros = 0
        while self.bits(1) == "0":
            zeros += 1
        length = int("1" + self.bits(zeros), 2)
        return int("1" + self.bits(length - 1), 2) - 1

    def signed(self):
        folded = self.natural()
        return -(folded + 1) // 2 if folded % 2 else folded // 2


def encode(model):
    """Dtype, sizes, the grid of each tensor, then all entries by their numbers on the grid."""
    described, shape = format_of(model), model.shape
    word = f"{DTYPES.index(described.dtype):02b}"
    word += "".join(
        map(
            natural,
            (shape.d_vocab, shape.d_model, shape.n_positions, shape.repeats, len(shape.layers)),
        )
    )
    for layer in shape.layers:
        word += natural(len(layer.heads)) + "".join(
            natural(head.d_qk) + natural(head.d_v) for head in layer.heads
        )
        word += natural(len(layer.d_mlp)) + "".join(map(natural, layer.d_mlp))
    for grid in described.grids.values():
        word += natural(grid.width)
        mantissa, exponent = grid.low, 0
        while mantissa.denominator > 1:
            mantissa, exponent = mantissa * 2, exponent - 1
        while mantissa and mantissa % 2 == 0:
            mantissa, exponent = mantissa / 2, exponent + 1
        word += signed(int(mantissa)) + (signed(exponent) if mantissa else "")
        word += signed(grid.spacing) if grid.width else ""
    for name, parameter in model.named_parameters():
        grid = described.grids[name]
        for entry in parameter.detach().double().flatten().tolist() if grid.width else ():
            number = (Fraction(entry) - grid.low) / Fraction(2) ** grid.spacing
            assert number.denominator == 1
            word += f"{int(number):0{grid.width}b}"
    return word


@torch.no_grad()
def decode(reader):
    dtype = DTYPES[int(reader.bits(2), 2)]
    d_vocab, d_model, n_positions, repeats, n_layers = (reader.natural() for _ in range(5))
    layers = []
    for _ in range(n_layers):
        heads = tuple(
            HeadShape(reader.natural(), reader.natural()) for _ in range(reader.natural())
        )
        layers.append(LayerShape(heads, tuple(reader.natural() for _ in range(reader.natural()))))
    shape = TransformerShape(d_vocab, d_model, tuple(layers), n_positions, repeats)
    model = Transformer(shape, getattr(torch, dtype))
    grids = []
    for _ in model.parameters():
        width, mantissa = reader.natural(), reader.signed()
        low = Fraction(mantissa) * Fraction(2) ** (reader.signed() if mantissa else 0)
        grids.append((width, low, Fraction(2) ** (reader.signed() if width else 0)))
    for parameter, (width, low, step) in zip(model.parameters(), grids, strict=True):
        numbers = [int("0" + reader.bits(width), 2) for _ in range(parameter.numel())]
        values = torch.tensor(
            [float(low + number * step) for number in numbers], dtype=torch.float64
        )
        parameter.copy_(values.reshape(parameter.shape))
    return model


small = st.integers(0, 2)
shapes = st.builds(
    TransformerShape,
    d_vocab=st.integers(1, 4),
    d_model=st.integers(1, 3),
    layers=st.lists(
        st.builds(
            LayerShape,
            heads=st.lists(st.builds(HeadShape, small, small), max_size=2).map(tuple),
            d_mlp=st.lists(st.integers(1, 3), max_size=2).map(tuple),
        ),
        min_size=1,
        max_size=2,
    ).map(tuple),
    n_positions=small,
    repeats=st.integers(1, 3),
)


@st.composite
def models(draw):
    """Transformers of any small shape; each tensor is constant, or on a random grid."""
    model = Transformer(draw(shapes), getattr(torch, draw(st.sampled_from(DTYPES))))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    with torch.no_grad():
        for parameter in model.parameters():
            low, numbers = (
                rng.integers(-8, 9),
                rng.integers(0, rng.integers(1, 6), tuple(parameter.shape)),
            )
            parameter.copy_(torch.from_numpy(2.0 ** rng.integers(-7, 8) * (low + numbers)))
    return model


def same_model(model, other):
    names = [name for name, _ in model.named_parameters()]
    return (
        model.shape == other.shape
        and names == [name for name, _ in other.named_parameters()]
        and all(
            a.dtype == b.dtype and torch.equal(a, b)
            for a, b in zip(model.parameters(), other.parameters(), strict=True)
        )
    )


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
    page = (Path(__file__).parent.parent / "docs" / "verification.md").read_text()
    assert (found.description, found.internal_bits - found.description) == (114, 960)
    assert "114 bits beside 960" in " ".join(page.split())


# ------------------------------------------------------------------ membership

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


# ------------------------------------------------------------------ cheats

SHAPE = TransformerShape(
    d_vocab=2, d_model=1, layers=(LayerShape((HeadShape(0, 1),), (1,)),), n_positions=1
)


def hidden_in(place, number):
    """A transformer that differs from others in one place alone, which tells a
    number from 0 on.
    """
    head, unit = HeadShape(0, 1), (1,)
    sizes = {
        "a hidden layer": lambda: {"layers": (LayerShape((), (1 + number,)),)},
        "repeats": lambda: {"repeats": 1 + number},
        "positions": lambda: {"n_positions": number},
        "heads": lambda: {"layers": (LayerShape((head,) * number, unit),)},
        "a head's width": lambda: {"layers": (LayerShape((HeadShape(number, 1),), unit),)},
    }.get(place, dict)
    model = Transformer(TransformerShape(**vars(SHAPE) | sizes()), torch.float64)
    entry, table = model.layers[0].mlp.matrix(0), model.embedding.weight
    with torch.no_grad():
        if place == "a constant":
            entry.fill_(number)
        if place == "a constant's exponent":
            entry.fill_(2.0 ** (number - 500))
        if place == "an offset":
            table[:, 0] = torch.tensor([number, number + 1.0], dtype=torch.float64)
        if place == "a spacing":
            table[:, 0] = torch.tensor([0, 2.0 ** (number - 500)], dtype=torch.float64)
        if place == "a width":
            table[:, 0] = torch.tensor([1, 2.0**number], dtype=torch.float64)
    return model


PLACES = [
    "a constant",
    "a constant's exponent",
    "an offset",
    "a spacing",
    "a width",
    "repeats",
    "positions",
    "heads",
]
PLACES += ["a hidden layer", "a head's width"]
"""Where facts may hide from an accounting that multiplies entries by widths."""


COUNT = 50


def kraft_sum(place, count):
    """The sum of 2^-bits over many models, each with bits of its own; above 1 no such words
    exist.
    """
    return sum(Fraction(1, 2 ** count(hidden_in(place, number))) for number in range(COUNT))


@pytest.mark.parametrize("place", PLACES)
def test_nothing_hides_in(place):
    """Of the models that differ in this place alone no more than 2^b have b bits or fewer: the
    cheat is charged.
    """
    charged = sorted(capacity(hidden_in(place, number)).total_bits for number in range(COUNT))
    assert kraft_sum(place, lambda model: capacity(model).total_bits) <= 1
    assert all(index < 2**bits for index, bits in enumerate(charged))
    # The control: entries by widths of the model's own.
    # there larger numbers take more entries, or wider ones
    if place not in ("a width", "positions"):
        assert kraft_sum(place, lambda model: capacity(model, format_of(model)).total_bits) > 1


def test_facts_in_a_one_entry_tensor_fell_below_a_bound_and_are_charged():
    """One number of 2^b values tells apart more tables than its model has bits for, if a constant
    is free.
    """
    needed = sharpened_global_bound(9, 2, 2, 0).bits
    # 2^30 numbers are exact in float64; the table's number is the constant
    tables = range(2**30, 2**30 + 50)
    assert needed > 29
    for number in tables:
        model = hidden_in("a constant", number)
        free, charged = capacity(model, format_of(model)), capacity(model)
        assert free.internal_bits == 0
        assert charged.internal_bits > 30
        assert capacity(model, format_of(hidden_in("a constant", 1))).outside.startswith(
            "layers.0.mlp.weights.0.weight"
        )


def test_fact_bits_charge_what_differs_between_models_wherever_it_hides():
    for place in ("a constant", "a constant's exponent", "an offset", "a spacing", "a width"):
        found = fact_capacity([hidden_in(place, number) for number in range(COUNT)])
        assert found.total_bits >= 6, place
    for place in ("repeats", "a head's width"):
        with pytest.raises(ValueError, match="with the same shapes"):
            fact_capacity([hidden_in(place, number) for number in (1, 2)])


CELLS = (Cell("selector", 20, 3, seed=seed) for seed in range(99))
CELL = next(cell for cell in CELLS if cell.table().answers[0, 0] % 2)
"""A cell whose first answer is odd; that of rotations is 0."""


def disguised(change):
    """A builder that hides the first answer in the model, without a change of any logit."""

    def build(facts, **options):
        model = selector(facts, **options)
        attention = model.layers[0].attention
        with torch.no_grad():
            change(attention.value.weight, attention.output.weight, int(facts.answers[0, 0]))
        return model

    return build


def in_a_spacing(value, output, number):
    value *= 2.0**number
    output /= 2.0**number


def in_an_offset(value, output, number):
    value *= (-1) ** number
    output *= (-1) ** number


@pytest.mark.parametrize("change", [in_a_spacing, in_an_offset])
def test_a_cell_whose_builder_hides_facts_in_its_format_fails(change, monkeypatch):
    cell, number = CELL, int(CELL.table().answers[0, 0])
    monkeypatch.setattr("constructions.theorems.theorem_4_1.selector", disguised(change))
    result = run_cell(cell)
    assert (result.verdict, result.wrong) == ("FAIL", 0)
    assert (
        "widths or constants depend on the facts, and are counted: layers.0.attention.value.weight"
        in result.reason
    )
    assert (
        result.sizes.found.internal_bits
        > run_cell_of(selector, cell, monkeypatch).sizes.found.internal_bits + number.bit_length()
    )


def run_cell_of(build, cell, monkeypatch):
    monkeypatch.setattr("constructions.theorems.theorem_4_1.selector", build)
    return run_cell(cell)


def test_the_same_disguise_for_all_facts_is_a_part_of_the_format(monkeypatch):
    plain = run_cell(CELL)
    always = run_cell_of(
        disguised(lambda value, output, _: in_a_spacing(value, output, 3)), CELL, monkeypatch
    )
    assert "depend on the facts" not in always.reason
    assert always.sizes.found.internal_bits == plain.sizes.found.internal_bits


def test_a_cell_whose_fixed_unembedding_holds_facts_fails(monkeypatch):
    def build(facts, **options):
        model = selector(facts, **options)
        with torch.no_grad():  # relations are never answers: their logits may sink
            model.unembedding.weight[facts.n_entities] *= 1 + int(facts.answers[0, 0]) % 2
        return model

    result = run_cell_of(build, CELL, monkeypatch)
    assert result.verdict == "FAIL"
    assert "the unembedding depends on the facts, and is claimed not to" in result.reason


# ------------------------------------------------------------------ what is not counted by its
# parameters


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


# ------------------------------------------------------------------ wrong accounts are caught


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
