"""Constructions in other forms: every query asked again, and every logit held against the
original's.

Queries are run step by step, what several begin with once. That this is what a form makes of whole
sequences, without what it remembers, is asked of `MOST_WHOLE` of each length, drawn at random: of
all where there are no more.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress

import torch
from torch import Tensor

from constructions.decoders.model_form import ModelForm
from constructions.decoders.seeding import standard
from constructions.decoders.standard_decoder import Norm, Placement
from constructions.facts.limits import require_runnable
from constructions.following.queries import WAYS
from constructions.forms.basis import change_basis
from constructions.forms.noise import add_noise, noise_radius
from constructions.forms.widening import widen
from constructions.guards.errors import DoesNotFit, InternalError
from constructions.model.answering import Answering
from constructions.model.fact_model import FactModel
from verify.queries.answers import Recall
from verify.queries.asked import larger
from verify.queries.exported import MOST_NUMBERS, ask
from verify.queries.form_answers import FormAnswers, FormSizes
from verify.queries.original import Original, difference
from verify.queries.recall import check_recall

MOST_WHOLE = 128
"""So many queries of each length are asked as whole sequences, too."""
UNPROVEN_SLACK = 16
"""k, where no bound helps to choose it."""

Form = Callable[[FactModel], tuple[Answering, float]]
"""Makes of a construction its form, and says how far a logit may be off: infinite where only
answers are claimed.
"""


def _basis(model: FactModel) -> tuple[Answering, float]:
    """In a random orthogonal basis, by whichever bound certifies it; else decided by all queries
    in float64.
    """
    d = model.shape.d_model
    gaussian = torch.randn(d, d, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    q = torch.linalg.qr(gaussian).Q
    for by in WAYS:
        with suppress(DoesNotFit):
            turned = change_basis(model, q, by=by)
            if turned.logit_error is None:
                raise InternalError(
                    f"a change of basis by {by} was certified without a bound on its logits' error"
                )
            # either side may be that far from real arithmetic
            return turned, 2 * turned.logit_error
    if model.embedding.weight.dtype != torch.float64:
        raise DoesNotFit(f"in {model.embedding.weight.dtype} another basis may lose an answer")
    # What the bounds cannot prove, running all queries decides.
    return change_basis(model, q, by=None), math.inf


def _wide(model: FactModel) -> ModelForm:
    """Twice as wide, with a head and a layer more, all of which are 0."""
    shape = model.shape
    return widen(
        model, 2 * shape.d_model, 2 * shape.d_mlp + 1, shape.n_heads + 1, len(shape.layers) + 1
    )


def _noise(model: FactModel) -> tuple[Answering, float]:
    """Widened, and with noise of the certified radius on every entry."""
    wide = _wide(model)
    radius = noise_radius(wide, "queries")
    if not radius > 0:
        raise DoesNotFit(
            f"in {model.embedding.weight.dtype} rounding is not bounded below the margin: no noise"
            " radius"
        )
    return add_noise(wide, radius), math.inf


def _standard(norm: Norm | None = None, placement: Placement = "pre", tied: bool = False) -> Form:
    """As a standard decoder, without norms or with norms that do nothing."""

    def form(model: FactModel) -> tuple[Answering, float]:
        """The decoder, with certified norms or, in float64, norms that all queries decide."""
        try:
            made = standard(model, norm=norm, placement=placement, tied=tied)
        except DoesNotFit:
            if norm is None or model.embedding.weight.dtype != torch.float64:
                raise
            # What the bounds cannot prove, running all queries decides.
            return (
                standard(
                    model, norm=norm, placement=placement, slack=UNPROVEN_SLACK, proven=False
                ),
                math.inf,
            )
        return made, 2 * made.logit_error  # either side may be that far from real arithmetic

    return form


FORMS: dict[str, Form] = {
    "basis": _basis,
    "wide": lambda model: (_wide(model), 0.0),
    "noise": _noise,
    "standard": _standard(),
    "tied": _standard(tied=True),
    "rmsnorm pre": _standard("rmsnorm", "pre"),
    "rmsnorm post": _standard("rmsnorm", "post"),
    "layernorm pre": _standard("layernorm", "pre"),
    "layernorm post": _standard("layernorm", "post"),
}


def check_form(
    model: FactModel, form: str, progress: Callable[[int], None] = lambda queries: None
) -> FormAnswers:
    """Put a construction in another form, run that on every query, and hold its logits against the
    original's.

    Args:
        model: the construction.
        form: a name of `FORMS`.
        progress: called with the number of queries done so far, of `n_run(model)`.

    Raises:
        DoesNotFit: the form cannot be certified in the model's dtype.
        InputError: there are more queries than are run.
    """
    facts = model.facts
    planned = model.n_all_queries()
    require_runnable(planned)
    other, allowed = FORMS[form](model)
    beside, recalls = _Beside(model, other), list[Recall]()
    for hops in model.path_lengths:
        before = sum(recall.queries for recall in recalls)
        after = _after(before, progress)
        recalls.append(check_recall(other, facts, hops, "full", progress=after, beside=beside))

    def run(tokens: Tensor) -> Tensor:
        """The logits (Q, 1, d_vocab) after whole sequences (Q, L)."""
        states, _ = other.states(tokens)
        logits: Tensor = other.unembedding(states[:, -1:])
        return logits

    asked = ask(run, model, most=MOST_WHOLE, progress=_after(planned, progress))
    shape = other.shape
    sizes = FormSizes(
        shape.d_model,
        shape.d_mlp,
        shape.depth,
        shape.n_heads,
        sum(parameter.numel() for parameter in other.parameters()),
    )
    return FormAnswers(sizes, allowed, planned, tuple(recalls), beside.off, _n_whole(model), asked)


def n_run(model: FactModel) -> int:
    """How many queries are run of a form of this construction: step by step, and some of them as
    whole sequences too.
    """
    return model.n_all_queries() + _n_whole(model)


def _n_whole(model: FactModel) -> int:
    """How many queries are asked as whole sequences."""
    return sum(min(model.n_queries(hops), MOST_WHOLE) for hops in model.path_lengths)


class _Beside:
    """Notes how far the logits of a form are from the original's."""

    def __init__(self, model: FactModel, other: Answering):
        self.original, self.other, self.off = Original(model), other, 0.0
        widest = max(other.shape.d_vocab, other.shape.d_model, other.shape.widest_layer)
        self._at_once = max(1, MOST_NUMBERS // widest)

    def __call__(self, tokens: Tensor, states: Tensor) -> None:
        """See `check_recall`."""
        parts = (torch.split(of, self._at_once) for of in (tokens.cpu(), states))
        for sequences, some in zip(*parts, strict=True):
            off = difference(self.other.unembedding(some).cpu(), self.original.logits(sequences))
            self.off = larger(self.off, off)


def _after(before: int, progress: Callable[[int], None]) -> Callable[[int], None]:
    """Progress of one pass of several, where so many queries were done before it."""
    return lambda done: progress(before + done)
