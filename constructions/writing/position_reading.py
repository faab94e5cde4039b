"""Heads that select a position, and what their softmax leaks in real arithmetic.

Position j carries the sign code `c(j)` of p bits in the slot `position`. A query `beta c(i)`
scores `beta p` at position i and at most `beta (p - 2)` elsewhere: a gap of at least 2 beta, or 2
beta - 1 where the query itself suffers from earlier leaks. So softmax puts at most `(L - 1) e^(1 -
2 beta)` on all other positions together. The same holds where a head selects several positions,
all with one score, by this gap: it weighs them alike, and the others together have no more.

With the gain used here the leak underflows in every dtype (float64 needs a gap above 745), so that
the module's selection is exactly one-hot: its arithmetic is exact. In real arithmetic the leak is
positive; this file bounds, from the built weights, how far it can move a logit.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import torch
from numpy.typing import NDArray

from constructions.facts.codes import bits_needed, sign_codes
from constructions.following.largest import largest_embedded, largest_number
from constructions.following.sizes import Size, Sizes
from constructions.following.static_prefix import attends_to_embeddings_alone
from constructions.following.walk import Heads, follow, network_of
from constructions.guards.errors import DoesNotFit, InputError, InternalError
from constructions.model.fact_model import FactModel
from constructions.model.margin import MarginClaim
from constructions.model.rounding import largest_of_columns, up
from constructions.model.stream import Form, Slot, dot

GAIN = 1024
"""beta: a power of two, so that scores are exact in every dtype."""
SELECTED_GAP = 2 * GAIN - 1
"""By how much the score of a selected position is above all others, earlier leaks included."""


def position_codes(n_positions: int) -> NDArray[np.int8]:
    """c(0), ..., c(L-1): int8 (L, p) with p = max(1, ceil(log2 L))."""
    return sign_codes(np.arange(n_positions), bits_needed(n_positions))


def at_position(position: Slot, here: int, there: int, n_positions: int) -> Form:
    """The query `beta c(there)` of the token at the known position `here`, read from its own
    position code.
    """
    codes = position_codes(n_positions).astype(np.int64)
    return dot(np.diag(GAIN * codes[here] * codes[there]), position)


def leak_bound(n_positions: int, gain: int = GAIN) -> Fraction:
    """A bound on the softmax weight of all other positions, `(L - 1) e^(1 - 2 beta)`, in integers:
    log2(e) > 1.442.
    """
    return Fraction(max(n_positions - 1, 0), 2 ** ((2 * gain - 1) * 1442 // 1000))


@torch.no_grad()
def with_leaks(model: FactModel, gain: int = GAIN) -> MarginClaim:
    """The margin claim of a model whose heads all select positions, from its claim for selection
    without a leak.

    Follows a bound e on the error of each coordinate of the deciding position through the layers,
    in units of the leak: a head that reads what no layer has written adds `2 |W_O| |W_V| max |x|`;
    an MLP turns e into `e + |W_n| ... |W_0| e`, since ReLU is 1-Lipschitz; the logits' difference
    moves by at most `2 max_t |U_t| e`. All sums are rounded outwards. Where a query reads a
    coordinate with an error, the scores of two positions together must move by at most 1.

    Positions that only hold the prompt also run through all layers, with states that mean nothing
    and that a memory may enlarge in each; an overflow there would spoil everything. So the weights
    must bound all numbers of a forward pass.

    Raises:
        DoesNotFit: the bound on the numbers of a forward pass exceeds the dtype.
        InputError: the bound leaves no positive margin, or earlier leaks may move the scores of a
            head by more than 1.
        InternalError: the model has no positions, or a head reads what an earlier layer has
            written.
    """
    _require_no_overflow(model)
    network = network_of(model)
    if network.positions is None:
        raise InternalError(
            f"{model.construction} has no positions, so that its heads can select none"
        )
    if not attends_to_embeddings_alone(network):
        raise InternalError(
            f"{model.construction}: a head reads what a layer has written; the bound on leaks is"
            " about heads that read the embeddings and positions alone"
        )
    leak, largest = leak_bound(model.shape.n_positions, gain), largest_embedded(network)
    states = follow(network, Size(largest, torch.zeros_like(largest)), _Leaks(leak, gain))
    moved_logits = 2 * up(largest_of_columns(model.unembedding.weight) @ states.error).item()
    claim = model.margin_of_weights()
    real = claim.real - Fraction(moved_logits) * leak
    if real <= 0:
        raise InputError(f"a gain of {gain} leaves no margin in real arithmetic; use a larger one")
    return replace(claim, real=real)


class _Leaks(Sizes):
    """Errors in units of the leak: of heads that select a position, and of what follows them."""

    def __init__(self, leak: Fraction, gain: int):
        self.leak, self.gain = leak, gain

    def mixed(self, heads: Heads, query: Size, key: Size, value: Size) -> Size:
        """Of a mixture of values at most the leak is another position's, and is missing here.

        Raises:
            InputError: errors of the queries may move the scores of all heads together by more
                than 1 for two positions.
        """
        moved_scores = up(query.error @ key.largest).item()
        if not 2 * Fraction(moved_scores) * self.leak <= 1:
            raise InputError(
                f"a gain of {self.gain} lets leaks move the scores of later layers; use a larger"
                " one"
            )
        return Size(value.largest, value.error + self.moved_mixture(query, key) * value.largest)

    def moved_mixture(self, query: Size, key: Size) -> float:
        """Twice the leak."""
        return 2.0


def _require_no_overflow(model: FactModel) -> None:
    """Raise DoesNotFit unless the weights bound all numbers of a forward pass well within the
    dtype.
    """
    dtype = model.embedding.weight.dtype
    largest, limit = largest_number(model), torch.finfo(dtype).max / 4
    if not largest < limit:
        raise DoesNotFit(
            f"{model.construction} for {model.hops} hops: at positions of the prompt numbers may"
            f" reach {largest:.3g}, and {dtype} holds them up to {limit:.3g} with room to add; use"
            " a wider dtype or fewer hops"
        )
