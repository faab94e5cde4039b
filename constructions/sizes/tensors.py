"""Tensors that constructions have in common: the positions, the heads that select a position, what
they copy, and MLPs.

Every matrix that reads or writes the stream has d entries for each of its rows: one for each
coordinate.
"""

from __future__ import annotations

from collections.abc import Sequence

from constructions.sizes.sizing import Tensor
from constructions.sizes.symbols import Symbols


def positions(length: int, d: int) -> Tensor:
    """Positional embeddings of a sequence: entries 0, 1 and -1."""
    return Tensor("positions", length * d, 2)


def copies(width: int, d: int) -> tuple[Tensor, ...]:
    """Values and outputs that copy `width` coordinates: entries 0 and one other each."""
    return Tensor("values", width * d, 1), Tensor("outputs", width * d, 1)


def mlp(widths: Sequence[int], entry_bits: Sequence[int], d: int) -> tuple[Tensor, ...]:
    """The matrices of an MLP with these hidden layers: from the stream, between them, back."""
    sides = (d, *widths, d)
    names = ("units that read", *["units between"] * (len(widths) - 1), "units that write")
    return tuple(
        Tensor(name, rows * columns, bits)
        for name, rows, columns, bits in zip(names, sides[:-1], sides[1:], entry_bits, strict=True)
    )


def select_from_known_places(s: Symbols, d: int) -> tuple[Tensor, ...]:
    """k layers whose heads read relation l in layer l, and the subject in layer 1, each from a
    place that the last position knows.

    A query `GAIN c(k)_j c(i)_j position_j` of place i holds 0 and both signs of the gain; but one
    sign alone where the codes of the two places agree in every bit (i = k), or differ in every bit
    (i = 2^p - 1 - k, where that is one of 2, ..., k - 1). Layer 1 has two heads in one tensor,
    which holds both signs. A key is 0 or 1.
    """
    at_itself = s.if_any(s.k - 1)
    at_the_opposite = s.if_any(s.max(2**s.p - 2 - s.k, 0))
    one_sign = at_itself + at_the_opposite
    return (
        Tensor("queries of layer 1", 2 * s.p * d, 2),
        Tensor("queries of later layers, both signs", (s.k - 1 - one_sign) * s.p * d, 2),
        Tensor("queries of later layers, one sign", one_sign * s.p * d, 1),
        Tensor("keys", (s.k + 1) * s.p * d, 1),
    )


def select_all_at_once(s: Symbols, d: int) -> tuple[Tensor, ...]:
    """One layer whose k + 1 heads read the subject and every relation from known places."""
    heads = s.k + 1
    return Tensor("queries", heads * s.p * d, 2), Tensor("keys", heads * s.p * d, 1)


def select_by_pointer(s: Symbols, d: int) -> tuple[Tensor, ...]:
    """The two heads of a shared layer, whose queries read where to look from the stream."""
    return Tensor("queries", 2 * s.p * d, 2), Tensor("keys", 2 * s.p * d, 1)


def sign_readout(s: Symbols, states: int, code_bits: int) -> int:
    """The bits of an entry of an unembedding that reads sign codes: signs, 0, and on a coordinate
    that is 1 the number below all codes that other tokens get, `-(code_bits + 1)`; for a single
    state there are only 0 and -1.
    """
    several = s.if_any(states - 1)
    return s.bits_between(-1 - code_bits * several, several)


def bit_readout(s: Symbols) -> int:
    """The bits of an entry of an unembedding that reads 0/1 codes x of answers as `<c, 2 x - 1>`:
    twice the signs of c, and on a coordinate that is 1 `-sum c`, from -m to m, or `-(m + 1)` for
    the tokens that are no answers; `-m` for these if there is a single answer.
    """
    lowest = -(s.m + s.if_any(s.a - 1))
    return s.bits_between(lowest, s.max(s.m, 2))
