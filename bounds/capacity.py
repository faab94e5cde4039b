"""Bits of a built model: dense, and those that hold facts. Read from its weights, without
trusting its builder.

*Dense bits* of a tensor are its entries times the width of its grid `low + n 2^spacing`, n = 0,
1, ..., 2^width - 1. Grids, sizes and dtype make up a *format*. What does not depend on the facts
is free; what is read off one model may depend on them. So there are two ways to count:

* within a given format, which the sizes alone determine: entries times the format's widths;
* of a model alone: entries times its own widths, and beside them the bits that describe its
  sizes, its dtype and its grids, so that nothing hides in a constant tensor, a spacing, a width
  or a size.

docs/theorems/theorem_4_2.md proves that the bounds hold for both. *Fact bits* count only the
entries that change with the facts, found by comparing models of several fact tuples. What is
stored once counts once, however often it is applied.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from constructions.guards.errors import InputError
from constructions.guards.integers import whole

if TYPE_CHECKING:
    from torch import Tensor

    from constructions.model.transformer import Transformer, TransformerShape

EMBEDDING, UNEMBEDDING = "embedding.weight", "unembedding.weight"
DTYPES = ("float32", "float64", "float16", "bfloat16")
"""Whose place in this list describes a dtype, in two bits."""
_ENTRIES_AT_ONCE = 2**22


@dataclass(frozen=True)
class Grid:
    """The numbers `low + n 2^spacing`, n = 0, 1, ..., steps: the coarsest grid of some values,
    from the least to the largest.

    Attributes:
        low: the least value.
        spacing: the exponent e; 0 where there is one value.
        steps: the largest n; 0 for a constant, or for no value at all.
    """

    low: Fraction
    spacing: int
    steps: int

    @property
    def width(self) -> int:
        """The bits that name a number of it."""
        return self.steps.bit_length()

    def holds(self, other: Grid) -> bool:
        """Whether all numbers of another grid have names of `width` bits on this one."""
        step = Fraction(2) ** self.spacing
        first = (other.low - self.low) / step
        last = first + other.steps * Fraction(2) ** other.spacing / step
        finer = other.steps and other.spacing < self.spacing
        return not finer and first.denominator == 1 and first >= 0 and last < 2**self.width

    def description_bits(self) -> int:
        """The bits that describe width, least value and spacing, as `natural_bits` of each part,
        signs included.
        """
        bits = natural_bits(self.width)
        mantissa, exponent = _odd_part(self.low)
        bits += signed_bits(mantissa) + (signed_bits(exponent) if mantissa else 0)
        return bits + (signed_bits(self.spacing) if self.steps else 0)


@dataclass(frozen=True)
class Format:
    """How bits become a model: all of it that is not counted, and so must not depend on the facts.

    Attributes:
        shape: all sizes.
        dtype: of the weights, one of `DTYPES`.
        grids: name of the parameter to its grid.
        unembedding: a digest of the unembedding, which a fixed decoder shares with all facts.
    """

    shape: TransformerShape
    dtype: str
    grids: Mapping[str, Grid]
    unembedding: str

    def excludes(self, other: Format) -> str:
        """Why a model of the other format is none of this one, the unembedding's values aside;
        empty if it is one.
        """
        if other.shape != self.shape:
            return f"the sizes are {other.shape}, those of the format {self.shape}"
        if other.dtype != self.dtype:
            return f"the dtype is {other.dtype}, that of the format {self.dtype}"
        for name, grid in self.grids.items():
            if not grid.holds(other.grids[name]):
                return (
                    f"{name} lies on {other.grids[name]}, which the format's {grid} does not hold"
                )
        return ""


@dataclass(frozen=True)
class TensorBits:
    """What one tensor costs.

    Attributes:
        entries: that count; for fact bits, those that change with the facts.
        per_row: the most of them in one row, along the first axis.
        width: bits for each.
    """

    entries: int
    per_row: int
    width: int

    @property
    def bits(self) -> int:
        """Entries times width."""
        return self.entries * self.width


@dataclass(frozen=True)
class Capacity:
    """The bits of a model, by tensor. B_T, B_e and B_u are those of Theorem 4.2.

    Attributes:
        tensors: name of the parameter to its cost; each stored tensor once.
        description: bits that describe sizes, dtype and grids, which belong to no single token; 0
            within a format.
        outside: why the model is not in the format that it was measured in, and so was counted
            alone; empty if it is.
        other_unembedding: whether its unembedding is not that of the format, though it may lie on
            the same grid.
    """

    tensors: Mapping[str, TensorBits]
    description: int = 0
    outside: str = ""
    other_unembedding: bool = False

    @property
    def internal_bits(self) -> int:
        """B_T: attention, MLPs and positions, and the description."""
        inside = sum(
            cost.bits
            for name, cost in self.tensors.items()
            if name not in (EMBEDDING, UNEMBEDDING)
        )
        return inside + self.description

    @property
    def embedding_bits(self) -> int:
        """B_e: one token's row of the embedding."""
        return self.tensors[EMBEDDING].per_row * self.tensors[EMBEDDING].width

    @property
    def unembedding_bits(self) -> int:
        """B_u: one token's row of the unembedding."""
        return self.tensors[UNEMBEDDING].per_row * self.tensors[UNEMBEDDING].width

    @property
    def total_bits(self) -> int:
        """All tensors together, and the description."""
        return sum(cost.bits for cost in self.tensors.values()) + self.description


