"""That a decoder answers right, proven from its weights: trained, edited or built.

Every query is followed through the layers as a box (`constructions.following`): the logits, and
how far each of them may be off. Two claims are decided, each by itself:

* **real**: in real arithmetic, in which the weights as they stand are exact rationals, the right
  logit is above all others, strictly;
* **in its dtype**: so it is when the module computes in the dtype of its weights, in whatever
  order sums are added.

The enclosures are stated and proven in docs/trained-proofs.md. Where intervals touch, a model
whose logits are rational numbers is computed exactly (`verify.learned.rational`); and in its dtype
the module itself is run, which can refute and proves nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from constructions.decoders.network import network_of_decoder
from constructions.decoders.plain import why_not_plain
from constructions.decoders.standard_decoder import StandardDecoder
from constructions.facts.table import FactTable
from constructions.following.boxes import Box
from constructions.following.changes import Change, Real, Rounding
from constructions.following.follower import Follower, bytes_held
from constructions.following.queries import is_wrong, lead
from constructions.following.slope_leads import leads_by_slopes
from constructions.following.walk import Network, network_of
from constructions.guards.errors import InputError
from constructions.learning.network import ONE_LAYER, network_of_one_layer
from constructions.learning.one_layer import OneLayer
from constructions.model.arithmetic import why_other_arithmetic
from constructions.model.as_written import why_not_as_written
from constructions.model.ordinary_tensors import ordinary_tensors
from constructions.model.transformer import Transformer
from verify.learned.asked import Asked, Batch, asked
from verify.learned.claims import Claim, Proof, Wrong
from verify.learned.rational import Rational, exact_logits, is_rational

MEMORY = 256 * 2**20
"""Bytes for the bounds of the queries that are followed together, beside the weights in float64
and their absolute values.
"""
NUMBERS = 2**21
"""So many numbers of the widest vectors are followed together: caches hold them."""
MOST_RIVALS = 64
"""So many logits that are near the right one are distinguished by slopes, of each query."""
MOST_EXACT = 256
"""So many queries are decided in rational numbers at most."""


def prove_recall(
    model: nn.Module,
    facts: FactTable,
    *,
    hops: int = 1,
    hops_per_token: int = 0,
    progress: Callable[[int], None] = lambda queries: None,
) -> Proof:
    """Prove that a decoder answers every claimed query right, or find one that it does not.

    Args:
        model: a `OneLayer`, a `StandardDecoder`, a `FactModel` or any other `Transformer` of ours,
            trained or edited or not, on any device.
        facts: what it should say. Of a construction all queries that it claims; of others all
            stored queries of `hops` hops.
        hops, hops_per_token: of the queries; a construction has its own.
        progress: called with the number of queries that have been followed, for both claims
            together 2 Q in the end.

    Returns:
        Both claims: PASS if every query is proven, FAIL with the first query that is refuted, else
        UNKNOWN with the share of undecided ones. Weights that are not finite are UNKNOWN.

    Raises:
        InputError: the module may compute something else than its weights say (hooks, code of
            others, autocast), or does not fit the table.
        DoesNotFit: the bounds need more memory than there is.
    """
    with torch.no_grad(), ordinary_tensors():
        network, queries = _network(model), asked(model, facts, hops, hops_per_token)
        weight = next(model.parameters())
        infinite = [name for name, w in model.named_parameters() if not bool(w.isfinite().all())]
        why = f"{infinite[0]} holds a number that is not finite" if infinite else ""
        why = why or ("" if queries.count() else "no query is claimed")
        work = _Work(model, network, queries, progress)
        real, in_dtype = (
            Claim(queries.count(), why=why) if why else work.decided(change)
            for change in (Real(weight.dtype), Rounding(weight.dtype))
        )
    dtype = str(weight.dtype).removeprefix("torch.")
    return Proof(real, in_dtype, dtype)


def _network(model: nn.Module) -> Network:
    """The parts that are followed, of a module that is what its weights say."""
    if isinstance(model, OneLayer):
        why = why_not_as_written(model, ONE_LAYER)
        why = why or why_other_arithmetic(next(model.parameters()))
    else:
        why = why_not_plain(model)
    if why is not None:
        raise InputError(f"nothing can be proven of this module: {why}")
    if isinstance(model, OneLayer):
        return network_of_one_layer(model)
    return (
        network_of_decoder(model)
        if isinstance(model, StandardDecoder)
        else network_of(_as_transformer(model))
    )


def _as_transformer(model: nn.Module) -> Transformer:
    """The same; `why_not_plain` has looked at it."""
    if not isinstance(model, Transformer):
        raise InputError(f"a {type(model).__name__} is no decoder of this library")
    return model


@dataclass
class _Work:
    """What both claims are decided with."""

    model: nn.Module
    network: Network
    queries: Asked
    progress: Callable[[int], None]
    followed: int = 0
    rational: Rational = field(default_factory=Rational)

    def __post_init__(self) -> None:
        length = self.queries.n_positions
        self.follower = Follower(self.network, length)
        shape = self.network.shape
        widest = max(shape.d_model, shape.widest_layer, shape.d_vocab)
        self.at_once = max(
            1, min(MEMORY // bytes_held(shape, length), NUMBERS // (length * widest))
        )
        # of each step numbers with derivatives are kept
        self.few = max(1, self.at_once // (4 * (1 + len(self.network.parts))))

    def decided(self, change: Change) -> Claim:
        """One claim over all queries."""
        started, claim = time.perf_counter(), Claim(self.queries.count())
        for batch in self.queries.batches(self.at_once):
            self._decide(batch, change, claim)
            self.followed += len(batch.tokens)
            self.progress(self.followed)
        claim.seconds = time.perf_counter() - started
        return claim

    def _decide(self, batch: Batch, change: Change, claim: Claim) -> None:
        """Add what becomes of a batch: from its boxes; then of what these leave open from slopes,
        in rational numbers, and by running it.
        """
        n_answers = batch.answers.shape[-1]
        points = self.follower.points(batch.tokens, change)
        logits = self.follower.logits(points, change, n_answers)
        left = lead(logits, batch.answers)
        proven = left > 0
        # of three sums, each rounded by 2^-53 of numbers of this size
        rounded = 2.0**-50 * (logits.largest + logits.error).amax((-2, -1))
        claim.prove((left - rounded).clamp(min=0)[proven])
        rest = (~proven).nonzero().ravel()
        if not len(rest):
            return
        batch, boxes = batch.at(rest), logits.at(rest)
        refuted = is_wrong(boxes, batch.answers)
        still = (~refuted).nonzero().ravel()
        if len(still):
            starts = range(0, len(still), self.few)
            some = (batch.at(still[start : start + self.few]) for start in starts)
            left = torch.cat([self._left(few, change) for few in some])
            claim.prove(left[left > 0])
            rest = torch.cat([refuted.nonzero().ravel(), still[~(left > 0)]]).sort().values
            batch, boxes, refuted = batch.at(rest), boxes.at(rest), refuted[rest]
        if len(rest):
            self._refute(batch, boxes, refuted, change, claim)

    def _left(self, batch: Batch, change: Change) -> Tensor:
        """By how much some queries are answered right at least, from slopes: (Q,)."""
        return leads_by_slopes(self.follower, batch.tokens, batch.answers, change, MOST_RIVALS)

    def _refute(
        self, batch: Batch, boxes: Box, refuted: Tensor, change: Change, claim: Claim
    ) -> None:
        """Add what becomes of queries that are not proven yet, of which some are refuted."""
        said = None if isinstance(change, Real) else self._said(batch)
        if said is None:
            self._decide_exactly(batch, refuted, claim)
        else:
            refuted |= ~_right(said, batch.answers)
        claim.refute(int(refuted.sum()))
        if claim.first_wrong is None and bool(refuted.any()):
            first = int(refuted.nonzero()[0])
            claim.first_wrong = self._wrong(batch, boxes, first, said)

    def _decide_exactly(self, batch: Batch, refuted: Tensor, claim: Claim) -> None:
        """Decide in rational numbers what intervals do not, as far as that is affordable; marks
        what is refuted.
        """
        if not is_rational(self.network):
            return
        for place in (~refuted).nonzero().ravel().tolist():
            if claim.exactly >= MOST_EXACT:
                return
            claim.exactly += 1
            first, second = batch.tokens[place].tolist()
            logits = exact_logits(self.network, self.rational, (first, second))
            own, answer = logits.integers, int(batch.answers[place, 0])
            best = max((int(x) for t, x in enumerate(own) if t != answer), default=None)
            if best is None or int(own[answer]) > best:
                claim.prove_exactly()
            else:
                refuted[place] = True

    def _said(self, batch: Batch) -> Tensor:
        """The logits of some queries as the module itself computes them, float64 (Q, A, d_vocab):
        no number of a narrower dtype is changed by that.
        """
        device = next(self.model.parameters()).device
        logits: Tensor = self.model(batch.tokens.to(device)).cpu().double()
        return logits[:, None] if logits.dim() == 2 else logits[:, -batch.answers.shape[-1] :]

    def _wrong(self, batch: Batch, boxes: Box, place: int, said: Tensor | None) -> Wrong:
        """A refuted query, and a logit that is not below the right one: by the intervals, or as
        the module has computed them.
        """
        low, high = (boxes.low - boxes.error)[place], (boxes.high + boxes.error)[place]  # (A, V)
        at = batch.answers[place][:, None]
        apart = low.scatter(-1, at, -torch.inf).amax(-1) - high.gather(-1, at)[:, 0]
        ran = said is not None and not bool((apart >= 0).any())
        ends = (low, high) if said is None or not ran else (said[place], said[place])
        rivals = ends[0].scatter(-1, at, -torch.inf).nan_to_num(torch.inf)
        step = int((rivals.amax(-1) - ends[1].gather(-1, at)[:, 0]).nan_to_num(torch.inf).argmax())
        answer, wins = int(at[step]), int(rivals[step].argmax())
        subject, path = int(batch.subjects[place]), batch.paths[place].tolist()
        own, other = ((float(low[step, t]), float(high[step, t])) for t in (answer, wins))
        names = self.queries.token_name
        text = f"{self.queries.facts.query_text(subject, path)}: "
        text += (
            f"the logit of {names(answer)}, the only answer, is no finite number"
            if rivals.shape[-1] == 1
            else f"{names(wins)} is not below {names(answer)}, the answer"
        )
        text += ", as the module computes it" if ran else ""
        return Wrong(subject, tuple(path), answer, wins, own, other, text)


def _right(logits: Tensor, answers: Tensor) -> Tensor:
    """Whether the right logit is above all others, bool (Q,); of logits (Q, A, d_vocab). A single
    answer has no others: it is right if its logit is a finite number.
    """
    at = answers[..., None]
    own, others = logits.gather(-1, at)[..., 0], logits.scatter(-1, at, -torch.inf).amax(-1)
    right = own.isfinite() if logits.shape[-1] == 1 else own > others
    return right.all(-1)
