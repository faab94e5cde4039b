"""What another basis makes of every logit: rounding of the turned weights, and of what is computed
with them.

Let x'' be the stream of the turned model, and `z = Q^T x''`. The turned weights, as they are in
their dtype, act on z as the weights `W' Q`, `Q^T W'` and `T' Q` do: a change of the given ones
that is computed here, not bounded. Beside it,

* as Q is not quite orthogonal, `W' x'' = W' Q z + W' (I - Q Q^T) x''`: at most `omega |W'_i|
  |x''|` more, for omega the Frobenius norm of `I - Q Q^T`, and `|x''| <= |z| / sqrt(1 - omega)`,
  in the Euclidean norm;
* what reads the stream rounds by `(n + 2) u |W'_i| |x''|`, by Cauchy and Schwarz;
* what writes to it rounds by a vector r, and each coordinate of `Q^T r` is at most `|Q| |r| <=
  sqrt(1 + omega) |r|`.
"""

from __future__ import annotations

import math
from fractions import Fraction

import torch
from torch import Tensor

from constructions.decoders.model_form import ModelForm
from constructions.following.boxes import UNIT
from constructions.following.changes import Change, Entries
from constructions.following.follower import Follower
from constructions.following.queries import By, lead, parts, positions_of, sequences
from constructions.following.walk import network_of
from constructions.forms.source import selected_gap
from constructions.guards.errors import DoesNotFit
from constructions.guards.memory import require_memory
from constructions.model.fact_model import FactModel
from constructions.model.margin import MarginClaim
from constructions.model.rounding import up
from constructions.model.transformer import Transformer


class Turned(Change):
    """The weights of a model become those of a turned one.

    Args:
        model: as it was given.
        turned: with the weights `W Q^T`, `Q W` and `T Q^T`, rounded.
        q: Q, float64 (d_model, d_model).
    """

    def __init__(self, model: Transformer, turned: Transformer, q: Tensor):
        super().__init__(turned.embedding.weight.dtype)
        d = len(q)
        inner = (d + 2) * UNIT  # of inner products of d terms, in float64
        off = (q @ q.mT - torch.eye(d, dtype=q.dtype)).abs() + inner * (q.abs() @ q.abs().mT)
        self.omega = up(torch.linalg.matrix_norm(off)).item()
        self.stretch = math.sqrt(1 + self.omega) * (1 + 4 * UNIT)
        self.shrink = math.sqrt(1 - self.omega) * (1 - 4 * UNIT) if self.omega < 1 else 0.0
        self.changes: dict[str, Tensor] = {}
        self.turned: dict[str, Entries] = {}
        self.writing = {name for name, _ in model.named_parameters() if model.writes_stream(name)}
        given = dict(model.named_parameters())
        for name, parameter in turned.named_parameters():
            if not (model.reads_stream(name) or name in self.writing):
                continue
            held, weight = parameter.detach().double().cpu(), given[name].detach().double().cpu()
            left, right = (q.mT, held) if name in self.writing else (held, q)
            back = left @ right
            self.turned[name] = Entries(held)
            self.changes[name] = up(
                (back - weight).abs() + inner * (left.abs() @ right.abs()) + 2 * UNIT * back.abs()
            )

    def _length(self, z: Tensor) -> Tensor:
        """A bound on |x''| for all |z| at most these, (..., 1)."""
        return _norm(z) / self.shrink

    def table(self, name: str, weight: Tensor) -> Tensor:
        """|T' Q - T|."""
        return self.changes[name]

    def moved(self, name: str, weight: Tensor, total: Tensor) -> Tensor:
        """|W' Q - W|, or |Q^T W' - W|, times these."""
        return (
            total @ self.changes[name].mT
            if name in self.changes
            else super().moved(name, weight, total)
        )

    def rounded(self, name: str, entries: Entries, total: Tensor, moved: Tensor) -> Tensor:
        """In the coordinates of the turned model."""
        if name not in self.turned:
            return super().rounded(name, entries, total, moved)
        held, terms = self.turned[name], entries.weight.shape[1] + 2
        if name in self.writing:
            in_dtype = super().rounded(name, held, total, torch.zeros(()))
            return (self.stretch * _norm(in_dtype)).expand_as(in_dtype)
        length = self._length(total)
        sums = _norm(held.weight)[:, 0] * length
        flushed = self.flushed * (held.row_sums + math.sqrt(len(held.weight.mT)) * length)
        return self.rounds(sums, terms) + self.omega * sums + flushed

    def rounded_sum(self, x: Tensor, y: Tensor) -> Tensor:
        """The sum of two streams, by their lengths."""
        length = self._length(x) + self._length(y)
        in_dtype = self.rounds(length, 1) + math.sqrt(x.shape[-1]) * (
            self.underflow + 2 * self.flushed
        )
        return (self.stretch * in_dtype).expand_as(x)


def _norm(vectors: Tensor) -> Tensor:
    """Upper bounds on Euclidean norms (..., 1), also where squares underflow."""
    largest = vectors.abs().amax(-1, keepdim=True)
    return up(
        largest
        * torch.where(largest > 0, vectors / largest, 0.0 * vectors).norm(dim=-1, keepdim=True)
    )


@torch.no_grad()
def logit_error_of(
    model: FactModel | ModelForm,
    turned: Transformer,
    q: Tensor,
    by: By,
    margin: MarginClaim | None,
) -> float:
    """How far a logit of the turned module, in its dtype, may be from that of the given model in
    real arithmetic, where it answers: see `constructions.forms.basis.change_basis`. By `norms`
    the model must be as it was built, or `widen` makes it, and the margin is what is proven of it;
    by `queries` it is not used.

    Raises:
        DoesNotFit: that may cost an answer.
    """
    n_positions = positions_of(model)
    require_memory(
        24 * model.shape.n_parameters(),
        f"bounds for {model.shape.n_parameters():,} weights in two bases",
    )
    follower, change = Follower(network_of(model), n_positions), Turned(model, turned, q)
    dtype = turned.embedding.weight.dtype
    wider = "" if dtype == torch.float64 else "use float64, or "
    if by == "norms" and margin is not None:
        source = model.source if isinstance(model, ModelForm) else model
        n_answers, gap = n_positions - model.hops, selected_gap(source)
        logits = follower.logits(follower.box(n_positions, change), change, n_answers, gap)
        error = logits.error.max().item()
        if not (math.isfinite(error) and 2 * Fraction(error) < margin.real):
            raise DoesNotFit(
                f"in {dtype} {_in_words(error)} in another basis, and the margin is"
                f" {float(margin.real):.3g}; {wider}ask by queries"
            )
        return error
    error = 0.0
    for tokens, answers in sequences(model):
        errors, which = [], []
        for part in parts(model.shape, tokens):
            points = follower.points(tokens[part], change)
            logits = follower.logits(points, change, answers.shape[-1])
            errors.append(logits.error.amax((-2, -1)))
            which.append(~(lead(logits, answers[part]) > 0))
        largest, gone = torch.cat(errors), torch.cat(which)
        if gone.any():
            raise DoesNotFit(
                f"in {dtype} {_in_words(largest[gone].max().item())} in another basis, too"
                f" much for {int(gone.sum()):,} of {len(tokens):,} queries; {wider}run all"
                " queries to see what it answers (by=None)"
            )
        error = max(error, largest.max().item())
    return error


def _in_words(error: float) -> str:
    """For messages: how far a logit may be off."""
    return f"a logit may be off by {error:.3g}" if math.isfinite(error) else "numbers may overflow"
