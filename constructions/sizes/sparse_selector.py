"""The sizes of the constructions for few facts a subject: one hop."""

from __future__ import annotations

from dataclasses import dataclass, replace

from constructions.sizes.sizing import Sizing
from constructions.sizes.symbols import Symbols
from constructions.sizes.tensors import copies, mlp


@dataclass(frozen=True)
class _Numbers:
    """The numbers that a model is written with.

    Attributes:
        shared: 1 if relations share columns, 0 if each has one of its own, where g = R.
        unit: 2^p, what a label counts for: 1, or at least twice the columns that a gate opens.
        lowest, highest: of the labels, by absolute value.
        half: `c = 2^z ceil(a/2)`, what relations hold with both signs; entities hold numbers below
            2 c.
        shift: 2 c for each column that a gate opens.
        least, most: what entities and relations hold, by absolute value; of one relation no column
            is closed.
        others: minus the logit of tokens that are no answers.
    """

    shared: int
    unit: int
    lowest: int
    highest: int
    half: int
    shift: int
    least: int
    most: int
    others: int

    @classmethod
    def of(cls, s: Symbols) -> _Numbers:
        """Of symbols, or numbers."""
        shared = s.if_any(s.R - s.g)
        weight = 1 + shared * (s.max(s.g // 2, 1) - 1)
        unit = 2 ** (shared * s.bits(2 * weight))
        half = s.ceiling(s.a, 2) * 2**s.z
        lowest, several = s.a // 2, s.if_any(s.R - 1)
        closed = several * half + (1 - several) * lowest
        least, most = (shared * (2 * half - 1) + (1 - shared) * one for one in (closed, half))
        others = unit * (1 + s.if_any(s.a - 1))
        return cls(
            shared, unit, lowest, s.a - 1 - lowest, half, 2 * half * weight, least, most, others
        )


def sparse_selector(s: Symbols) -> Sizing:
    """g columns that all relations share, and a constant. U holds twice a label, and on the
    constant the parabola of the label and the shift that open columns have.
    """
    n, d = _Numbers.of(s), s.g + 1
    numbers = s.bits_between(1 - 2 * n.half, 2 * n.half - 1)
    up = 2 * n.lowest * n.shift - n.unit * n.lowest**2
    down = s.max(2 * n.highest * n.shift + n.unit * n.highest**2, 2 * n.lowest, n.others)
    return Sizing(
        d_vocab=s.V,
        d_model=d,
        d_mlp=s.g,
        n_layers=1,
        n_heads=1,
        internal=(*copies(s.g, d), *mlp([s.g], (1, 1), d)),
        embedding_entry_bits=s.bits_between(-n.least, n.most),
        unembedding_entry_bits=s.bits_between(-down, up),
        internal_fact_bits=0,
        embedding_fact_bits=s.g * (n.shared * numbers + (1 - n.shared) * s.bits(s.a)),
        widest_head=s.g,
    )


def sparse_selector_unknown(s: Symbols) -> Sizing:
    """A coordinate more, which U reads; the MLP has a constant, and a second hidden layer with a
    unit for each kink of a tent: on its constants from `-(shift + last label)` up to what the left
    end is below the shift.
    """
    n, d, plain = _Numbers.of(s), s.g + 2, sparse_selector(s)
    last, foot = n.unit * n.highest, -(n.unit * n.lowest + n.unit // 2)
    between = s.bits_between(-(n.shift + last), s.max(last - 2 * foot - n.shift, 1))
    widths = [s.g + 1, 3]
    down = s.max(n.unit * n.lowest**2, 2 * n.lowest, n.others)
    return replace(
        plain,
        d_model=d,
        d_mlp=s.max(*widths),
        internal=(*copies(s.g, d), *mlp(widths, (1, between, 2), d)),
        embedding_entry_bits=s.bits_between(-n.least, s.max(n.most, last)),
        unembedding_entry_bits=s.bits_between(-down, 2 * n.highest),
        hidden=tuple(widths),
    )
