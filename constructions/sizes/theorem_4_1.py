"""The sizes of the constructions of Theorem 4.1: one hop."""

from __future__ import annotations

from constructions.sizes.sizing import Sizing, Tensor
from constructions.sizes.symbols import Symbols
from constructions.sizes.tensors import bit_readout, copies, mlp


def selector(s: Symbols) -> Sizing:
    """A block of m bits for each relation, and a constant. E holds bits, and -1 in the blocks of
    other relations, if there are any.
    """
    d = s.R * s.m + 1
    width = s.R * s.m
    return Sizing(
        d_vocab=s.V,
        d_model=d,
        d_mlp=width,
        n_layers=1,
        n_heads=1,
        internal=(*copies(width, d), *mlp([width], (1, 1), d)),
        embedding_entry_bits=s.bits_between(-s.if_any(s.R - 1), 1),
        unembedding_entry_bits=bit_readout(s),
        internal_fact_bits=0,
        embedding_fact_bits=s.R * s.m,
        widest_head=width,
    )


def scalar_selector(s: Symbols) -> Sizing:
    """A number below a in place of each block, and the largest's negative if there is another
    relation. U holds 2 t and `-t^2`, and for tokens that are no answers -2, or -1 where there is a
    single answer.
    """
    d, largest = s.R + 1, s.max(s.a - 1, 1)
    lowest = -s.max((s.a - 1) ** 2, 1 + s.if_any(s.a - 1))
    return Sizing(
        d_vocab=s.V,
        d_model=d,
        d_mlp=s.R,
        n_layers=1,
        n_heads=1,
        internal=(*copies(s.R, d), *mlp([s.R], (1, 1), d)),
        embedding_entry_bits=s.bits_between(-largest * s.if_any(s.R - 1), largest),
        unembedding_entry_bits=s.bits_between(lowest, 2 * (s.a - 1)),
        internal_fact_bits=0,
        embedding_fact_bits=s.R * s.bits(s.a),
        widest_head=s.R,
    )


def attention_selector(s: Symbols) -> Sizing:
    """R heads of query width 1. A query holds 0, the gain, and its negative if there is another
    relation: multiples of a power of two, so that only the odd part of the gain takes bits.
    """
    d = s.R * s.m + s.m + s.R + 1
    gain = s.odd(s.least_gain(s.R))
    return Sizing(
        d_vocab=s.V,
        d_model=d,
        d_mlp=0,
        n_layers=1,
        n_heads=s.R,
        internal=(
            Tensor("queries", s.R * d, s.bits_between(-gain * s.if_any(s.R - 1), gain)),
            Tensor("keys", s.R * d, 1),
            *copies(s.R * s.m, d),
        ),
        embedding_entry_bits=2,
        unembedding_entry_bits=s.bits_between(-2 * s.m, 1),
        internal_fact_bits=0,
        embedding_fact_bits=s.R * s.m,
        widest_head=s.m,
    )
