"""A model as a word of bits, and back; and models that hide a number in one place alone."""

from fractions import Fraction

import numpy as np
import torch
from hypothesis import strategies as st

from constructions.model.shapes import HeadShape, LayerShape, TransformerShape
from constructions.model.transformer import Transformer
from verify.queries.capacity import DTYPES, format_of


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
