"""Constructions in other forms: every query asked again, and every logit held against the
original's; or proven from what is proven of the construction (`verify.queries.form_proof`).

Queries are run step by step, what several begin with once. That this is what a form makes of whole
sequences, without what it remembers, is asked of `MOST_WHOLE` of each length, drawn at random: of
all where there are no more. These are also asked beside a proof, and are then the only ones that
are run.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress

import torch
from torch import Tensor

from constructions.decoders.model_form import ModelForm, margin_if_proven
from constructions.decoders.seeding import standard
from constructions.decoders.standard_decoder import Norm, Placement
from constructions.facts.limits import require_runnable
from constructions.following.queries import WAYS, By
from constructions.forms.basis import change_basis
from constructions.forms.noise import add_noise, noise_radius
from constructions.forms.widening import widen
from constructions.guards.errors import DoesNotFit, InternalError
from constructions.model.answering import Answering
from constructions.model.fact_model import FactModel
from verify.kernel.verdict import Verdict
from verify.queries.answers import Recall
from verify.queries.asked import larger
from verify.queries.exported import MOST_NUMBERS, ask
from verify.queries.form_answers import FormAnswers, FormSizes
from verify.queries.form_proof import Made, Noise, proven_form
from verify.queries.original import Original, difference
from verify.queries.recall import check_recall
from verify.queries.rounded import Rounding

MOST_WHOLE = 128
"""So many queries of each length are asked as whole sequences, too."""
UNPROVEN_SLACK = 16
"""k, where no bound helps to choose it."""

Form = Callable[[FactModel], Made]
"""Makes of a construction its form."""


def _basis(model: FactModel) -> Made:
    """In a random orthogonal basis, by whichever bound certifies it; else decided by all queries
    in float64.
    """
    q = _rotation(model)
    for by in WAYS:
        with suppress(DoesNotFit):
            return _turned(model, q, by)
    if model.embedding.weight.dtype != torch.float64:
        raise DoesNotFit(f"in {model.embedding.weight.dtype} another basis may lose an answer")
    # What the bounds cannot prove, running all queries decides.
    return Made(change_basis(model, q, by=None), math.inf)


def _basis_to_be_proven(model: FactModel) -> Made:
    """As `_basis`, by the bound on all queries at once."""
    return _turned(model, _rotation(model), "norms")


def _rotation(model: FactModel) -> Tensor:
    """A random orthogonal basis, always the same, float64 (d_model, d_model)."""
    d = model.shape.d_model
    gaussian = torch.randn(d, d, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    q: Tensor = torch.linalg.qr(gaussian).Q
    return q


def _turned(model: FactModel, q: Tensor, by: By) -> Made:
    """In this basis, certified by this bound."""
    turned = change_basis(model, q, by=by)
    if turned.logit_error is None:
        raise InternalError(
            f"a change of basis by {by} was certified without a bound on its logits' error"
        )
    # either side may be that far from real arithmetic
    return Made(turned, 2 * turned.logit_error)


def _wide(model: FactModel) -> ModelForm:
    """Twice as wide, with a head and a layer more, all of which are 0."""
    shape = model.shape
    return widen(
        model, 2 * shape.d_model, 2 * shape.d_mlp + 1, shape.n_heads + 1, len(shape.layers) + 1
    )


def _the_same(model: FactModel) -> Made:
    """As `_wide`: each logit the same bit for bit; where sums round, which may be added in another
    order, up to what that does to either side.
    """
    claim = margin_if_proven(model)
    exact = claim is not None and not claim.rounds
    return Made(_wide(model), 0.0 if exact else 2 * Rounding(model, model.hops).by_norms())


def _noise(model: FactModel) -> Made:
    """Widened, and with noise of the certified radius on every entry."""
    wide = _wide(model)
    return Made(_noisy(wide, noise_radius(wide, "queries")), math.inf)


def _noise_to_be_proven(model: FactModel) -> Made:
    """As `_noise`, of the radius that holds for all queries at once."""
    wide = _wide(model)
    radius = noise_radius(wide, "norms")
    return Made(_noisy(wide, math.nextafter(radius, 0)), math.inf, Noise(wide, radius))


def _noisy(wide: ModelForm, radius: float) -> ModelForm:
    """With noise of this radius, if it is one."""
    if not radius > 0:
        raise DoesNotFit(
            f"in {wide.embedding.weight.dtype} rounding is not bounded below the margin: no noise"
            " radius"
        )
    return add_noise(wide, radius)


def _standard(norm: Norm | None = None, placement: Placement = "pre", tied: bool = False) -> Form:
    """As a standard decoder, without norms or with norms that do nothing."""

    def form(model: FactModel) -> Made:
        """The decoder, with certified norms or, in float64, norms that all queries decide."""
        try:
            made = standard(model, norm=norm, placement=placement, tied=tied)
        except DoesNotFit:
            if norm is None or model.embedding.weight.dtype != torch.float64:
                raise
            # What the bounds cannot prove, running all queries decides.
            made = standard(
                model, norm=norm, placement=placement, slack=UNPROVEN_SLACK, proven=False
            )
            return Made(made, math.inf)
        # either side may be that far from real arithmetic
        return Made(made, 2 * made.logit_error)

    return form


FORMS: dict[str, Form] = {
    "basis": _basis,
    "wide": _the_same,
    "noise": _noise,
    "standard": _standard(),
    "tied": _standard(tied=True),
    "rmsnorm pre": _standard("rmsnorm", "pre"),
    "rmsnorm post": _standard("rmsnorm", "post"),
    "layernorm pre": _standard("layernorm", "pre"),
    "layernorm post": _standard("layernorm", "post"),
}
TO_BE_PROVEN: dict[str, Form] = {"basis": _basis_to_be_proven, "noise": _noise_to_be_proven}
"""Those that are made otherwise where a proof is to decide."""


def make_form(model: FactModel, form: str, to_be_proven: bool = False) -> Made:
    """Put a construction in another form.

    Args:
        model: the construction.
        form: a name of `FORMS`.
        to_be_proven: whether a proof is to decide.

    Raises:
        DoesNotFit: the form cannot be certified in the model's dtype.
    """
    make = TO_BE_PROVEN.get(form, FORMS[form]) if to_be_proven else FORMS[form]
    return make(model)


def check_form(
    model: FactModel,
    made: Made,
    progress: Callable[[int], None] = lambda queries: None,
    source: Verdict | None = None,
    run: bool = True,
) -> FormAnswers:
    """Run a form on every query and hold its logits against the original's; or say what is proven
    of it.

    Args:
        model: the construction.
        made: its form.
        progress: called with the number of queries done so far, of `n_run(model, run)`.
        source: what the checkers say of the construction; None if nothing is to be proven.
        run: whether all queries are run; else only those that are asked as whole sequences.

    Raises:
        InputError: all queries are to be run, and are too many.
    """
    planned, other = model.n_all_queries(), made.form
    if run:
        require_runnable(planned)
    proven = None if source is None else proven_form(model, made, source)
    recalls, off = _run_all(model, other, progress) if run else ((), 0.0)

    def whole(tokens: Tensor) -> Tensor:
        """The logits (Q, 1, d_vocab) after whole sequences (Q, L)."""
        states, _ = other.states(tokens)
        logits: Tensor = other.unembedding(states[:, -1:])
        return logits

    before = _after(planned if run else 0, progress)
    asked = ask(whole, model, most=MOST_WHOLE, progress=before)
    shape = other.shape
    sizes = FormSizes(
        shape.d_model,
        shape.d_mlp,
        shape.depth,
        shape.n_heads,
        sum(parameter.numel() for parameter in other.parameters()),
    )
    return FormAnswers(sizes, made.allowed, planned, recalls, off, _n_whole(model), asked, proven)


def _run_all(
    model: FactModel, other: Answering, progress: Callable[[int], None]
) -> tuple[tuple[Recall, ...], float]:
    """The passes over all queries, one for each length; and how far a logit is off."""
    beside, recalls, done = _Beside(model, other), list[Recall](), 0
    for hops in model.path_lengths:
        after = _after(done, progress)
        recalls.append(
            check_recall(other, model.facts, hops, "full", progress=after, beside=beside)
        )
        done += recalls[-1].queries
    return tuple(recalls), beside.off


def n_run(model: FactModel, run: bool = True) -> int:
    """How many queries are run of a form of this construction: all of them step by step, if so
    many are run, and some as whole sequences.
    """
    return model.n_all_queries() * run + _n_whole(model)


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
