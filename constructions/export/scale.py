"""By which power of two an export multiplies all logits, so that who samples from it draws the
answer.

A construction's margin is small (2 for most), whatever the number of tokens V: at temperature 1,
`(V - 1) e^-2` wrong tokens stand against each answer. Multiplied by a power of two, logits keep
all their bits, and a table that is both embedding and unembedding stays one table. With a margin
of `ln((V - 1) / 10^-6)`, all wrong tokens together are drawn less than once in a million.
"""

from __future__ import annotations

import math

import torch

from constructions.decoders.network import network_of_decoder
from constructions.decoders.standard_model import StandardModel
from constructions.following.largest import Largest, largest_embedded
from constructions.following.walk import follow
from constructions.guards.errors import DoesNotFit, InputError
from constructions.model.rounding import magnitude

MOST_WRONG = 1e-6
"""The probability at temperature 1 that any wrong token is drawn is below this, by default."""
UNPROVEN_MARGIN = 1.0
"""The margin that is supposed of a decoder of which none is proven: the least of the catalogue."""


def sampling_margin(n_tokens: int) -> float:
    """The logit margin at which all wrong ones of so many tokens together are below
    `MOST_WRONG`.
    """
    return math.log(max(n_tokens - 1, 1) / MOST_WRONG)


def logit_scale(decoder: StandardModel, n_tokens: int, margin: float | None = None) -> float:
    """The least power of two, at least 1, that brings the logit margin to what is asked.

    Args:
        decoder: what is exported; its `margin` is what is proven of it.
        n_tokens: the tokens of the exported vocabulary.
        margin: the least margin that the export is to have; by default `sampling_margin`. 0 for
            the construction's own.

    Raises:
        InputError: the margin is negative or no number.
        DoesNotFit: logits multiplied by the scale may exceed what the dtype holds.
    """
    asked = sampling_margin(n_tokens) if margin is None else margin
    if not 0 <= asked < math.inf:
        raise InputError(f"the least margin of an export must be a number from 0 on; got {margin}")
    least = _margin(decoder)
    scale = 1.0 if asked <= least else 2.0 ** math.ceil(math.log2(asked / least))
    dtype = decoder.embedding.weight.dtype
    if scale > 1 and not (reach := largest_logit(decoder)) * scale < torch.finfo(dtype).max:
        raise DoesNotFit(
            f"{decoder.construction}: logits may reach {reach:.3g}; times {scale:g}, for a margin"
            f" of at least {asked:.3g}, they may exceed what {dtype} holds,"
            f" {torch.finfo(dtype).max:.3g}; ask for a smaller margin (--margin), or use a wider"
            " dtype"
        )
    return scale


def _margin(decoder: StandardModel) -> float:
    """What the margin is at least, as far as it is proven; else `UNPROVEN_MARGIN`.

    `verify.queries.exported` measures what it is.
    """
    try:
        claim = decoder.margin
    except InputError:  # it has changed since
        claim = None
    return UNPROVEN_MARGIN if claim is None else float(claim.real)


def about_scale(scale: float) -> str:
    """A sentence for the README of an export."""
    return (
        f"\nThe logits are the construction's times {scale:g}, a power of two, so that a sampler"
        " draws the answer.\n"
        if scale > 1
        else "\nThe logits are the construction's own: a sampler may draw wrong tokens.\n"
    )


@torch.no_grad()
def largest_logit(decoder: StandardModel) -> float:
    """A bound on the absolute value of any logit, for all tokens, from the absolute values of the
    weights; NaN if one is.
    """
    network = network_of_decoder(decoder)
    largest = follow(network, largest_embedded(network), Largest())
    return (magnitude(decoder.unembedding.weight) @ largest).max().item()
