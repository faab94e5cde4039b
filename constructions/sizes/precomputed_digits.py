"""The sizes of `precomputed_digits`: many hops, all answers in the embedding, digits of C bits."""

from __future__ import annotations

from constructions.sizes.digit_selector import answers_in_digits
from constructions.sizes.sizing import Sizing
from constructions.sizes.symbols import Symbols
from constructions.sizes.theorem_4_3_precomputed import fold_letter_by_letter


def precomputed_digits(s: Symbols) -> Sizing:
    """As `precomputed`, with n digits for each word where that has m bits. `E[relation r]` holds
    what closes, so that no internal weight is a large number, and a constant.
    """
    n, largest, lowest = answers_in_digits(s)
    answers = s.R**s.k * n
    d = answers + s.R + 1 + s.p
    return Sizing(
        d_vocab=s.V,
        d_model=d,
        d_mlp=answers,
        n_layers=s.k,
        n_heads=2,
        internal=fold_letter_by_letter(s, n, d),
        embedding_entry_bits=s.bits(s.max(largest, 1) + 1),
        unembedding_entry_bits=s.bits_between(lowest, 2 * largest),
        internal_fact_bits=0,
        embedding_fact_bits=answers * s.bits(largest + 1),
        widest_head=s.max(answers, s.p),
    )
