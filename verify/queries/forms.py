"""Constructions in other forms: every query asked again, and every logit held against the
original's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import torch

from constructions.decoders.model_form import ModelForm
from constructions.decoders.seeding import standard
from constructions.decoders.standard_decoder import Norm, Placement
from constructions.facts.limits import require_runnable
from constructions.following.queries import WAYS
from constructions.forms.rewriting import add_noise, change_basis, noise_radius, widen
from constructions.guards.errors import DoesNotFit, InternalError
from constructions.model.answering import Answering
from constructions.model.fact_model import FactModel
from verify.queries.exported import ask
from verify.queries.recall import check_recall


@dataclass(frozen=True)
class Formed:
    """What was found of a form.

    Attributes:
        model: the construction in its other form.
        allowed: how far a logit may be off; infinite where only answers are claimed.
        faults: everything that is not as claimed; none for a PASS.
        questions: what is undecided; none for a PASS.
        queries, wrong, unknown, margin: over all queries, as `Recall` has them.
        difference: the largest |logit - logit of the original|, over all tokens at the positions
            that answer.
    """

    model: Answering
    allowed: float
    faults: list[str]
    questions: list[str]
    queries: int
    wrong: int
    unknown: int
    margin: float
    difference: float


UNPROVEN_SLACK = 16
"""k, where no bound helps to choose it."""

Form = Callable[[FactModel], tuple[Answering, float]]
"""Makes of a construction its form, and says how far a logit may be off: infinite where only
answers are claimed.
"""


def _basis(model: FactModel) -> tuple[Answering, float]:
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
    shape = model.shape
    return widen(
        model, 2 * shape.d_model, 2 * shape.d_mlp + 1, shape.n_heads + 1, len(shape.layers) + 1
    )


def _noise(model: FactModel) -> tuple[Answering, float]:
    wide = _wide(model)
    radius = noise_radius(wide, "queries")
    if not radius > 0:
        raise DoesNotFit(
            f"in {model.embedding.weight.dtype} rounding is not bounded below the margin: no noise"
            " radius"
        )
    return add_noise(wide, radius), math.inf


def _standard(norm: Norm | None = None, placement: Placement = "pre", tied: bool = False) -> Form:
    def form(model: FactModel) -> tuple[Answering, float]:
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


def formed(model: FactModel, form: str) -> Formed:
    """Make the form and run it on every query.

    Raises:
        DoesNotFit: the form cannot be certified in the model's dtype.
        InputError: there are more queries than are run.
    """
    facts = model.facts
    planned = sum(map(facts.n_queries, model.path_lengths))
    require_runnable(planned)
    other, allowed = FORMS[form](model)
    recalls = [check_recall(other, facts, k, logits="full") for k in model.path_lengths]
    asked = ask(other, model, most=facts.n_queries(model.hops))
    queries, wrong = (
        sum(recall.queries for recall in recalls),
        sum(recall.wrong for recall in recalls),
    )
    margin = min(recall.margin for recall in recalls)
    faults = [recall.defect for recall in recalls if recall.defect is not None]
    unknown = sum(recall.unknown for recall in recalls)
    questions = [recall.reason for recall in recalls if recall.reason is not None]
    if (queries != planned and not questions) or asked.queries != planned:
        faults.append(f"{queries} and {asked.queries} queries were run, there are {planned}")
    if wrong != 0 or (asked.wrong != 0 and not questions):
        faults.append(f"{wrong} wrong answers of step by step, {asked.wrong} of whole sequences")
    if not margin > 0 and not questions:
        faults.append(f"the smallest margin is {margin}, not positive")
    if not asked.difference <= allowed:
        faults.append(f"a logit is off by {asked.difference}, claimed is at most {allowed}")
    return Formed(
        other, allowed, faults, questions, queries, wrong, unknown, margin, asked.difference
    )
