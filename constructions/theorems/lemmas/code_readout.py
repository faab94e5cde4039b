"""Lemma: an unembedding that reads sign codes is won by the code that stands in the stream, by 2.

Statement. Let the last position hold, in b coordinates or as a form on it, the sign code `c(x)` of
a state or an answer x. Give every token t that has a code the logit `<c(t), c(x)>`, and every
other token, on a form that is 1, the logit `-(b + 1)`; or `-b` where a single token has a code.
Then the logit of x is b, and all others are at most b - 2.

Proof. Two different codes of b bits agree in at most b - 1, so that their inner product is at most
`b - 2`, and at least -b. `-(b + 1)` is less than all of these. If a single token has a code, b = 1
and the other tokens have -1 = b - 2. ∎

Hypotheses. Codes are numbered from 0 in a codebook, with its b bits.

Used by: `selector`, `key_value`, `key_value_rows`, `precomputed`, `hybrid`, `chain_of_thought`,
`sets_of_answers`;
`meet_in_the_middle` has banks of codes and the same number for other tokens.
"""

from __future__ import annotations

from constructions.facts.codes import Codebook
from constructions.model.readout import Readout, SignField
from constructions.model.stream import Form


def read_codes(codebook: Codebook, code: Form, one: Form, *others: SignField) -> Readout:
    """The readout of the lemma.

    Args:
        codebook: the tokens that have a code.
        code: the form (b,) that is a code.
        one: a form that is 1.
        others: what further tokens read.
    """
    answers = SignField(codebook.tokens, codebook.signs(codebook.tokens), read=code)
    return Readout((answers, *others), rest=below_every_code(codebook) * one)


def below_every_code(codebook: Codebook) -> int:
    """A logit below those of all tokens with a code; for a single one, 2 below that."""
    return -(codebook.bits + 1 if len(codebook) > 1 else codebook.bits)