def capacity(model: Transformer, within: Format | None = None) -> Capacity:
    """The dense bits of a model.

    Args:
        model: a transformer of ours.
        within: a format that does not depend on the facts, such as `format_of` a model that the
            same builder makes of facts that the sizes alone determine (`FactTable.rotations`). A
            model that is not in it is counted alone.

    Raises:
        ValueError: a weight is not a finite number.
        InputError: the parameters are not those of a new transformer of its shape, or scores are
            scaled.
    """
    own = format_of(model)
    outside = "" if within is None else within.excludes(own)
    alone = within is None or bool(outside)
    grids = own.grids if within is None or outside else within.grids
    tensors = {}
    for name, parameter in model.named_parameters():
        per_row = parameter[0].numel() if parameter.numel() else 0
        tensors[name] = TensorBits(parameter.numel(), per_row, grids[name].width)
    other_unembedding = within is not None and within.unembedding != own.unembedding
    return Capacity(tensors, description_bits(own) if alone else 0, outside, other_unembedding)


def format_of(model: Transformer) -> Format:
    """The narrowest format that a model is in. Raises ValueError and InputError as `capacity`."""
    _require_transformer(model)
    grids = {name: grid_of(_pieces(parameter)) for name, parameter in model.named_parameters()}
    digest = hashlib.sha256()
    for piece in _pieces(model.unembedding.weight):
        digest.update((piece + 0.0).data)  # + 0.0: one zero
    return Format(model.shape, _dtype_of(model), grids, digest.hexdigest())


def description_bits(described: Format) -> int:
    """The bits of a prefix-free description of a format, the unembedding's values aside.

    Two for the dtype; all sizes in the order of `TransformerShape`, each list after its length;
    then the grid of each tensor. Each natural number takes `natural_bits`.
    """
    shape = described.shape
    sizes = [shape.d_vocab, shape.d_model, shape.n_positions, shape.repeats, len(shape.layers)]
    for layer in shape.layers:
        sizes += [
            len(layer.heads),
            *(width for head in layer.heads for width in (head.d_qk, head.d_v)),
        ]
        sizes += [len(layer.d_mlp), *layer.d_mlp]
    grids = sum(grid.description_bits() for grid in described.grids.values())
    return 2 + sum(map(natural_bits, sizes)) + grids


def _pieces(weight: Tensor) -> Iterator[NDArray[np.float64]]:
    """All entries in their order, some at once."""
    flat = weight.detach().flatten()
    for start in range(0, len(flat), _ENTRIES_AT_ONCE):
        yield flat[start : start + _ENTRIES_AT_ONCE].double().cpu().numpy()


def natural_bits(number: int) -> int:
    """The length of Elias' delta code of number + 1, number >= 0: prefix-free, and about log2 n +
    2 log2 log2 n bits.
    """
    length = (whole("number", number, 0) + 1).bit_length()
    return length - 1 + 2 * (length.bit_length() - 1) + 1


def signed_bits(number: int) -> int:
    """`natural_bits` of 2 n for n >= 0, and of -2 n - 1 for n < 0."""
    number = whole("number", number)
    return natural_bits(2 * number if number >= 0 else -2 * number - 1)


