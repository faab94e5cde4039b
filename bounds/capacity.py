"""Bits of a built model: dense, and those that hold facts. Read from its weights, without trusting its builder.

*Dense bits* of a tensor are its entries times its fixed-point width: the least number of bits that holds all its values on
one dyadic grid `a + n 2^e`, n = 0, 1, ...; a constant tensor costs 0. *Fact bits* count only the entries that change with
the facts, found by comparing models of several fact tuples. What is stored once counts once, however often it is applied.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from constructions.transformer import Transformer

EMBEDDING, UNEMBEDDING = "embedding.weight", "unembedding.weight"
_ENTRIES_AT_ONCE = 2**22


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
    """

    tensors: Mapping[str, TensorBits]

    @property
    def internal_bits(self) -> int:
        """B_T: attention, MLPs and positions."""
        return sum(cost.bits for name, cost in self.tensors.items() if name not in (EMBEDDING, UNEMBEDDING))

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
        """All tensors together."""
        return sum(cost.bits for cost in self.tensors.values())


def capacity(model: Transformer) -> Capacity:
    """The dense bits of a model.

    Raises:
        ValueError: a weight is not a finite number.
    """
    tensors = {}
    for name, parameter in model.named_parameters():
        per_row = parameter[0].numel() if parameter.numel() else 0
        flat = parameter.detach().flatten()
        starts = range(0, len(flat), _ENTRIES_AT_ONCE)
        width = fixed_point_width(flat[start : start + _ENTRIES_AT_ONCE].double().cpu().numpy() for start in starts)
        tensors[name] = TensorBits(parameter.numel(), per_row, width)
    return Capacity(tensors)


def fact_capacity(models: Sequence[Transformer]) -> Capacity:
    """The fact bits of models that answer different fact tuples of one size, built alike: a lower estimate of what changes.

    An entry that changes with the facts may by chance be the same for the given tuples: give enough of them.

    Raises:
        ValueError: fewer than two models, models of different shapes, or a weight that is not a finite number.
    """
    tables = [dict(model.named_parameters()) for model in models]
    shapes = [{name: tuple(parameter.shape) for name, parameter in table.items()} for table in tables]
    if len(models) < 2 or any(shape != shapes[0] for shape in shapes):
        raise ValueError("fact bits are measured from two models or more with the same shapes")
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
    """The least number of bits that holds all values on one dyadic grid: 0 for a constant, 1 for {-1, 1}, 2 for {-1, 0, 1}.

    Raises:
        ValueError: a value is not a finite number.
    """
    integers = _as_integers([piece for piece in pieces if piece.size])
    if not integers:
        return 0
    low, high = min(int(piece.min()) for piece in integers), max(int(piece.max()) for piece in integers)
    used = 0
    for piece in integers:
        used |= int(np.bitwise_or.reduce(piece - low, axis=None))
    spacing = used & -used  # the largest power of two that divides all differences
    return ((high - low) // spacing).bit_length() if spacing else 0


def _as_integers(pieces: list[NDArray[np.float64]]) -> list[NDArray[Any]]:
    """The values as integers on a common scale: int64 where they are such integers, Python integers otherwise."""
    for piece in pieces:
        if not np.isfinite(piece).all():
            raise ValueError("a weight is not a finite number, so that no number of bits holds it")
    if all(max(piece.max(), -piece.min()) < 2.0**62 for piece in pieces):
        integers = [piece.astype(np.int64) for piece in pieces]
        if all((whole == piece).all() for whole, piece in zip(integers, pieces, strict=True)):
            return integers
    # Each value is an integer of 53 bits times a power of two; the smallest power is the common one.
    parts = [np.frexp(piece) for piece in pieces]
    least = min(int(powers.min()) for _, powers in parts)
    return [(np.ldexp(m, 53).astype(np.int64).astype(object)) << (powers - least).astype(object) for m, powers in parts]