def fact_capacity(models: Sequence[Transformer]) -> Capacity:
    """The fact bits of models that answer different fact tuples of one size, built alike: a lower
    estimate of what changes.

    An entry that changes with the facts may by chance be the same for the given tuples: give
    enough of them.

    Raises:
        ValueError: fewer than two models, models of different shapes, or a weight that is not a
            finite number.
    """
    tables = [dict(model.named_parameters()) for model in models]
    kinds = [
        (model.shape, *((name, weight.shape, weight.dtype) for name, weight in table.items()))
        for model, table in zip(models, tables, strict=True)
    ]
    if len(models) < 2 or any(kind != kinds[0] for kind in kinds):
        raise ValueError(
            "fact bits are measured from two models or more with the same shapes and dtypes"
        )
    tensors = {}
    for name in tables[0]:
        values = [table[name].detach().double().cpu().numpy() for table in tables]
        changed = np.zeros(values[0].shape, dtype=bool)
        for other in values[1:]:
            changed |= other != values[0]
        counts = changed.sum(axis=tuple(range(1, changed.ndim)))
        width = fixed_point_width(value[changed] for value in values)
        tensors[name] = TensorBits(int(counts.sum()), int(counts.max(initial=0)), width)
    return Capacity(tensors)


def fixed_point_width(pieces: Iterable[NDArray[np.float64]]) -> int:
    """The least number of bits that holds all values on one dyadic grid: 0 for a constant, 1 for
    {-1, 1}, 2 for {-1, 0, 1}.

    Raises:
        ValueError: a value is not a finite number.
    """
    return grid_of(pieces).width


def grid_of(pieces: Iterable[NDArray[np.float64]]) -> Grid:
    """The coarsest dyadic grid that holds all values; {0} of no value. Raises ValueError as
    `fixed_point_width`.
    """
    integers, scale = _as_integers([piece for piece in pieces if piece.size])
    if not integers:
        return Grid(Fraction(0), 0, 0)
    low, high = (
        min(int(piece.min()) for piece in integers),
        max(int(piece.max()) for piece in integers),
    )
    used = 0
    for piece in integers:
        used |= int(np.bitwise_or.reduce(piece - low, axis=None))
    spacing = used & -used  # the largest power of two that divides all differences
    exponent = scale + spacing.bit_length() - 1 if spacing else 0
    return Grid(low * Fraction(2) ** scale, exponent, (high - low) // spacing if spacing else 0)


def _as_integers(pieces: list[NDArray[np.float64]]) -> tuple[list[NDArray[Any]], int]:
    """The values as integers times 2^scale: int64 where they are such integers (scale 0), Python
    integers otherwise.
    """
    for piece in pieces:
        if not np.isfinite(piece).all():
            raise ValueError("a weight is not a finite number, so that no number of bits holds it")
    if all(max(piece.max(), -piece.min()) < 2.0**62 for piece in pieces):
        integers = [piece.astype(np.int64) for piece in pieces]
        if all((whole == piece).all() for whole, piece in zip(integers, pieces, strict=True)):
            return integers, 0
    # Each value is an integer of 53 bits times a power of two; the smallest power is the common
    # one.
    parts = [np.frexp(piece) for piece in pieces]
    least = min(int(powers.min()) for _, powers in parts)
    mantissas = [np.ldexp(m, 53).astype(np.int64).astype(object) for m, _ in parts]
    shifted = [
        m << (powers - least).astype(object)
        for m, (_, powers) in zip(mantissas, parts, strict=True)
    ]
    return shifted, least - 53


def _odd_part(number: Fraction) -> tuple[int, int]:
    """(m, e) with number = m 2^e, m odd; (0, 0) for 0. For dyadic numbers."""
    top, exponent = number.numerator, 1 - number.denominator.bit_length()
    if top == 0:
        return 0, 0
    twos = (top & -top).bit_length() - 1
    return top >> twos, exponent + twos


def _require_transformer(model: Transformer) -> None:
    """Raise InputError unless the parameters, and the heads of each attention, are those of the
    model's shape.
    """
    import torch

    from constructions.decoders.targets import require_plain
    from constructions.model.transformer import Transformer

    with torch.device("meta"):
        fresh = Transformer(model.shape)
    require_plain(model, fresh, finite=False)
    for mine, its in zip(model.layer_sequence(), fresh.layer_sequence(), strict=True):
        if mine.attention is None or its.attention is None:
            continue
        if mine.attention.scaled or mine.attention.heads != its.attention.heads:
            raise InputError(
                f"an attention has the heads {mine.attention.heads} (scaled:"
                f" {mine.attention.scaled}), by the model's shape {its.attention.heads} (scaled:"
                " False); its bits are counted by the shape"
            )


def _dtype_of(model: Transformer) -> str:
    name = str(model.embedding.weight.dtype).removeprefix("torch.")
    if name not in DTYPES:
        raise InputError(
            f"bits are counted of weights in {', '.join(DTYPES)}; these are in {name}"
        )
    return name
